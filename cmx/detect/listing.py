"""Names in folders: each folder is listed once, and only names that can match a pattern are held against it."""

from __future__ import annotations

import os
import re
import sys
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain

from cmx.pattern import compiled

_LITERAL = re.compile(r"(?:[A-Za-z0-9_-]|\\[.+-])*")
_WILD = re.compile(r"[*?[]")


class Listings:
    """What folders held when they were first looked at. ``root`` stands before the absolute paths of components."""

    def __init__(self, environ: Mapping[str, str], root: str = "") -> None:
        self._root = root
        self._extensions = environ.get("PATHEXT", ".EXE;.BAT;.CMD").lower().split(";")
        self._names: dict[str, list[str]] = {}
        self._patterns: dict[str, re.Pattern[str]] = {}
        self._beginnings: dict[str, tuple[str, bool]] = {}

    def matching(self, folder: str, patterns: Iterable[str]) -> list[str]:
        """The names in a folder that a pattern matches as a whole: the first pattern's first, each once.

        Raises re.error for a pattern that is none.
        """
        if sys.platform == "win32":  # untested
            return [name for pattern in patterns for name in self.names(folder) if self._bare_matches(pattern, name)]
        return list(dict.fromkeys(chain.from_iterable(self._matching(folder, pattern) for pattern in patterns)))

    def matches(self, patterns: Iterable[str], name: str) -> bool:
        """Whether a pattern matches a name as a whole."""
        return any(self._bare_matches(pattern, name) for pattern in patterns)

    def names(self, folder: str) -> list[str]:
        """The names in a folder, sorted; none where it cannot be listed."""
        if folder not in self._names:
            try:
                self._names[folder] = sorted(os.listdir(folder))  # noqa: PTH208 names only: thousands of them
            except OSError:
                self._names[folder] = []
        return self._names[folder]

    def rooted(self, path: str) -> str:
        """An absolute path of a component, below the root."""
        return self._root + path

    def expand(self, pattern: str) -> Iterator[str]:
        """The paths that an absolute glob leads to, sorted; one without wildcards as it is, there or not."""
        found = _WILD.search(pattern)
        if found is None:
            yield pattern
            return
        start = pattern.rfind("/", 0, found.start()) + 1
        wild, slash, rest = pattern[start:].partition("/")
        for name in self._globbed(pattern[:start], wild):
            yield from self.expand(f"{pattern[:start]}{name}/{rest}" if slash else f"{pattern[:start]}{name}")

    def _globbed(self, folder: str, wild: str) -> list[str]:
        from fnmatch import fnmatchcase

        first = _WILD.split(wild, maxsplit=1)[0]
        if first + "*" == wild:
            return [name for name in self._beginning(folder, first) if first or not name.startswith(".")]
        return [name for name in self._beginning(folder, first) if fnmatchcase(name, wild)]

    def _matching(self, folder: str, pattern: str) -> list[str]:
        if pattern not in self._beginnings:
            self._beginnings[pattern] = literal_beginning(pattern)
        beginning, is_all = self._beginnings[pattern]
        names = self._beginning(folder, beginning)
        if is_all:
            return [beginning] if names[:1] == [beginning] else []
        return [name for name in names if self._compiled(pattern).fullmatch(name)] if names else []

    def _beginning(self, folder: str, text: str) -> list[str]:
        names = self.names(folder)
        if not text:
            return names
        return names[bisect_left(names, text) : bisect_left(names, text + chr(0x10FFFF))]

    def _bare_matches(self, pattern: str, name: str) -> bool:
        """Whether a pattern matches a name, or on Windows its part before ".exe" and the like."""
        if pattern == name or self._compiled(pattern).fullmatch(name):
            return True
        if sys.platform != "win32":
            return False
        stem, ending = os.path.splitext(name)  # noqa: PTH122 a name, not a path
        return ending.lower() in self._extensions and bool(self._compiled(pattern).fullmatch(stem))

    def _compiled(self, pattern: str) -> re.Pattern[str]:
        if pattern not in self._patterns:
            self._patterns[pattern] = compiled(pattern)
        return self._patterns[pattern]


def literal_beginning(pattern: str) -> tuple[str, bool]:
    """What every text that a pattern matches begins with, and whether that is the whole pattern.

    "" where it cannot be told at a glance. Most patterns begin with the tool's name: a folder of thousands needs only
    a look at the few that do too.
    """
    if _has_alternatives(pattern):
        return "", False
    found = _LITERAL.match(pattern)
    literal = found[0] if found else ""
    if pattern[len(literal) : len(literal) + 1] in ("?", "*", "{"):
        literal = literal[: -2 if literal[-2:-1] == "\\" else -1]
    return literal.replace("\\", ""), bool(pattern) and literal == pattern


def _has_alternatives(pattern: str) -> bool:
    """Whether a pattern has a ``|`` outside all parentheses, or perhaps has one."""
    if "|" not in pattern:
        return False
    depth = 0
    for letter in re.sub(r"\\.|\[[^]]*\]", "", pattern):
        depth += (letter == "(") - (letter == ")")
        if letter == "|" and depth < 1:
            return True
    return False
