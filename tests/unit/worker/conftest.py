"""A worker: the real process, with actions written for one test."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from subprocess import PIPE
from textwrap import dedent
from typing import Any

import pytest

import cmx

MAIN = Path(cmx.__file__).parent / "worker" / "__main__.py"


@dataclass
class Worker:
    """Writes a job into ``folder`` and runs it; ``outcome`` reads what it left."""

    folder: Path

    @property
    def output(self) -> Path:
        return self.folder / "output"

    @property
    def command(self) -> list[str]:
        return [sys.executable, "-I", str(MAIN), str(self.folder / "job.json")]

    def job(self, source: str, parameters: Mapping[str, Any] | None = None, **more: Any) -> Worker:
        """A job whose action is ``work`` in ``source``."""
        action = self.folder / "action.py"
        action.write_text("from cmx.worker import ActionError, Context, Outcome\n" + dedent(source))
        return self.write({"reference": "action/try-it==1.0.0", "entry": f"{action}:work"}, parameters, **more)

    def write(self, action: Mapping[str, str], parameters: Mapping[str, Any] | None = None, **more: Any) -> Worker:
        """Write ``job.json`` for an action that exists."""
        self.output.mkdir(exist_ok=True)
        document = {"schema": 1, "document": "job", "action": action, "parameters": dict(parameters or {})}
        document.update({"output": str(self.output), **more})
        (self.folder / "job.json").write_text(json.dumps(document))
        return self

    def run(self) -> subprocess.CompletedProcess[str]:
        """Run to the end, holding standard input open as a controller does."""
        with subprocess.Popen(
            self.command, cwd=self.output, stdin=PIPE, stdout=PIPE, stderr=PIPE, text=True
        ) as process:
            assert process.stdout is not None
            assert process.stderr is not None
            output, errors = process.stdout.read(), process.stderr.read()
            status = process.wait(timeout=60)
        return subprocess.CompletedProcess(self.command, status, output, errors)

    def outcome(self) -> dict[str, Any]:
        return json.loads((self.output / "outcome.json").read_text())  # type: ignore[no-any-return]


@pytest.fixture
def worker(tmp_path: Path) -> Worker:
    return Worker(tmp_path)
