"""The workflow text-embedding: MiniLM without torch, held against people's judgement of words."""

from __future__ import annotations

import pytest
from command_line import SHORT, CommandLine


@pytest.mark.slow
def test_near_vectors_are_what_people_call_alike(workshop: CommandLine) -> None:
    checked = workshop("run", "benchmark", "text-embedding", *SHORT, "--json", timeout=600).document["result"]
    steps = {step["id"]: step["outcome"]["metrics"] for step in checked["steps"] if step.get("outcome")}
    assert steps["validate"]["accuracy"]["spearman"] == pytest.approx(0.729, abs=0.002)
    assert steps["validate"]["passed"]
    assert steps["benchmark"]["samples"] >= 10
    # Texts of different lengths in one batch, padding masked: the same vectors, and so the same figure.
    batches = workshop.json("run", "validate", "text-embedding", "--batch-size", "32", "--offline")["result"]
    again = next(step for step in batches["steps"] if step["id"] == "validate")["outcome"]["metrics"]
    assert again["value"] == pytest.approx(steps["validate"]["value"], abs=1e-4)
    shown = workshop("run", "run", "text-embedding", "--input", "a kitten sleeps", "--top", "3", "--offline")
    assert "a vector of 384 numbers" in shown.err + shown.out
    assert "feline" in shown.out or "cat" in shown.out
    file = workshop.folder / "words.txt"
    file.write_text("a kitten sleeps", encoding="utf-8")
    assert (
        shown.out.splitlines()[2:5]
        == workshop("run", "run", "text-embedding", "--input", file, "--top", "3", "--offline").out.splitlines()[2:5]
    )
