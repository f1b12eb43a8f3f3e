"""OpenVINO on the CPU: ONNX files and its own IR (an .xml file with a .bin beside it, or a folder that has them)."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any, Mapping

import numpy as np
import openvino

from cmx.worker.predictors import PredictorError, TensorInfo, check_feeds, only_file

_PRECISIONS = {"f32": openvino.Type.f32, "bf16": openvino.Type.bf16, "f16": openvino.Type.f16}
_NAMES = {"f32": "float32", "bf16": "bfloat16", "f16": "float16"}


class OpenVinoPredictor:
    """One inference request of a compiled model; a dimension that varies does so without compiling again."""

    def __init__(self, compiled: openvino.CompiledModel, settings: Mapping[str, Any], load_ns: int) -> None:
        self.inputs = tuple(_tensor_info(port, f"input_{i}") for i, port in enumerate(compiled.inputs))
        self.outputs = tuple(_tensor_info(port, f"output_{i}") for i, port in enumerate(compiled.outputs))
        self.load_ns = load_ns
        self._names = tuple(each.name for each in self.inputs)
        self._request = compiled.create_infer_request()
        self._description = _describe(compiled, settings)

    def predict(self, feeds: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        check_feeds(self.inputs, feeds)
        # The request reads the arrays where they lie. What it answers is copied: its own memory it uses again.
        answer = self._request.infer([feeds[name] for name in self._names], share_inputs=True)
        return {info.name: answer[i] for i, info in enumerate(self.outputs)}

    def describe(self) -> dict[str, Any]:
        return dict(self._description)

    def close(self) -> None:
        del self._request


def load(model: Path, component: Mapping[str, Any], settings: Mapping[str, Any]) -> OpenVinoPredictor:
    file = only_file(model, "*.xml")
    started = time.perf_counter_ns()
    try:
        compiled = openvino.Core().compile_model(str(file), "CPU", _configuration(settings))
    except RuntimeError as error:
        raise PredictorError(f"{file}: OpenVINO {_version()} cannot load it: {error}") from error
    load_ns = time.perf_counter_ns() - started
    _check_precision(compiled, settings["inference_precision"])
    return OpenVinoPredictor(compiled, settings, load_ns)


def _configuration(settings: Mapping[str, Any]) -> dict[str, Any]:
    """What is computed, and how. Left alone, OpenVINO computes in bf16 wherever the processor can, and says nothing.

    A cache would make loading look faster than it is.
    """
    configuration = {
        "INFERENCE_PRECISION_HINT": _PRECISIONS[settings["inference_precision"]],
        "EXECUTION_MODE_HINT": "PERFORMANCE",
        "PERFORMANCE_HINT": "LATENCY",
        "NUM_STREAMS": 1,
        "ENABLE_CPU_PINNING": settings["pinning"],
        "CACHE_DIR": "",
    }
    if settings["threads"]:
        configuration["INFERENCE_NUM_THREADS"] = settings["threads"]
    return configuration


def _check_precision(compiled: openvino.CompiledModel, asked: str) -> None:
    found = _precision(compiled)
    if found != asked:
        raise PredictorError(
            f"inference-precision {asked} was asked for, and OpenVINO {_version()} computes in {found}: "
            f"this processor has no {asked} arithmetic; set inference-precision to {found}"
        )


def _precision(compiled: openvino.CompiledModel) -> str:
    """What is computed in, by the name of its setting."""
    in_effect = compiled.get_property("INFERENCE_PRECISION_HINT")
    return next((name for name, kind in _PRECISIONS.items() if kind == in_effect), str(in_effect))


def _describe(compiled: openvino.CompiledModel, settings: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "framework": "openvino",
        "version": _version(),
        "device": "cpu",
        "precision": _NAMES[_precision(compiled)],
        "threads": settings["threads"],
        "inference_threads": int(compiled.get_property("INFERENCE_NUM_THREADS")),
        "streams": int(compiled.get_property("NUM_STREAMS")),
        "pinning": bool(compiled.get_property("ENABLE_CPU_PINNING")),
        "inference_precision": settings["inference_precision"],
    }


def _version() -> str:
    """The release alone: what OpenVINO says of itself goes on with a build number and a commit."""
    return str(openvino.__version__).partition("-")[0]


def _tensor_info(port: Any, unnamed: str) -> TensorInfo:
    name = str(port.get_any_name()) if port.get_names() else unnamed
    shape = tuple(int(each.get_length()) if each.is_static else None for each in port.partial_shape)
    return TensorInfo(name, np.dtype(port.get_element_type().to_dtype()).name, shape)
