"""The workflow voice-activity: a network with a state, on speech between silence."""

from __future__ import annotations

import json
import os
import shutil
import sys
from typing import Any

import numpy as np
import pytest
from command_line import SHORT, CommandLine

SYSTEM = os.environ.get("PATH", os.defpath)

pytestmark = pytest.mark.skipif(
    not sys.platform.startswith("linux") or shutil.which("apt-get") is None,
    reason="the recordings are in a Debian package, and there is no apt-get here",
)


@pytest.mark.slow
def test_frames_with_speech_are_found_alike_in_two_frameworks(workshop: CommandLine) -> None:
    answer = workshop("run", "benchmark", "voice-activity", *SHORT, "--json", timeout=300, PATH=SYSTEM)
    found = validated(answer.document)
    assert found["accuracy"]["frame_f1"] == pytest.approx(0.944, abs=0.005)
    assert found["passed"]
    # Four recordings side by side, each with a state of its own, and the same network as TorchScript.
    again = ("run", "validate", "voice-activity", "--batch-size", "4", "--json")
    batch = workshop(*again, "--offline", PATH=SYSTEM)
    torch = workshop(*again, "--use", "framework=torch", timeout=600, PATH=SYSTEM)
    alone = probabilities(workshop, answer.document)
    assert {len(frames) for frames in alone.values()} == {320}
    for other in (batch, torch):
        for recording, frames in probabilities(workshop, other.document).items():
            assert np.abs(frames - alone[recording]).max() < 1e-4
    assert validated(torch.document)["predictor"]["execution"] == "torchscript"
    recording = next((workshop.home / "store" / "derived").glob("*/files/cards/005.wav"))
    shown = workshop("run", "run", "voice-activity", "--input", recording, "--offline", PATH=SYSTEM)
    assert "005.wav: 2.98 s of 3.50 s are speech" in " ".join(shown.lines("detect"))


def validated(document: dict[str, Any]) -> dict[str, Any]:
    """What the step found."""
    steps = {each["id"]: each["outcome"] for each in document["result"]["steps"]}
    found: dict[str, Any] = steps["validate"]["metrics"]
    return found


def probabilities(cmx: CommandLine, document: dict[str, Any]) -> dict[int, Any]:
    """What the model answered to each recording, as LoadGen logged it."""
    log = cmx.run_folder(document["result"]) / "validate" / "mlperf_log_accuracy.json"
    entries = json.loads(log.read_text(encoding="utf-8"))
    return {entry["qsl_idx"]: np.frombuffer(bytes.fromhex(entry["data"]), "<f4") for entry in entries}
