"""JAX on the CPU: a program that jax.export serialised, with its weights inside and dimensions that may vary."""

from __future__ import annotations

import os
import re
import time
from pathlib import Path
from typing import Any, Mapping, Sequence, Tuple

import jax
import numpy as np
from jax import export

from cmx.worker.predictors import PredictorError, TensorInfo, check_feeds
from cmx.worker.process import processors

# How many threads XLA makes on a CPU when it is first used: the one thing that sets their number. There is no way to
# have two numbers in one process, nor to tell it how many of them one operation may use.
_THREADS = "NPROC"

Shapes = Tuple[Tuple[int, ...], ...]


class JaxPredictor:
    """A program that XLA compiles for each shape of inputs when it is first met."""

    def __init__(self, exported: export.Exported, component: Mapping[str, Any], threads: int, load_ns: int) -> None:
        self.inputs = _infos(exported.in_tree, exported.in_avals, component.get("inputs") or (), "input")
        self.outputs = _infos(exported.out_tree, exported.out_avals, component.get("outputs") or (), "output")
        self.load_ns = load_ns
        self._exported = exported
        self._threads = threads
        self._compiled: dict[Shapes, Any] = {}
        self._compile_ns: dict[str, int] = {}

    def predict(self, feeds: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        check_feeds(self.inputs, feeds)
        arrays = [feeds[each.name] for each in self.inputs]
        shapes = tuple(array.shape for array in arrays)
        answers = (self._compiled.get(shapes) or self._compile(shapes))(arrays)
        return {each.name: np.asarray(answer) for each, answer in zip(self.outputs, answers)}

    def describe(self) -> dict[str, Any]:
        return {
            "framework": "jax",
            "version": jax.__version__,
            "device": "cpu",
            "precision": _precision(self._exported),
            "threads": self._threads,
            "compile_ns": dict(self._compile_ns),
        }

    def close(self) -> None:
        self._compiled.clear()

    def _compile(self, shapes: Shapes) -> Any:
        started = time.perf_counter_ns()
        tree, call = self._exported.in_tree, self._exported.call

        def flat(arrays: Sequence[Any]) -> Any:
            positional, named = jax.tree_util.tree_unflatten(tree, arrays)
            return jax.tree_util.tree_leaves(call(*positional, **named))

        like = [jax.ShapeDtypeStruct(shape, aval.dtype) for shape, aval in zip(shapes, self._exported.in_avals)]
        compiled = self._compiled[shapes] = jax.jit(flat).lower(like).compile()
        self._compile_ns[" ".join("x".join(map(str, shape)) for shape in shapes)] = time.perf_counter_ns() - started
        return compiled


def load(model: Path, component: Mapping[str, Any], settings: Mapping[str, Any]) -> JaxPredictor:
    _start(settings["threads"])
    started = time.perf_counter_ns()
    try:
        exported = export.deserialize(bytearray(model.read_bytes()))
    except MemoryError:
        raise
    except Exception as error:  # a bad file fails wherever its first wrong byte leads the reader
        raise PredictorError(f"{model}: JAX {jax.__version__} cannot load it: {error}") from error
    if "cpu" not in exported.platforms:
        raise PredictorError(f"{model}: the program was exported for {', '.join(exported.platforms)}, not for cpu")
    return JaxPredictor(exported, component, settings["threads"], time.perf_counter_ns() - started)


def _start(threads: int) -> None:
    """Give XLA its number of threads, before it makes them; 64-bit inputs stay what they are."""
    asked = str(threads or processors())
    if os.environ.setdefault(_THREADS, asked) != asked:
        raise PredictorError(
            f"{asked} threads were asked for, and JAX runs with {os.environ[_THREADS]} in this process already, "
            "which it cannot change"
        )
    jax.config.update("jax_platforms", "cpu")
    jax.config.update("jax_enable_x64", True)
    jax.devices()


def _infos(tree: Any, avals: Sequence[Any], named: Sequence[Mapping[str, Any]], what: str) -> Tuple[TensorInfo, ...]:
    """Inputs or outputs, by the names that the program has for them, else by the model's own in their order."""
    leaves, _ = jax.tree_util.tree_flatten_with_path(jax.tree_util.tree_unflatten(tree, avals))
    return tuple(
        TensorInfo(_name(path, index, named, what), aval.dtype.name, tuple(map(_size, aval.shape)))
        for index, (path, aval) in enumerate(leaves)
    )


def _name(path: Sequence[Any], index: int, named: Sequence[Mapping[str, Any]], what: str) -> str:
    if path and isinstance(path[-1], jax.tree_util.DictKey):
        return str(path[-1].key)
    return str(named[index]["name"]) if index < len(named) else f"{what}_{index}"


def _size(dimension: Any) -> Any:
    """A number, or the name (or the expression) of a dimension that varies."""
    return dimension if isinstance(dimension, int) else str(dimension)


def _precision(exported: export.Exported) -> str:
    """The narrowest floats of the program."""
    found = set(re.findall(r"[<x](bf16|f16)>", exported.mlir_module()))
    return {"bf16": "bfloat16", "f16": "float16"}[min(found)] if found else "float32"
