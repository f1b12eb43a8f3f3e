"""The workflow voice-activity: a network with a state, on speech between silence."""

from __future__ import annotations

import os
import shutil
import sys

import pytest
from command_line import SHORT, CommandLine

SYSTEM = os.environ.get("PATH", os.defpath)

pytestmark = pytest.mark.skipif(
    not sys.platform.startswith("linux") or shutil.which("apt-get") is None,
    reason="the recordings are in a Debian package, and there is no apt-get here",
)


@pytest.mark.slow
def test_frames_with_speech_are_found(fresh: CommandLine) -> None:
    answer = fresh("run", "benchmark", "voice-activity", *SHORT, "--json", timeout=300, PATH=SYSTEM)
    steps = {each["id"]: each["outcome"]["metrics"] for each in answer.document["result"]["steps"] if each["outcome"]}
    alone = steps["validate"]["accuracy"]
    assert alone["frame_f1"] == pytest.approx(0.944, abs=0.005)
    assert steps["validate"]["passed"]
    # Four recordings side by side, each with a state of its own: the same answers.
    batch = fresh("run", "validate", "voice-activity", "--batch-size", "4", "--offline", "--json", PATH=SYSTEM)
    (together,) = [each["outcome"]["metrics"] for each in batch.document["result"]["steps"] if each["id"] == "validate"]
    assert together["accuracy"] == pytest.approx(alone, abs=1e-3)
    recording = next((fresh.home / "store" / "derived").glob("*/files/cards/005.wav"))
    shown = fresh("run", "run", "voice-activity", "--input", recording, "--offline", PATH=SYSTEM)
    assert "005.wav: 2.98 s of 3.50 s are speech" in " ".join(shown.lines("detect"))
