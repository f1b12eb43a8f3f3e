"""This process: what it may use, when it must end, and what it used."""

from __future__ import annotations

import os
import platform
import re
import signal
import stat
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import SimpleQueue
from typing import Any, Optional

ORPHANED = 70
# The binary logarithm of the cycles for which a thread of OpenBLAS spins; its own default is 26.
_BLAS_TIMEOUT, _BLAS_CYCLES = "OPENBLAS_THREAD_TIMEOUT", "20"
_THREAD_VARIABLES = ("OMP_NUM_THREADS", "OMP_WAIT_POLICY", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def end_on_signals() -> None:
    """Let SIGINT and SIGTERM end the process at once.

    Python's own handler for SIGINT runs between two bytecodes of the main thread; here that thread is for seconds
    inside a framework or inside LoadGen, where a KeyboardInterrupt would have to travel through C++.
    """
    for name in ("SIGINT", "SIGTERM"):
        signal.signal(getattr(signal, name), signal.SIG_DFL)


def end_with_parent() -> SimpleQueue[bytes]:
    """End when standard input, a pipe that the controller holds open, reaches its end: the controller is gone.

    Returns where the lines come that are written there before.
    """
    lines: SimpleQueue[bytes] = SimpleQueue()
    try:
        piped = stat.S_ISFIFO(os.fstat(0).st_mode)
    except OSError:
        return lines
    if piped:
        threading.Thread(target=_wait_for_end, args=(lines,), name="cmx-orphan", daemon=True).start()
    return lines


def _wait_for_end(lines: SimpleQueue[bytes]) -> None:
    try:
        with open(0, "rb", closefd=False) as told:
            for line in told:
                lines.put(line)
    except OSError:
        pass
    if hasattr(os, "killpg") and os.getpgrp() == os.getpid():
        # A compiler or a program that was started here would outlive us; the group is ours alone.
        os.killpg(os.getpid(), signal.SIGKILL)
    os._exit(ORPHANED)


def volunteer_for_oom_killer() -> None:
    """Ask Linux to end this process, not the controller, when the machine runs out of memory. Best effort."""
    try:
        Path("/proc/self/oom_score_adj").write_text("500")
    except OSError:
        return


def limit_memory(limit: Optional[int]) -> None:
    """Limit the address space to ``limit`` bytes, where the system can (not on Windows; macOS ignores it)."""
    if limit is None:
        return
    try:
        import resource
    except ImportError:
        return
    hard = resource.getrlimit(resource.RLIMIT_AS)[1]
    soft = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
    try:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
    except (OSError, ValueError):
        return


def lift_memory_limit() -> None:
    """Undo ``limit_memory``, so that what ran out of memory can still say so."""
    try:
        import resource

        hard = resource.getrlimit(resource.RLIMIT_AS)[1]
        resource.setrlimit(resource.RLIMIT_AS, (hard, hard))
    except (ImportError, OSError, ValueError):
        return


def cpu_ns() -> int:
    """The processor time of this process and of the programs it started that have ended, in ns."""
    spent = os.times()
    return time.process_time_ns() + round((spent.children_user + spent.children_system) * 1e9)


def memory_peak() -> int:
    """The most memory this process, or a program it started, had resident, in bytes; 0 where the system does not say.

    On Linux its own from VmHWM: getrusage's ru_maxrss also counts what the parent had when it started this process.
    """
    try:
        import resource
    except ImportError:
        return 0
    unit = 1 if sys.platform == "darwin" else 1024
    started = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * unit
    try:
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return max(int(line.split()[1]) * 1024, started)
    except OSError:
        pass
    return max(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit, started)


@contextmanager
def drowsy_blas() -> Iterator[None]:
    """Where numpy loads OpenBLAS in this block, its idle threads sleep after about 0.4 ms, not after 0.1 s.

    They would spin beside whatever comes next. Calls that follow each other closely find them awake all the same. What
    frameworks load of their own afterwards is as it would be elsewhere.
    """
    if _BLAS_TIMEOUT in os.environ:
        yield
        return
    os.environ[_BLAS_TIMEOUT] = _BLAS_CYCLES
    try:
        yield
    finally:
        os.environ.pop(_BLAS_TIMEOUT, None)


def processors() -> int:
    """How many processors this process may use."""
    allowed = getattr(os, "sched_getaffinity", None)
    return len(allowed(0)) if allowed else os.cpu_count() or 1


def threads() -> dict[str, Any]:
    """Processors this process may use, threads it has now, and the variables that set a library's threads."""
    found: dict[str, Any] = {name: os.environ[name] for name in _THREAD_VARIABLES if name in os.environ}
    found["processors"] = processors()
    try:
        found["threads"] = len(list(Path("/proc/self/task").iterdir()))
    except OSError:
        found["threads"] = threading.active_count()
    return found


def versions() -> dict[str, str]:
    """The version of Python, and of each installed distribution of which a module has been imported.

    Names as PEP 503 normalises them. Read from the names of the folders that installers leave: asking
    importlib.metadata, which parses all of their texts, takes as long as loading a model.
    """
    # Private modules are left out: a .pth file of setuptools imports one into every process.
    imported = {name.partition(".")[0] for name in tuple(sys.modules) if not name.startswith("_")}
    found = {"python": platform.python_version()}
    for record in _records():
        written, _, version = record.stem.partition("-")
        name = re.sub(r"[-_.]+", "-", written).lower()
        # The first one found is the one that imports find.
        if name not in found and any(module in imported for module in _modules(name, record)):
            found[name] = version.partition("-")[0] or _written_version(record)
    return found


def _records() -> Iterator[Path]:
    """``NAME-VERSION.dist-info`` and ``NAME-VERSION[-pyX.Y].egg-info`` on the path; a checkout's has no version."""
    for folder in sys.path:
        try:
            entries = sorted(Path(folder).iterdir())
        except OSError:
            continue
        yield from (entry for entry in entries if entry.suffix in (".dist-info", ".egg-info"))


def _written_version(record: Path) -> str:
    lines = _text(record / "PKG-INFO").splitlines()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("Version:")), "")


def _modules(name: str, record: Path) -> Iterator[str]:
    """The top-level names a distribution installs, the likeliest first: RECORD can be long."""
    yield name.replace("-", "_")
    listed = _text(record / "top_level.txt")
    if listed:
        yield from listed.split()
        return
    lines = _text(record / "RECORD").splitlines()
    yield from {line.partition(",")[0].partition("/")[0].partition(".")[0] for line in lines}


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
