"""Components that another of the same identity hides, or that have the uid of another: found once for each change."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Sequence
from typing import Any

from cmx.repository.update import State

_ROW = "id, repository, path, kind, name, version, uid"


def settle_conflicts(connection: sqlite3.Connection, states: Sequence[State]) -> None:
    """Write down which components of these repositories are hidden, unless that is known already."""
    key = ",".join(str(state.number) for state in states)
    now = json.dumps([state.generation for state in states])
    known = connection.execute("select generations from catalog where repositories = ?", [key]).fetchone()
    if known and known[0] == now:
        return
    hidden = _hidden(_suspects(connection, [state.number for state in states]), states)
    connection.execute("begin immediate")
    connection.execute("delete from hidden where repositories = ?", [key])
    connection.executemany("insert into hidden values (?, ?, ?, ?)", [(key, *each) for each in hidden])
    connection.execute("insert or replace into catalog values (?, ?)", [key, now])
    connection.execute("commit")


def _suspects(connection: sqlite3.Connection, numbers: list[int]) -> list[tuple[Any, ...]]:
    """Every component that shares its identity or its uid with another."""
    # The plus signs keep SQLite on the index that has what is grouped in its order.
    inside = f"+kind != '' and +repository in ({','.join('?' * len(numbers))})"
    same = f"select kind, name, version from component where {inside} group by 1, 2, 3 having count(*) > 1"  # noqa: S608
    # Nearly every uid is there once, which is quickly seen; of the others the versions of one component may share one.
    doubled = f"select uid as twice from component where {inside} group by uid having count(*) > 1"  # noqa: S608
    uids = (
        f"select uid from ({doubled}) join component on uid = twice where {inside} "  # noqa: S608
        "group by uid having min(kind) != max(kind) or min(name) != max(name)"
    )
    rows: dict[int, tuple[Any, ...]] = {}
    for several, condition in ((same, "kind = ? and name = ? and version = ?"), (uids, "uid = ?")):
        for values in connection.execute(several, numbers * several.count("+repository")).fetchall():
            sql = f"select {_ROW} from component where {condition} and {inside}"  # noqa: S608
            rows.update((row[0], row) for row in connection.execute(sql, [*values, *numbers]))
    return list(rows.values())


def _hidden(rows: Iterable[tuple[Any, ...]], states: Sequence[State]) -> list[tuple[int, str, str]]:
    """Go through them in the order of search: the first of an identity is used, the first with a uid owns it."""
    order = {state.number: (place, state.repository) for place, state in enumerate(states)}
    used: dict[tuple[str, str, str], str] = {}
    owners: dict[str, tuple[str, str]] = {}
    hidden = []
    for number, home, path, kind, name, version, uid in sorted(rows, key=lambda r: (order[r[1]][0], r[2].split("/"))):
        file, key = order[home][1].file(path), f"{kind}/{name}"
        first, owner = used.get((kind, name, version)), owners.get(uid)
        if first:
            why = f"{file}: {key}=={version} is hidden by {first}", "raise its version, or rename one of the two"
        elif owner and owner[0] != key:
            said = f"{file}: uid {uid} belongs to {owner[0]} ({owner[1]})"
            why = said, "give it a uid of its own: 'cmx new' makes one"
        else:
            used[kind, name, version] = file
            owners.setdefault(uid, (key, file))
            continue
        hidden.append((number, *why))
    return hidden
