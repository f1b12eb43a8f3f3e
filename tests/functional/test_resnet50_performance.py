"""The workflow resnet50-performance: an architecture with constant weights, which says that it has no accuracy."""

from __future__ import annotations

import pytest
from command_line import SHORT, CommandLine


@pytest.mark.slow
def test_an_architecture_is_timed_and_says_that_it_has_no_accuracy(workshop: CommandLine) -> None:
    answer = workshop("run", "benchmark", "resnet50-performance", *SHORT, timeout=300)
    head, row = answer.out.strip().splitlines()[:2]
    assert "ACCURACY" in head
    assert "none" in row.split()
    assert "note: constant weights: no accuracy" in answer.out
    assert "no validation ran" not in answer.out
    refused = workshop("run", "validate", "image-classification", "--use", "model=light-resnet50", timeout=300, code=1)
    assert "constant weights, so there is no accuracy" in refused.error
    # Any batch, though the file was published for one of 1.
    batch = ("--scenario", "offline", "--batch-size", "3", "--expected-qps", "10")
    offline = workshop("run", "benchmark", "resnet50-performance", *SHORT, *batch, "--offline", timeout=300)
    assert "note: constant weights: no accuracy" in offline.out
