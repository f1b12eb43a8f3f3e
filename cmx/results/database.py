"""The evaluation database: every run, found again in milliseconds.

The truth is in the runs' folders, one result.json each; the SQLite file is their index and can be deleted.
"""

from __future__ import annotations

import json
import os
import re
import sqlite3
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from cmx.errors import CmxError, StoreError, UsageError, nearest
from cmx.files import disk_failures, write_atomically
from cmx.reference import Reference, admits
from cmx.results.result import FILE, SHORT_LENGTH, Result
from cmx.results.tables import form, make_tables
from cmx.settings import Settings
from cmx.store import lock

VERSION = 1
# Writers take milliseconds; one that waits this long waits for a process that was stopped.
BUSY_SECONDS = 30.0
VERDICTS = ("valid", "invalid", "unchecked")
"""What a result that did not fail is worth."""
_STATUSES = ("ok", "failed", *VERDICTS)
_CONDITIONS = {
    "ok": "status = 'ok'",
    "failed": "status = 'failed'",
    "valid": "status = 'ok' AND valid",
    "invalid": "status = 'ok' AND NOT valid",
    "unchecked": "status = 'ok' AND valid",
}
"""Of the words that ``status`` may be; what was checked is looked up in the documents."""

_TABLES = """
CREATE TABLE result (
    id TEXT PRIMARY KEY, created TEXT NOT NULL, action TEXT NOT NULL, workflow TEXT NOT NULL,
    workflow_version TEXT NOT NULL, scenario TEXT NOT NULL, status TEXT NOT NULL, valid INTEGER NOT NULL,
    key TEXT NOT NULL, document TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE pin (
    result TEXT NOT NULL, role TEXT NOT NULL, kind TEXT NOT NULL, name TEXT NOT NULL, version TEXT NOT NULL,
    PRIMARY KEY (result, role)
) WITHOUT ROWID;
CREATE INDEX result_created ON result (created);
CREATE INDEX result_key ON result (key, created);
CREATE INDEX pin_name ON pin (kind, name, version);
"""


_UNDER_WAY = "under-way.lock"
_UNFINISHED = "unfinished"
_UNFINISHED_DAYS = 14


