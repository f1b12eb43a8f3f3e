"""Real processes for tests of what several of them do at once."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def start(program: str, *arguments: object, prefix: Sequence[str] = ()) -> subprocess.Popen[str]:
    """Run ``program`` (Python text) in a new interpreter that sees this checkout."""
    command = [*prefix, sys.executable, "-c", program, *map(str, arguments)]
    environ = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environ
    )


def answer(process: subprocess.Popen[str]) -> str:
    """What a program printed; fails with its complaints if it failed."""
    output, complaints = process.communicate(timeout=60)
    assert process.returncode == 0, complaints
    return output.strip()


def run(program: str, *arguments: object, prefix: Sequence[str] = ()) -> str:
    """Run a program to its end and return what it printed."""
    return answer(start(program, *arguments, prefix=prefix))


def without_privileges() -> list[str] | None:
    """What to put in front of a command so that read-only folders bind it; None if root cannot be left here."""
    if os.geteuid() != 0:
        return []
    if shutil.which("setpriv") is None:
        return None
    dropped = "-dac_override,-dac_read_search"
    return ["setpriv", f"--inh-caps={dropped}", f"--bounding-set={dropped}"]
