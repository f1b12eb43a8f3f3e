"""Locks between processes. A lock ends with its process, however that ends, so there are no stale locks."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from cmx.errors import StoreError
from cmx.files import disk_failures

if TYPE_CHECKING:
    from filelock import BaseFileLock


class Busy(StoreError):
    """Another process holds the lock for longer than one was willing to wait."""


@contextmanager
def lock(
    path: Path,
    *,
    what: str,
    timeout: float | None = None,
    on_wait: Callable[[str], None] | None = None,
) -> Iterator[None]:
    """Hold the lock file ``path`` while the block runs; ``what`` is what it does, as in "fetching numbers".

    If somebody else holds it, ``on_wait`` is called once with a sentence that says who. Raises Busy after
    ``timeout`` seconds (None waits for ever, 0 not at all), StoreError when the file cannot be made.
    Not re-entrant: a thread that takes the same path twice waits for itself.
    """
    with disk_failures(path.parent, f"taking the lock for {what}"):
        path.parent.mkdir(parents=True, exist_ok=True)
        held = _acquire(path, what, timeout, on_wait)
    try:
        _announce(path, what)
        yield
    finally:
        with suppress(OSError):
            _holder_file(path).unlink(missing_ok=True)
        held.release()


def _acquire(path: Path, what: str, timeout: float | None, on_wait: Callable[[str], None] | None) -> BaseFileLock:
    from filelock import FileLock, Timeout

    held = FileLock(path)
    try:
        held.acquire(timeout=0)
        return held
    except Timeout:
        if on_wait is not None and timeout != 0:
            on_wait(f"waiting for {holder(path)} before {what}")
    try:
        held.acquire(timeout=-1 if timeout is None else timeout, poll_interval=0.05)
        return held
    except Timeout as error:
        message = f"{what}: {holder(path)} has not finished after {timeout:g} s"
        raise Busy(message, hint="wait for it to finish, or end it, and run this again") from error


def holder(path: Path) -> str:
    """Who holds the lock, for people: ``another cmx (process 123, since 12:00:01: counting)``. A hint, never proof."""
    try:
        told = json.loads(_holder_file(path).read_text(encoding="utf-8"))
        since = time.strftime("%H:%M:%S", time.localtime(told["since"]))
        return f"another cmx (process {told['pid']}, since {since}: {told['what']})"
    except (OSError, ValueError, KeyError, TypeError):
        return "another cmx"


def _announce(path: Path, what: str) -> None:
    # Beside the lock file, since some versions of filelock truncate the lock file whenever somebody tries it.
    told = {"pid": os.getpid(), "since": time.time(), "what": what}
    with suppress(OSError):
        _holder_file(path).write_text(json.dumps(told), encoding="utf-8")


def _holder_file(path: Path) -> Path:
    return path.with_name(path.name + ".holder")
