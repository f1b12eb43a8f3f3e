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
    asked = ("--use", "dataset=three-questions", "--at-least", "0.6", "--duration", "0.1", "--min-query-count", "3")
    done = fresh("run", "benchmark", "text-generation", *asked, "--warm-up", "1", "--json", timeout=600)
    steps = {step["id"]: step["outcome"]["metrics"] for step in done.document["result"]["steps"]}
    assert steps["validate"]["counts"] == {"answers_found": 2, "total": 3}
    timed = steps["benchmark"]
    assert timed["loadgen"]["result_first_token_50.00_percentile_latency_ns"] > 0
    assert 3 * 2 < timed["tokens"] <= timed["queries"] * 8
    assert 0 < timed["first_token"]["min"] < timed["latency"]["min"]
    assert timed["per_token"]["min"] > 0
    assert timed["tokens_per_second"] > 0
    shown = fresh("result", "show", done.document["result"]["id"])
    assert all(column in shown.out for column in ("TOKENS", "TTFT P50 ms", "TPOT P50 ms", "ANSWERS-FOUND"))
    predictor = timed["predictor"]
    assert (predictor["framework"], predictor["precision"], predictor["slots"]) == ("xllamacpp", "q4_1", 1)
    shown = fresh("run", "run", "text-generation", "--input", "What is the capital of Italy?", "--offline")
    assert "Rome" in shown.out
    refused = fresh("run", "run", "text-generation", "--input", "why " * 600, "--offline", code=1)
    assert "exceeds the available context size (512 tokens)" in refused.error
    assert refused.hint == "--set context-length=1024, or a shorter prompt"
