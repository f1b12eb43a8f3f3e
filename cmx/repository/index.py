"""The index: what was read from component files, kept in SQLite so that only changed files are read again.

It holds nothing that the folders do not: it may be deleted at any time, and where it cannot be written, a process
keeps its own in memory.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from pathlib import Path
from threading import RLock
from typing import Any, NamedTuple, TypeVar
from weakref import finalize

from cmx.repository.conflicts import settle_conflicts
from cmx.repository.listing import stamp_of
from cmx.repository.query import Query, found, mentioned, names
from cmx.repository.repository import Repository
from cmx.repository.tables import opened
from cmx.repository.update import State, forget, state, update

T = TypeVar("T")
_PATIENCE_S = 120.0
# What SQLite says when the file is sound, and this process cannot use it now.
_ELSEWHERE = ("locked", "readonly", "read-only", "unable to open", "disk", "busy", "permission")


class Entry(NamedTuple):
    """What the index knows of one component.yaml, of which ``place`` is the path.

    ``error`` is set, and the rest empty, where it is broken.
    """

    place: str
    repository: str
    kind: str = ""
    name: str = ""
    version: str = ""
    uid: str = ""
    tags: tuple[str, ...] = ()
    description: str = ""
    error: str = ""
    hint: str = ""
    number: int = 0

    @property
    def file(self) -> Path:
        """The component.yaml: a Path only where one is asked for, as a list of thousands does not."""
        return Path(self.place)

    @property
    def key(self) -> str:
        """``kind/name``."""
        return f"{self.kind}/{self.name}"

    @property
    def reference(self) -> str:
        """``kind/name==version``."""
        return f"{self.key}=={self.version}"


class Index:
    """Answers questions about the components of some repositories, in their order."""

    def __init__(self, file: Path, repositories: Sequence[Repository]) -> None:
        self._file: Path | None = file
        self._repositories = tuple(repositories)
        self._states: list[State] = []
        self._connection: sqlite3.Connection | None = None
        self._lock = RLock()

    def entries(self, query: Query) -> list[Entry]:
        """Those components that a query asks for, without the broken and the hidden."""
        return [self._entry(row) for row in self._ask(lambda c: found(c, query, self._numbers))]

    def names(self, kind: str = "") -> list[str]:
        """The names of all components, or those of a kind, sorted."""
        return self._ask(lambda c: names(c, kind, self._numbers))

    def mentions(self, texts: Sequence[str]) -> list[Entry]:
        """The components whose documents hold one of some beginnings of a string, as far as a name goes."""
        return [self._entry(row) for row in self._ask(lambda c: mentioned(c, texts, self._numbers))]

    def count(self, repository: Repository) -> tuple[int, int]:
        """How many components a repository holds that can be read, and how many that are broken or hidden."""
        return self._ask(lambda c: self._count(c, repository))

    def problems(self) -> list[Entry]:
        """The broken and the hidden, by repository and path, each with what is wrong with it."""
        rows = self._ask(self._problems)
        order = {state.number: place for place, state in enumerate(self._states)}
        return [self._entry(row) for row in sorted(rows, key=lambda row: (order[row[1]], row[2].split("/")))]

    def document(self, entry: Entry) -> str:
        """The whole component.yaml as JSON; "" if the component has gone since."""
        row = self._ask(lambda c: c.execute("select text from document where component = ?", [entry.number]).fetchone())
        return str(row[0]) if row else ""

    def is_current(self, entry: Entry) -> bool:
        """Whether a component's own file is still the one that was read."""
        known = self._ask(lambda c: c.execute("select stamp from component where id = ?", [entry.number]).fetchone())
        return bool(known) and known[0] == stamp_of(entry.place)

    def look_again(self, name: str) -> None:
        """Go through the folders of a repository, whatever its revision says."""
        self._ask(lambda c: self._synchronise(c, afresh=name))

    def forget(self, root: Path) -> None:
        """Let go of what is known of a folder that is no longer a repository."""
        with suppress(sqlite3.Error, OSError):
            self._ask(lambda c: forget(c, root))

    @property
    def _numbers(self) -> list[int]:
        return [state.number for state in self._states]

    def _entry(self, row: tuple[Any, ...]) -> Entry:
        number, home, path, kind, name, version, uid, tags, description, error, hint = row
        repository = next(s.repository for s in self._states if s.number == home)
        place, split = repository.file(path), tuple(tags.split())
        return Entry(place, repository.name, kind, name, version, uid, split, description, error, hint, number)

    def _count(self, connection: sqlite3.Connection, repository: Repository) -> tuple[int, int]:
        number = next(s.number for s in self._states if s.repository is repository)
        one = "select count(*) from component where repository = ?"
        hidden = "id in (select component from hidden where repositories = ?)"
        total = connection.execute(one, [number]).fetchone()[0]
        wrong = connection.execute(f"{one} and error != ''", [number]).fetchone()[0]
        out = connection.execute(f"{one} and {hidden}", [number, _key(self._numbers)]).fetchone()[0]
        return total - wrong - out, wrong + out

    def _problems(self, connection: sqlite3.Connection) -> list[tuple[Any, ...]]:
        head = "select id, repository, path, kind, name, version, uid, tags, description"
        places = ",".join("?" * len(self._states))
        broken = f"{head}, error, hint from component where error != '' and repository in ({places})"
        hidden = f"{head}, message, h.hint from component join hidden h on h.component = id where h.repositories = ?"
        return [*connection.execute(broken, self._numbers), *connection.execute(hidden, [_key(self._numbers)])]

    # How a question gets its answer, whatever state the file is in.

    def _ask(self, question: Callable[[sqlite3.Connection], T]) -> T:
        with self._lock:
            for _ in range(2):
                try:
                    return question(self._ready())
                except OSError:
                    self._do_without()
                except sqlite3.OperationalError as error:
                    if any(word in str(error) for word in _ELSEWHERE):
                        self._do_without()
                    else:
                        self._remove()
                except sqlite3.DatabaseError:
                    self._remove()
            self._do_without()
            return question(self._ready())

    def _ready(self) -> sqlite3.Connection:
        """A connection to an index that knows the folders as they are now."""
        if self._connection is None:
            if self._file:
                self._file.parent.mkdir(parents=True, exist_ok=True)
            connection = opened(self._file or ":memory:")
            self._connection = connection
            finalize(self, connection.close)
            self._synchronise(connection)
        return self._connection

    def _synchronise(self, connection: sqlite3.Connection, afresh: str = "") -> None:
        self._states = [
            self._brought_up_to_date(connection, repository, afresh=repository.name == afresh)
            for repository in self._repositories
        ]
        settle_conflicts(connection, self._states)

    def _brought_up_to_date(self, connection: sqlite3.Connection, repository: Repository, *, afresh: bool) -> State:
        known = state(connection, repository)
        if known.is_current(connection, afresh=afresh):
            return known
        with self._alone():
            now = state(connection, repository)
            if (now.generation, now.revision) != (known.generation, known.revision):
                # Another process was at it while this one waited; what was seen of the folders is old.
                known = now
                if known.is_current(connection, afresh=afresh):
                    return known
            return update(connection, known)

    def _alone(self) -> AbstractContextManager[None]:
        return _held(self._file.with_suffix(".lock")) if self._file else nullcontext()

    def _close(self) -> None:
        if self._connection:
            self._connection.close()
        self._connection, self._states = None, []

    def _do_without(self) -> None:
        """It cannot be written, or somebody keeps it locked: keep an index in memory instead."""
        self._close()
        self._file = None

    def _remove(self) -> None:
        self._close()
        if self._file:
            with suppress(OSError):
                self._file.unlink(missing_ok=True)


@contextmanager
def _held(lock: Path) -> Iterator[None]:
    """One process at a time; raises OSError (a timeout is one) where the lock cannot be had."""
    from filelock import FileLock

    with FileLock(lock, timeout=_PATIENCE_S):
        yield


def _key(numbers: Sequence[int]) -> str:
    return ",".join(map(str, numbers))
