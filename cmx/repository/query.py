"""Questions to the index, as SQL."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from cmx.reference import COMPONENT_KINDS
from cmx.repository.tables import has_words

_COLUMNS = "c.id, c.repository, c.path, c.kind, c.name, c.version, c.uid, c.tags, c.description, c.error, c.hint"
_WORD = re.compile(r"[^\W_]+")

Part = tuple[str, Sequence[Any]]
Row = tuple[Any, ...]


class Query(NamedTuple):  # defined in a seventh of a dataclass's time, which every command would pay
    """What is asked for; what is empty is not asked.

    A component has all of ``tags``: ``name``, ``-name`` for one that it must not have, ``_name`` for a variant of a
    model. Each of ``words`` begins a word of its kind, name, tags or description. ``platform`` is one that it names,
    as in "linux"; a component that names none works on all.
    """

    kind: str = ""
    name: str = ""
    uid: str = ""
    tags: tuple[str, ...] = ()
    words: tuple[str, ...] = ()
    platform: str = ""


def found(connection: sqlite3.Connection, query: Query, repositories: Sequence[int]) -> list[Row]:
    """The rows of the components that are asked for, by kind and name; neither broken nor hidden ones."""
    if not query.words:
        return _found(connection, query, repositories, False)
    rows: list[Row] = []
    if any(map(_parts, query.words)):
        rows = _by_words(connection, query, repositories)
    # Where nothing begins so, perhaps a name holds it, as efficientnet holds "net".
    return rows or _found(connection, query, repositories, None)


def _by_words(connection: sqlite3.Connection, query: Query, repositories: Sequence[int]) -> list[Row]:
    if not has_words(connection):
        return _found(connection, query, repositories, False)
    parts = list(dict.fromkeys(part for word in query.words for part in _parts(word)))
    common = [part for part in parts if _is_common(connection, part)]
    if len(common) == len(parts):
        return _found(connection, query._replace(words=tuple(parts)), repositories, True)
    # A word that is nearly everywhere is quicker looked for in the few rows that have the others.
    rare = tuple(part for part in parts if part not in common)
    rows = _found(connection, query._replace(words=rare), repositories, True)
    patterns = [_beginning(_folded(part)) for part in common]
    return [row for row in rows if all(p.search(_folded(" ".join((row[3], row[4], row[7], row[8])))) for p in patterns)]


def _beginning(part: str) -> re.Pattern[str]:
    """Finds what begins a word. It looks back last: an expression that begins with letters is looked for as text."""
    return re.compile(rf"{re.escape(part)}(?<![^\W_]{re.escape(part)})")


def _is_common(connection: sqlite3.Connection, part: str) -> bool:
    count = f"select count(*) from (select 1 from words where words match ? limit {_COMMON})"  # noqa: S608
    return int(connection.execute(count, [f'"{part}"']).fetchone()[0]) == _COMMON


_COMMON = 1000


def _folded(text: str) -> str:
    """Text without case and accents, as the index has it."""
    if text.isascii():
        return text.lower()
    import unicodedata

    return "".join(c for c in unicodedata.normalize("NFKD", text.lower()) if not unicodedata.combining(c))


def _parts(word: str) -> list[str]:
    """What a word is made of, as the index has it: letters and digits."""
    return _WORD.findall(word)


def names(connection: sqlite3.Connection, kind: str, repositories: Sequence[int]) -> list[str]:
    """The names of all components that can be read, or those of a kind, sorted."""
    places = ",".join("?" * len(repositories))
    which = "kind = ?" if kind else "kind != ?"
    sql = f"select distinct name from component where {which} and +repository in ({places}) order by name"  # noqa: S608
    return [row[0] for row in connection.execute(sql, [kind, *repositories])]


def mentioned(connection: sqlite3.Connection, texts: Sequence[str], repositories: Sequence[int]) -> list[Row]:
    """The rows of the components whose documents hold one of ``texts``, with the name that it ends with at its end."""
    places = ",".join("?" * len(repositories))
    held = [text + end for text in texts for end in ('"', "[", "<", ">", "=", "!", "~", " ")]
    sql = (
        f"select {_COLUMNS} from component c join document d on d.component = c.id "  # noqa: S608  (all ours)
        f"where c.repository in ({places}) and ({' or '.join(['instr(d.text, ?) > 0'] * len(held))}) "
        "order by c.kind, c.name"
    )
    return connection.execute(sql, [*repositories, *held]).fetchall()


def _found(
    connection: sqlite3.Connection, query: Query, repositories: Sequence[int], by_words: bool | None
) -> list[Row]:
    wanted = _wanted(connection, query)
    source, given = _source(query, wanted, by_words)
    parts: list[Part] = [
        *(((f"c.{key} = ?"), [value]) for key in ("kind", "name", "uid") if (value := getattr(query, key))),
        *([(f"c.kind in ({','.join('?' * len(COMPONENT_KINDS))})", COMPONENT_KINDS)] if query.name else []),
        # The plus signs keep SQLite from choosing an index by what nearly every row meets.
        ("+c.kind != ''", []),
        (f"+c.repository in ({','.join('?' * len(repositories))})", repositories),
        ("c.id not in (select component from hidden where repositories = ?)", [",".join(map(str, repositories))]),
        *_labels(query, wanted[1:]),
        *(_words(query.words, by_words) if query.words and (wanted or not by_words) else ()),
    ]
    condition = " and ".join(sql for sql, _ in parts)
    values = [*given, *(value for _, each in parts for value in each)]
    return connection.execute(
        f"select {_COLUMNS} from {source} where {condition} order by c.kind, c.name",  # noqa: S608  (all ours)
        values,
    ).fetchall()


def _wanted(connection: sqlite3.Connection, query: Query) -> list[str]:
    """The tags that a component must have, the rarest first: its components are gone through, the others looked up."""
    wanted = [tag for tag in query.tags if not tag.startswith("-")]
    if len(wanted) < 2:
        return wanted
    count = "select count(*) from (select 1 from label where label = ? limit 50000)"
    return sorted(wanted, key=lambda tag: int(connection.execute(count, [tag]).fetchone()[0]))


def _source(query: Query, wanted: list[str], by_words: bool | None) -> Part:
    """Where the search begins: at a tag, at the words, or at an index of the components."""
    if wanted:
        begin, given = "select component as id from label where label = ?", wanted[0]
    elif by_words and query.words:
        begin, given = "select rowid as id from words where words match ?", _match(query.words)
    else:
        return "component c", []
    return f"({begin}) begin cross join component c on c.id = begin.id", [given]


def _labels(query: Query, others: Sequence[str]) -> Iterator[Part]:
    for tag in others:
        yield "exists (select 1 from label where label = ? and component = c.id)", [tag]
    for tag in query.tags:
        if tag.startswith("-"):
            yield "not exists (select 1 from label where label = ? and component = c.id)", [tag[1:]]
    if query.platform:
        system = query.platform.partition("-")[0]
        names = [f"@{query.platform}", f"@{system}", "@any"]
        yield "exists (select 1 from label where label in (?, ?, ?) and component = c.id)", names


def _words(words: Sequence[str], by_words: bool | None) -> Iterator[Part]:
    """Conditions for words: looked up as beginnings of words (True), looked for inside names (None) or everything."""
    if by_words:
        yield "c.id in (select rowid from words where words match ?)", [_match(words)]
    elif by_words is None:
        held = " and ".join(["instr(kind || '/' || name, ?) > 0"] * len(words))
        yield f"c.id in (select id from component where {held})", [word.lower() for word in words]  # noqa: S608
    else:
        text = "lower(c.kind || '/' || c.name || ' ' || c.tags || ' ' || c.description)"
        yield from ((f"instr({text}, ?) > 0", [word.lower()]) for word in words)


def _match(parts: Sequence[str]) -> str:
    """Words as FTS5 has them: each is the beginning of one in the text."""
    return " ".join(f'"{part}"*' for part in parts)
