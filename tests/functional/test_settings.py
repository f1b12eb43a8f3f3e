"""Settings of a framework, from the command line to the session that runs with them, and back from a plan."""

from __future__ import annotations

from pathlib import Path

from command_line import CommandLine


def test_what_was_compiled_is_kept_for_its_settings(cmx: CommandLine) -> None:
    def made(*options: str) -> str:
        answer = cmx("run", "compile", "--offline", *options)
        return " ".join(answer.lines("compile"))

    assert made().endswith("cached")
    assert not made("--graph-optimisation", "basic").endswith("cached")
    assert made("--set", "framework.graph-optimisation=basic").endswith("cached")


def test_a_plan_replays_the_settings_it_was_made_with(cmx: CommandLine, tmp_path: Path) -> None:
    asked = ("--set", "spinning=true", "--threads", "2", "--set", "benchmark.duration=1", "--min-query-count", "5")
    plan = cmx("run", "benchmark", *asked, "--offline", "--plan-only").out
    (tmp_path / "plan.json").write_text(plan, encoding="utf-8")
    result = cmx.json("run", "--plan", tmp_path / "plan.json")["result"]
    predictor = next(each for each in result["steps"] if each["id"] == "benchmark")["outcome"]["metrics"]["predictor"]
    assert (predictor["spinning"], predictor["threads"], predictor["graph_optimisation"]) == (True, 2, "disable")
    assert predictor["compiled"]["graph_optimisation"] == "all"
    shown = cmx("result", "show", result["id"][:8]).out
    assert "execution-provider=cpu   graph-optimisation=all   quantisation=none   spinning=true" in shown


def test_a_setting_that_there_is_not_names_the_nearest(cmx: CommandLine) -> None:
    refused = cmx("run", "benchmark", "--set", "spining=true", code=2)
    assert (refused.error, refused.hint) == ("--set spining: no such parameter or setting", "did you mean 'spinning'?")
    scoped = cmx("run", "benchmark", "--set", "onnxruntime.thread=2", code=2)
    assert scoped.error == "--set onnxruntime.thread: software/onnxruntime has no such setting"
    provider = cmx("run", "validate", "--set", "execution-provider=cuda", "--offline", code=1)
    assert "as installed has no CUDAExecutionProvider; it has cpu" in provider.error
    assert provider.hint == "the package onnxruntime-gpu has it; or --set execution-provider=cpu"
