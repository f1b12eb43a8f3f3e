"""The index: what was read from component files, kept in SQLite so that only changed files are read again.

It holds nothing that the folders do not: it may be deleted at any time, and where it cannot be written, a process
keeps its own in memory.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cmx.errors import CmxError
from cmx.settings import SCHEMA_FOLDER

FORMAT = 1
_COLUMNS = "file, stamp, kind, name, version, uid, tags, description, document, error, hint"
_TABLE = f"create table if not exists component_{FORMAT} ({_COLUMNS}, primary key (file)) without rowid"
_SELECT = f"select {_COLUMNS} from component_{FORMAT}"  # noqa: S608  (both are constants)
_INSERT = f"insert or replace into component_{FORMAT} values ({','.join('?' * 11)})"  # noqa: S608


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
        listed = list(files)
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            return _through(self._file, repository, listed)
        except (OSError, sqlite3.OperationalError):
            # It cannot be written, or somebody keeps it locked: do without.
            return _through(":memory:", repository, listed)
        except sqlite3.DatabaseError:
            self._remove()
            return _through(":memory:", repository, listed)

    def _remove(self) -> None:
        with suppress(OSError):
            self._file.unlink(missing_ok=True)


def _through(database: Path | str, repository: str, files: Iterable[os.DirEntry[str]]) -> list[Entry]:
    """Read files through a database. Raises sqlite3.Error when it cannot be read."""
    connection = _opened(database)
    try:
        known = _rows(connection)
        found = [_look(repository, entry, known) for entry in files]
        fresh = [(entry, stamp) for entry, stamp, is_new in found if is_new]
        if fresh:
            _save(connection, fresh)
        return [entry for entry, _, _ in found]
    finally:
        connection.close()


def _opened(file: Path | str) -> sqlite3.Connection:
    connection = sqlite3.connect(file, timeout=10, isolation_level=None)
    try:
        connection.execute(_TABLE)
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def _rows(connection: sqlite3.Connection) -> dict[str, tuple[Any, ...]]:
    return {row[0]: row for row in connection.execute(_SELECT)}


def _look(repository: str, entry: os.DirEntry[str], known: dict[str, tuple[Any, ...]]) -> tuple[Entry, str, bool]:
    now = _stamp(entry)
    row = known.get(entry.path)
    if row and row[1] == now:
        kind, name, version, uid, tags, description, document, error, hint = row[2:]
        split = tuple(tags.split()) if tags else ()
        kept = Entry(Path(entry.path), repository, kind, name, version, uid, split, description, document, error, hint)
        return kept, now, False
    return read(Path(entry.path), repository), now, True


def _stamp(entry: os.DirEntry[str]) -> str:
    try:
        return stamp(entry.stat())
    except OSError:
        return "gone"


def stamp(status: os.stat_result) -> str:
    """Changes when a file does, or the schemas that it was held against."""
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
    from cmx.component import load

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
        connection.executemany(_INSERT, rows)
        connection.execute("commit")
    except sqlite3.OperationalError:
        # Another process holds it, or the disk is full: the next one reads those files again.
        if connection.in_transaction:
            connection.execute("rollback")