class Database:
    """The runs of one cmx home. Safe under several processes; opened for each call, so nothing has to be closed.

    ``problems`` says which runs' records the last call could not read; they hide no others.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.problems: tuple[str, ...] = ()

    def folder(self, id: str) -> Path:
        """The folder of a run."""
        return self._settings.runs / id

    def add(self, result: Result) -> None:
        """Keep a result: its file first, so that a process killed in between loses nothing.

        Raises StoreError, naming the file, when the home cannot be written.
        """
        write_atomically(self.folder(result.id) / FILE, json.dumps(result.document(), ensure_ascii=False, indent=1))
        (self.folder(result.id) / _UNFINISHED).unlink(missing_ok=True)
        with self._open(writing=True) as connection:
            _insert(connection, result)

    def list(
        self,
        *,
        workflow: str = "",
        model: str = "",
        framework: str = "",
        action: str = "",
        scenario: str = "",
        status: str = "",
        key: str = "",
        limit: int = 0,
    ) -> tuple[Result, ...]:
        """Results that meet all filters, newest first; ``limit`` 0 is all of them.

        ``status`` is ok or failed, or of what is ok: valid, invalid or unchecked (nothing was measured or checked).
        ``workflow``, ``model``, ``framework`` and ``action`` are references with an optional range of versions.
        Raises UsageError for a filter that cannot be, StoreError for a database that cannot be read.
        """
        if status and status not in _STATUSES:
            raise UsageError(f"status {status!r} is not one of {', '.join(_STATUSES)}", hint=nearest(status, _STATUSES))
        clauses, values = _equalities(scenario=scenario, key=key)
        if status:
            clauses.append(_CONDITIONS[status])
        for column, text in (("workflow", workflow), ("action", action)):
            _own_reference(column, text, clauses, values)
        for kind, text in (("model", model), ("software", framework)):
            _pinned_reference(kind, text, clauses, values)
        where = " AND ".join(clauses) or "1"
        found = self._select(f"WHERE {where} ORDER BY created DESC, id", values)
        if status in ("valid", "unchecked"):
            found = tuple(each for each in found if each.checked is (status == "valid"))
        return found[: limit or None]

    def get(self, prefix: str) -> Result:
        """The one result whose id begins so. Raises UsageError when there is none, or more than one."""
        if not re.fullmatch(r"[0-9a-f]{1,32}", prefix):
            raise UsageError(f"{prefix!r} is not a result's id", hint="an id is hex digits; cmx result list shows them")
        found = self._select("WHERE id >= ? AND id < ? ORDER BY created DESC", [prefix, prefix + "g"])
        if len(found) == 1:
            return found[0]
        if found:
            ids = ", ".join(each.id[: max(SHORT_LENGTH, len(prefix) + 1)] for each in found[:10])
            raise UsageError(f"{len(found)} results begin with {prefix!r}: {ids}", hint="give more digits")
        recent = [each.short for each in self.list(limit=10)]
        if not recent:
            raise UsageError(f"there is no result {prefix!r}", hint="cmx run benchmark makes one")
        raise UsageError(
            f"there is no result {prefix!r}", hint=f"{nearest(prefix[:SHORT_LENGTH], recent)} (cmx result list)"
        )

    @contextmanager
    def under_way(self, id: str) -> Iterator[None]:
        """Hold a run's folder while the run goes on, so that ``abandoned`` leaves it alone."""
        path = self.folder(id) / _UNDER_WAY
        with lock(path, what=f"run {id}"):
            yield
        path.unlink(missing_ok=True)

    def keep_unfinished(self, id: str) -> None:
        """Leave the folder of a run alone that will be gone on with, for two weeks."""
        mark = self.folder(id) / _UNFINISHED
        write_atomically(mark, "a matrix run will go on here: the same command does it\n")

    def abandoned(self) -> tuple[Path, ...]:
        """Folders of runs that left no record and whose process is gone: what a SIGKILL leaves."""
        if not self._settings.runs.is_dir():
            return ()
        folders = [path for path in sorted(self._settings.runs.iterdir()) if path.is_dir()]
        without = [path for path in folders if not (path / FILE).exists() and not _will_go_on(path)]
        return tuple(path for path in without if not _is_held(path / _UNDER_WAY))

    def rebuild(self) -> int:
        """Make the index anew from the runs' folders; returns how many results it holds."""
        with self._open(writing=True) as connection:
            connection.execute("DELETE FROM pin")
            connection.execute("DELETE FROM result")
            self.problems = self._adopt(connection, self._records(set()))
            return int(connection.execute("SELECT count(*) FROM result").fetchone()[0])

    def _select(self, condition: str, values: Sequence[Any]) -> tuple[Result, ...]:
        self.problems = ()
        if not self._settings.database.exists() and not self._settings.runs.is_dir():
            return ()  # asking writes nothing
        with self._open() as connection:
            known = {row[0] for row in connection.execute("SELECT id FROM result")}
        strays = list(self._records(known))
        if strays:
            self._try_to_adopt(strays)
        with self._open() as connection:
            rows = connection.execute(f"SELECT id, document FROM result {condition}", values).fetchall()  # noqa: S608
        return tuple(Result.from_document(json.loads(text), folder=self.folder(id)) for id, text in rows)

    def _try_to_adopt(self, strays: Sequence[Path]) -> None:
        try:
            with self._open(writing=True) as connection:
                self.problems = self._adopt(connection, strays)
        except StoreError as error:  # a home that cannot be written can still be asked for what its index has
            self.problems = (f"{len(strays)} results are not in the index: {error.message}",)

    def _adopt(self, connection: sqlite3.Connection, records: Iterable[Path]) -> tuple[str, ...]:
        """Put records into the index that are not there: of a process killed between its two writes."""
        problems = []
        for path in records:
            try:
                result = Result.read(path)
                if result.id != path.parent.name:
                    raise StoreError(f"{path}: it is the record of run {result.id}, copied here")
                _insert(connection, result)
            except CmxError as error:
                problems.append(error.message)
        return tuple(problems)

    def _records(self, known: set[str]) -> Iterator[Path]:
        if self._settings.runs.is_dir():
            with os.scandir(self._settings.runs) as entries:
                for name in sorted(entry.name for entry in entries if entry.name not in known):
                    path = self.folder(name) / FILE
                    if path.is_file():
                        yield path

    @contextmanager
    def _open(self, *, writing: bool = False) -> Iterator[sqlite3.Connection]:
        """A transaction on the database, which is made if there is none."""
        path = self._settings.database
        with disk_failures(path.parent, "opening the evaluation database"):
            path.parent.mkdir(parents=True, exist_ok=True)
        try:
            # The rollback journal and not WAL: homes lie on network file systems too, where WAL cannot work, and a
            # handful of writes an hour has nothing to gain from it.
            with closing(sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None)) as connection:
                connection.create_function("admits", 2, admits, deterministic=True)
                _prepare(connection, path)
                # A writer asks for its lock at once: one that reads first may find it taken, and cannot wait for it.
                connection.execute("BEGIN IMMEDIATE" if writing else "BEGIN")
                yield connection
                connection.execute("COMMIT")
        except sqlite3.Error as error:
            raise StoreError(f"{path}: {error}", hint=_remedy(str(error), path)) from error


