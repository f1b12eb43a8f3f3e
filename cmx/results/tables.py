"""The tables of an SQLite file, made once and known by the number of their form (``user_version``)."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence


def form(connection: sqlite3.Connection) -> int:
    """The number of the form of a file's tables; 0 where there are none yet."""
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def make_tables(connection: sqlite3.Connection, number: int, tables: Sequence[str], statements: str) -> None:
    """Make the tables of form ``number``, in place of those of another; several processes at once make them once.

    ``statements`` are parted by semicolons. The connection must not be in a transaction.
    """
    connection.execute("BEGIN IMMEDIATE")
    if form(connection) != number:  # another process may have been first
        for table in tables:
            connection.execute(f"DROP TABLE IF EXISTS {table}")
        for statement in filter(str.strip, statements.split(";")):
            connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {number}")
    connection.execute("COMMIT")
