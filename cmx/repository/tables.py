"""The tables of the index."""

from __future__ import annotations

import sqlite3
from contextlib import suppress
from pathlib import Path

from cmx.repository.listing import FORMAT

_TABLES = """
create table repository (id integer primary key, root text unique, revision text, generation integer);
create table listing (repository integer primary key, text text);
create table component (
    id integer primary key, repository integer, path text, stamp text,
    kind text, name text, version text, uid text, tags text, description text, labels text, error text, hint text);
create unique index component_path on component (repository, path);
create index component_key on component (kind, name, version, repository);
create index component_uid on component (uid, kind, name, repository);
create index component_broken on component (repository) where error != '';
create table document (component integer primary key, text text);
create table label (label text, component integer, primary key (label, component)) without rowid;
create table catalog (repositories text primary key, generations text);
create table hidden (
    repositories text, component integer, message text, hint text,
    primary key (repositories, component)) without rowid
"""
# Contentless and filled by hand: a trigger would make FTS5 write its pages after every single row.
_WORDS = "create virtual table words using fts5 (text, content = '', columnsize = 0, detail = none)"


def opened(database: Path | str) -> sqlite3.Connection:
    """A connection to an index that has its tables.

    Raises sqlite3.Error where it cannot be opened, or is damaged or of another format.
    """
    connection = sqlite3.connect(database, timeout=10, isolation_level=None, check_same_thread=False)
    try:
        _prepare(connection)
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def _prepare(connection: sqlite3.Connection) -> None:
    if _format(connection) == FORMAT:
        return
    connection.execute("begin immediate")
    # Another process may have made the tables while this one waited.
    if _format(connection) != FORMAT:
        if connection.execute("select 1 from sqlite_master").fetchone():
            raise sqlite3.DatabaseError("the index is of another format")
        _make(connection)
    connection.execute("commit")


def _format(connection: sqlite3.Connection) -> int:
    return int(connection.execute("pragma user_version").fetchone()[0])


def _make(connection: sqlite3.Connection) -> None:
    for statement in _TABLES.split(";\n"):
        connection.execute(statement)
    with suppress(sqlite3.OperationalError):  # an SQLite without FTS5: words are then looked for in every row
        connection.execute(_WORDS)
    connection.execute(f"pragma user_version = {FORMAT}")


def has_words(connection: sqlite3.Connection) -> bool:
    """Whether words can be looked up."""
    return connection.execute("select 1 from sqlite_master where name = 'words'").fetchone() is not None
