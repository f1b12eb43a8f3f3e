"""Results that others measured and published, kept apart from one's own in a database of their own.

They are never compared with one's own: another measured them, in another way. They may stand beside them, with their
source named.
"""

from __future__ import annotations

import hashlib
import re
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from typing import Any, NamedTuple

from cmx.errors import StoreError, UsageError, nearest
from cmx.files import disk_failures
from cmx.results.tables import form, make_tables
from cmx.settings import Settings

VERSION = 1
_BUSY_SECONDS = 30.0


class Origin(NamedTuple):
    """Where published results come from, and how they are to be cited."""

    name: str
    title: str
    publisher: str
    licence: str
    citation: str


class Published(NamedTuple):
    """One published result. ``value`` is a latency in ms or a rate per second, as ``unit`` says; "" or None is unknown.

    All texts are the submitters' own: whoever shows them escapes them.
    """

    source: str
    round: str
    division: str
    category: str
    availability: str
    submitter: str
    platform: str
    system: str
    benchmark: str
    model: str
    scenario: str
    value: float
    unit: str
    accuracy: float | None
    processor: str
    processors: str
    cores: str
    accelerator: str
    accelerators: str
    nodes: float | None
    framework: str
    os: str
    power: float | None


class Source(NamedTuple):
    """An origin with what was imported of it."""

    origin: Origin
    rows: int
    files: tuple[str, ...]

    def document(self) -> dict[str, Any]:
        """As JSON."""
        return {**self.origin._asdict(), "rows": self.rows, "files": list(self.files)}


class Imported(NamedTuple):
    """What an import did: the rows of the file, and how many of them were new."""

    origin: Origin
    rows: int
    added: int


_FIELDS = Published._fields
_NUMBERS = ("value", "accuracy", "nodes", "power")
_COLUMNS = ", ".join(f"{name} {'REAL' if name in _NUMBERS else 'TEXT NOT NULL'}" for name in _FIELDS)
_TABLES = f"""
CREATE TABLE source (name TEXT PRIMARY KEY, title TEXT, publisher TEXT, licence TEXT, citation TEXT);
CREATE TABLE file (source TEXT, sha256 TEXT, name TEXT, PRIMARY KEY (source, sha256));
CREATE TABLE published (content BLOB PRIMARY KEY, {_COLUMNS});
CREATE INDEX published_what ON published (source, benchmark, scenario);
"""
_CONDITION = re.compile(r"([a-z]+)(!=|>=|<=|=|>|<)(.+)", re.DOTALL)
_COMMA = re.compile(r",(?=[a-z]+(?:!=|>=|<=|=|>|<))")


