"""LiteRT, TensorFlow Lite's successor, on the CPU. A model quantised to its edges is given, and gives, floats."""

from __future__ import annotations

import importlib.metadata
import time
from collections import OrderedDict
from pathlib import Path
from typing import Any, Callable, Mapping, NamedTuple, Optional, Sequence, Tuple

import numpy as np
from ai_edge_litert.interpreter import Interpreter, OpResolverType

from cmx.worker.predictors import PredictorError, TensorInfo, check_feeds

_VERSION = importlib.metadata.version("ai-edge-litert")
# Interpreters kept for shapes of inputs met before: each holds the weights as its kernels want them.
_KEPT = 4

Shapes = Tuple[Tuple[int, ...], ...]


class _Edge(NamedTuple):
    """An input or an output: its tensor, and how floats become what it holds, where it is quantised."""

    tensor: int
    name: str
    dtype: Any
    shape: Tuple[int, ...]
    scale: float
    zero_point: int

    @property
    def quantised(self) -> bool:
        return bool(self.scale) and np.issubdtype(self.dtype, np.integer)

    def info(self) -> TensorInfo:
        shape = tuple(None if size < 0 else int(size) for size in self.shape)
        return TensorInfo(self.name, "float32" if self.quantised else np.dtype(self.dtype).name, shape)

    def inward(self, values: np.ndarray) -> np.ndarray:
        """What the tensor holds for these values: real = scale x (integer - zero point)."""
        if not self.quantised:
            return values
        limits = np.iinfo(self.dtype)
        steps = np.rint(values / np.float32(self.scale)) + self.zero_point
        held: np.ndarray = np.clip(steps, limits.min, limits.max).astype(self.dtype)
        return held

    def outward(self, held: np.ndarray) -> np.ndarray:
        """The values that the tensor holds."""
        if not self.quantised:
            return held
        values: np.ndarray = (held.astype(np.float32) - self.zero_point) * np.float32(self.scale)
        return values


class LiteRtPredictor:
    """An interpreter for each of the last few shapes of inputs: to resize one costs as much as to load it."""

    def __init__(self, make: Callable[[], Interpreter], settings: Mapping[str, Any]) -> None:
        started = time.perf_counter_ns()
        first = make()
        self._edges_in, self._edges_out = _edges(first)
        self.inputs = tuple(edge.info() for edge in self._edges_in)
        self.outputs = tuple(edge.info() for edge in self._edges_out)
        shapes = tuple(tuple(1 if size < 0 else size for size in edge.shape) for edge in self._edges_in)
        self._make = make
        self._ready: OrderedDict[Shapes, Interpreter] = OrderedDict()
        self._prepare(first, shapes)
        self.load_ns = time.perf_counter_ns() - started
        self._description = _describe(first, settings)

    def predict(self, feeds: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        check_feeds(self.inputs, feeds)
        interpreter = self._interpreter(tuple(feeds[edge.name].shape for edge in self._edges_in))
        for edge in self._edges_in:
            interpreter.set_tensor(edge.tensor, edge.inward(feeds[edge.name]))
        interpreter.invoke()
        return {edge.name: edge.outward(interpreter.get_tensor(edge.tensor)) for edge in self._edges_out}

    def describe(self) -> dict[str, Any]:
        return dict(self._description)

    def close(self) -> None:
        self._ready.clear()

    def _interpreter(self, shapes: Shapes) -> Interpreter:
        found = self._ready.get(shapes)
        if found is None:
            if len(self._ready) == _KEPT:
                self._ready.popitem(last=False)
            found = self._prepare(self._make(), shapes)
        return found

    def _prepare(self, interpreter: Interpreter, shapes: Shapes) -> Interpreter:
        for edge, shape in zip(self._edges_in, shapes):
            if shape != edge.shape:
                interpreter.resize_tensor_input(edge.tensor, shape, strict=True)
        interpreter.allocate_tensors()
        self._ready[shapes] = interpreter
        return interpreter


def optimise(source: Path, destination: Path, settings: Mapping[str, Any]) -> Optional[dict[str, Any]]:
    """Quantise the model; there is nothing to do where that is not asked for."""
    if settings["quantisation"] == "none":
        return None
    from .tflite_quantise import quantise

    partial = destination.with_name(f"partial-{destination.name}")
    facts: dict[str, Any] = quantise(source, partial, settings["quantisation"], settings["calibration"])
    partial.replace(destination)
    return facts


def load(model: Path, component: Mapping[str, Any], settings: Mapping[str, Any]) -> LiteRtPredictor:
    if settings["quantisation"] != "none" and not settings["compiled"]:
        raise PredictorError(
            f"quantisation {settings['quantisation']} is what the compile step does, and there was none",
            "run a workflow with a step compile",
        )
    resolver = OpResolverType.AUTO if settings["xnnpack"] else OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES

    def make() -> Interpreter:
        return Interpreter(
            model_path=str(model),
            num_threads=settings["threads"] or None,
            experimental_op_resolver_type=resolver,
        )

    try:
        return LiteRtPredictor(make, settings)
    except (ValueError, RuntimeError) as error:
        raise PredictorError(f"{model}: LiteRT {_VERSION} cannot load it: {error}") from error


def _edges(interpreter: Interpreter) -> Tuple[Tuple[_Edge, ...], Tuple[_Edge, ...]]:
    """The inputs and outputs, by the names of the model's signature where it has one."""
    signatures = interpreter.get_signature_list()
    names: dict[int, str] = {}
    if len(signatures) == 1:
        runner = interpreter.get_signature_runner(next(iter(signatures)))
        details = {**runner.get_input_details(), **runner.get_output_details()}
        names = {detail["index"]: name for name, detail in details.items()}
    inputs, outputs = interpreter.get_input_details(), interpreter.get_output_details()
    return _named(inputs, names), _named(outputs, names)


def _named(details: Sequence[Mapping[str, Any]], names: Mapping[int, str]) -> Tuple[_Edge, ...]:
    return tuple(
        _Edge(
            each["index"],
            names.get(each["index"]) or each["name"],
            each["dtype"],
            tuple(int(size) for size in each["shape_signature"]),
            *each["quantization"],
        )
        for each in details
    )


def _describe(interpreter: Interpreter, settings: Mapping[str, Any]) -> dict[str, Any]:
    """``delegated`` counts the nodes that XNNPACK took, whole parts of the graph each."""
    kinds = [str(each["op_name"]) for each in interpreter._get_ops_details()]
    return {
        "framework": "ai-edge-litert",
        "version": _VERSION,
        "device": "cpu",
        "precision": _precision(interpreter),
        "threads": settings["threads"],
        "xnnpack": settings["xnnpack"],
        "quantisation": settings["quantisation"],
        "delegated": kinds.count("DELEGATE"),
    }


def _precision(interpreter: Interpreter) -> str:
    """int8 where any weight is; what is computed is what the file says."""
    dtypes = {np.dtype(each["dtype"]).name for each in interpreter.get_tensor_details()}
    return next((name for name in ("int8", "float16") if name in dtypes), "float32")
