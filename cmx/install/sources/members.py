"""What the kinds of sources that take files out of a package share: a wheel, an archive, a commit.

A package's hash fixes its bytes, so what is kept is known by that hash and the pattern; ``member-sha256`` makes a
single member known by its own bytes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, NamedTuple

from cmx.errors import ComponentInvalid
from cmx.install.sources.fetched import Fetched, Fetching
from cmx.store import Artefact, Store, key_of

if TYPE_CHECKING:
    from cmx.archives import Wanted

SHA256 = re.compile(r"[0-9a-f]{64}")
_WILD = re.compile(r"[*?\[]")
_TOKEN = re.compile(r"\*+|\[!?[^\]/]+\]|.", re.DOTALL)


class Tree(NamedTuple):
    """An unpacked package: the folder with (at least) the files wanted of it, and the names of all its files."""

    root: Path
    names: Sequence[str]


Unpack = Callable[[Path, "Wanted"], Tree]
"""Fetches a package, verifies it, and unpacks what is wanted of it into an empty folder."""


class Package(NamedTuple):
    """Something with members: ``kind`` names the source's first key, ``hash_field`` the one that fixes its bytes."""

    source: Mapping[str, Any]
    kind: str
    hash_field: str = "sha256"

    @property
    def name(self) -> str:
        """What the source calls the package."""
        return str(self.source[self.kind])

    @property
    def patterns(self) -> tuple[str, ...]:
        """The member, or the patterns of members."""
        wanted = self.source.get("member") or self.source.get("members") or ()
        return (wanted,) if isinstance(wanted, str) else tuple(map(str, wanted))

    def describe(self) -> str:
        """The package and what is wanted of it."""
        return f"{self.name} ({', '.join(self.patterns)})" if self.patterns else self.name

    def check(self, fetching: Fetching, pattern: re.Pattern[str], form: str) -> None:
        """Raise ComponentInvalid for a name not of the ``form``, a missing hash, or members that leave the package."""
        if not pattern.fullmatch(self.name):
            raise fetching.invalid(self.kind, f"{self.name!r} is not {form}")
        if self.hash_field == "sha256" and not SHA256.fullmatch(str(self.source.get("sha256", ""))):
            raise fetching.invalid("sha256", "the package's sha256 is missing, or is not 64 hex digits")
        self.check_members(fetching)

    def check_members(self, fetching: Fetching) -> None:
        """Raise ComponentInvalid unless there is one of member and members, and it stays inside."""
        if ("member" in self.source) == ("members" in self.source):
            raise fetching.invalid("member", "give either member (one file) or members (a pattern)")
        for pattern in self.patterns:
            if PurePosixPath(pattern).is_absolute() or ".." in PurePosixPath(pattern).parts or "\\" in pattern:
                raise fetching.invalid("member", f"{pattern!r} leaves the package")

    def fetch(self, fetching: Fetching, unpack: Unpack) -> Fetched:
        """The member (a file) or members (a folder), verified; see ``cmx.install.sources.fetch``."""
        had = self.held(fetching.store)
        if (found := self.stored(fetching.store)) is not None:
            return found
        if had:
            fetching.reporter.note(f"{self.describe()} is damaged in the store; fetching it again")
        if "member-sha256" in self.source:
            return self._fetch_file(fetching, unpack)
        artefact = fetching.store.derive(
            self._key,
            lambda folder: self._extract(fetching, unpack, folder),
            what=f"fetching {self.name}",
            on_wait=fetching.reporter.note,
        )
        return self._of_artefact(artefact)

    def stored(self, store: Store) -> Fetched | None:
        """What the store has of it, verified now, or None."""
        if "member-sha256" in self.source:
            path = store.path(str(self.source["member-sha256"]))
            return Fetched(path, path.name, path.stat().st_size) if path else None
        artefact = store.artefact(self._key)
        return self._of_artefact(artefact) if artefact else None

    def held(self, store: Store) -> bool:
        """Whether the store seems to have it, without hashing anything."""
        if "member-sha256" in self.source:
            return store.files.location(str(self.source["member-sha256"])).is_file()
        return store.derived.read(self._key) is not None

    @property
    def _key(self) -> str:
        # The members' names belong to it, the package's other properties do not: its hash fixes them all.
        fixed = {"source": self.kind, self.hash_field: self.source.get(self.hash_field)}
        return key_of({**fixed, "members": sorted(self.patterns)})

    def _of_artefact(self, artefact: Artefact) -> Fetched:
        if "member" in self.source:
            file = artefact.files[0]
            return Fetched(artefact.path(file.name), file.sha256, file.size)
        return Fetched(artefact.folder, key_of({file.name: file.sha256 for file in artefact.files}), artefact.size)

    def _fetch_file(self, fetching: Fetching, unpack: Unpack) -> Fetched:
        sha256, store = str(self.source["member-sha256"]), fetching.store
        with store.lock(f"fetch-{sha256}", what=f"fetching {self.name}", on_wait=fetching.reporter.note):
            if (found := self.stored(store)) is not None:
                return found
            with store.workspace("fetch") as folder:
                self._extract(fetching, unpack, folder)
                member = str(self.source["member"])
                kept = store.add(folder / PurePosixPath(member).name, sha256, f"{member} of {self.name}")
        return Fetched(kept.path, kept.sha256, kept.size)

    def _extract(self, fetching: Fetching, unpack: Unpack, target: Path) -> dict[str, Any]:
        """Put the members into ``target``, without the folders that all of them have in common."""
        with fetching.store.workspace(self.kind) as folder:
            tree = unpack(folder, self._is_wanted)
            for pattern in self.patterns:
                base = _literal_folder(pattern)
                for name in self._select(fetching, tree, pattern):
                    place = target / PurePosixPath(name).relative_to(base)
                    place.parent.mkdir(parents=True, exist_ok=True)
                    (tree.root / name).replace(place)
        return {"name": self.describe(), "source": dict(self.source)}

    def _is_wanted(self, name: str) -> bool:
        return any(self._matches(pattern, name) for pattern in self.patterns)

    def _matches(self, pattern: str, name: str) -> bool:
        if "member" in self.source:
            return name == PurePosixPath(pattern).as_posix()
        return matches(pattern, name)

    def _select(self, fetching: Fetching, tree: Tree, pattern: str) -> list[str]:
        found = [name for name in tree.names if self._matches(pattern, name) and (tree.root / name).is_file()]
        if not found:
            raise self._missing(fetching, tree.names, pattern)
        return found

    def _missing(self, fetching: Fetching, names: Sequence[str], pattern: str) -> ComponentInvalid:
        import difflib

        close = difflib.get_close_matches(pattern, names, n=3, cutoff=0.5)
        hint = "nearest: " + ", ".join(close) if close else "it holds " + ", ".join(sorted(names)[:3]) + ", …"
        field = "member" if "member" in self.source else "members"
        return fetching.invalid(field, f"{self.name} has no {pattern!r}", hint=hint)


