"""ONNX Runtime on the CPU."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any, Mapping

import numpy as np
import onnxruntime

from cmx.worker.predictors import PredictorError, TensorInfo, choose

_PROVIDERS = ["CPUExecutionProvider"]
_LEVELS = {
    "disable": onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL,
    "basic": onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC,
    "extended": onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED,
    "all": onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL,
}
# ONNX Runtime's names of types that differ from numpy's.
_DTYPES = {"float": "float32", "double": "float64", "string": "str"}
# Errors only: saving a fully optimised graph warns that it is for this machine, which is what it is meant for.
_LOG_SEVERITY = 3


class OnnxRuntimePredictor:
    """An inference session, running its nodes one after the other."""

    def __init__(self, session: onnxruntime.InferenceSession, settings: dict[str, Any], load_ns: int) -> None:
        self.inputs = tuple(map(_tensor_info, session.get_inputs()))
        self.outputs = tuple(map(_tensor_info, session.get_outputs()))
        self.load_ns = load_ns
        self._settings = {**settings, "providers": session.get_providers()}
        self._names = [output.name for output in self.outputs]
        self._session = session

    def predict(self, feeds: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        return dict(zip(self._names, self._session.run(self._names, feeds)))

    def describe(self) -> dict[str, Any]:
        return dict(self._settings)

    def close(self) -> None:
        del self._session


def load(model: Path, component: Mapping[str, Any], settings: Mapping[str, Any]) -> OnnxRuntimePredictor:
    level = "disable" if settings["compiled"] else settings["graph_optimisation"]
    options = _options(settings["threads"], level)
    allow = "1" if settings["spinning"] else "0"
    options.add_session_config_entry("session.intra_op.allow_spinning", allow)
    options.add_session_config_entry("session.inter_op.allow_spinning", allow)
    described = {**_describe(settings["threads"], level), "spinning": settings["spinning"]}
    session, load_ns = _session(model, options)
    return OnnxRuntimePredictor(session, described, load_ns)


def optimise(source: Path, destination: Path, settings: Mapping[str, Any]) -> dict[str, Any]:
    level, partial = settings["graph_optimisation"], destination.with_name(destination.name + ".partial")
    options = _options(settings["threads"], level)
    options.optimized_model_filepath = str(partial)
    _, optimise_ns = _session(source, options)
    partial.replace(destination)
    sizes = {"bytes_before": source.stat().st_size, "bytes_after": destination.stat().st_size}
    return {**_describe(settings["threads"], level), "optimise_ns": optimise_ns, **sizes}


def _options(threads: int, graph_optimisation: str) -> onnxruntime.SessionOptions:
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = _LEVELS[choose("graph optimisation", graph_optimisation, list(_LEVELS))]
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.log_severity_level = _LOG_SEVERITY
    return options


def _session(model: Path, options: onnxruntime.SessionOptions) -> tuple[onnxruntime.InferenceSession, int]:
    """The session and the time it took; onnxruntime's errors share no base class of their own."""
    started = time.perf_counter_ns()
    try:
        session = onnxruntime.InferenceSession(str(model), options, providers=_PROVIDERS)
    except MemoryError:
        raise
    except Exception as error:
        raise PredictorError(f"{model}: onnxruntime {onnxruntime.__version__} cannot load it: {error}") from error
    return session, time.perf_counter_ns() - started


def _describe(threads: int, graph_optimisation: str) -> dict[str, Any]:
    return {
        "framework": "onnxruntime",
        "version": onnxruntime.__version__,
        "providers": _PROVIDERS,
        "device": "cpu",
        "threads": threads,
        "inter_op_threads": 1,
        "execution_mode": "sequential",
        "graph_optimisation": graph_optimisation,
    }


def _tensor_info(node: Any) -> TensorInfo:
    dtype = node.type[len("tensor(") : -1] if node.type.startswith("tensor(") else node.type
    return TensorInfo(node.name, _DTYPES.get(dtype, dtype), tuple(node.shape))
