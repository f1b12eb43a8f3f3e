"""Single files, each under the sha256 of its bytes: ``store/sha256/ab/abcd…``, with its name in ``abcd….json``."""

from __future__ import annotations

import hashlib
import json
import os
import re
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from typing import NamedTuple

from cmx.errors import HashMismatch, StoreError
from cmx.files import disk_failures
from cmx.store.hashing import chunks, sha256_of
from cmx.store.locks import lock
from cmx.store.workspace import remove, workspace

SCHEMA = 1
_SHA256 = re.compile(r"[0-9a-f]{64}")


class StoredFile(NamedTuple):
    """A file of the store: its bytes were those of ``sha256`` when this was made."""

    sha256: str
    path: Path
    size: int
    name: str


class Files:
    """The content-addressed files below one folder."""

    def __init__(self, store: Path, locks: Path) -> None:
        self.store = store
        self.folder = store / "sha256"
        self._locks = locks

    def add(self, source: Path, sha256: str | None = None, name: str = "") -> StoredFile:
        """Copy ``source`` in, read-only, hashing the bytes on the way.

        Raises HashMismatch if they are not those of ``sha256`` (nothing is kept), StoreError if the disk is
        full or the store cannot be written to. Any number of processes may add the same file at once.
        """
        name = name or source.name
        size = source.stat().st_size
        with (
            disk_failures(self.store, f"storing {name}", needed=size),
            workspace(self.store, "file") as folder,
        ):
            found = _copy(source, folder / "content")
            if sha256 is not None and found != sha256:
                raise HashMismatch(name, expected=sha256, found=found)
            with self.locked(found):
                return self._keep(folder, found, name)

    def path(self, sha256: str) -> Path | None:
        """The file with this sha256, its bytes verified now; None if there is none.

        A file whose bytes have changed is removed, and is then none: the caller fetches it again.
        """
        path = self.location(sha256)
        if not path.is_file():
            return None
        if self.intact(sha256):
            mark_used(self.note(sha256))
            return path
        with self.locked(sha256):
            # Looked at again, since another process may have just put the right bytes here.
            if self.intact(sha256):
                return path
            self.discard(sha256)
        return None

    def intact(self, sha256: str) -> bool:
        """Whether the file is there and its bytes still have this sha256."""
        path = self.location(sha256)
        try:
            with disk_failures(self.store, f"reading {path.name}"):
                return sha256_of(path) == sha256
        except FileNotFoundError:
            return False

    def locked(self, sha256: str, *, timeout: float | None = None) -> AbstractContextManager[None]:
        """The lock that whoever adds or removes this file holds."""
        return lock(self._locks / f"file-{sha256}.lock", what=f"storing {sha256[:12]}", timeout=timeout)

    def location(self, sha256: str) -> Path:
        """Where a file with this sha256 lies or would lie. Raises StoreError for what is no sha256."""
        if not _SHA256.fullmatch(sha256):
            raise StoreError(f"{sha256!r} is not a sha256", hint="a sha256 is 64 hex digits, in lower case")
        return self.folder / sha256[:2] / sha256

    def note(self, sha256: str) -> Path:
        """The small file that says what the file was called; its time of change is that of the last use."""
        return self.location(sha256).with_name(f"{sha256}.json")

    def name(self, sha256: str) -> str:
        """What the file was called when it was added, or "" if that is not known."""
        try:
            return str(json.loads(self.note(sha256).read_text(encoding="utf-8"))["name"])
        except (OSError, ValueError, KeyError, TypeError):
            return ""

    def all(self) -> Iterator[str]:
        """The sha256 of every file here, sorted, whether or not the bytes still have it."""
        if self.folder.is_dir():
            yield from sorted(path.name for path in self.folder.glob("??/*") if _SHA256.fullmatch(path.name))

    def discard(self, sha256: str) -> None:
        """Remove a file; hold ``locked`` meanwhile. Raises StoreError if it cannot be removed."""
        path = self.location(sha256)
        with disk_failures(self.store, f"removing {path.name}"):
            path.unlink(missing_ok=True)
            remove(self.note(sha256))

    def _keep(self, folder: Path, sha256: str, name: str) -> StoredFile:
        target = self.location(sha256)
        target.parent.mkdir(parents=True, exist_ok=True)
        note = folder / "note"
        note.write_text(json.dumps({"schema": SCHEMA, "name": name, "added": time.time()}), encoding="utf-8")
        note.replace(self.note(sha256))
        content = folder / "content"
        content.chmod(0o444)
        size = content.stat().st_size
        content.replace(target)
        return StoredFile(sha256, target, size, name)


def mark_used(path: Path) -> None:
    """Give a file the present time, which ``gc`` takes for its last use; a read-only store stays as it is."""
    with suppress(OSError):
        os.utime(path)


def _copy(source: Path, target: Path) -> str:
    digest = hashlib.sha256()
    with source.open("rb", buffering=0) as reader, target.open("wb") as writer:
        for chunk in chunks(reader):
            digest.update(chunk)
            writer.write(chunk)
    return digest.hexdigest()
