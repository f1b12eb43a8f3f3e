"""Runs one command of somebody else's program for what it prints, and lets it do no harm by hanging or flooding."""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import subprocess
    import threading

OUTPUT_LIMIT = 64 * 1024

# What a program needs to start at all: where programs, libraries and a tool manager's settings lie.
_KEPT = (
    "PATH",
    "HOME",
    "TMPDIR",
    "LD_LIBRARY_PATH",
    "PYENV_ROOT",
    "DEVELOPER_DIR",
    "SDKROOT",
    "SYSTEMROOT",
    "PATHEXT",
    "COMSPEC",
    "TEMP",
    "TMP",
    "USERPROFILE",
)


class ProbeFailed(Exception):
    """The command gave no usable output; the message is the reason, ready to be shown."""


class Prober:
    """Runs probes, in several threads if need be; ``stop`` ends those that are running."""

    def __init__(self, environ: Mapping[str, str], time_limit: float) -> None:
        self._environ = environment(environ)
        self._time_limit = time_limit
        self._running: set[subprocess.Popen[bytes]] = set()
        self._stopped = False

    def run(self, command: Sequence[str], folder: Path) -> str:
        """What a command prints on stdout and stderr together. Raises ProbeFailed with the reason."""
        import threading

        process = self._start(command, folder)
        output, complete = bytearray(), threading.Event()
        reader = threading.Thread(target=_read, args=(process, output, complete), daemon=True)
        reader.start()
        try:
            in_time = complete.wait(self._time_limit)
            flooded = len(output) > OUTPUT_LIMIT
            if in_time and not flooded:
                in_time = _ended(process)
        finally:
            _end(process)
            reader.join(1)
            self._running.discard(process)
        if not in_time:
            raise ProbeFailed(f"timed out after {self._time_limit:g} s")
        if flooded:
            raise ProbeFailed(f"printed more than {OUTPUT_LIMIT // 1024} KiB")
        return _checked(process.returncode, output.decode(errors="replace"))

    def stop(self) -> None:
        """End every command that is running, and start no other."""
        self._stopped = True
        for process in tuple(self._running):
            _end(process)

    def _start(self, command: Sequence[str], folder: Path) -> subprocess.Popen[bytes]:
        import subprocess

        try:
            process = subprocess.Popen(
                list(command),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                cwd=folder,
                env=self._environ,
                # A process group of its own, so that what the command starts can be ended with it.
                start_new_session=True,
            )
        except OSError as error:
            raise ProbeFailed(f"cannot be started: {error.strerror or error}") from error
        self._running.add(process)
        if self._stopped:
            _end(process)
        return process


def environment(environ: Mapping[str, str]) -> dict[str, str]:
    """The minimal environment of a probe: messages in English, no bytecode written, nobody's options."""
    kept = {name: environ[name] for name in _KEPT if name in environ}
    return kept | {"LC_ALL": "C", "PYTHONDONTWRITEBYTECODE": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}


def _read(process: subprocess.Popen[bytes], output: bytearray, complete: threading.Event) -> None:
    """Collect the output until it ends or passes the limit."""
    assert process.stdout is not None
    with process.stdout as stream:
        while len(output) <= OUTPUT_LIMIT:
            chunk = os.read(stream.fileno(), 8192)
            if not chunk:
                break
            output += chunk
        complete.set()


def _ended(process: subprocess.Popen[bytes]) -> bool:
    """Whether a process that closed its output ends by itself."""
    import subprocess

    try:
        process.wait(1)
    except subprocess.TimeoutExpired:
        return False
    return True


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a command and what it started, which may outlive it."""
    try:
        if os.name == "nt":  # untested
            process.kill()
        else:
            os.killpg(process.pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        pass
    process.wait()


def _checked(status: int, text: str) -> str:
    if status == 0:
        return text
    said = next((line.strip() for line in text.splitlines() if line.strip()), "")
    how = f"ended by signal {-status}" if status < 0 else f"exit {status}"
    raise ProbeFailed(f"{how}: {said[:200]}" if said else how)
