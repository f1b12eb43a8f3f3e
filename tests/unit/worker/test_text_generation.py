"""Questions, prompts and what counts as an answer. What needs the model is in the functional tests."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import cmx
from cmx.worker import ActionError, Context, Role
from cmx.worker.component_code import load_module
from cmx.worker.datasets import open_dataset
from cmx.worker.datasets.questions import Questions
from cmx.worker.operators import OperatorError, pipeline
from cmx.worker.tasks import open_task
from cmx.worker.tasks.text_generation import TextGeneration

if TYPE_CHECKING:
    from tests.unit.worker.conftest import Worker

COMPONENTS = Path(cmx.__file__).parent.parent / "components"
LINES = "# a comment\nWhat is 2+2?\t4 | four\n\nWhich planet is ours?\tEarth\n"
INPUTS = [{"name": "prompt"}, {"name": "most_tokens"}]
MODEL = {"task": "text-generation", "inputs": INPUTS, "preprocess": [{"prompt": "<user>{text}<assistant>"}]}


def role(path: Path, text: str = LINES, **component: Any) -> Role:
    (path / "questions.tsv").write_text(text, encoding="utf-8")
    document = {"format": "questions", "options": {"most-tokens": 9}, **component}
    return Role("dataset/own==1.0.0", "", path / "questions.tsv", document, path)


def task(path: Path, **model: Any) -> TextGeneration:
    filled = Role("model/talker==1.0.0", "gguf", None, {**MODEL, **model}, path)
    opened = open_task(Context({"model": filled, "dataset": role(path)}, {}, path))
    assert isinstance(opened, TextGeneration)
    return opened


def test_a_line_is_a_question_and_the_answers_that_are_as_good(tmp_path: Path) -> None:
    dataset = open_dataset(role(tmp_path, samples=2))
    assert isinstance(dataset, Questions)
    assert [dataset.name(index) for index in range(len(dataset))] == ["What is 2+2?", "Which planet is ours?"]
    assert [question.answers for question in dataset.questions] == [("4", "four"), ("Earth",)]


@pytest.mark.parametrize(
    ("text", "component", "message"),
    [
        (LINES, {"samples": 3}, "2 questions in .*questions.tsv, expected 3"),
        ("", {}, "0 questions in .*questions.tsv, expected some"),
        (LINES + "Why?\n", {}, "questions.tsv: line 5: expected a question and its answer, with a tab between"),
        (LINES + "Why?\t | \n", {}, "line 5: expected a question"),
        (LINES + "Why?\tso\tand so\n", {}, "line 5: expected a question"),
        (LINES, {"options": {}}, "options: expected most-tokens, a number from 1 on, found {}"),
        (LINES, {"options": {"most-tokens": 0}}, "expected most-tokens, a number from 1 on"),
    ],
)
def test_questions_that_are_not_as_they_should_be_are_named(
    tmp_path: Path, text: str, component: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        open_dataset(role(tmp_path, text, **component))


def test_a_question_is_asked_in_the_model_s_own_words(tmp_path: Path) -> None:
    feeds = task(tmp_path).sample(1)
    assert feeds["prompt"].tobytes() == b"<user>Which planet is ours?<assistant>"
    assert (feeds["prompt"].shape[0], feeds["most_tokens"].tolist()) == (1, [9])


@pytest.mark.parametrize("template", ["no place", "{text} and {text}"])
def test_a_template_has_one_place_for_the_text(template: str) -> None:
    with pytest.raises(OperatorError, match=r"it must be a text that says \{text\} once"):
        pipeline([{"prompt": {"template": template}}])("hello")


@pytest.mark.parametrize(
    ("said", "found"),
    [
        ("The answer is 4.", 1),
        ("Four, of course", 1),
        ("It is 14", 0),
        ("fourteen", 0),
        ("", 0),
    ],
)
def test_an_answer_is_found_where_it_stands_as_words_of_its_own(tmp_path: Path, said: str, found: int) -> None:
    score = task(tmp_path).score({0: said.encode(), 1: b"Our planet is Earth"}, "answers_found")
    assert (score.correct, score.total) == ({"answers_found": found + 1}, 2)


def test_an_answer_is_the_text(tmp_path: Path) -> None:
    text = np.frombuffer("naïve".encode(), dtype=np.uint8)[np.newaxis]
    assert task(tmp_path).answers({}, {"text": text, "tokens": np.array([3])}) == ["naïve".encode()]


def test_words_are_asked_as_they_are_or_from_a_file(tmp_path: Path) -> None:
    def echo(feeds: Any) -> Any:
        return {"text": feeds["prompt"], "tokens": np.array([7])}

    (tmp_path / "question.txt").write_text("from a file", encoding="utf-8")
    for given, asked in ((Path("as it is"), "as it is"), (tmp_path / "question.txt", "from a file")):
        shown = task(tmp_path).show(given, echo, top=None, threshold=None)
        assert (shown.summary, shown.answers) == ("7 tokens", [{"text": f"<user>{asked}<assistant>", "tokens": 7}])


def test_a_model_with_other_inputs_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ActionError, match="inputs are input_ids; text generation has prompt and most_tokens"):
        task(tmp_path, inputs=[{"name": "input_ids"}])


def text(value: str) -> bytes:
    return struct.pack("<Q", len(value)) + value.encode()


@pytest.mark.parametrize(
    ("content", "precision"),
    [
        (
            struct.pack("<4sIQQ", b"GGUF", 3, 0, 3)
            + (text("general.languages") + struct.pack("<IIQ", 9, 8, 1) + text("en"))
            + (text("general.name") + struct.pack("<I", 8) + text("Talker"))
            + (text("general.file_type") + struct.pack("<II", 4, 3)),
            "q4_1",
        ),
        (struct.pack("<4sIQQ", b"GGUF", 3, 0, 0), "unknown"),
        (struct.pack("<4sIQQ", b"GGUF", 3, 0, 9), "unknown"),
        (b"not one", "unknown"),
    ],
)
def test_the_type_of_the_weights_is_read_off_a_gguf_file(tmp_path: Path, content: bytes, precision: str) -> None:
    (tmp_path / "model.gguf").write_bytes(content)
    header = load_module(COMPONENTS / "software-detect" / "xllamacpp" / "gguf_header.py", "software-detect/xllamacpp")
    assert header.precision(tmp_path / "model.gguf") == precision


TALKER = '''
import time
import numpy as np
from cmx.worker.predictors import TensorInfo

def load(model, component, settings):
    return Talker()

class Talker:
    """Says "4" in as many tokens as the prompt has words, after 4 ms, and then 1 ms each."""

    inputs = (TensorInfo("prompt", "uint8", (1, "bytes")), TensorInfo("most_tokens", "int64", (1,)))
    outputs = (TensorInfo("text", "uint8", (1, "bytes")), TensorInfo("tokens", "int64", (1,)))
    load_ns = 1
    concurrent = True

    def predict(self, feeds):
        return self.stream(feeds, lambda: None)

    def stream(self, feeds, first):
        words = len(feeds["prompt"].tobytes().split())
        time.sleep(0.004)
        first()
        for _ in range(words - 1):
            time.sleep(0.001)
        return {"text": np.frombuffer(b"4", np.uint8)[np.newaxis], "tokens": np.array([words])}

    def describe(self):
        return {"framework": "talker", "version": "1", "device": "cpu", "precision": "float32", "threads": 1}

    def close(self):
        pass
'''


def benchmark(worker: Worker, roles: dict[str, Any], **parameters: Any) -> Any:
    """The metrics of the real action in the real process."""
    action = COMPONENTS.parent / "actions" / "benchmark" / "action.py"
    entry = {"reference": "action/benchmark==1.0.0", "entry": f"{action}:benchmark"}
    worker.write(entry, parameters, roles=roles).run()
    found = worker.outcome()
    assert found["status"] == "ok", found["error"]
    return found["metrics"]


@pytest.fixture
def talking(tmp_path: Path) -> dict[str, Any]:
    """Roles of a job: a framework of somebody's own that generates, and the two questions."""
    folder = tmp_path / "talker"
    folder.mkdir()
    (folder / "predictor.py").write_text(TALKER, encoding="utf-8")
    dataset = role(tmp_path)
    component = {"predictor": "predictor.py", "formats": ["gguf"]}
    return {
        "model": {"reference": "model/talker==1.0.0", "path": str(folder / "predictor.py"), "component": MODEL},
        "dataset": {
            "reference": dataset.reference,
            "path": str(dataset.path),
            "component": dict(dataset.component),
            "folder": str(tmp_path),
        },
        "framework": {"reference": "software/talker==1.0.0", "component": component, "folder": str(folder)},
    }