class PublishedDatabase:
    """The published results of one cmx home; safe under several processes, opened for each call."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def add(self, origin: Origin, rows: Sequence[Published], *, name: str, sha256: str) -> Imported:
        """Keep what is new of a file's rows: the same file, or the same row, twice adds nothing.

        Raises StoreError when the home cannot be written.
        """
        with self._open() as connection:
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("INSERT OR REPLACE INTO source VALUES (?, ?, ?, ?, ?)", origin)
            connection.execute("INSERT OR REPLACE INTO file VALUES (?, ?, ?)", (origin.name, sha256, name))
            before = connection.total_changes
            marks = ", ".join("?" * (len(_FIELDS) + 1))
            statement = f"INSERT OR IGNORE INTO published VALUES ({marks})"  # noqa: S608
            connection.executemany(statement, ((_content(row), *row) for row in rows))
            added = connection.total_changes - before
            connection.execute("COMMIT")
        return Imported(origin, len(rows), added)

    def holds(self, origin: Origin, sha256: str) -> int:
        """How many rows there are of a source, when this very file was imported; 0 otherwise."""
        with self._asked() as connection:
            row = (
                connection
                and connection.execute(
                    "SELECT 1 FROM file WHERE source = ? AND sha256 = ?", (origin.name, sha256)
                ).fetchone()
            )
            return _count(connection, origin.name) if connection and row else 0

    def sources(self) -> tuple[Source, ...]:
        """What was imported so far."""
        with self._asked() as connection:
            if connection is None:
                return ()
            origins = [Origin(*row) for row in connection.execute("SELECT * FROM source ORDER BY name")]
            files = connection.execute("SELECT source, name, sha256 FROM file ORDER BY source, name").fetchall()
            return tuple(
                Source(
                    each,
                    _count(connection, each.name),
                    tuple(f"{name} (sha256 {digest})" for source, name, digest in files if source == each.name),
                )
                for each in origins
            )

    def select(self, word: str) -> tuple[Source, tuple[Published, ...]]:
        """The results that ``word`` means: a source, and conditions: ``mlperf,system=*Raspberry*,scenario=offline``.

        ``*`` in a text stands for anything, and capitals do not matter. Sorted by value. Raises UsageError for a
        source that was not imported, a condition that is none, or when nothing meets them.
        """
        name, _, rest = word.partition(",")
        sources = {source.origin.name: source for source in self.sources()}
        if name not in sources:
            remedy = nearest(name, sources) if sources else "cmx result import mlperf-inference-results"
            raise UsageError(f"no results of {name!r} were imported", hint=remedy)
        clauses, values = ["source = ?"], [name]
        for condition in _COMMA.split(rest) if rest else ():
            clause, value = _clause(condition)
            clauses.append(clause)
            values.append(value)
        with self._open() as connection:
            rows = connection.execute(
                f"SELECT {', '.join(_FIELDS)} FROM published WHERE {' AND '.join(clauses)} ORDER BY value",  # noqa: S608
                values,
            ).fetchall()
        if not rows:
            raise UsageError(f"no published result meets {word}", hint="take a condition away")
        return sources[name], tuple(map(Published._make, rows))

    @contextmanager
    def _asked(self) -> Iterator[sqlite3.Connection | None]:
        """For reading: None where nothing was ever imported, since asking writes nothing."""
        if not self._settings.published.exists():
            yield None
        else:
            with self._open() as connection:
                yield connection

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        path = self._settings.published
        with disk_failures(path.parent, "opening the published results"):
            path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with closing(sqlite3.connect(path, timeout=_BUSY_SECONDS, isolation_level=None)) as connection:
                _prepare(connection)
                yield connection
        except sqlite3.Error as error:
            remedy = f"move {path.name} away and import again"
            raise StoreError(f"{path}: {error}", hint=remedy) from error


def _prepare(connection: sqlite3.Connection) -> None:
    """Make the tables where there are none; those of another form are dropped, since a file can be imported again."""
    if form(connection) != VERSION:
        make_tables(connection, VERSION, ("source", "file", "published"), _TABLES)


def _count(connection: sqlite3.Connection, source: str) -> int:
    return int(connection.execute("SELECT count(*) FROM published WHERE source = ?", (source,)).fetchone()[0])


def _content(row: Published) -> bytes:
    """What makes a row that row: all that it says."""
    return hashlib.blake2b("\x1f".join(map(str, row)).encode(), digest_size=16).digest()


def _clause(text: str) -> tuple[str, Any]:
    match = _CONDITION.fullmatch(text.strip())
    if not match:
        raise UsageError(f"{text!r} is not a condition", hint="write KEY=VALUE, as in scenario=offline")
    key, operator, value = match.groups()
    if key not in _FIELDS:
        raise UsageError(f"{text}: published results have no {key!r}", hint=nearest(key, _FIELDS))
    if key in _NUMBERS:
        return f"{key} {operator} ?", _number(text, value)
    if operator not in ("=", "!="):
        return f"{key} {operator} ?", value
    # GLOB knows [ as well, which names of systems have: it is made to stand for itself.
    glob = value.lower().replace("[", "[[]")
    return f"{'NOT ' if operator == '!=' else ''}lower({key}) GLOB ?", glob


def _number(text: str, value: str) -> float:
    try:
        return float(value)
    except ValueError:
        raise UsageError(f"{text}: {value!r} is no number", hint="as in accuracy>=70") from None


def printable(text: str) -> str:
    """Others' text as one line of printable characters: a terminal obeys none of them."""
    return "".join(each if each.isprintable() else "�" for each in text)
