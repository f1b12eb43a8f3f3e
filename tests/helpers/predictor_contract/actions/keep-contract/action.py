"""Does with a framework's predictor what its contract is about, and hands back all that it said."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from cmx.worker import Context, Outcome
from cmx.worker.context import Role
from cmx.worker.predictors import PredictorError, open_predictor

from . import small_network

FILES = {
    "onnx": "small.onnx",
    "openvino": "openvino",
    "torch": "small.pt2",
    "keras": "small.keras",
    "saved-model": "saved-model",
    "tflite": "small.tflite",
    "tflite-int8": "int8.tflite",
    "jax": "small.jax",
    "mxnet": "mxnet",
}
# Formats whose pictures are NCHW.
NCHW = ("onnx", "openvino", "torch", "mxnet")
# The settings that are tried, where it is not the defaults alone.
TRIED: dict[str, list[dict[str, Any]]] = {
    "openvino": [{}, {"inference-precision": "bf16"}, {"inference-precision": "f16"}, {"pinning": True}],
    "keras": [{}, {"freeze": False}, {"jit-compile": True}],
    "saved-model": [{}, {"freeze": False}],
    "tflite": [{}, {"xnnpack": False}],
    "tflite-int8": [{}, {"xnnpack": False}],
}
COMPONENT = {
    "inputs": [
        {"name": "image", "dtype": "float32", "shape": ["batch", 3, 6, 6]},
        {"name": "offset", "dtype": "float32", "shape": ["batch", 5]},
    ],
    "outputs": [
        {"name": "scores", "dtype": "float32", "shape": ["batch", 5]},
        {"name": "twice", "dtype": "float32", "shape": ["batch", 3, 6, 6]},
    ],
}


def keep_contract(context: Context, *, given: str = "", threads: int = 1) -> Outcome:
    """Try each format of the framework that lies in the folder ``given``, or that the step before wrote."""
    framework, made = context.role("framework"), context.product("write", "made")
    lying = [(form, folder / name) for folder in (Path(given), made) if folder for form, name in FILES.items()]
    files = {form: file for form, file in lying if file.exists() and form in framework.component["formats"]}
    tried = [_try(framework, form, files[form], threads, some) for form in files for some in TRIED.get(form, [{}])]
    return Outcome(
        summary=f"{framework.name}, {len(tried)} times",
        metrics={"tried": tried, "noise": _noise(framework, context.output / "noise", threads)},
    )


def _try(role: Role, form: str, file: Path, threads: int, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Everything about one model with some settings. A setting that is refused is what there is to tell."""
    told: dict[str, Any] = {"format": form, "settings": dict(settings), "layout": "NCHW" if form in NCHW else "NHWC"}
    try:
        predictor = open_predictor(dataclasses.replace(role, settings=settings), file, COMPONENT, threads=threads)
    except PredictorError as error:
        return {**told, "refused": str(error)}
    told["answers"] = []
    for count in (1, 3, 1):
        feeds = small_network.feeds(count)
        found = predictor.predict(small_network.nchw(feeds) if form in NCHW else feeds)
        told["answers"].append({name: [str(array.dtype), array.tolist()] for name, array in found.items()})
    image = feeds["image"]
    told |= {"inputs": predictor.inputs, "outputs": predictor.outputs, "load_ns": predictor.load_ns}
    told["wrong-name"] = _error(lambda: predictor.predict({"picture": image, "offset": feeds["offset"]}))
    told["one-missing"] = _error(lambda: predictor.predict({"image": image}))
    told["described"] = predictor.describe()
    predictor.close()
    return told


def _noise(role: Role, file: Path, threads: int) -> dict[str, str]:
    """What it says of a file that is no model, and of one that is not there."""
    file.write_bytes(bytes(range(256)) * 8)
    absent = file.with_name("absent")
    return {
        str(each): _error(partial(open_predictor, role, each, COMPONENT, threads=threads)) for each in (file, absent)
    }


def _error(call: Any) -> str:
    try:
        call()
    except PredictorError as error:
        return str(error)
    return "no error"
