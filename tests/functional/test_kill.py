"""Whatever is killed, and whenever: its children go too, nothing half-built is used, and the next run works."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from command_line import SHORT, CommandLine, Popen, versions_known, wait_until
from misbehaviour import misbehaving

LONG = ("--duration", "60")
GONE_SECONDS = 15.0

Moment = Callable[[CommandLine], object]

# What shows that a run has come so far.
MOMENTS: dict[str, Moment] = {
    "resolving": lambda cmx: cmx.home.is_dir(),
    "building": lambda cmx: list(cmx.home.glob("environments/.building/*/new/pyvenv.cfg")),
    "fetching": lambda cmx: list(cmx.home.glob("store/.building/pypi-*")),
    "converting": lambda cmx: list(cmx.home.glob("runs/*/convert/job.json")),
    "measuring": lambda cmx: list(cmx.home.glob("runs/*/benchmark/mlperf_log_detail.txt")),
}


def kill_at(cmx: CommandLine, moment: str, seed: int) -> None:
    """Start a benchmark and kill its controller a little after a moment."""
    child = cmx.start("run", "benchmark", *LONG)
    try:
        wait_until(lambda: MOMENTS[moment](cmx) or child.poll() is not None, 60, moment)
        assert child.poll() is None, child.stderr.read() if child.stderr else ""
        time.sleep(random.Random(seed).uniform(0.0, 0.3))
    finally:
        child.kill()
        child.communicate()
    wait_until(lambda: not cmx.processes(), GONE_SECONDS, f"the end of the children of a run killed when {moment}")


def test_a_controller_killed_at_any_moment_damages_nothing(fresh: CommandLine) -> None:
    for seed, moment in enumerate(MOMENTS):
        kill_at(fresh, moment, seed)
        verified = fresh.json("store", "verify", code=1 if leftovers(fresh) else 0)
        assert {finding["kind"] for finding in verified["findings"]} <= {"leftover"}, moment
        assert fresh.results() == []
    assert "18/20 = 0.900  19/20 = 0.950" in fresh("run", "benchmark", *SHORT).out
    assert [result["status"] for result in fresh.results()] == ["ok"]
    assert fresh("store", "verify", "--repair").code == 0
    assert fresh.json("store", "verify")["findings"] == []


def leftovers(cmx: CommandLine) -> list[Path]:
    """Folders that something was being built in."""
    return [path for path in cmx.home.glob("*/.building/*") if path.is_dir()]


@pytest.mark.slow
def test_twenty_runs_killed_at_random_instants_damage_nothing(fresh: CommandLine, prepared: Any) -> None:
    """On one home, so that each run meets what the ones before it left."""
    versions_known(prepared.home, fresh.home)
    instants = random.Random(20)
    for _ in range(20):
        child = fresh.start("run", "benchmark", *LONG)
        time.sleep(instants.uniform(0.05, 3.0))
        child.kill()
        child.communicate()
        wait_until(lambda: not fresh.processes(), GONE_SECONDS, "the end of its children")
        assert fresh.results() == []
    assert "18/20 = 0.900  19/20 = 0.950" in fresh("run", "benchmark", *SHORT).out
    assert fresh("store", "verify", "--repair").code == 0
    assert fresh.json("store", "verify")["findings"] == []
    fresh("store", "gc")
    assert [path.name for path in fresh.home.glob("runs/*")] == [result["id"] for result in fresh.results()]


def interrupt(child: Popen, number: int = signal.SIGINT) -> tuple[str, str]:
    """What Ctrl-C does at a terminal: the whole group gets the signal."""
    os.killpg(child.pid, number)
    return child.communicate(timeout=20)


@pytest.mark.parametrize("moment", ["building", "measuring"])
def test_ctrl_c_ends_with_130_leaves_no_child_and_records_nothing(
    fresh: CommandLine, cmx: CommandLine, moment: str, tmp_path: Path
) -> None:
    there = cmx if moment == "measuring" else fresh.at(tmp_path / "empty")
    child = there.start("run", "benchmark", *LONG)
    wait_until(lambda: MOMENTS[moment](there) or child.poll() is not None, 60, moment)
    out, err = interrupt(child)
    assert (child.returncode, out) == (130, ""), err
    assert "error: interrupted" in err and "Traceback" not in err
    wait_until(lambda: not there.processes(), 2, "the end of its children")
    assert there.results() == []
    assert list(there.home.glob("runs/*")) == []
    assert there("store", "verify").out.endswith(" 0 wrong\n")


def test_the_controller_alone_interrupted_ends_its_worker(cmx: CommandLine) -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        # A shell's "&" leaves SIGINT ignored; SIGTERM has to end it all the same.
        before = signal.signal(signal.SIGINT, signal.SIG_IGN if number == signal.SIGTERM else signal.SIG_DFL)
        child = cmx.start("run", "benchmark", *LONG, "--json")
        signal.signal(signal.SIGINT, before)
        wait_until(lambda: MOMENTS["measuring"](cmx), 30, "measuring")
        child.send_signal(number)
        out, err = child.communicate(timeout=20)
        assert child.returncode == 130, err
        assert '"type": "Interrupted"' in out
        wait_until(lambda: not cmx.processes(), 2, "the end of its children")
        assert cmx.results() == []


def test_a_checker_killed_while_it_sleeps_is_started_anew(cmx: CommandLine) -> None:
    child = cmx.start("run", "benchmark", "--duration", "3", "--offline")
    wait_until(lambda: MOMENTS["measuring"](cmx), 30, "measuring")
    os.kill(cmx.workers()["validate"], signal.SIGKILL)
    out, err = child.communicate(timeout=60)
    assert child.returncode == 0, err
    assert "18/20" in out


def test_a_second_ctrl_c_leaves_no_more_behind_than_the_first(cmx: CommandLine) -> None:
    for delay in (0.0, 0.002, 0.02, 0.1):
        child = cmx.start("run", "benchmark", *LONG)
        wait_until(lambda: MOMENTS["measuring"](cmx), 30, "measuring")
        child.send_signal(signal.SIGINT)
        time.sleep(delay)
        child.send_signal(signal.SIGINT)
        child.communicate(timeout=20)
        wait_until(lambda: not cmx.processes(), 2, "the end of its children")
        assert list(cmx.home.glob("runs/*")) == []


def test_a_killed_worker_is_recorded(cmx: CommandLine) -> None:
    child = cmx.start("run", "benchmark", *LONG)
    wait_until(lambda: MOMENTS["measuring"](cmx), 30, "measuring")
    os.kill(cmx.workers()["benchmark"], signal.SIGKILL)
    _, err = child.communicate(timeout=20)
    assert cmx.processes() == []
    assert not list(cmx.home.glob("runs/*/validate"))
    assert child.returncode == 1
    assert "error: the worker was killed (signal SIGKILL), most likely because the machine ran out of memory" in err
    [result] = cmx.results()
    assert (result["status"], result["error"]["type"]) == ("failed", "WorkerOutOfMemory")
    assert "18/20" in cmx("run", "validate", "--offline").out


def test_what_a_worker_started_ends_with_it(cmx: CommandLine) -> None:
    action = misbehaving(cmx) / "misbehave" / "action.py"
    code = action.read_text(encoding="utf-8").replace(
        'if how == "hang":', 'if how == "hang":\n        os.posix_spawn("/bin/sleep", ["sleep", "1000"], os.environ)'
    )
    action.write_text(code, encoding="utf-8")
    answer = cmx("run", "misbehave", "misbehaving", "--how", "hang", "--time-limit", "1", code=1)
    assert answer.error == "the worker was ended after 1 s (time limit)"
    wait_until(lambda: not cmx.processes(), 2, "the end of the worker's child")
