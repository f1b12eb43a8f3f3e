"""What every predictor promises, held against a small model whose answers numpy computes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from cmx.worker import predictors
from cmx.worker.predictors import PredictorError, TensorInfo, open_predictor, optimise

RANDOM = np.random.default_rng(0)
KERNEL = RANDOM.standard_normal((8, 3, 3, 3)).astype(np.float32)
WEIGHT = RANDOM.standard_normal((8, 5)).astype(np.float32)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A convolution, ReLU, mean over the picture, a product; and a second output, the doubled input."""
    nodes = [
        helper.make_node("Conv", ["image", "kernel"], ["a"], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["a"], ["b"]),
        helper.make_node("GlobalAveragePool", ["b"], ["c"]),
        helper.make_node("Flatten", ["c"], ["d"]),
        helper.make_node("MatMul", ["d", "weight"], ["scores"]),
        helper.make_node("Add", ["image", "image"], ["twice"]),
    ]
    constants = [numpy_helper.from_array(KERNEL, "kernel"), numpy_helper.from_array(WEIGHT, "weight")]
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, ["batch", 3, 6, 6])
    scores = helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["batch", 5])
    twice = helper.make_tensor_value_info("twice", TensorProto.FLOAT, ["batch", 3, 6, 6])
    graph = helper.make_graph(nodes, "small", [image], [scores, twice], constants)
    path = tmp_path / "small.onnx"
    onnx.save(helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 17)]), path)
    return path


def images(count: int) -> np.ndarray:
    return np.random.default_rng(count).standard_normal((count, 3, 6, 6)).astype(np.float32)


def expected_scores(batch: np.ndarray) -> np.ndarray:
    padded = np.pad(batch.astype(np.float64), [(0, 0), (0, 0), (1, 1), (1, 1)])
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(2, 3))
    filtered = np.einsum("bcyxij,ocij->boyx", windows, KERNEL.astype(np.float64))
    return np.maximum(filtered, 0).mean((2, 3)) @ WEIGHT.astype(np.float64)


SETTINGS = [
    {},
    {"threads": 0, "spinning": True},
    {"threads": 2, "spinning": False},
    *({"graph_optimisation": level} for level in ("disable", "basic", "extended", "all")),
]


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_answers_are_right_whatever_the_settings(model: Path, settings: dict[str, Any]) -> None:
    predictor = open_predictor("onnxruntime", model, {}, **settings)
    for count in (1, 4):
        found = predictor.predict({"image": images(count)})
        assert list(found) == ["scores", "twice"]
        np.testing.assert_allclose(found["scores"], expected_scores(images(count)), atol=1e-5)
        np.testing.assert_array_equal(found["twice"], images(count) * 2)
    described = predictor.describe()
    assert {name: described[name] for name in settings} == settings
    predictor.close()


def test_inputs_and_outputs_are_those_of_the_model(model: Path) -> None:
    predictor = open_predictor("onnxruntime", model, {})
    assert predictor.inputs == (TensorInfo("image", "float32", ("batch", 3, 6, 6)),)
    assert predictor.outputs[0] == TensorInfo("scores", "float32", ("batch", 5))
    assert predictor.load_ns > 0


def test_a_description_says_what_determines_speed(model: Path) -> None:
    described = open_predictor("onnxruntime", model, {}).describe()
    import onnxruntime

    assert described == {
        "framework": "onnxruntime",
        "version": onnxruntime.__version__,
        "providers": ["CPUExecutionProvider"],
        "device": "cpu",
        "threads": 1,
        "inter_op_threads": 1,
        "execution_mode": "sequential",
        "graph_optimisation": "all",
        "spinning": True,
    }


def test_an_optimised_model_gives_the_same_answers_and_prints_nothing(
    model: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    done = optimise("onnxruntime", model, model.with_name("optimised.onnx"))
    plain = open_predictor("onnxruntime", model, {}).predict({"image": images(2)})
    optimised = open_predictor("onnxruntime", model.with_name("optimised.onnx"), {}, graph_optimisation="disable")
    for name, values in optimised.predict({"image": images(2)}).items():
        np.testing.assert_allclose(values, plain[name], atol=1e-6)
    assert (done["graph_optimisation"], done["threads"]) == ("all", 1)
    assert done["bytes_after"] == model.with_name("optimised.onnx").stat().st_size
    assert capfd.readouterr() == ("", "")


def test_optimising_twice_gives_the_same_file(model: Path) -> None:
    for name in ("first.onnx", "second.onnx"):
        optimise("onnxruntime", model, model.with_name(name))
    assert model.with_name("first.onnx").read_bytes() == model.with_name("second.onnx").read_bytes()


def test_a_file_that_is_no_model_is_an_error_that_names_it(tmp_path: Path) -> None:
    file = tmp_path / "noise.onnx"
    file.write_bytes(b"no model at all")
    with pytest.raises(PredictorError, match=r"noise\.onnx: onnxruntime [\d.]+ cannot load it"):
        open_predictor("onnxruntime", file, {})
    with pytest.raises(PredictorError, match=r"noise\.onnx"):
        optimise("onnxruntime", file, tmp_path / "out.onnx")
    assert [path.name for path in tmp_path.iterdir()] == ["noise.onnx"]


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("onnxruntim", {}, "unknown framework 'onnxruntim'; did you mean 'onnxruntime'?"),
        ("caffe", {}, "unknown framework 'caffe'; there is: "),
        ("__init__", {}, "unknown framework '__init__'"),
        ("../checkpoint", {}, "unknown framework '../checkpoint'"),
        ("onnxruntime", {"graph_optimisation": "al"}, "unknown graph optimisation 'al'; did you mean 'all'?"),
        ("onnxruntime", {"threads": -1}, "threads is -1; it must be 1 or more, or 0"),
    ],
)
def test_what_there_is_not_is_an_error(model: Path, name: str, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(PredictorError) as caught:
        open_predictor(name, model, {}, **settings)
    assert message in str(caught.value)
    with pytest.raises(PredictorError):
        optimise(name, model, model.with_name("out.onnx"), **settings)


def test_a_framework_that_is_not_installed_is_an_error_that_names_it(
    model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "cmx.worker.predictors.onnxruntime", raising=False)
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(PredictorError, match="framework 'onnxruntime' cannot be imported in this environment"):
        open_predictor("onnxruntime", model, {})


def test_a_framework_is_a_file_and_is_imported_only_when_asked_for() -> None:
    files = {file.stem.replace("_", "-") for file in Path(predictors.__file__).parent.glob("[a-z]*.py")}
    assert set(predictors.frameworks()) == files
    assert "onnxruntime" in files
    code = "import sys, cmx.worker.predictors as p; p.frameworks(); print('onnxruntime' in sys.modules)"
    root = Path(predictors.__file__).parents[3]
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
