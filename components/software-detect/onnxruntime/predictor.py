"""ONNX Runtime, with the execution provider that is asked for and no other."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any, Mapping, NamedTuple, Optional

import numpy as np
import onnxruntime

from cmx.worker.predictors import PredictorError, TensorInfo, check_feeds, choose

from .weights import precision


class Provider(NamedTuple):
    """An execution provider: ONNX Runtime's name of it, the device, and how a build with it is had."""

    name: str
    device: str
    remedy: str = ""


_PROVIDERS = {
    "cpu": Provider("CPUExecutionProvider", "cpu"),
    "cuda": Provider("CUDAExecutionProvider", "cuda", "the package onnxruntime-gpu has it"),
    "tensorrt": Provider("TensorrtExecutionProvider", "cuda", "the package onnxruntime-gpu has it, with TensorRT"),
    "rocm": Provider("ROCMExecutionProvider", "rocm", "AMD's package onnxruntime-rocm has it"),
    "migraphx": Provider("MIGraphXExecutionProvider", "rocm", "AMD's package onnxruntime-migraphx has it"),
    "directml": Provider("DmlExecutionProvider", "directml", "the package onnxruntime-directml has it, on Windows"),
    "openvino": Provider("OpenVINOExecutionProvider", "cpu", "the package onnxruntime-openvino has it"),
    "coreml": Provider("CoreMLExecutionProvider", "coreml", "the package onnxruntime has it on macOS"),
}
onnxruntime.disable_telemetry_events()
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

    def __init__(self, session: onnxruntime.InferenceSession, described: Mapping[str, Any], load_ns: int) -> None:
        self.inputs = tuple(map(_tensor_info, session.get_inputs()))
        self.outputs = tuple(map(_tensor_info, session.get_outputs()))
        self.load_ns = load_ns
        self._described = {**described, "providers": session.get_providers()}
        self._names = [output.name for output in self.outputs]
        self._session = session

    def predict(self, feeds: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        check_feeds(self.inputs, feeds)
        return dict(zip(self._names, self._session.run(self._names, feeds)))

    def describe(self) -> dict[str, Any]:
        return dict(self._described)

    def close(self) -> None:
        del self._session


def load(model: Path, component: Mapping[str, Any], settings: Mapping[str, Any]) -> OnnxRuntimePredictor:
    if settings["quantisation"] != "none" and not settings["compiled"]:
        raise PredictorError(
            f"quantisation {settings['quantisation']} is what the compile step does, and there was none for the CPU",
            "run a workflow with a step compile, with execution-provider cpu",
        )
    level = "disable" if settings["compiled"] else settings["graph_optimisation"]
    options = _options(settings["threads"], level)
    allow = "1" if settings["spinning"] else "0"
    options.add_session_config_entry("session.intra_op.allow_spinning", allow)
    options.add_session_config_entry("session.inter_op.allow_spinning", allow)
    session, load_ns = _session(model, options, settings["execution_provider"])
    described = {**_describe(settings, level), "precision": precision(model), "spinning": settings["spinning"]}
    return OnnxRuntimePredictor(session, described, load_ns)


def optimise(source: Path, destination: Path, settings: Mapping[str, Any]) -> Optional[dict[str, Any]]:
    """Save the graph as the CPU's provider has it; others compile what cannot be saved, whenever they load it."""
    if _available(settings["execution_provider"]).name != _PROVIDERS["cpu"].name:
        return None
    quantised, facts = destination.with_name(destination.name + ".quantised"), {}
    if settings["quantisation"] != "none":
        from .quantise import quantise

        facts = quantise(source, quantised, settings["quantisation"], settings["calibration"])
    level, partial = settings["graph_optimisation"], destination.with_name(destination.name + ".partial")
    options = _options(settings["threads"], level)
    options.optimized_model_filepath = str(partial)
    _, optimise_ns = _session(quantised if facts else source, options, "cpu")
    partial.replace(destination)
    quantised.unlink(missing_ok=True)
    sizes = {"bytes_before": source.stat().st_size, "bytes_after": destination.stat().st_size}
    return {**_describe(settings, level), **facts, "optimise_ns": optimise_ns, **sizes}


def _options(threads: int, graph_optimisation: str) -> onnxruntime.SessionOptions:
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = _LEVELS[choose("graph optimisation", graph_optimisation, list(_LEVELS))]
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.log_severity_level = _LOG_SEVERITY
    return options


def _session(model: Path, options: onnxruntime.SessionOptions, wanted: str) -> tuple[onnxruntime.InferenceSession, int]:
    """The session and the time it took; onnxruntime's errors share no base class of their own."""
    provider = _available(wanted)
    started = time.perf_counter_ns()
    try:
        session = onnxruntime.InferenceSession(str(model), options, providers=[provider.name])
    except MemoryError:
        raise
    except Exception as error:
        raise PredictorError(f"{model}: onnxruntime {onnxruntime.__version__} cannot load it: {error}") from error
    load_ns = time.perf_counter_ns() - started
    if session.get_providers()[0] != provider.name:
        raise PredictorError(
            f"execution-provider {wanted}: onnxruntime {onnxruntime.__version__} has it, and cannot use it here; "
            f"it would have run on {', '.join(session.get_providers())}",
            f"the {provider.device} device, its driver or its libraries are missing; or --set execution-provider=cpu",
        )
    return session, load_ns


def _available(wanted: str) -> Provider:
    """The provider, if this build of ONNX Runtime has it: without asking, it would silently take the CPU."""
    provider = _PROVIDERS[choose("execution provider", wanted, list(_PROVIDERS))]
    there = onnxruntime.get_available_providers()
    if provider.name not in there:
        names = [name for name, each in _PROVIDERS.items() if each.name in there]
        raise PredictorError(
            f"execution-provider {wanted}: onnxruntime {onnxruntime.__version__} as installed has no {provider.name}; "
            f"it has {', '.join(names)}",
            f"{provider.remedy}; or --set execution-provider=cpu",
        )
    return provider


def _describe(settings: Mapping[str, Any], level: str) -> dict[str, Any]:
    return {
        "framework": "onnxruntime",
        "version": onnxruntime.__version__,
        "execution_provider": settings["execution_provider"],
        "device": _PROVIDERS[settings["execution_provider"]].device,
        "threads": settings["threads"],
        "inter_op_threads": 1,
        "execution_mode": "sequential",
        "graph_optimisation": level,
        "quantisation": settings["quantisation"],
    }


def _tensor_info(node: Any) -> TensorInfo:
    dtype = node.type[len("tensor(") : -1] if node.type.startswith("tensor(") else node.type
    return TensorInfo(node.name, _DTYPES.get(dtype, dtype), tuple(node.shape))
