"""One network in every framework: the same pictures, the same numbers, through the real conversions.

Each framework runs in the environment that cmx makes for it. All share one home, so that what is converted or built
for one is there for the next. The smallest network runs in every variant, and each kind of conversion once more on a
deeper one (tests/components/test_efficientnet_lite.py holds all of them against torch's own layers).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pytest
from command_line import CommandLine, write_files

pytestmark = pytest.mark.slow

ACTION = """
schema: 1
kind: action
uid: c2f4d0e61b7a9835
name: logits
version: 1.0.0
description: What a classifier answers to all pictures of a dataset, at once and one by one
entry: action.py:logits
requires: {model: model, dataset: dataset, framework: software, numpy: software/numpy>=1.24, pillow: software/pillow>=9}
"""
CODE = """
from cmx.worker import Outcome
from cmx.worker.inference import model_predictor, model_task
import numpy as np


def logits(context):
    predictor = model_predictor(context, threads=0)
    task = model_task(context, predictor)
    samples = [task.sample(index) for index in range(len(task))]
    alone = task.infer(predictor.predict, samples[0])
    together = task.infer(predictor.predict, task.collate(samples))
    values = next(iter(together.values()))
    np.save(context.output / "logits.npy", values)
    score = task.score(dict(enumerate(task.answers({}, together))), "top_1")
    lone = float(np.abs(next(iter(alone.values()))[0] - values[0]).max())
    metrics = {"correct": score.correct, "alone": lone, "precision": predictor.describe()["precision"]}
    return Outcome("logits", metrics, files=["logits.npy"])
"""
WORKFLOW = """
schema: 1
kind: workflow
uid: d7b1a5e02c4f6938
name: answers
version: 1.0.0
description: What a classifier answers
requires: {model: model/efficientnet-lite0, dataset: dataset/imagenet-photos, framework: software/onnxruntime>=1.17}
steps: [{id: logits, action: logits}]
"""
FRAMEWORKS = {
    "onnx": "onnxruntime",
    "torch": "torch",
    "keras": "tensorflow",
    "saved-model": "tensorflow",
    "tflite": "ai-edge-litert",
    "tflite-int8": "ai-edge-litert",
    "openvino": "openvino",
}
MODELS = ("efficientnet-lite0", "efficientnet-lite1", "efficientnet-lite2")
FLOATS = [
    *(("efficientnet-lite0", variant) for variant in ("torch", "keras", "saved-model", "tflite", "openvino")),
    *((MODELS[1], "openvino"), (MODELS[2], "torch")),
]
# Right answers of 20, at the first place and among the first five.
FLOAT = {"efficientnet-lite0": (18, 19), "efficientnet-lite1": (18, 20), "efficientnet-lite2": (18, 20)}
INT8 = {"efficientnet-lite0": (17, 19)}


class Answered(NamedTuple):
    """What one variant of a model answers; ``alone`` is how far a picture by itself is from it in a batch."""

    logits: np.ndarray
    correct: tuple[int, int]
    alone: float
    precision: str


class Family:
    """The models in all their variants, each run once."""

    def __init__(self, cmx: CommandLine) -> None:
        self._cmx = cmx
        self._seen: dict[tuple[str, str], Answered] = {}

    def answers(self, model: str, variant: str) -> Answered:
        if (model, variant) not in self._seen:
            self._seen[model, variant] = self._run(model, variant)
        return self._seen[model, variant]

    def _run(self, model: str, variant: str) -> Answered:
        use = ("--use", f"model={model}[{variant}]", "--use", f"framework={FRAMEWORKS[variant]}")
        answer = self._cmx("run", "logits", "answers", *use, "--json", timeout=600)
        result: dict[str, Any] = answer.document["result"]
        metrics = result["steps"][0]["outcome"]["metrics"]
        correct = (metrics["correct"]["top_1"], metrics["correct"]["top_5"])
        logits = np.load(self._cmx.run_folder(result) / "logits" / "logits.npy")
        return Answered(logits, correct, metrics["alone"], metrics["precision"])


@pytest.fixture(scope="module")
def family(workshop: CommandLine, tmp_path_factory: pytest.TempPathFactory) -> Family:
    folder = tmp_path_factory.mktemp("one-network")
    files = {
        "repo.yaml": "schema: 1\nname: answers\ndescription: What a classifier answers\n",
        "actions/logits/component.yaml": ACTION,
        "actions/logits/action.py": CODE,
        "workflows/answers/component.yaml": WORKFLOW,
    }
    write_files(folder / "repository", files)
    workshop("repo", "add", folder / "repository")
    return Family(workshop)


@pytest.mark.parametrize(("model", "variant"), FLOATS)
def test_logits_are_those_of_onnx(family: Family, model: str, variant: str) -> None:
    expected, found = family.answers(model, "onnx"), family.answers(model, variant)
    np.testing.assert_allclose(found.logits, expected.logits, rtol=0, atol=1e-3)
    assert found.correct == expected.correct == FLOAT[model]
    assert found.precision == "float32"


@pytest.mark.parametrize("variant", [variant for model, variant in FLOATS if model == MODELS[0]])
def test_a_picture_in_a_batch_is_answered_as_it_is_alone(family: Family, variant: str) -> None:
    assert family.answers(MODELS[0], variant).alone < 1e-3


@pytest.mark.parametrize("model", INT8)
def test_int8_says_so_and_is_as_right_as_its_own_reference(family: Family, model: str) -> None:
    found = family.answers(model, "tflite-int8")
    assert (found.correct, found.precision) == (INT8[model], "int8")
    assert np.abs(found.logits - family.answers(model, "onnx").logits).max() > 0.01