@pytest.mark.parametrize("scenario", ["single-stream", "server"])
def test_a_benchmark_of_what_generates_times_its_tokens(worker: Worker, talking: dict[str, Any], scenario: str) -> None:
    parameters: dict[str, Any] = {"scenario": scenario, "duration": 0.2, "min_query_count": 70, "warm_up": 2}
    if scenario == "server":
        parameters |= {"target_qps": 80, "workers": 2, "ttft_latency": 1.0, "tpot_latency": 0.5}
    metrics = benchmark(worker, talking, **parameters)
    assert 3 * metrics["queries"] <= metrics["tokens"] <= 4 * metrics["queries"]
    # A sleep is never shorter than it was asked to be.
    assert metrics["first_token"]["min"] >= 4_000_000
    assert metrics["per_token"]["min"] >= 1_000_000
    assert metrics["first_token"]["p50"] < metrics["latency"]["p50"]
    assert metrics["shared_predictor"] is (scenario == "server")
    assert metrics["tokens_per_second"] == metrics["loadgen"]["result_completed_tokens_per_second"] > 0
    assert metrics["loadgen"]["result_first_token_50.00_percentile_latency_ns"] >= 4_000_000


def test_a_server_that_is_late_with_tokens_is_told_which(worker: Worker, talking: dict[str, Any]) -> None:
    bounds = {"ttft_latency": 0.001, "tpot_latency": 0.0001, "latency_percentile": 0.9}
    asked = {"scenario": "server", "target_qps": 80, "duration": 0.2, "min_query_count": 70, "warm_up": 2}
    metrics = benchmark(worker, talking, **asked, **bounds)
    assert metrics["verdict"] == "INVALID"
    reason = metrics["invalid_reasons"][0]
    assert reason.startswith("the latency bound was not met: p90 of first tokens is ")
    assert "and may be 1 ms, p90 of tokens after the first is " in reason
    assert reason.endswith(" ms, and may be 0.1 ms")
    assert "of 90 % the first token may take 1 ms, and each after it 0.1 ms" in metrics["notes"][0]


