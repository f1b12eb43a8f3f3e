"""Audits: a framework of somebody's own that cheats is caught, and ONNX Runtime itself passes."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from typing import Any

import pytest
from command_line import ROOT, CommandLine

DOUBTFUL = ROOT / "tests" / "helpers" / "doubtful_framework"
# One round is enough to tell a kept answer, which takes a hundredth of the time, from one that was thought about.
SHORT = ("--rounds", "1", "--samples", "10")


@pytest.fixture
def audited(cmx: CommandLine) -> CommandLine:
    shutil.copytree(DOUBTFUL, cmx.home / "repository" / "software-detect" / "doubtful")
    return cmx


def audits(document: Mapping[str, Any]) -> dict[str, Any]:
    """What each audit found, from the record."""
    step = next(each for each in document["steps"] if each["id"] == "audit")
    return dict(step["outcome"]["metrics"]["audits"])


@pytest.mark.slow
def test_an_honest_system_passes_both_audits(cmx: CommandLine) -> None:
    # A busy machine makes a round slower by chance: a tenth is for a quiet one, and a kept answer is far beyond this.
    done = cmx("run", "audit", "--set", "faster=2", "--offline", "--json").document["result"]
    found = audits(done)
    assert {name: each["passed"] for name, each in found.items()} == {"TEST01": True, "TEST04": True}
    assert (found["TEST01"]["answers"], found["TEST01"]["different"]) == (40, 0)
    assert (len(found["TEST04"]["ratios"]), found["TEST04"]["queries"]) == (3, [20] * 3)
    assert (done["valid"], done["reasons"], done["action"]) == (True, [], "audit")
    shown = cmx("result", "show", done["id"])
    assert "TEST04  passed" in shown.out


@pytest.mark.slow
def test_right_answers_only_where_they_are_counted_are_caught_by_test01(audited: CommandLine) -> None:
    cheat = ("--use", "framework=doubtful", "--set", "cheat=guess", "--offline")
    validated = audited("run", "validate", *cheat, "--json").document["result"]
    assert validated["steps"][-1]["outcome"]["metrics"]["accuracy"]["top_1"] == 0.9
    caught = audited("run", "audit", *cheat, "--test", "TEST01", "--json", code=1).document["result"]
    found = audits(caught)["TEST01"]
    assert not found["passed"]
    assert found["different"] >= 20
    assert (caught["valid"], caught["status"]) == (False, "ok")
    assert caught["reasons"][0].startswith("audit TEST01: ")


@pytest.mark.slow
def test_answers_that_are_kept_are_caught_by_test04(audited: CommandLine) -> None:
    cheat = ("--use", "framework=doubtful", "--set", "cheat=keep", "--offline", *SHORT)
    caught = audited("run", "audit", *cheat, code=1)
    assert "TEST01  passed" in caught.out
    assert "TEST04  FAILED" in caught.out
    assert "one sample again and again was answered " in caught.out
