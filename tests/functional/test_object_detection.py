"""The workflow object-detection: a model of TensorFlow.js, converted, scored by COCO's own library, drawn."""

from __future__ import annotations

import os
import shutil
from typing import Any

import pytest
from command_line import SHORT, CommandLine

SYSTEM = os.environ.get("PATH", os.defpath)

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        shutil.which("npm") is None, reason="the models are in npm's registry, and there is no npm here"
    ),
]


def test_things_are_found_and_drawn(workshop: CommandLine) -> None:
    answer = workshop("run", "benchmark", "object-detection", *SHORT, "--json", timeout=600, PATH=SYSTEM)
    found = validated(answer.document)
    assert (found["metric"], found["passed"], found["counts"]) == ("mAP", True, {"total": 16})
    assert found["accuracy"]["mAP"] >= 0.42
    assert found["accuracy"]["AP50"] >= 0.62
    frozen = ("--use", "framework=tensorflow", "--json")
    theirs = validated(workshop("run", "validate", "object-detection", *frozen, timeout=600, PATH=SYSTEM).document)
    assert theirs["predictor"]["framework"] == "tensorflow"
    assert theirs["accuracy"] == pytest.approx(found["accuracy"], abs=0.005)
    draws(workshop)


def draws(cmx: CommandLine) -> None:
    """One of the set's own photos: three people on a sofa, and people behind them."""
    photo = next((cmx.home / "store" / "derived").glob("*/files/2011_000006.jpg"))
    shown = cmx("run", "run", "object-detection", "--input", photo, "--json", "--offline", PATH=SYSTEM).document[
        "result"
    ]
    (step,) = [each["outcome"] for each in shown["steps"] if each["id"] == "detect"]
    people = [each for each in step["metrics"]["objects"] if each["name"] == "person"]
    assert len(people) >= 3
    left, top, right, bottom = people[0]["box"]
    assert 0 <= left < right <= 500
    assert 0 <= top < bottom <= 375
    assert step["files"] == ["2011_000006-objects.jpg"]
    picture = cmx.run_folder(shown) / "detect" / step["files"][0]
    assert picture.read_bytes() != photo.read_bytes()
    text = cmx("result", "show", shown["id"]).out
    assert f"written: {picture}" in text


def validated(document: dict[str, Any]) -> dict[str, Any]:
    """What the step found."""
    steps = {each["id"]: each["outcome"] for each in document["result"]["steps"]}
    found: dict[str, Any] = steps["validate"]["metrics"]
    return found
