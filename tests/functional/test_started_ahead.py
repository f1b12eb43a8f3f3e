"""Workers that are started before it is their turn: they sleep meanwhile, and nobody's measurement meets them."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from command_line import CommandLine, Popen, wait_until

MEASURING = ("run", "benchmark", "--duration", "4", "--offline")


def ticks(pid: int) -> int:
    """The processor time that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


def measuring(cmx: CommandLine) -> Popen:
    child = cmx.start(*MEASURING)
    wait_until(lambda: list(cmx.home.glob("runs/*/benchmark/mlperf_log_detail.txt")), 30, "measuring")
    return child


def test_while_one_worker_measures_the_next_has_loaded_its_code_and_sleeps(cmx: CommandLine) -> None:
    child = measuring(cmx)
    [waiting] = cmx.home.glob("runs/*/validate")
    assert (waiting / "loaded").exists()
    assert not (waiting / "job.json").exists()
    there = cmx.workers()
    assert set(there) == {"benchmark", "validate"}
    used = ticks(there["validate"])
    time.sleep(1)
    assert ticks(there["validate"]) == used
    assert "18/20" in child.communicate(timeout=60)[0]
    assert not (waiting / "loaded").exists()
    assert cmx.workers() == {}


def test_nothing_is_started_ahead_while_somebody_measures(cmx: CommandLine) -> None:
    first = measuring(cmx)
    second = cmx.start("run", "validate", "--offline")
    assert second.stderr is not None
    for line in second.stderr:
        if "waiting for another cmx" in line:
            break
    else:
        pytest.fail("the second run did not wait")
    assert set(cmx.workers()) == {"benchmark", "validate"}
    assert len(list(cmx.home.glob("runs/*/validate"))) == 1
    for child in (first, second):
        child.communicate(timeout=60)
        assert child.returncode == 0
