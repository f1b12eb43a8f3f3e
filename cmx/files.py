"""Writes that are whole or not there, and what the system says of a full disk or a folder that is not ours."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cmx.errors import StoreError, UsageError
from cmx.settings import Settings

# EFBIG is what a file-size limit of the process gives; EDQUOT does not exist on Windows.
FULL = frozenset({errno.ENOSPC, errno.EFBIG, getattr(errno, "EDQUOT", errno.ENOSPC)})
FORBIDDEN = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})

_HOME_ELSEWHERE = "keep cmx's files elsewhere: CMX_HOME=/another/folder"


@contextmanager
def disk_failures(folder: Path, doing: str, *, needed: int | None = None) -> Iterator[None]:
    """Turn "disk full" and "not writable" below ``folder`` into a StoreError; ``needed`` is in bytes.

    Any other OSError passes as it is: it belongs to whoever works inside the block.
    """
    try:
        yield
    except OSError as error:
        failure = as_store_error(error, folder, doing, needed=needed)
        if failure is None:
            raise
        raise failure from error


def as_store_error(error: OSError, folder: Path, doing: str, *, needed: int | None = None) -> StoreError | None:
    """The StoreError for an OSError met below ``folder``, or None if it is neither full nor forbidden."""
    if error.errno in FULL:
        return disk_full(folder, doing, needed=needed)
    if error.errno in FORBIDDEN and _is_below(error.filename, folder):
        return no_access(folder, doing, error.strerror or "")
    return None


def disk_full(folder: Path, doing: str, *, needed: int | None = None) -> StoreError:
    """The error for a full disk, a used-up quota, or a file-size limit."""
    wanted = f"{readable(needed)} needed, " if needed is not None else ""
    message = f"disk full: {doing} in {folder} ({wanted}{_free(folder)} free)"
    first = "free some space (cmx store gc removes what is not in use)" if _is_ours(folder) else "free some space"
    return StoreError(message, hint=f"{first}, or {_elsewhere(folder)}")


def no_access(folder: Path, doing: str, reason: str) -> StoreError:
    """The error for a folder that this user may not read or write, or that is mounted read-only."""
    return StoreError(f"no access: {doing} in {folder} ({reason})", hint=f"make it writable, or {_elsewhere(folder)}")


def _elsewhere(folder: Path) -> str:
    return _HOME_ELSEWHERE if _is_ours(folder) else "name another folder"


def _is_ours(folder: Path) -> bool:
    """Whether a folder is in cmx's home, and not one that the user named."""
    home = Settings.from_environment().home
    return Path(os.path.realpath(folder)).is_relative_to(os.path.realpath(home))


def counted(number: int, one: str, more: str = "") -> str:
    """As in "1 result" and "2 results"; ``more`` is the plural that is not made with an s."""
    return f"{number:,} {one if number == 1 else more or one + 's'}"


def readable(size: int) -> str:
    """A number of bytes for people, in powers of 1000: ``17.4 MB``."""
    amount = float(size)
    for unit in ("bytes", "kB", "MB", "GB"):
        if amount < 1000:
            return f"{amount:.0f} {unit}" if unit == "bytes" else f"{amount:.1f} {unit}"
        amount /= 1000
    return f"{amount:.1f} TB"


def readable_time(seconds: float) -> str:
    """A time for people, to three digits: ``60 s``, ``10 min``, ``1.5 h``."""
    for unit, size in (("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds:.3g} s"


def _free(folder: Path) -> str:
    import shutil

    for candidate in (folder, *folder.parents):
        try:
            return readable(shutil.disk_usage(candidate).free)
        except OSError:
            continue
    return "an unknown amount"


def _is_below(filename: object, folder: Path) -> bool:
    # A failed write() carries no name; it can only concern what the block was writing.
    if not isinstance(filename, str):
        return True
    path = Path(filename).absolute()
    return path.is_relative_to(folder.absolute()) or folder.absolute().is_relative_to(path)


def refuse_folder(path: Path, name: str) -> None:
    """Raise UsageError for a folder where a file is to be written; ``name`` is one that it may have."""
    if path.is_dir():
        raise UsageError(f"{path} is a folder, and a file is to be written", hint=f"name the file, as in {path / name}")


def write_atomically(path: Path, data: str | bytes) -> None:
    """Write a file under a temporary name, then rename: readers see the old or the new one, never a part.

    Raises StoreError when the disk is full or the folder cannot be written.
    """
    content = data.encode() if isinstance(data, str) else data
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{os.urandom(4).hex()}")
    with disk_failures(path.parent, f"writing {path.name}", needed=len(content)):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            temporary.write_bytes(content)
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
