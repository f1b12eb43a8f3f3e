"""The local executor: one job, one child process, and whatever becomes of it.

The child has its own process group, so that ending it ends what it started; its standard input is a pipe that stays
open as long as this process lives, so that it ends when this process does, even by SIGKILL. There it is told, a line
each, what code to load, and then that its job is there (``cmx.worker.told``).
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

from cmx.errors import Interrupted, WorkerCrashed, WorkerOutOfMemory, WorkerTimeout
from cmx.files import disk_failures, write_atomically
from cmx.runner.isolation import Isolation

WORKER = Path(__file__).resolve().parent.parent / "worker" / "__main__.py"
LAST_LINES = 20
_LOADED = "loaded"
_POLL_SECONDS = 0.2
_LOADED_POLL_SECONDS = 0.002
_GRACE_SECONDS = 2.0
_ENDING = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
_TEMPORARY = ("TMPDIR", "TEMP", "TMP")
_PASSED_ON = ("PATH", *_TEMPORARY, "LANG", "LC_ALL", "SYSTEMROOT", "LD_LIBRARY_PATH", "USER")
_HOME = "home"
# Frameworks that would report to their makers are told not to: by a file in the home, by a variable.
_DECLINED = {"intel/openvino_telemetry": "0"}
_DECLINING = {"ORT_DISABLE_TELEMETRY": "1"}
_MEMORY_WORDS = (
    "bad_alloc",
    "MemoryError",
    "Cannot allocate memory",
    "out of memory",
    "Unable to allocate",
    "emory allocation",
)

Document = Mapping[str, Any]


class Limits(NamedTuple):
    """What a worker may use: seconds of wall time, bytes of memory (None: all there is)."""

    seconds: float
    memory: int | None = None


class Code(NamedTuple):
    """A component's Python file, and the component's reference."""

    file: str
    reference: str


def code_of(job: Document, *, frameworks: bool) -> list[Code]:
    """The Python files that carry out a job: the action's, and where asked for, those of its roles' frameworks."""
    action, roles = job["action"], job["roles"].values() if frameworks else ()
    running = [each for each in roles if each["component"].get("predictor")]
    return [
        Code(action["entry"].rpartition(":")[0], action["reference"]),
        *(Code(f"{each['folder']}/{each['component']['predictor']}", each["reference"]) for each in running),
    ]


class Worker:
    """A worker process: it loads ``code`` at once, and then waits for the one job that it is given.

    It has ``memory`` bytes for that, or all there are. ``folder`` is that of all that comes of the job: job.json,
    outcome.json, output.txt, and what the action leaves; what was in it before is gone. With ``isolation`` the worker
    sees and writes only what that allows. As a context manager it has ended after the block.
    """

    def __init__(
        self,
        python: Path,
        code: Sequence[Code],
        folder: Path,
        isolation: Isolation | None = None,
        memory: int | None = None,
    ) -> None:
        self.folder, self._isolation, self._ended, self._waited = folder, isolation, False, 0.0
        with disk_failures(folder, "starting a worker"):
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
            _make_home(folder / _HOME)
            output = (folder / "output.txt").open("wb")
        with output:
            self._child = subprocess.Popen(
                worker_command(python, folder, isolation),
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=folder,
                env=_environment(folder / _HOME, isolation is not None),
                start_new_session=True,
            )
        self._tell(json.dumps({"code": code, "memory_limit": memory}))

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    @property
    def ended(self) -> bool:
        """Whether the process has ended, however."""
        return self._child.poll() is not None

    @property
    def waits(self) -> bool:
        """Whether it has loaded its code, and sleeps until its job is there."""
        return (self.folder / _LOADED).exists() and not self.ended

    def wait_until_loaded(self, seconds: float) -> None:
        """Return when it waits for its job, or has ended, or after ``seconds``: carrying out the job tells which."""
        begin = time.monotonic()
        while not (self.waits or self.ended) and time.monotonic() < begin + seconds:
            time.sleep(_LOADED_POLL_SECONDS)
        self._waited += time.monotonic() - begin

    def carry_out(self, job: Document, limits: Limits, on_progress: Callable[[Document], None]) -> dict[str, Any]:
        """The outcome document of the job, whether its action succeeded or failed; the process has ended then.

        ``on_progress`` is given the newest line of its progress.jsonl. The time that the worker was waited for while
        it loaded its code counts. Raises WorkerCrashed, WorkerTimeout or WorkerOutOfMemory with the last lines of
        output, Interrupted on Ctrl-C.
        """
        folder = self.folder
        write_atomically(folder / "job.json", json.dumps(job, indent=1))
        try:
            self._tell("go")
            status = _wait(self._child, limits.seconds - self._waited, _Tail(folder / "progress.jsonl", on_progress))
        except KeyboardInterrupt:
            raise Interrupted("interrupted", hint="nothing of this run was kept as a result") from None
        finally:
            self.end()
        if status is None:
            raise WorkerTimeout(
                f"the worker was ended after {limits.seconds:g} s (time limit)",
                hint="raise it with --time-limit SECONDS; its output is in " + str(folder / "output.txt"),
                output=_last_lines(folder),
            )
        return _outcome(folder, self._isolation.status(status) if self._isolation else status)

    def end(self) -> None:
        """End it and whatever it started."""
        if self._ended:
            return
        with uninterrupted():
            _end(self._child)
            self._ended = True
            shutil.rmtree(self.folder / _HOME, ignore_errors=True)
            (self.folder / _LOADED).unlink(missing_ok=True)

    def _tell(self, line: str) -> None:
        assert self._child.stdin is not None
        with suppress(BrokenPipeError):  # it has ended already, and its status says how
            os.write(self._child.stdin.fileno(), line.encode() + b"\n")


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Another Ctrl-C, while what the first one ended is cleaned up, waits until that is done."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    pending: list[int] = []
    before = {name: signal.signal(name, lambda number, _: pending.append(number)) for name in _ENDING}
    try:
        yield
    finally:
        for name, handler in before.items():
            signal.signal(name, handler)
    if pending:
        signal.raise_signal(pending[0])


def worker_command(python: Path, folder: Path, isolation: Isolation | None) -> list[str]:
    """What starts a worker whose job.json will lie in ``folder``."""
    # -u: what it printed is there, too, when it crashes; -I means that PYTHONUNBUFFERED would not be read.
    command = [str(python), "-I", "-u", str(WORKER), str(folder / "job.json"), "--told"]
    return isolation.showing(WORKER.parent.parent).command(command, folder) if isolation else command


def _environment(home: Path, isolated: bool) -> dict[str, str]:
    """A worker sees the user's search paths and nothing else of the environment.

    Its home is its own, and goes with it: libraries write there unasked, some of them an identifier of the machine.
    Isolated, that is where its temporary files are, too.
    """
    own = {name: str(home) for name in ("HOME", *(_TEMPORARY if isolated else ()))}
    return {**{name: os.environ[name] for name in _PASSED_ON if name in os.environ}, **_DECLINING, **own}


def _make_home(home: Path) -> None:
    for name, text in _DECLINED.items():
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        (home / name).write_text(text, encoding="utf-8")


def _wait(child: subprocess.Popen[bytes], seconds: float, tail: _Tail) -> int | None:
    """The child's exit status; None when it did not end in time."""
    # A thread waits without a timeout: Popen.wait with one sleeps and looks, up to 20 times a second, which is
    # late by up to that and wakes a processor up while somebody measures.
    ended = threading.Event()

    def wait() -> None:
        child.wait()
        ended.set()

    threading.Thread(target=wait, name="cmx-worker-wait", daemon=True).start()
    deadline = time.monotonic() + seconds
    while not ended.wait(max(0.0, min(_POLL_SECONDS, deadline - time.monotonic()))):
        tail.read()
        if time.monotonic() >= deadline:
            return None
    return child.returncode


