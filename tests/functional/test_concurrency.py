"""Two at once: one builds while the other waits, and they measure one after the other."""

from __future__ import annotations

import shlex
import sys
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from command_line import SHORT, CommandLine, Popen

from cmx.install.uv import Uv
from cmx.settings import Settings


@pytest.fixture
def uv_calls(fresh: CommandLine, tmp_path: Path) -> tuple[CommandLine, Path]:
    """cmx in an interpreter whose uv writes down each call, and the file of these calls."""
    folder, log = tmp_path / "venv", tmp_path / "uv-calls.txt"
    Uv(Settings(tmp_path / "uv-home")).run(
        ["venv", "--no-project", "--python", sys.executable, str(folder)], doing="making an environment"
    )
    site = next(folder.glob("lib/python*/site-packages"))
    real = next(fresh.python.parent.parent.glob("lib/python*/site-packages"))
    # site.addsitedir, for the .pth file that lies there.
    (site / "bare.pth").write_text(f"import site; site.addsitedir({str(real)!r})\n", encoding="utf-8")
    wrapper = folder / "bin" / "uv"
    told = f"printf '%s\\n' \"$*\" >> {shlex.quote(str(log))}"
    wrapper.write_text(f'#!/bin/sh\n{told}\nexec {shlex.quote(str(fresh.python.parent / "uv"))} "$@"\n', "utf-8")
    wrapper.chmod(0o755)
    return replace(fresh, python=folder / "bin" / "python"), log


def finish(child: Popen) -> tuple[str, str]:
    out, err = child.communicate(timeout=300)
    assert child.returncode == 0, err
    return out, err


def measured(result: dict[str, Any]) -> list[tuple[int, int]]:
    """When each LoadGen run of a result began and ended, in ns since the epoch."""
    outcomes = [step["outcome"] for step in result["steps"] if step["outcome"]]
    return [(each["started_ns"], each["started_ns"] + each["wall_ns"]) for each in outcomes]


def test_two_first_runs_build_and_fetch_everything_once_and_measure_in_turn(
    uv_calls: tuple[CommandLine, Path],
) -> None:
    cmx, log = uv_calls
    children = [cmx.start("run", "benchmark", *SHORT) for _ in range(2)]
    stories = [finish(child) for child in children]
    assert all("18/20 = 0.900  19/20 = 0.950" in out for out, _ in stories)

    calls = log.read_text(encoding="utf-8").splitlines()
    environments = [call for call in calls if call.startswith("venv ")]
    fetched = [call for call in calls if " --target " in call]
    assert len(environments) == 2, calls  # one to run in, one to convert in
    assert len(fetched) == 2, calls  # the checkpoint and the photos
    assert len([path for path in (cmx.home / "environments").iterdir() if len(path.name) == 64]) == 2

    results = cmx.results()
    assert [result["status"] for result in results] == ["ok", "ok"]
    spans = sorted(span for result in results for span in measured(result))
    assert len(spans) == 4
    assert all(end <= begin for (_, end), (begin, _) in pairwise(spans)), spans
    assert any("waiting for another cmx" in err for _, err in stories)
    assert cmx("store", "verify").out.endswith(" 0 wrong\n")


def test_who_waits_for_a_measurement_says_for_whom(cmx: CommandLine) -> None:
    children = [cmx.start("run", "validate", "--offline") for _ in range(3)]
    stories = [finish(child)[1] for child in children]
    assert sum("note: waiting for another cmx (process " in story for story in stories) >= 1
    assert len(cmx.results()) == 3
    assert len({result["id"] for result in cmx.results()}) == 3
