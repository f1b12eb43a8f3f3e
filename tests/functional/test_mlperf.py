"""MLPerf's tree from real runs: a short one is refused for the right reasons, a full-length one passes all checkers."""

from __future__ import annotations

from pathlib import Path

import pytest
from command_line import CommandLine
from mlperf_trees import official_checker

from cmx.mlperf import official

# A query of six samples, which takes a second where five are asked for.
CUT = ("--scenario", "offline", "--duration", "5", "--min-query-count", "1", "--expected-qps", "1")
NAMES = ("--submitter", "cmx", "--system", "here")


def test_a_short_tree_is_refused_for_the_right_reasons(cmx: CommandLine, tmp_path: Path) -> None:
    result = cmx.json("run", "benchmark", *CUT)["result"]
    assert not result["valid"]
    tree = tmp_path / "tree"
    said = cmx("mlperf", "export", result["id"], *NAMES, "--out", tree)
    assert "never a submission" in said.out and f"cmx mlperf check {tree}" in said.out
    answer = cmx.json("mlperf", "check", tree, code=1)
    assert {each["rule"] for each in answer["violations"]} == {
        *("valid", "min-duration", "seeds", "performance-samples", "dataset-size")
    }
    assert all(Path(each["file"]).exists() and each["remedy"] for each in answer["violations"])
    assert (answer["error"]["message"], answer["official"]) == (f"{tree} breaks 8 rules", False)


@pytest.mark.long
def test_a_full_length_tree_passes_every_checker(fresh: CommandLine, tmp_path: Path) -> None:
    """600 s and more for each scenario that 3d-unet-99 has at the edge; docs/mlperf.md has the figures of one run."""
    checker, tree = str(official_checker()), tmp_path / "tree"
    rules = ("--set", "mlperf-model=ppocr-v4-recogniser", "--time-limit", "7200")
    ids = []
    for scenario in ("single-stream", "offline"):
        of = ("run", "benchmark", "mlperf-self-test", "--set", f"scenario={scenario}", *rules, "--json")
        answers = fresh(*of, "--set", "mode=accuracy", timeout=1200).document["result"]
        # Sized for a machine that gets quieter while it runs.
        speed = answers["steps"][1]["outcome"]["metrics"]["throughput"] * 2
        sized = ("--set", f"expected-qps={speed:.1f}") if scenario == "offline" else ()
        timed = fresh(*of, *sized, timeout=7200).document["result"]
        assert timed["valid"], timed["reasons"]
        ids += [answers["id"], timed["id"]]
    mapped = ("--map", "ppocr-v4-recogniser=3d-unet-99")
    assert "breaks" not in fresh("mlperf", "export", *ids, *NAMES, *mapped, "--out", tree).out
    answer = fresh("mlperf", "check", tree, "--json", **{official.VARIABLE: checker}).document
    assert (len(answer["results"]), answer["official"], answer["violations"]) == (2, True, [])
    for summary in tree.rglob("performance/run_1/mlperf_log_summary.txt"):
        assert "Result is : VALID" in summary.read_text(encoding="utf-8")