def _end(child: subprocess.Popen[bytes]) -> None:
    """End the child and everything in its process group."""
    if child.poll() is None:
        _signal(child, signal.SIGTERM)
        try:
            child.wait(timeout=_GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            _signal(child, getattr(signal, "SIGKILL", signal.SIGTERM))
            child.wait()
    _signal(child, getattr(signal, "SIGKILL", signal.SIGTERM))
    if child.stdin:
        child.stdin.close()


def _signal(child: subprocess.Popen[bytes], number: int) -> None:
    try:
        if sys.platform == "win32":
            child.send_signal(number)
        else:
            os.killpg(child.pid, number)
    except (ProcessLookupError, PermissionError):
        return


class _Tail:
    """Hands on the newest line of a worker's progress file."""

    def __init__(self, file: Path, on_progress: Callable[[Document], None]) -> None:
        self._file, self._on_progress, self._seen = file, on_progress, 0

    def read(self) -> None:
        try:
            with self._file.open("rb") as stream:
                stream.seek(self._seen)
                fresh = stream.read()
        except OSError:
            return
        whole = fresh.rpartition(b"\n")[0]
        if whole:
            self._seen += len(whole) + 1
            self._on_progress(json.loads(whole.rpartition(b"\n")[2]))


def _outcome(folder: Path, status: int) -> dict[str, Any]:
    try:
        document: dict[str, Any] = json.loads((folder / "outcome.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise _died(folder, status) from None
    error = document.get("error")
    if error and error["type"] == "out-of-memory":
        raise WorkerOutOfMemory(
            # The last line: numpy says in twenty what kept it from loading, and what it was at the end.
            f"the worker ran out of memory: {error['message'].strip().splitlines()[-1]}",
            hint=_MEMORY_HINT,
            output=_last_lines(folder),
        )
    return document


_MEMORY_HINT = "use a smaller batch, raise --memory-limit, or free some memory"


def _died(folder: Path, status: int) -> WorkerCrashed | WorkerOutOfMemory:
    lines = _last_lines(folder)
    how = f"signal {signal.Signals(-status).name}" if status < 0 else f"exit status {status}"
    if status == -9:  # what Linux's out-of-memory killer sends; somebody else may have sent it too
        message = f"the worker was killed ({how}), most likely because the machine ran out of memory"
        return WorkerOutOfMemory(message, hint=_MEMORY_HINT, output=lines)
    if any(word.lower() in line.lower() for line in lines for word in _MEMORY_WORDS):
        return WorkerOutOfMemory(f"the worker ran out of memory ({how})", hint=_MEMORY_HINT, output=lines)
    return WorkerCrashed(f"the worker crashed ({how})", hint=f"its output is in {folder / 'output.txt'}", output=lines)


def _last_lines(folder: Path) -> tuple[str, ...]:
    try:
        with (folder / "output.txt").open("rb") as stream:
            size = stream.seek(0, os.SEEK_END)
            stream.seek(max(0, size - 65536))
            text = stream.read().decode(errors="replace")
    except OSError:
        return ()
    return tuple(deque(text.splitlines(), maxlen=LAST_LINES))
