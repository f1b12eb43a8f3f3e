"""A tree of MLPerf's that cmx made of full-length runs, and MLCommons' own checker where there is one."""

from __future__ import annotations

from pathlib import Path

import pytest

from cmx.mlperf import official

FULL_LENGTH = Path(__file__).parents[1] / "cases" / "mlperf" / "full-length"
_MODEL = "open/cmx/results/small-vm/ppocr-v4-recogniser"
SINGLE_STREAM = f"{_MODEL}/SingleStream"
OFFLINE = f"{_MODEL}/Offline"


def official_checker() -> Path:
    """The folder of the official checker; skips, saying so, where the environment names none."""
    folder = official.folder()
    if folder is None:
        pytest.skip(f"{official.VARIABLE} does not name the folder that holds MLCommons' submission_checker")
    return folder
