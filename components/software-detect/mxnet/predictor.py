"""Apache MXNet on the CPU: a folder with NAME-symbol.json and NAME-0000.params, as MXNet itself exports a network."""

from __future__ import annotations

import importlib
import os
import sys
import time
from collections import OrderedDict
from pathlib import Path
from types import ModuleType
from typing import Any, Mapping, NamedTuple, Sequence, Tuple

import numpy as np

from cmx.worker.predictors import PredictorError, TensorInfo, check_feeds, only_file
from cmx.worker.process import processors

# Read once, when MXNet is imported: a process has one number of threads, for operations and for running them.
_THREADS = "OMP_NUM_THREADS"
# Executors kept for shapes of inputs met before.
_KEPT = 4

Shapes = Tuple[Tuple[int, ...], ...]


class _Network(NamedTuple):
    """A symbol and its parameters; ``precision`` is that of its operations."""

    symbol: Any
    arguments: Mapping[str, Any]
    auxiliary: Mapping[str, Any]
    precision: str

    @property
    def inputs(self) -> Tuple[str, ...]:
        """What is no parameter; the label of a loss, which only training reads, is left to MXNet."""
        names = (name for name in self.symbol.list_arguments() if name not in self.arguments)
        return tuple(name for name in names if not name.endswith("_label"))


class MxnetPredictor:
    """An executor for each of the last few shapes of inputs."""

    def __init__(self, mxnet: ModuleType, network: _Network, component: Mapping[str, Any], threads: int) -> None:
        self._mxnet, self._network, self._threads = mxnet, network, threads
        self._names = network.inputs
        self._dtypes = {each["name"]: each["dtype"] for each in component.get("inputs") or ()}
        self._ready: OrderedDict[Shapes, Any] = OrderedDict()
        shapes = _shapes(network, component)
        bound = self._bind(tuple(tuple(size or 1 for size in shape) for shape in shapes))
        self.inputs = tuple(
            TensorInfo(name, _dtype(bound.arg_dict[name]), tuple(size or None for size in shape))
            for name, shape in zip(self._names, shapes)
        )
        self.outputs = _outputs(network, dict(zip(self._names, shapes)), bound)
        self.load_ns = 0

    def predict(self, feeds: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        check_feeds(self.inputs, feeds)
        shapes = tuple(feeds[name].shape for name in self._names)
        executor = self._ready.get(shapes) or self._bind(shapes)
        answers = executor.forward(is_train=False, **feeds)
        return {each.name: answer.asnumpy() for each, answer in zip(self.outputs, answers)}

    def describe(self) -> dict[str, Any]:
        return {
            "framework": "mxnet",
            "version": self._mxnet.__version__,
            "device": "cpu",
            "precision": self._network.precision,
            "threads": self._threads,
            "onednn": bool(self._mxnet.runtime.Features().is_enabled("MKLDNN")),
        }

    def close(self) -> None:
        self._ready.clear()

    def _bind(self, shapes: Shapes) -> Any:
        """An executor with its own memory for these shapes; the parameters are copied into it."""
        if len(self._ready) == _KEPT:
            self._ready.popitem(last=False)
        named = dict(zip(self._names, shapes))
        types = {name: self._dtypes.get(name, "float32") for name in named}
        executor = self._network.symbol.simple_bind(self._mxnet.cpu(), grad_req="null", type_dict=types, **named)
        executor.copy_params_from(self._network.arguments, self._network.auxiliary, allow_extra_params=True)
        self._ready[shapes] = executor
        return executor


def load(model: Path, component: Mapping[str, Any], settings: Mapping[str, Any]) -> MxnetPredictor:
    symbol, parameters = only_file(model, "*-symbol.json"), only_file(model, "*.params")
    mxnet = _import(settings["threads"])
    started = time.perf_counter_ns()
    try:
        network = _read(mxnet, symbol, parameters)
        predictor = MxnetPredictor(mxnet, network, component, settings["threads"])
    except (RuntimeError, OSError, ValueError) as error:
        raise PredictorError(f"{model}: MXNet {mxnet.__version__} cannot load it: {_reason(error)}") from error
    predictor.load_ns = time.perf_counter_ns() - started
    return predictor


def _import(threads: int) -> ModuleType:
    asked = str(threads or processors())
    if "mxnet" in sys.modules and os.environ.get(_THREADS) != asked:
        raise PredictorError(
            f"{asked} threads were asked for, and MXNet runs with {os.environ.get(_THREADS)} in this process already, "
            "which it cannot change"
        )
    os.environ[_THREADS] = asked
    return importlib.import_module("mxnet")  # only now: it reads the variable as it is imported


def _read(mxnet: ModuleType, symbol: Path, parameters: Path) -> _Network:
    named = mxnet.nd.load(str(parameters))
    if not isinstance(named, dict):
        raise ValueError(f"{parameters.name} has no names of parameters")
    arguments, auxiliary = (
        {name.partition(":")[2]: value for name, value in named.items() if name.startswith(prefix)}
        for prefix in ("arg:", "aux:")
    )
    return _Network(mxnet.sym.load(str(symbol)), arguments, auxiliary, _precision(symbol, arguments))


def _precision(symbol: Path, arguments: Mapping[str, Any]) -> str:
    """The narrowest numbers of the graph and its parameters."""
    text = symbol.read_text(encoding="utf-8")
    if "_contrib_quantize" in text:
        return "int8"
    if '"bfloat16"' in text:
        return "bfloat16"
    half = '"float16"' in text or any(_dtype(each) == "float16" for each in arguments.values())
    return "float16" if half else "float32"


def _shapes(network: _Network, component: Mapping[str, Any]) -> Tuple[Tuple[int, ...], ...]:
    """The inputs' shapes, 0 for a dimension that varies: the symbol's own, else those that the model's component says.

    Raises PredictorError where neither does.
    """
    found, _, _ = network.symbol.infer_shape_partial()
    own = dict(zip(network.symbol.list_arguments(), found))
    said = {
        each["name"]: [d if isinstance(d, int) else 0 for d in each["shape"]] for each in component.get("inputs") or ()
    }
    shapes = {name: tuple(own.get(name) or said.get(name) or ()) for name in network.inputs}
    unknown = [name for name, shape in shapes.items() if not shape]
    if unknown:
        raise PredictorError(
            f"neither the symbol nor the model's component says the shape of its input {unknown[0]!r}",
            "name it under inputs: in the model's component.yaml",
        )
    return tuple(shapes[name] for name in network.inputs)


def _outputs(network: _Network, shapes: Mapping[str, Sequence[int]], bound: Any) -> Tuple[TensorInfo, ...]:
    """By the names of the operations that give them: MXNet adds ``_output`` where an operation gives one."""
    _, found, _ = network.symbol.infer_shape_partial(**shapes)
    names = [name[: -len("_output")] if name.endswith("_output") else name for name in network.symbol.list_outputs()]
    return tuple(
        TensorInfo(name, _dtype(array), tuple(size or None for size in shape))
        for name, shape, array in zip(names, found, bound.outputs)
    )


def _dtype(array: Any) -> str:
    return str(np.dtype(array.dtype).name)


def _reason(error: Exception) -> str:
    """MXNet's messages begin with C++ files and lines; what was wrong stands after its error's name, or last."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
    return next((line for line in lines if line.startswith("MXNetError: ")), lines[-1])
