"""Regular expressions from strangers: refused where matching could take for ever.

Python's matcher tries one way after another. An expression is refused where the number of ways grows exponentially
with the text, as in ``(a+)+``, or with more than its square, as in ``.*.*.*x``; a text is cut before it is matched, so
that what remains is bounded. Ambiguity is read off the expression's position automaton (Glushkov, 1961): it is
exponential where two transitions from one state admit the same letter and both lead back to that state (Weber and
Seidl, "On the degree of ambiguity of finite automata", 1991).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache, lru_cache
from typing import Any, NamedTuple

TEXT_LIMIT = 4096
LINE_LIMIT = 250
_LONGEST = 400
_MAX_GUESSES = 2
_MAX_CHOICES = 12
_OTHER = 128  # stands for every letter beyond ASCII
_ALL = frozenset(range(129))
_CLASSES = {"DIGIT": r"\d", "SPACE": r"\s", "WORD": r"\w"}
_FLAGS = re.MULTILINE | re.ASCII


def compiled(pattern: str) -> re.Pattern[str]:
    """A pattern as cmx matches it: ``^`` and ``$`` at every line, ``\\d`` and the like for ASCII. Raises re.error."""
    return re.compile(pattern, _FLAGS)


def fault(pattern: str) -> str:
    """Why a pattern that compiles must not be used, in words; "" when it may be."""
    if len(pattern) > _LONGEST:
        return f"longer than {_LONGEST} characters"
    automaton = _Automaton()
    try:
        automaton.build(_parse(pattern))
    except _Refused as refused:
        return str(refused)
    return automaton.fault()


def clip(text: str, limit: int = TEXT_LIMIT) -> str:
    """The beginning of a text, its long lines cut: what a pattern is matched against."""
    head = text[:limit]
    if len(head) <= LINE_LIMIT:
        return head
    return "\n".join(line[:LINE_LIMIT] for line in head.split("\n"))


class _Refused(Exception):
    """An expression that cannot be judged."""


class _Part(NamedTuple):
    """The states that a part of an expression can begin and end with, and whether it may match nothing."""

    empty: bool
    first: tuple[int, ...] = ()
    last: tuple[int, ...] = ()


class _Automaton:
    """A state for each place of the expression that takes one letter; a transition that is there twice counts twice."""

    def __init__(self) -> None:
        self.letters: list[frozenset[int]] = []
        self.next: list[list[int]] = []

    def build(self, items: Iterable[Any]) -> _Part:
        """The part for a sequence."""
        whole = _Part(True)
        for item in items:
            whole = self._join(whole, self._part(item))
        return whole

    def fault(self) -> str:
        guesses = choices = 0
        reach = [self._reach(state) for state in range(len(self.next))]
        for state, following in enumerate(self.next):
            alike = [(a, b) for i, a in enumerate(following) for b in following[i + 1 :] if self._alike(a, b)]
            if any(state in reach[a] and state in reach[b] for a, b in alike):
                return "could take for ever: a repeat inside a repeat, or alternatives that begin alike inside one"
            choices += bool(alike)
            if alike and state in reach[state]:
                guesses += 2 if ord("\n") in self.letters[state] else 1
        if guesses > _MAX_GUESSES or choices > _MAX_CHOICES:
            return "could take very long: several open repeats that match the same text"
        return ""

    def _alike(self, one: int, other: int) -> bool:
        return not self.letters[one].isdisjoint(self.letters[other])

    def _reach(self, start: int) -> set[int]:
        """The states that one or more transitions lead to."""
        seen: set[int] = set()
        waiting = [start]
        while waiting:
            fresh = set(self.next[waiting.pop()]) - seen
            seen |= fresh
            waiting += fresh
        return seen

    def _part(self, item: Any) -> _Part:
        kind, value = str(item[0]), item[1]
        if kind in ("LITERAL", "NOT_LITERAL", "ANY", "IN"):
            return self._state(_letters(kind, value))
        if kind == "SUBPATTERN":
            return self.build(value[3])
        if kind == "ATOMIC_GROUP":
            return self.build(value)
        if kind == "BRANCH":
            parts = [self.build(branch) for branch in value[1]]
            if sum(part.empty for part in parts) > 1:
                raise _Refused("alternatives that match nothing")
            return _Part(any(p.empty for p in parts), _chained(p.first for p in parts), _chained(p.last for p in parts))
        if kind in ("MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT"):
            return self._repeat(*value)
        if kind in ("ASSERT", "ASSERT_NOT"):
            self.build(value[1])
            return _Part(True)
        if kind == "AT":
            return _Part(True)
        raise _Refused("what it matches depends on what it matched before")

    def _state(self, letters: frozenset[int]) -> _Part:
        self.letters.append(letters)
        self.next.append([])
        state = len(self.letters) - 1
        return _Part(False, (state,), (state,))

    def _repeat(self, least: int, most: int, items: Iterable[Any]) -> _Part:
        part = self.build(items)
        if part.empty:
            raise _Refused("a repeat of what may match nothing")
        if most > 1:
            self._connect(part.last, part.first)
        return _Part(part.empty or least == 0, part.first, part.last)

    def _join(self, one: _Part, other: _Part) -> _Part:
        self._connect(one.last, other.first)
        return _Part(
            one.empty and other.empty,
            one.first + other.first if one.empty else one.first,
            other.last + one.last if other.empty else other.last,
        )

    def _connect(self, ends: Iterable[int], beginnings: tuple[int, ...]) -> None:
        for end in ends:
            self.next[end] += beginnings


def _parse(pattern: str) -> Any:
    parser: Any = getattr(re, "_parser", None)
    if parser is None:  # Python 3.10
        import sre_parse as parser
    return parser.parse(pattern, _FLAGS)


def _chained(parts: Iterable[tuple[int, ...]]) -> tuple[int, ...]:
    return tuple(state for part in parts for state in part)


def _letters(kind: str, value: Any) -> frozenset[int]:
    """The letters that one place takes, in lower case: an expression may ignore case."""
    if kind == "ANY":
        return _ALL - {ord("\n")}
    if kind == "LITERAL":
        return _folded([value])
    if kind == "NOT_LITERAL":
        return _folded(_ALL - {value})
    if str(value[0][0]) == "NEGATE":
        return _folded(_ALL - {letter for item in value[1:] for letter in _members(item) if letter < _OTHER})
    return _folded(letter for item in value for letter in _members(item))


def _members(item: Any) -> Iterable[int]:
    kind, value = str(item[0]), item[1]
    if kind == "LITERAL":
        return [value]
    if kind == "RANGE":
        return range(value[0], min(value[1], _OTHER) + 1) if value[0] < _OTHER else [_OTHER]
    name = str(value).removeprefix("CATEGORY_")
    inside = _class(name.removeprefix("NOT_"))
    return _ALL - inside if name.startswith("NOT_") else inside


@cache
def _class(name: str) -> frozenset[int]:
    known = re.compile(_CLASSES[name], re.ASCII)
    return frozenset(letter for letter in range(_OTHER) if known.match(chr(letter)))


def _folded(letters: Iterable[int]) -> frozenset[int]:
    return frozenset(map(_lower, letters))


@lru_cache(maxsize=256)
def _lower(letter: int) -> int:
    return min(ord(chr(letter).lower()[0]), _OTHER)
