"""Temporary folders next to where their contents will go, cleaned up even after a SIGKILL.

Each folder has a lock file that its maker holds. A folder whose lock is free was left by a process that
died; whoever makes the next folder removes it. So neither age nor process numbers decide what is left over.
"""

from __future__ import annotations

import os
import shutil
import stat
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from cmx.files import disk_failures

BUILDING = ".building"
_GATE = "gate.lock"


@contextmanager
def workspace(parent: Path, label: str) -> Iterator[Path]:
    """A new empty folder below ``parent``; whatever is in it when the block ends is removed.

    To keep a result, rename it out of the folder. Leftovers of dead processes are removed on the way in.
    Raises StoreError if the disk is full or ``parent`` cannot be written to.
    """
    from filelock import FileLock

    building = parent / BUILDING
    name = f"{label}-{os.urandom(6).hex()}"
    with disk_failures(parent, f"making room for {label}"):
        building.mkdir(parents=True, exist_ok=True)
        held = FileLock(building / f"{name}.lock")
        with FileLock(building / _GATE):
            # Under the gate, so that nobody sees the folder before its lock is held.
            _sweep(building)
            held.acquire()
            (building / name).mkdir()
    try:
        yield building / name
    finally:
        remove(building / name)
        held.release()
        with suppress(OSError):
            (building / f"{name}.lock").unlink(missing_ok=True)


def leftovers(parent: Path) -> tuple[Path, ...]:
    """Folders below ``parent`` that a dead process left half-built. Removes nothing."""
    from filelock import FileLock

    building = parent / BUILDING
    if not building.is_dir():
        return ()
    try:
        with FileLock(building / _GATE):
            return tuple(path for path in sorted(building.iterdir()) if path.is_dir() and not _in_use(path))
    except OSError:  # a read-only folder: nobody is building there
        return tuple(path for path in sorted(building.iterdir()) if path.is_dir())


def sweep(parent: Path) -> None:
    """Remove what dead processes left half-built below ``parent``."""
    from filelock import FileLock

    building = parent / BUILDING
    if building.is_dir():
        with disk_failures(parent, "removing leftovers"), FileLock(building / _GATE):
            _sweep(building)


def remove(path: Path) -> None:
    """Remove a file or folder, read-only files included, as far as possible; a missing one is fine."""
    if path.is_dir() and not path.is_symlink():
        if sys.version_info >= (3, 12):
            shutil.rmtree(path, onexc=_make_writable_and_retry)
        else:
            shutil.rmtree(path, onerror=_make_writable_and_retry)
        return
    with suppress(OSError):
        if sys.platform == "win32":
            path.chmod(stat.S_IWRITE)
        path.unlink(missing_ok=True)


def _sweep(building: Path) -> None:
    for path in building.iterdir():
        if path.is_dir() and not _in_use(path):
            remove(path)
            with suppress(OSError):
                path.with_name(path.name + ".lock").unlink(missing_ok=True)


def _in_use(path: Path) -> bool:
    from filelock import FileLock, Timeout

    try:
        with FileLock(path.with_name(path.name + ".lock"), timeout=0):
            return False
    except Timeout:
        return True


def _make_writable_and_retry(function: Callable[..., Any], path: str, _error: object) -> None:
    # Windows refuses to delete a read-only file, and nobody may empty a read-only folder of another's making.
    # What still cannot be deleted (or is being written to by an orphan) is left for the next sweep.
    if function in (os.unlink, os.rmdir):
        with suppress(OSError):
            Path(path).chmod(stat.S_IRWXU)
            function(path)