def matches(pattern: str, name: str) -> bool:
    """Whether a relative path meets a pattern: ``*`` and ``?`` stay within one folder, ``**`` is any depth."""
    return _expression(pattern).fullmatch(name) is not None


@lru_cache(maxsize=256)
def _expression(pattern: str) -> re.Pattern[str]:
    *folders, last = PurePosixPath(pattern).parts
    above = ("(?:.*/)?" if part == "**" else _TOKEN.sub(_translated, part) + "/" for part in folders)
    return re.compile("".join(above) + (".*" if last == "**" else _TOKEN.sub(_translated, last)), re.DOTALL)


def _translated(token: re.Match[str]) -> str:
    text = token[0]
    if text[0] == "*":
        return "[^/]*"
    if len(text) > 1:  # a class such as [0-9] or [!a-f]
        negated = text[1] == "!"
        inner = re.sub(r"([\\\[^&~|])", r"\\\1", text[2:-1] if negated else text[1:-1])
        return f"[{'^/' if negated else ''}{inner}]"
    return "[^/]" if text == "?" else re.escape(text)


def _literal_folder(pattern: str) -> PurePosixPath:
    """The part of a pattern in front of its first wild card: ``foolbox/data`` of ``foolbox/data/*.jpg``."""
    fixed: list[str] = []
    for part in PurePosixPath(pattern).parts[:-1]:
        if _WILD.search(part):
            break
        fixed.append(part)
    return PurePosixPath(*fixed)
