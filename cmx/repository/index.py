"""The index: what was read from component files, kept in SQLite so that only changed files are read again.

It holds nothing that the folders do not: it may be deleted at any time, and where it cannot be written, a process
keeps its own in memory.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cmx.component import load
from cmx.errors import CmxError
from cmx.schema import SCHEMA_FOLDER

FORMAT = 1
_TABLE = """
create table if not exists component (
    file text primary key, stamp text not null, kind text, name text, version text, uid text,
    tags text, description text, document text, error text, hint text) without rowid
"""


@dataclass(frozen=True)
class Entry:
    """What the index knows of one component.yaml; ``error`` is set, and the rest empty, where it is broken."""

    file: Path
    repository: str
    kind: str = ""
    name: str = ""
    version: str = ""
    uid: str = ""
    tags: tuple[str, ...] = ()
    description: str = ""
    document: str = ""
    error: str = ""
    hint: str = ""

    @property
    def key(self) -> str:
        """``kind/name``."""
        return f"{self.kind}/{self.name}"

    @property
    def reference(self) -> str:
        """``kind/name==version``."""
        return f"{self.key}=={self.version}"


class Index:
    """Reads component files through SQLite."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def entries(self, repository: str, files: Iterable[os.DirEntry[str]]) -> list[Entry]:
        """One entry for each file, from the index where the file is unchanged."""
        connection = self._connect()
        try:
            known = _rows(connection)
            found = [_look(repository, entry, known) for entry in files]
            fresh = [(entry, stamp) for entry, stamp, is_new in found if is_new]
            if fresh:
                _save(connection, fresh)
            return [entry for entry, _, _ in found]
        finally:
            connection.close()

    def _connect(self) -> sqlite3.Connection:
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            return _opened(self._file)
        except sqlite3.DatabaseError:
            self._file.unlink(missing_ok=True)
        except OSError:
            return _opened(":memory:")
        try:
            return _opened(self._file)
        except sqlite3.Error:
            return _opened(":memory:")


def _opened(file: Path | str) -> sqlite3.Connection:
    connection = sqlite3.connect(file, timeout=10, isolation_level=None)
    connection.execute(_TABLE)
    return connection


def _rows(connection: sqlite3.Connection) -> dict[str, tuple[Any, ...]]:
    rows = connection.execute(
        "select file, stamp, kind, name, version, uid, tags, description, document, error, hint from component"
    )
    return {row[0]: row for row in rows}


def _look(repository: str, entry: os.DirEntry[str], known: dict[str, tuple[Any, ...]]) -> tuple[Entry, str, bool]:
    stamp = _stamp(entry)
    row = known.get(entry.path)
    if row and row[1] == stamp:
        kind, name, version, uid, tags, description, document, error, hint = row[2:]
        split = tuple(tags.split()) if tags else ()
        kept = Entry(Path(entry.path), repository, kind, name, version, uid, split, description, document, error, hint)
        return kept, stamp, False
    return read(Path(entry.path), repository), stamp, True


def _stamp(entry: os.DirEntry[str]) -> str:
    try:
        status = entry.stat()
    except OSError:
        return "gone"
    return f"{FORMAT}:{_schemas()}:{status.st_mtime_ns}:{status.st_size}:{status.st_ino}"


def _schemas() -> int:
    """Changes when cmx does: what was valid for one version of the schemas is read again for another."""
    global _SCHEMAS
    if _SCHEMAS is None:
        _SCHEMAS = max(entry.stat().st_mtime_ns for entry in os.scandir(SCHEMA_FOLDER))
    return _SCHEMAS


_SCHEMAS: int | None = None


def read(file: Path, repository: str) -> Entry:
    """Read one component.yaml; whatever is wrong with it is in the entry, never raised."""
    try:
        component = load(file, repository=repository)
    except CmxError as error:
        return Entry(file, repository, error=error.message, hint=error.hint)
    return Entry(
        file,
        repository,
        component.kind,
        component.name,
        component.version,
        component.uid,
        component.tags,
        component.description,
        json.dumps(component.document, ensure_ascii=False),
    )


def _save(connection: sqlite3.Connection, fresh: list[tuple[Entry, str]]) -> None:
    rows = [
        (
            str(e.file),
            stamp,
            e.kind,
            e.name,
            e.version,
            e.uid,
            " ".join(e.tags),
            e.description,
            e.document,
            e.error,
            e.hint,
        )
        for e, stamp in fresh
    ]
    try:
        connection.execute("begin immediate")
        connection.executemany(f"insert or replace into component values ({','.join('?' * 11)})", rows)  # noqa: S608
        connection.execute("commit")
    except sqlite3.Error:
        # Another process holds it, or the disk is full: the next one reads those files again.
        if connection.in_transaction:
            connection.execute("rollback")
