"""The workflow text-generation: a real language model in llama.cpp, held against answers that are known."""

from __future__ import annotations

from pathlib import Path

import pytest
from command_line import CommandLine

QUESTIONS = "What is the capital of France?\tParis\nWhat is the opposite of hot?\tcold\nWhat is 2+2?\tfive hundred\n"
COMPONENT = """schema: 1
kind: dataset
uid: a4b9d2e07c613f58
name: three-questions
version: 1.0.0
description: Three questions, the last with an answer that is not right
task: text-generation
samples: 3
format: questions
options: {most-tokens: 8}
source: {file: questions.tsv}
"""


def write_questions(home: Path) -> None:
    """A dataset in the user's own repository."""
    folder = home / "repository" / "datasets" / "three-questions"
    folder.mkdir(parents=True)
    (folder / "component.yaml").write_text(COMPONENT, encoding="utf-8")
    (folder / "questions.tsv").write_text(QUESTIONS, encoding="utf-8")


@pytest.mark.slow
def test_a_language_model_answers_and_its_answers_are_counted(fresh: CommandLine) -> None:
    write_questions(fresh.home)
    asked = ("--use", "dataset=three-questions", "--at-least", "0.6")
    checked = fresh("run", "validate", "text-generation", *asked, "--json", timeout=600).document["result"]
    metrics = checked["steps"][-1]["outcome"]["metrics"]
    assert metrics["counts"] == {"answers_found": 2, "total": 3}
    predictor = metrics["predictor"]
    assert (predictor["framework"], predictor["precision"], predictor["slots"]) == ("xllamacpp", "q4_1", 1)
    shown = fresh("run", "run", "text-generation", "--input", "What is the capital of Italy?", "--offline")
    assert "Rome" in shown.out
    refused = fresh("run", "run", "text-generation", "--input", "why " * 600, "--offline", code=1)
    assert "exceeds the available context size (512 tokens)" in refused.error
    assert refused.hint == "--set context-length=1024, or a shorter prompt"
