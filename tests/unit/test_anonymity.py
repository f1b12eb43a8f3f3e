"""What an anonymous record does not tell."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from result_samples import checked, make, outcome, timed

from cmx.errors import WorkerCrashed
from cmx.results import Step
from cmx.results.anonymity import NAME, PATH, Scrubber
from cmx.schema import validate

SCRUBBER = Scrubber(["ada", "analytical-engine"], ["/home/ada", "/srv/my models"])


def scrubbed(text: str) -> str:
    found: str = SCRUBBER.document({"message": text})["message"]
    return found


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("/home/ada/photos/dog.jpg: no picture", f"{PATH}: no picture"),
        ("--model=/srv/my models/net.onnx --size 64", f"--model={PATH} --size 64"),
        ("gcc -I/work/project/include x.c", f"gcc -I{PATH} x.c"),
        ("in /mnt/data2/secret/x.onnx (line 3)", f"in {PATH} (line 3)"),
        (r"C:\\Users\\ada\\net.onnx is gone", f"{PATH} is gone"),
        ("/scratch is full", f"{PATH} is full"),
        ("ada@analytical-engine: permission denied", f"{NAME}@{NAME}: permission denied"),
        ("adamant, ada-lovelace and analytical-engines", "adamant, ada-lovelace and analytical-engines"),
        ("read from /proc/cpuinfo and /usr/bin/gcc", "read from /proc/cpuinfo and /usr/bin/gcc"),
        ("66.8 /s, 18/20 = 0.9, 3.1 GB/s, a / b", "66.8 /s, 18/20 = 0.9, 3.1 GB/s, a / b"),
        ("model/efficientnet-lite0==1.0.0", "model/efficientnet-lite0==1.0.0"),
    ],
)
def test_paths_and_names_go_and_the_rest_stays(text: str, left: str) -> None:
    assert scrubbed(text) == left


def test_a_user_called_like_a_word_of_ours_changes_no_meaning() -> None:
    scrubber = Scrubber(["benchmark"], [])
    document = {"id": "benchmark", "action": "benchmark", "error": {"message": "benchmark failed"}}
    assert scrubber.document(document) == {
        "id": "benchmark",
        "action": "benchmark",
        "error": {"message": f"{NAME} failed"},
    }


def test_an_anonymous_record_keeps_its_schema(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = tmp_path / "home" / "adalovelace"
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("LOGNAME", "adalovelace")
    metrics = {"input": str(home / "dog.jpg"), "build": {"command": ["gcc", f"-I{home}/include"]}}
    failed = outcome(metrics, status="failed", error={"type": "ValueError", "message": f"adalovelace: {home}/x"})
    step = Step("run", "action/run==1.0.0", "failed", 1, outcome=failed)
    error = WorkerCrashed(f"{home}/output.txt", hint=f"see {home}", output=[f"adalovelace at {home}"])
    plan = {"schema": 1, "pins": {"compiler": {"how": f"{home}/bin/gcc", "why": f"detected at {home}"}}}
    result = make(step, plan=plan, request={"parameters": {"input": f"{home}/dog.jpg"}}, error=error)
    text = json.dumps(result.anonymous().document())
    assert "adalovelace" in json.dumps(result.document())
    assert "adalovelace" not in text and str(tmp_path) not in text
    validate(json.loads(text), "result", source="test")


def test_numbers_and_statistics_stay_as_they_are() -> None:
    result = make(timed(), checked())
    anonymous = result.anonymous()
    assert anonymous.metrics == result.metrics
    assert replace(anonymous, steps=result.steps) == result
    assert anonymous.key == result.key
