"""TensorFlow.js's graph models: weights as they are packed, fused nodes taken apart. No TensorFlow is needed."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cmx.worker import ActionError
from cmx.worker.component_code import load_entry

CONVERT = Path(__file__).parents[2] / "components/models/nanodet/convert.py"


def function(name: str) -> Any:
    return load_entry(f"{CONVERT}:{name}", "model/nanodet==1.0.0")


def saved(folder: Path, weights: list[dict[str, Any]], data: bytes, form: str = "graph-model") -> Path:
    """A model whose weights lie in two files, as large ones do."""
    manifest = [{"paths": ["a.bin", "b.bin"], "weights": weights}]
    document = {"format": form, "modelTopology": {"node": []}, "weightsManifest": manifest}
    (folder / "net.json").write_text(json.dumps(document))
    (folder / "a.bin").write_bytes(data[:3])
    (folder / "b.bin").write_bytes(data[3:])
    return folder


def test_weights_are_read_in_their_types(tmp_path: Path) -> None:
    half, whole, byte = np.array([[1.5, -2]], "<f2"), np.array([7, -8], "<i4"), np.array([0, 255], "u1")
    weights = [
        {"name": "half", "shape": [1, 2], "dtype": "float32", "quantization": {"dtype": "float16"}},
        {"name": "none", "shape": [0, 3], "dtype": "int32"},
        {"name": "whole", "shape": [2], "dtype": "int32"},
        {"name": "scalar", "shape": [], "dtype": "float32"},
        {"name": "q", "shape": [2], "dtype": "float32", "quantization": {"dtype": "uint8", "scale": 0.1, "min": -1.0}},
    ]
    data = half.tobytes() + whole.tobytes() + np.float32(0.25).tobytes() + byte.tobytes()
    _, found = function("read")(saved(tmp_path, weights, data))
    assert {name: array.tolist() for name, array in found.items() if name != "q"} == {
        "half": [[1.5, -2.0]],
        "none": [],
        "whole": [7, -8],
        "scalar": 0.25,
    }
    assert found["q"] == pytest.approx([-1.0, 24.5])


def test_weights_of_another_length_are_an_error(tmp_path: Path) -> None:
    weights = [{"name": "w", "shape": [1], "dtype": "float32"}]
    with pytest.raises(ActionError, match="the weights are 8 bytes, the model names 4"):
        function("read")(saved(tmp_path, weights, bytes(8)))


def test_another_format_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ActionError, match=r"net\.json: format is 'layers-model', expected 'graph-model'"):
        function("read")(saved(tmp_path, [], b"", form="layers-model"))


def test_a_fused_convolution_is_taken_apart() -> None:
    steps = {"list": {"s": [base64.b64encode(name).decode() for name in (b"BiasAdd", b"LeakyRelu")]}}
    attributes = {"T": {"type": "DT_FLOAT"}, "data_format": {"s": "TkhXQw=="}, "strides": {"list": {"i": ["1"] * 4}}}
    of_fusion = {"fused_ops": steps, "num_args": {"i": "1"}, "leakyrelu_alpha": {"f": 0.1}}
    node = {"name": "c", "op": "_FusedConv2D", "input": ["x", "w", "b"], "attr": {**attributes, **of_fusion}}
    convolution, bias, activation = function("unfused")(node)
    assert (convolution["op"], convolution["input"], convolution["attr"]) == ("Conv2D", ["x", "w"], attributes)
    assert (bias["op"], bias["input"]) == ("BiasAdd", [convolution["name"], "b"])
    assert bias["attr"] == {"T": attributes["T"], "data_format": attributes["data_format"]}
    assert (activation["name"], activation["op"], activation["input"]) == ("c", "LeakyRelu", [bias["name"]])
    assert activation["attr"] == {"T": attributes["T"], "alpha": {"f": 0.1}}


def test_what_is_not_fused_stays_as_it_is() -> None:
    node = {"name": "a", "op": "Add", "input": ["x", "y"], "attr": {}}
    assert list(function("unfused")(node)) == [node]