def test_a_submission_run_scores_the_answers_and_times_the_tokens(worker: Worker, talking: dict[str, Any]) -> None:
    metrics = benchmark(worker, talking, mode="submission", duration=0.2, min_query_count=70, warm_up=2)
    assert metrics["counts"] == {"answers_found": 1, "total": 2}
    assert metrics["queries"] >= 70
    assert 3 * metrics["queries"] <= metrics["tokens"] <= 4 * metrics["queries"]


def test_what_generates_no_tokens_has_none_timed(worker: Worker, talking: dict[str, Any]) -> None:
    plain = benchmark(worker, talking, duration=0.05, min_query_count=5, warm_up=1, use_token_latencies=False)
    assert not {"tokens", "first_token", "per_token"} & set(plain)
    native = benchmark(worker, talking, duration=0.05, min_query_count=5, warm_up=1, engine="native")
    assert (native["engine"], "tokens" in native) == ("cmx-native", False)


def test_an_offline_benchmark_counts_tokens_and_has_no_first_one(worker: Worker, talking: dict[str, Any]) -> None:
    metrics = benchmark(worker, talking, scenario="offline", duration=0.1, warm_up=2, expected_qps=50)
    assert 3 * metrics["samples"] <= metrics["tokens"] <= 4 * metrics["samples"]
    assert metrics["tokens_per_second"] == metrics["loadgen"]["result_tokens_per_second"]
    assert "first_token" not in metrics
