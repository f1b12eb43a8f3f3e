"""PyTorch: programs of torch.export (``.pt2``), run eagerly or compiled, and TorchScript.

An exported program is the model's own operators in order, so what runs eagerly here is what the model's Python would
call, less that Python's own work between them (measured: EfficientNet-Lite0's module takes as long).
"""

from __future__ import annotations

import importlib
import json
import tempfile
import time
import warnings
from collections import Counter
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Callable, Iterator, Mapping, Optional, Sequence

import numpy as np
import torch

from cmx.worker.predictors import PredictorError, TensorInfo, check_feeds

_NAMES = "cmx_names"


class TorchPredictor:
    """A callable on tensors, with names for what goes in and what comes out."""

    def __init__(self, run: Callable[..., Any], names: Mapping[str, Any], described: Mapping[str, Any]) -> None:
        self.inputs = tuple(TensorInfo(name, dtype, tuple(shape)) for name, dtype, shape in names["inputs"])
        self.outputs = tuple(TensorInfo(name, dtype, tuple(shape)) for name, dtype, shape in names["outputs"])
        self.load_ns = 0
        self._run = run
        self._device = torch.device(described["device"])
        self._scalars = [dtype in _SCALARS for _, dtype, _ in names["inputs"]]
        self._described = dict(described)

    def predict(self, feeds: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        check_feeds(self.inputs, feeds)
        with torch.inference_mode():
            given = [self._argument(feeds[each.name], scalar) for each, scalar in zip(self.inputs, self._scalars)]
            found = self._run(*given)
            tensors = found if isinstance(found, (tuple, list)) else (found,)
            return {each.name: tensor.cpu().numpy() for each, tensor in zip(self.outputs, tensors)}

    def _argument(self, array: np.ndarray, scalar: bool) -> Any:
        if scalar:
            return np.asarray(array).item()
        tensor = torch.from_numpy(array if array.flags.writeable else array.copy())
        return tensor if self._device.type == "cpu" else tensor.to(self._device)

    def describe(self) -> dict[str, Any]:
        return dict(self._described)

    def close(self) -> None:
        del self._run


# What TorchScript may take beside tensors, as in silero's forward(x, sr: int).
_SCALARS = ("int", "float", "bool")


def load(model: Path, component: Mapping[str, Any], settings: Mapping[str, Any]) -> TorchPredictor:
    _set_up(settings)
    started = time.perf_counter_ns()
    with _refusals(model, settings), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch warns of its own deprecations
        predictor = _load(model, component, settings)
    predictor.load_ns = time.perf_counter_ns() - started
    return predictor


def _load(model: Path, component: Mapping[str, Any], settings: Mapping[str, Any]) -> TorchPredictor:
    described = _describe(settings)
    if settings["compiled"]:
        return _package(model, component, described)
    if model.suffix != ".pt2":
        return _script(model, component, described)
    program = torch.export.load(str(model))
    if settings["execution"] == "export":
        with tempfile.TemporaryDirectory() as folder:
            package = Path(folder) / "model.pt2"
            _compile(program, package, settings)
            return _package(package, component, described)
    names = _program_names(program)
    run: Any = program.module().to(settings["device"])
    described["precision"] = _precision(program.state_dict.values())
    if settings["execution"] == "compile":
        run = torch.compile(run)
        with torch.inference_mode():
            run(*_zeros(names["inputs"], settings["device"]))  # it compiles when it is first called
    return TorchPredictor(run, _named(names, component), described)


def optimise(source: Path, destination: Path, settings: Mapping[str, Any]) -> Optional[dict[str, Any]]:
    """Compile ahead of time (AOTInductor) where ``execution`` is "export"; there is nothing to prepare otherwise."""
    if settings["execution"] != "export" or source.suffix != ".pt2":
        return None
    _set_up(settings)
    started, partial = time.perf_counter_ns(), destination.with_name(f"partial-{destination.name}")
    with _refusals(source, settings), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        _compile(torch.export.load(str(source)), partial, settings)
    partial.replace(destination)
    return {**_describe(settings), "optimise_ns": time.perf_counter_ns() - started}


def _set_up(settings: Mapping[str, Any]) -> None:
    if settings["device"] == "cuda" and not torch.cuda.is_available():
        built = torch.version.cuda
        why = f"built for CUDA {built}, and sees no GPU" if built else "built without CUDA"
        remedy = "look at nvidia-smi and its driver" if built else "install a CUDA build of torch"
        raise PredictorError(f"device cuda: torch {torch.__version__} is {why}", f"{remedy}, or --set device=cpu")
    if settings["threads"]:
        torch.set_num_threads(settings["threads"])


def _compile(program: torch.export.ExportedProgram, package: Path, settings: Mapping[str, Any]) -> None:
    """Write a package of compiled code that knows its names; the number of threads is compiled in."""
    if settings["device"] != "cpu":
        passes: Any = importlib.import_module("torch.export.passes")
        program = passes.move_to_device_pass(program, settings["device"])
    names = {**_program_names(program), "precision": _precision(program.state_dict.values())}
    metadata = {_NAMES: json.dumps(names), "threads": str(torch.get_num_threads())}
    torch._inductor.aoti_compile_and_package(
        program, package_path=str(package), inductor_configs={"aot_inductor.metadata": metadata}
    )


def _package(package: Path, component: Mapping[str, Any], described: dict[str, Any]) -> TorchPredictor:
    run = torch._inductor.aoti_load_package(str(package))
    metadata = run.loader.get_metadata()
    names = json.loads(metadata[_NAMES])
    described |= {"precision": names["precision"], "compiled_for_threads": int(metadata["threads"])}
    return TorchPredictor(run, _named(names, component), described)


def _script(model: Path, component: Mapping[str, Any], described: dict[str, Any]) -> TorchPredictor:
    if described["execution"] != "eager":
        raise PredictorError(
            f"{model.name} is TorchScript, which runs as it is: execution {described['execution']} needs a .pt2",
            "--set execution=eager",
        )
    module: Any = torch.jit.load(str(model), map_location=described["device"]).eval()  # type: ignore[no-untyped-call]
    arguments = module.forward.schema.arguments[1:]
    inputs = [(each.name, _SCALAR_TYPES.get(str(each.type), "float32"), ()) for each in arguments]
    outputs = [(f"output_{number}", "float32", ()) for number, _ in enumerate(_returned(module))]
    described |= {"execution": "torchscript", "precision": _precision([*module.parameters(), *module.buffers()])}
    return TorchPredictor(module, _named({"inputs": inputs, "outputs": outputs}, component), described)


_SCALAR_TYPES = {"int": "int", "float": "float", "bool": "bool"}


def _returned(module: Any) -> Sequence[Any]:
    kind = module.forward.schema.returns[0].type
    return list(kind.elements()) if kind.kind() == "TupleType" else [kind]


def _program_names(program: torch.export.ExportedProgram) -> dict[str, Any]:
    """Inputs as the program's ``forward`` names them; outputs as its last operators are called."""
    values = {node.name: node.meta.get("val") for node in program.graph.nodes}
    signature = program.graph_signature
    return {
        "inputs": [_info(name, values[name]) for name in signature.user_inputs],
        "outputs": [_info(name, values[name]) for name in signature.user_outputs],
    }


def _info(name: str, value: Any) -> tuple[str, str, list[Optional[int]]]:
    shape = [side if isinstance(side, int) else None for side in value.shape]
    return name, str(value.dtype).rpartition(".")[2], shape


def _named(names: Mapping[str, Any], component: Mapping[str, Any]) -> dict[str, Any]:
    """The model's component knows better: what its inputs and outputs are called, and which dimension is the batch."""
    return {key: [_better(*pair) for pair in _paired(names[key], component.get(key))] for key in ("inputs", "outputs")}


def _paired(found: Sequence[Any], said: Optional[Sequence[Any]]) -> list[tuple[Any, Any]]:
    said = said or [None] * len(found)
    if len(said) != len(found):
        raise PredictorError(f"the program has {len(found)} ({', '.join(n for n, *_ in found)}), not {len(said)}")
    return list(zip(found, said))


def _better(found: Any, said: Any) -> tuple[str, str, tuple[Any, ...]]:
    name, dtype, shape = found
    if said is None:
        return name, dtype, tuple(shape)
    return said["name"], dtype if dtype in _SCALARS else said["dtype"], tuple(said["shape"])


def _zeros(inputs: Sequence[Any], device: str) -> list[torch.Tensor]:
    sized = [([side or 1 for side in shape], getattr(torch, dtype)) for _, dtype, shape in inputs]
    return [torch.zeros(shape, dtype=dtype, device=device) for shape, dtype in sized]


def _precision(tensors: Any) -> str:
    """The type of most of the weights."""
    sizes: Counter[str] = Counter()
    for tensor in tensors:
        sizes[str(tensor.dtype).rpartition(".")[2]] += tensor.numel()
    return sizes.most_common(1)[0][0] if sizes else "unknown"


def _describe(settings: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "framework": "torch",
        "version": torch.__version__,
        "device": settings["device"],
        "threads": settings["threads"],
        "intra_op_threads": torch.get_num_threads(),
        "execution": settings["execution"],
        "matmul_precision": torch.get_float32_matmul_precision(),
    }


@contextmanager
def _refusals(model: Path, settings: Mapping[str, Any]) -> Iterator[None]:
    """Whatever torch raises becomes a PredictorError: its errors share no base class of their own."""
    try:
        yield
    except (PredictorError, MemoryError):
        raise
    except Exception as error:
        said = (str(error).strip().splitlines() or [type(error).__name__])[0]
        if settings["execution"] != "eager" and "compiler" in str(error).lower():
            message = f"torch {torch.__version__} cannot compile {model.name}: {said}"
            raise PredictorError(message, "it needs a C++ compiler (g++), or --set execution=eager") from error
        raise PredictorError(f"{model}: torch {torch.__version__} cannot load it: {said}") from error
