"""Real launches compared: one configuration with itself, and with a tenth more of time.

The framework is the tests' own (tests/cases/paced): ONNX Runtime whose predictions take a given time, so that a busy
machine blurs the tenth less than the model itself would.
"""

from __future__ import annotations

import pytest
from command_line import ROOT, CommandLine

PACED = ROOT / "tests" / "cases" / "paced"
# LoadGen calls ten queries too few for a 90th percentile: the comparison is of medians.
QUICK = ("--duration", "0.1", "--min-query-count", "10", "--set", "warm-up=1")


@pytest.fixture
def measured(cmx: CommandLine) -> CommandLine:
    """A home with six launches each, in turns, of two copies of a configuration and one with a tenth more time."""
    cmx("repo", "add", PACED)
    paced = ("--use", "framework=paced", "--set", "pace=0.05", "--set", "slowdown=0.1", "--launches", "6")
    cmx("run", "benchmark", *paced, "--matrix", "copy=1,2,3", *QUICK, timeout=600)
    return cmx


@pytest.mark.slow
def test_a_tenth_is_found_and_a_configuration_does_not_differ_from_itself(measured: CommandLine) -> None:
    (found,) = measured("result", "compare", "copy=1", "copy=3", "--invalid", "--json").document["comparisons"]
    assert found["ratio"]["verdict"] == "slower"
    assert 1.05 < found["ratio"]["estimate"] < 1.15
    assert found["a"]["launches"] == found["b"]["launches"] == 6
    assert [each["name"] for each in found["differences"]] == ["slowdown (in effect)", "copy"]
    assert "one was measured after the other" not in str(found["cautions"])

    # At 99 %: in a hundred such comparisons one says otherwise by chance.
    same = measured("result", "compare", "copy=1", "copy=2", "--invalid", "--confidence", "0.99").out
    assert "no difference shown: B has" in same

    mixed = measured("result", "compare", "copy<=2", "copy=3", "--invalid", code=2)
    assert mixed.error.startswith("A is not one configuration: copy is")
    refused = measured("result", "compare", "copy=1", "copy=3", code=2)
    assert "is not valid: launch 1: LoadGen's verdict is INVALID" in refused.error
    assert refused.hint == "--invalid compares it all the same"


def test_the_repository_is_sound(cmx: CommandLine) -> None:
    assert "0 faults" in cmx("check", PACED).out
