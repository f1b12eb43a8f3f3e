"""The workflow train-then-benchmark: trained once, then the same network in three frameworks."""

from __future__ import annotations

import os
import shutil
import sys

import pytest
from command_line import SHORT, CommandLine

pytestmark = pytest.mark.skipif(
    not sys.platform.startswith("linux") or shutil.which("apt-get") is None,
    reason="Fashion-MNIST is in a Debian package, and there is no apt-get here",
)

FRAMEWORKS = ("onnxruntime", "torch", "openvino")


@pytest.mark.slow
def test_a_network_is_trained_once_and_runs_alike_in_three_frameworks(workshop: CommandLine) -> None:
    system = os.environ.get("PATH", os.defpath)
    matrix = ("--matrix", f"framework={','.join(FRAMEWORKS)}", "--launches", "1", *SHORT)
    answer = workshop("run", "benchmark", "train-then-benchmark", *matrix, "--json", timeout=900, PATH=system)
    trained = [line for line in answer.lines("convert") if "trained for 2 epochs" in line]
    assert [line.endswith("cached") for line in trained] == [False, True, True]
    points = {each["point"]["framework"]: each["result"] for each in answer.document["results"]}
    assert set(points) == set(FRAMEWORKS)
    right = {}
    for framework, result in points.items():
        steps = {step["id"]: step["outcome"]["metrics"] for step in result["steps"] if step["outcome"]}
        assert steps["benchmark"]["predictor"]["framework"] == framework
        assert steps["validate"]["passed"]
        assert steps["validate"]["counts"]["total"] == 10_000
        right[framework] = steps["validate"]["counts"]["top_1"]
    assert max(right.values()) - min(right.values()) <= 5
