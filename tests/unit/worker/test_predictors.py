"""What every predictor promises, held against a small model whose answers numpy computes."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from frameworks import predictor_role
from onnx import TensorProto, helper, numpy_helper

from cmx.worker.context import Role
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


def framework(**settings: Any) -> Role:
    return predictor_role("onnxruntime", **settings)


SETTINGS = [
    (1, {}),
    (0, {"spinning": True}),
    (2, {"spinning": False}),
    *((1, {"graph-optimisation": level}) for level in ("disable", "basic", "extended", "all")),
]


@pytest.mark.parametrize(("threads", "settings"), SETTINGS, ids=str)
def test_answers_are_right_whatever_the_settings(model: Path, threads: int, settings: dict[str, Any]) -> None:
    predictor = open_predictor(framework(**settings), model, {}, threads=threads)
    for count in (1, 4):
        found = predictor.predict({"image": images(count)})
        assert list(found) == ["scores", "twice"]
        np.testing.assert_allclose(found["scores"], expected_scores(images(count)), atol=1e-5)
        np.testing.assert_array_equal(found["twice"], images(count) * 2)
    described = predictor.describe()
    assert {name: described[name.replace("-", "_")] for name in settings} == settings
    assert described["threads"] == threads
    predictor.close()


def test_inputs_and_outputs_are_those_of_the_model(model: Path) -> None:
    predictor = open_predictor(framework(), model, {})
    assert predictor.inputs == (TensorInfo("image", "float32", ("batch", 3, 6, 6)),)
    assert predictor.outputs[0] == TensorInfo("scores", "float32", ("batch", 5))
    assert predictor.load_ns > 0


def test_a_description_says_what_determines_speed(model: Path) -> None:
    described = open_predictor(framework(), model, {}).describe()
    import onnxruntime

    assert described == {
        "framework": "onnxruntime",
        "version": onnxruntime.__version__,
        "execution_provider": "cpu",
        "providers": ["CPUExecutionProvider"],
        "precision": "float32",
        "device": "cpu",
        "threads": 1,
        "inter_op_threads": 1,
        "execution_mode": "sequential",
        "graph_optimisation": "all",
        "quantisation": "none",
        "spinning": False,
    }


@pytest.mark.parametrize(("how", "precision", "apart"), [("dynamic", "uint8", 0.1), ("static", "int8", 0.2)])
def test_a_quantised_model_says_so_and_answers_nearly_the_same(
    model: Path, how: str, precision: str, apart: float
) -> None:
    compiled = model.with_name("quantised.onnx")
    seen = [{"image": images(4)[index : index + 1]} for index in range(4)]
    done = optimise(framework(quantisation=how), model, compiled, calibration=seen)
    assert done is not None
    assert done["quantisation"] == how
    predictor = open_predictor(framework(quantisation=how), compiled, {}, compiled=True)
    assert (predictor.describe()["quantisation"], predictor.describe()["precision"]) == (how, precision)
    found, expected = predictor.predict({"image": images(4)})["scores"], expected_scores(images(4))
    assert 0 < np.abs(found - expected).max() < apart * np.abs(expected).max()
    assert [path.name for path in model.parent.glob("*quantised*")] == ["quantised.onnx"]


def test_quantisation_that_nobody_carried_out_is_refused(model: Path) -> None:
    with pytest.raises(PredictorError, match="quantisation static is what the compile step does"):
        open_predictor(framework(quantisation="static"), model, {})
    with pytest.raises(PredictorError, match="needs samples to calibrate on"):
        optimise(framework(quantisation="static"), model, model.with_name("out.onnx"))


def test_an_optimised_model_gives_the_same_answers_and_prints_nothing(
    model: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    done = optimise(framework(), model, model.with_name("optimised.onnx"))
    plain = open_predictor(framework(), model, {}).predict({"image": images(2)})
    optimised = open_predictor(framework(), model.with_name("optimised.onnx"), {}, compiled=True)
    for name, values in optimised.predict({"image": images(2)}).items():
        np.testing.assert_allclose(values, plain[name], atol=1e-6)
    assert optimised.describe()["graph_optimisation"] == "disable"
    assert done is not None
    assert (done["graph_optimisation"], done["threads"]) == ("all", 1)
    assert done["bytes_after"] == model.with_name("optimised.onnx").stat().st_size
    assert capfd.readouterr() == ("", "")


def test_optimising_twice_gives_the_same_file(model: Path) -> None:
    for name in ("first.onnx", "second.onnx"):
        optimise(framework(), model, model.with_name(name))
    assert model.with_name("first.onnx").read_bytes() == model.with_name("second.onnx").read_bytes()


def test_a_file_that_is_no_model_is_an_error_that_names_it(tmp_path: Path) -> None:
    file = tmp_path / "noise.onnx"
    file.write_bytes(b"no model at all")
    with pytest.raises(PredictorError, match=r"noise\.onnx: onnxruntime [\d.]+ cannot load it"):
        open_predictor(framework(), file, {})
    with pytest.raises(PredictorError, match=r"noise\.onnx"):
        optimise(framework(), file, tmp_path / "out.onnx")
    assert [path.name for path in tmp_path.iterdir()] == ["noise.onnx"]


@pytest.mark.parametrize(
    ("settings", "threads", "message"),
    [
        ({"graph-optimisation": "al"}, 1, "unknown graph optimisation 'al'; did you mean 'all'?"),
        ({"spining": True}, 1, "unknown setting of software/onnxruntime==1 'spining'; did you mean 'spinning'?"),
        ({}, -1, "threads is -1; it must be 1 or more, or 0"),
    ],
)
def test_what_there_is_not_is_an_error(model: Path, settings: dict[str, Any], threads: int, message: str) -> None:
    with pytest.raises(PredictorError) as caught:
        open_predictor(framework(**settings), model, {}, threads=threads)
    assert message in str(caught.value)
    with pytest.raises(PredictorError):
        optimise(framework(**settings), model, model.with_name("out.onnx"), threads=threads)


@pytest.mark.parametrize("provider", ["cuda", "tensorrt", "rocm", "directml", "openvino", "coreml"])
def test_an_execution_provider_that_is_not_here_is_refused_and_never_replaced(model: Path, provider: str) -> None:
    import onnxruntime

    names = {"directml": "DmlExecutionProvider", "openvino": "OpenVINOExecutionProvider"}
    if names.get(provider, "").lower() in str(onnxruntime.get_available_providers()).lower() and provider in names:
        pytest.skip(f"this machine's onnxruntime has {provider}")
    with pytest.raises(PredictorError, match=f"execution-provider {provider}: onnxruntime .* it has cpu") as caught:
        open_predictor(framework(**{"execution-provider": provider}), model, {})
    assert caught.value.hint.endswith("or --set execution-provider=cpu")
    with pytest.raises(PredictorError, match=f"execution-provider {provider}"):
        optimise(framework(**{"execution-provider": provider}), model, model.with_name("out.onnx"))


def test_the_precision_is_the_type_of_most_weights(model: Path) -> None:
    half = onnx.load(model)
    for tensor in half.graph.initializer:
        if tensor.name == "kernel":
            tensor.CopyFrom(numpy_helper.from_array(KERNEL.astype(np.float16), "half"))
    half.graph.node.insert(0, helper.make_node("Cast", ["half"], ["kernel"], to=TensorProto.FLOAT))
    onnx.save(half, model)
    assert open_predictor(framework(), model, {}).describe()["precision"] == "float16"


def test_a_framework_that_is_not_installed_is_an_error_that_names_it(
    model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "cmx_components.software.onnxruntime", raising=False)
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(PredictorError, match="framework 'onnxruntime' cannot be imported in this environment"):
        open_predictor(framework(), model, {})


def test_software_without_a_predictor_runs_no_models(model: Path) -> None:
    role = Role("software/pillow==12.0", "", None, {}, Path("/nowhere"))
    with pytest.raises(PredictorError, match=r"software/pillow==12\.0 runs no models") as caught:
        open_predictor(role, model, {})
    assert caught.value.hint == "fill the role with a framework"


def test_a_framework_is_a_folder_of_anybody_s(tmp_path: Path, model: Path) -> None:
    """Its predictor gets its own settings with their defaults, and has nothing to compile."""
    (tmp_path / "mine.py").write_text(
        "def load(model, component, settings):\n    return (model.name, component['task'], dict(settings))\n"
    )
    component = {"predictor": "mine.py", "settings": {"fast-maths": {"default": False}, "level": {"default": 3}}}
    role = Role("software/mine==1", "", None, component, tmp_path, settings={"level": 5})
    loaded: Any = open_predictor(role, model, {"task": "nothing"}, threads=2)
    settings = {"fast_maths": False, "level": 5, "threads": 2, "compiled": False}
    assert loaded == ("small.onnx", "nothing", settings)
    assert optimise(role, model, tmp_path / "made") is None
    assert not (tmp_path / "__pycache__").exists()


def test_a_framework_without_optimise_is_not_imported_to_learn_that(tmp_path: Path) -> None:
    (tmp_path / "predictor.py").write_text(
        'raise RuntimeError("imported")\n\n\ndef load(model, component, settings): ...\n'
    )
    role = Role("software/heavy==1", "", None, {"predictor": "predictor.py"}, tmp_path)
    assert optimise(role, tmp_path / "model.onnx", tmp_path / "made.onnx") is None
    with pytest.raises(RuntimeError, match="imported"):
        open_predictor(role, tmp_path / "model.onnx", {})
