"""Bringing the index up to date with the folders of one repository."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from cmx.repository.listing import listing, rules, settle
from cmx.repository.repository import Repository
from cmx.repository.tables import has_words

if TYPE_CHECKING:
    from cmx.repository.reading import Row

_BATCH = 2000


class State:
    """What the index holds of a repository; ``generation`` grows with each change, 0 is none.

    ``revision`` is that of the rules and, of a managed repository, of its content; "" while it is being changed.
    """

    def __init__(self, repository: Repository, number: int, revision: str, generation: int) -> None:
        self.repository, self.number, self.revision, self.generation = repository, number, revision, generation

    @cached_property
    def now(self) -> list[str]:
        """The listing of the folders, taken once."""
        return listing(self.repository.root, self.repository.folders)

    @property
    def wanted(self) -> str:
        """The revision that the index should have."""
        return " ".join((rules(), self.repository.revision, *self.repository.folders))

    def is_current(self, connection: sqlite3.Connection, *, afresh: bool = False) -> bool:
        """Whether nothing changed: of a managed repository by its revision, of another file by file."""
        if self.revision != self.wanted:
            return False
        return bool(self.repository.revision and not afresh) or _listed(connection, self.number) == "\n".join(self.now)


def state(connection: sqlite3.Connection, repository: Repository) -> State:
    """What the index holds of a repository; a number is given to one that it does not know."""
    sql, root = "select id, revision, generation from repository where root = ?", str(repository.root)
    row = connection.execute(sql, [root]).fetchone()
    if row is None:
        connection.execute("insert or ignore into repository (root, revision, generation) values (?, '', 0)", [root])
        row = connection.execute(sql, [root]).fetchone()
    return State(repository, *row)


def _listed(connection: sqlite3.Connection, number: int) -> str:
    row = connection.execute("select text from listing where repository = ?", [number]).fetchone()
    return str(row[0]) if row else ""


def update(connection: sqlite3.Connection, known: State) -> State:
    """Read what is new or changed, let go of what is gone. A process that ends on the way leaves nothing trusted."""
    lines, before = known.now, _known(connection, known)
    here = set(lines)
    connection.execute("pragma cache_size = -32000")
    connection.execute("update repository set revision = '' where id = ?", [known.number])
    _delete(connection, known.number, [line.partition("\0")[0] for line in before - here])
    _read(connection, known, [line for line in lines if line not in before])
    return _finish(connection, known, lines)


def _known(connection: sqlite3.Connection, known: State) -> set[str]:
    """The lines of the files whose rows still hold."""
    if known.revision.partition(" ")[0] == rules():
        text = _listed(connection, known.number)
        return set(text.split("\n")) if text else set()
    if known.revision:
        # Read by other rules: every row goes.
        _delete(connection, known.number, [row[0] for row in _paths(connection, known.number)])
        return set()
    # An update was cut short: its rows are whole, each with its own stamp.
    return {f"{path}\0{stamp}" for path, stamp in _paths(connection, known.number)}


def _paths(connection: sqlite3.Connection, number: int) -> list[tuple[str, str]]:
    return connection.execute("select path, stamp from component where repository = ?", [number]).fetchall()


def _delete(connection: sqlite3.Connection, number: int, paths: Iterable[str]) -> None:
    rows = [(number, path) for path in paths]
    if not rows:
        return
    searchable = has_words(connection)
    connection.execute("begin immediate")
    for row in rows:
        _delete_one(connection, row, searchable)
    connection.execute("commit")


def _delete_one(connection: sqlite3.Connection, row: tuple[int, str], searchable: bool) -> None:
    sql = "select id, labels, kind, name, tags, description from component where repository = ? and path = ?"
    found = connection.execute(sql, row).fetchone()
    if not found:
        return
    component, labels, *said = found
    if searchable:
        words = "insert into words (words, rowid, text) values ('delete', ?, ?)"
        connection.execute(words, [component, " ".join(said)])
    pairs = [(label, component) for label in labels.split()]
    connection.executemany("delete from label where label = ? and component = ?", pairs)
    connection.execute("delete from document where component = ?", [component])
    connection.execute("delete from component where id = ?", [component])


def _read(connection: sqlite3.Connection, known: State, changed: list[str]) -> None:
    places = [line.split("\0") for line in changed]
    if not places:
        return
    from cmx.repository.reading import read_all  # now: a command that finds nothing changed needs none of it

    settle(stamp for _, stamp in places)
    rows = zip(places, read_all([known.repository.file(path) for path, _ in places]), strict=True)
    searchable = has_words(connection)
    while batch := list(islice(rows, _BATCH)):
        connection.execute("begin immediate")
        _insert(connection, known.number, batch, searchable)
        connection.execute("commit")


def _insert(connection: sqlite3.Connection, number: int, batch: list[tuple[list[str], Row]], searchable: bool) -> None:
    components, documents, labels, words = [], [], [], []
    first = connection.execute("select coalesce(max(id), 0) + 1 from component").fetchone()[0]
    for component, ((path, stamp), row) in enumerate(batch, first):
        kind, name, version, uid, tags, description, found, document, error, hint = row
        head = (component, number, path, stamp, kind, name, version, uid, tags, description)
        components.append((*head, " ".join(found), error, hint))
        documents.append((component, document))
        labels += [(label, component) for label in found]
        words.append((component, f"{kind} {name} {tags} {description}"))
    connection.executemany(_COMPONENT, components)
    connection.executemany("insert into document values (?, ?)", documents)
    connection.executemany("insert into label values (?, ?)", sorted(labels))
    if searchable:
        connection.executemany("insert into words (rowid, text) values (?, ?)", words)


_COMPONENT = f"insert into component values ({','.join('?' * 13)})"  # noqa: S608


def _finish(connection: sqlite3.Connection, known: State, lines: list[str]) -> State:
    connection.execute("begin immediate")
    connection.execute("insert or replace into listing values (?, ?)", [known.number, "\n".join(lines)])
    now = State(known.repository, known.number, known.wanted, known.generation + 1)
    connection.execute(
        "update repository set revision = ?, generation = ? where id = ?", [now.revision, now.generation, now.number]
    )
    connection.execute("commit")
    return now


def forget(connection: sqlite3.Connection, root: Path) -> None:
    """Take everything of a folder out."""
    row = connection.execute("select id from repository where root = ?", [str(root)]).fetchone()
    if row:
        connection.execute("update repository set revision = '' where id = ?", row)
        _delete(connection, row[0], [path for path, _ in _paths(connection, row[0])])
        connection.execute("delete from listing where repository = ?", row)
        connection.execute("delete from repository where id = ?", row)