def _will_go_on(folder: Path) -> bool:
    try:
        return time.time() - (folder / _UNFINISHED).stat().st_mtime < _UNFINISHED_DAYS * 86400
    except OSError:
        return False


def _is_held(path: Path) -> bool:
    try:
        with lock(path, what="looking for abandoned runs", timeout=0):
            return False
    except StoreError:
        return True


def _remedy(message: str, path: Path) -> str:
    if "readonly" in message or "unable to open" in message:
        return "make the folder writable, or set CMX_HOME to one that is"
    if "full" in message:
        return "free some space; cmx store gc removes what can be made again"
    if "locked" in message:
        return "another cmx is writing; try again when it has ended"
    return f"it is an index only: move {path.name} away, and it is made anew from the runs' folders"


def _prepare(connection: sqlite3.Connection, path: Path) -> None:
    """Make the tables where there are none; an index of an older form is dropped and filled again by adoption."""
    version = form(connection)
    if version == VERSION:
        return
    if version > VERSION:
        raise StoreError(
            f"{path}: written by a newer cmx (form {version}; this one knows up to {VERSION})",
            hint="upgrade cmx, or move the file away: it is made anew from the runs' folders",
        )
    make_tables(connection, VERSION, ("result", "pin"), _TABLES)


def _insert(connection: sqlite3.Connection, result: Result) -> None:
    workflow, version = _split(result.workflow, "workflow")
    text = json.dumps(result.document(), ensure_ascii=False, separators=(",", ":"))
    row = (result.id, result.created, _split(result.action, "action")[0], workflow, version, result.scenario)
    connection.execute(
        "INSERT OR REPLACE INTO result VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (*row, result.status, int(result.valid), result.key, text),
    )
    connection.execute("DELETE FROM pin WHERE result = ?", (result.id,))
    for role, pin in result.pins.items():
        reference, version = _split(pin)
        kind, _, name = reference.partition("/")
        connection.execute("INSERT INTO pin VALUES (?, ?, ?, ?, ?)", (result.id, role, kind, name, version))


def _split(pin: str, kind: str = "") -> tuple[str, str]:
    """("model/resnet50", "1.0.0") of "model/resnet50[onnx]==1.0.0"; ``kind`` is that of a name without one."""
    name, _, version = pin.partition("==")
    name = name.partition("[")[0].strip()
    return name if "/" in name or not kind else f"{kind}/{name}", version.strip()


def _equalities(**columns: str) -> tuple[list[str], list[Any]]:
    given = {name: value for name, value in columns.items() if value}
    return [f"{name} = ?" for name in given], list(given.values())


def _own_reference(column: str, text: str, clauses: list[str], values: list[Any]) -> None:
    if not text:
        return
    reference = Reference.parse(text, kind=column)
    clauses.append(f"{column} = ?")
    values.append(reference.key)
    if reference.specifier and column == "workflow":
        clauses.append("admits(?, workflow_version)")
        values.append(reference.specifier)


def _pinned_reference(kind: str, text: str, clauses: list[str], values: list[Any]) -> None:
    if not text:
        return
    reference = Reference.parse(text, kind=kind)
    clauses.append("id IN (SELECT result FROM pin WHERE kind = ? AND name = ? AND (? = '' OR admits(?, version)))")
    values += [reference.kind, reference.name, reference.specifier, reference.specifier]
