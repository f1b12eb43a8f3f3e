"""The workflow text-recognition: lines that cmx draws, and lines on a photographed page."""

from __future__ import annotations

from typing import Any

import pytest
from command_line import SHORT, CommandLine


@pytest.mark.slow
def test_lines_are_read_letter_by_letter(workshop: CommandLine) -> None:
    answer = workshop("run", "benchmark", "text-recognition", *SHORT, "--json", timeout=300)
    drawn = validated(answer.document)
    assert drawn["accuracy"] == pytest.approx({"character_accuracy": 0.996, "exact_match": 0.92}, abs=0.01)
    assert (drawn["counts"]["total"], drawn["passed"]) == (100, True)
    page = "--use", "dataset=photographed-page"
    paper = validated(workshop("run", "validate", "text-recognition", *page, "--json", timeout=300).document)
    assert paper["accuracy"]["character_accuracy"] == pytest.approx(0.976, abs=0.03)
    assert (paper["counts"]["total"], paper["passed"]) == (7, True)


def validated(document: dict[str, Any]) -> dict[str, Any]:
    """What the step found."""
    steps = {each["id"]: each["outcome"] for each in document["result"]["steps"]}
    found: dict[str, Any] = steps["validate"]["metrics"]
    return found
