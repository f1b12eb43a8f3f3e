"""Running another program: an argument list, no input, no prompt, and never longer than cmx itself lives."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from cmx.errors import CmxError, Unavailable

# What a build may know of the user's environment: enough to find compilers, nothing that changes what is built.
_BUILD = ("PATH", "CC", "CXX", "SYSTEMROOT", "TEMP", "TMP", "TMPDIR", "INCLUDE", "LIB", "LIBPATH")


@dataclass(frozen=True)
class Ended:
    """How a program ended: its exit status, what it printed, and what it complained of."""

    status: int
    output: str
    complaints: str

    @property
    def sentence(self) -> str:
        """The last lines of its complaints (or of its output), as one line."""
        lines = [line.strip() for line in (self.complaints.strip() or self.output).splitlines() if line.strip()]
        return " · ".join(lines[-3:]) or f"it said nothing, and ended with status {self.status}"


def program(name: str, *, needed_for: str, hint: str) -> str:
    """The path of a program. Raises Unavailable if it is not on PATH."""
    found = shutil.which(name)
    if found is None:
        raise Unavailable(f"{needed_for}: {name} is not on this machine", missing=(name,), hint=hint)
    return found


def run(
    arguments: Sequence[str],
    *,
    folder: Path,
    environ: Mapping[str, str] | None = None,
    on_line: Callable[[str], None] | None = None,
) -> Ended:
    """Run a program in ``folder`` to its end; ``on_line`` hears each line of its output.

    It has no standard input, so it cannot ask. It and its children are ended if this is interrupted.
    """
    process = subprocess.Popen(
        arguments,
        cwd=folder,
        env=dict(environ) if environ is not None else None,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        errors="replace",
        start_new_session=True,
    )
    with process:
        try:
            return _converse(process, on_line)
        finally:
            _end(process)


def build_environment_of(home: Path) -> dict[str, str]:
    """What the programs of a build are told: where compilers are, and a home of their own."""
    kept = {name: os.environ[name] for name in _BUILD if name in os.environ}
    return {**kept, "HOME": str(home), "LC_ALL": "C"}


def failed(ended: Ended, doing: str, *, hint: str = "") -> CmxError:
    """The error for a program that failed for a reason of its own."""
    return Unavailable(f"{doing} failed: {ended.sentence}", hint=hint)


def _converse(process: subprocess.Popen[str], on_line: Callable[[str], None] | None) -> Ended:
    assert process.stdout is not None and process.stderr is not None
    complaints: list[str] = []
    listener = threading.Thread(target=lambda: complaints.extend(process.stderr or ()), daemon=True)
    listener.start()
    output: list[str] = []
    for line in process.stdout:
        output.append(line)
        if on_line is not None:
            on_line(line)
    status = process.wait()
    listener.join()
    return Ended(status, "".join(output), "".join(complaints))


def _end(process: subprocess.Popen[str]) -> None:
    """End a program that still runs, with all its children: first politely, after 2 s for good."""
    if process.poll() is not None:
        return
    for how in (signal.SIGTERM, getattr(signal, "SIGKILL", signal.SIGTERM)):
        with suppress(OSError):
            if hasattr(os, "killpg"):
                os.killpg(process.pid, how)
            else:
                process.kill()
        with suppress(subprocess.TimeoutExpired):
            process.wait(timeout=2)
            return
