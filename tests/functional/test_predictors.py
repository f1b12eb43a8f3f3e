"""One contract for the predictors of all frameworks, each in an environment that cmx builds for it.

A small network is written in a framework's own formats, in that environment, by the framework itself; what the
predictor then says comes back from two workers, with one thread and with two, and is held against numpy.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import onnx
import pytest
import small_network
from command_line import CommandLine
from onnx import TensorProto, helper, numpy_helper

HELPERS = Path(small_network.__file__).parent
# What cmx is asked for. A newer torch is gigabytes of CUDA.
FRAMEWORKS = {
    "onnxruntime": "onnxruntime",
    "openvino": "openvino",
    "tensorflow": "tensorflow",
    "ai-edge-litert": "ai-edge-litert",
    "torch": "torch==2.13.0",
    "jax": "jax",
    "mxnet": "mxnet==1.9.1",
}
FORMATS = {
    "onnxruntime": {"onnx"},
    "openvino": {"onnx", "openvino"},
    "tensorflow": {"keras", "saved-model"},
    "ai-edge-litert": {"tflite", "tflite-int8"},
    "torch": {"torch"},
    "jax": {"jax"},
    "mxnet": {"mxnet"},
}

pytestmark = pytest.mark.slow
Each = Mapping[str, Any]


class Kept(NamedTuple):
    """What a framework did: what was planned for it, and by number of threads what the worker tells."""

    name: str
    version: str
    packages: Mapping[str, str]
    steps: Mapping[int, Each]
    folder: Path

    def tried(self) -> Iterator[tuple[int, Each]]:
        """Every model that was loaded, with the number of threads."""
        for threads, metrics in self.steps.items():
            yield from ((threads, each) for each in metrics["tried"] if "refused" not in each)


@pytest.fixture(scope="module")
def keep(workshop: CommandLine, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Kept]:
    """Runs the contract for a framework, once."""
    folder, cmx = tmp_path_factory.mktemp("contract"), workshop
    repository = shutil.copytree(HELPERS / "predictor_contract", folder / "repository")
    for action in ("write-small", "keep-contract"):
        shutil.copy(HELPERS / "small_network.py", repository / "actions" / action)
    cmx("repo", "add", repository)
    write_onnx(folder / "onnx")
    kept: dict[str, Kept] = {}

    def run(name: str) -> Kept:
        if name not in kept:
            # TensorFlow writes what LiteRT reads.
            given = run("tensorflow").folder / "write" / "made" if name == "ai-edge-litert" else folder / "onnx"
            options = ("--use", f"framework={FRAMEWORKS[name]}", "--given", given)
            result = cmx("run", "keep-contract", "contract", *options, "--json", timeout=900).document["result"]
            metrics = {each["id"]: each["outcome"]["metrics"] for each in result["steps"]}
            kept[name] = Kept(
                name,
                result["plan"]["pins"]["framework"]["version"],
                {package["name"]: package["version"] for package in result["plan"]["environments"]["main"]["packages"]},
                {1: metrics["one"], 2: metrics["two"]},
                cmx.run_folder(result),
            )
        return kept[name]

    return run


@pytest.fixture(params=FRAMEWORKS)
def kept(request: pytest.FixtureRequest, keep: Callable[[str], Kept]) -> Kept:
    """Each framework in turn."""
    return keep(request.param)


def test_answers_are_numpys_at_each_batch_and_number_of_threads(kept: Kept) -> None:
    formats = set()
    for threads, each in kept.tried():
        for count, answer in zip((1, 3, 1), each["answers"], strict=True):
            feeds = small_network.feeds(count)
            expected = small_network.answers(feeds)
            expected = small_network.nchw(expected) if each["layout"] == "NCHW" else expected
            assert answer.keys() == expected.keys()
            for name, (dtype, values) in answer.items():
                assert dtype == "float32"
                np.testing.assert_allclose(values, expected[name], atol=tolerance(each), err_msg=f"{threads} {each}")
        formats.add(each["format"])
        assert each["load_ns"] > 0
    assert formats == FORMATS[kept.name]


def tolerance(each: Each) -> float:
    """How far an answer may be off: rounding, or what numbers of 8 or 16 bits leave of values between -3 and 3."""
    return {"float32": 1e-5, "float16": 1e-2, "bfloat16": 0.05, "int8": 0.1}[each["described"]["precision"]]


def test_inputs_and_outputs_have_names_types_and_a_batch_that_varies(kept: Kept) -> None:
    for _, each in kept.tried():
        side = [3, 6, 6] if each["layout"] == "NCHW" else [6, 6, 3]
        for found, expected in ((each["inputs"], {"image": side, "offset": [5]}),):
            assert {name: (dtype, shape[1:]) for name, dtype, shape in found} == {
                name: ("float32", shape) for name, shape in expected.items()
            }
            assert all(not isinstance(shape[0], int) for _, _, shape in found)
        assert {name for name, _, _ in each["outputs"]} == {"scores", "twice"}


def test_a_wrong_name_of_an_input_is_an_error_that_says_the_right_ones(kept: Kept) -> None:
    for _, each in kept.tried():
        assert "image" in each["wrong-name"] and "offset" in each["wrong-name"] and "picture" in each["wrong-name"]
        assert "offset" in each["one-missing"]


def test_what_is_no_model_is_an_error_that_names_the_file(kept: Kept) -> None:
    for metrics in kept.steps.values():
        assert len(metrics["noise"]) == 2
        for file, message in metrics["noise"].items():
            assert file in message and "cannot load it" in message


def test_a_description_says_what_was_planned_and_what_is_in_effect(kept: Kept) -> None:
    for threads, each in kept.tried():
        described = each["described"]
        assert described["framework"] == kept.name
        assert described["version"] == kept.version
        assert (described["device"], described["threads"]) == ("cpu", threads)
        assert described["precision"] in ("float32", "float16", "bfloat16", "int8")
        in_effect = {name: described[name.replace("-", "_")] for name in each["settings"]}
        assert in_effect == each["settings"]


def test_openvino_computes_in_the_precision_that_is_asked_for(keep: Callable[[str], Kept]) -> None:
    tried = [each for _, each in keep("openvino").tried()]
    plain = {each["described"]["precision"] for each in tried if "inference-precision" not in each["settings"]}
    assert plain == {"float32"}
    for each in keep("openvino").steps[1]["tried"]:
        asked = each["settings"].get("inference-precision", "f32")
        if "refused" in each:  # this processor has no such arithmetic
            assert asked != "f32" and asked in each["refused"]
        elif asked != "f32":
            assert each["described"]["precision"] == {"bf16": "bfloat16", "f16": "float16"}[asked]


def test_litert_quantises_what_goes_in_and_what_comes_out(keep: Callable[[str], Kept]) -> None:
    tried = [each for _, each in keep("ai-edge-litert").tried()]
    assert {each["format"]: each["described"]["precision"] for each in tried} == {
        "tflite": "float32",
        "tflite-int8": "int8",
    }
    for each in tried:
        steps = np.unique(np.diff(np.unique(each["answers"][1]["twice"][1])).round(4))
        # All answers of an int8 tensor are whole steps apart; those of floats are anything.
        assert (len(steps) < 20) == (each["format"] == "tflite-int8")
        assert bool(each["described"]["delegated"]) == each["described"]["xnnpack"]


def test_each_framework_has_its_own_environment(keep: Callable[[str], Kept]) -> None:
    old, new = (keep(name).packages["numpy"] for name in ("mxnet", "jax"))
    assert old.startswith("1.23.") and int(new.partition(".")[0]) >= 2
    frameworks = {name.partition("=")[0] for name in FRAMEWORKS.values()}
    assert all(set(keep(name).packages) & frameworks == {name} for name in ("mxnet", "jax", "openvino"))


def write_onnx(folder: Path) -> None:
    """The small network as ONNX, pictures as NCHW."""
    folder.mkdir()
    side, classes = small_network.SIDE, small_network.CLASSES
    weights = {
        "kernel": np.ascontiguousarray(small_network.KERNEL.transpose(3, 2, 0, 1)),
        "bias": small_network.BIAS,
        "weight": small_network.WEIGHT,
    }
    nodes = [
        helper.make_node("Conv", ["image", "kernel", "bias"], ["maps"], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["maps"], ["positive"]),
        helper.make_node("GlobalAveragePool", ["positive"], ["means"]),
        helper.make_node("Flatten", ["means"], ["flat"]),
        helper.make_node("MatMul", ["flat", "weight"], ["product"]),
        helper.make_node("Add", ["product", "offset"], ["scores"]),
        helper.make_node("Add", ["image", "image"], ["twice"]),
    ]
    picture, vector = ["batch", 3, side, side], ["batch", classes]
    graph = helper.make_graph(
        nodes,
        "small",
        [
            helper.make_tensor_value_info("image", TensorProto.FLOAT, picture),
            helper.make_tensor_value_info("offset", TensorProto.FLOAT, vector),
        ],
        [
            helper.make_tensor_value_info("scores", TensorProto.FLOAT, vector),
            helper.make_tensor_value_info("twice", TensorProto.FLOAT, picture),
        ],
        [numpy_helper.from_array(weight, name) for name, weight in weights.items()],
    )
    model = helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 17)])
    onnx.save(model, folder / "small.onnx")
