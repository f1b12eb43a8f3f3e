"""What a dataset says of itself, held against the formats that the worker reads: the names of its modules."""

from __future__ import annotations

from collections.abc import Iterator
from difflib import SequenceMatcher
from functools import cache
from pathlib import Path

from cmx.errors import nearest

_FOLDER = Path(__file__).parents[1] / "worker" / "datasets"
_NOT_FORMATS = ("__init__", "picture")
# How alike two words are, from 0 to 1. "classnames" and "image-foldr" are slips; "class-names-csv" may well be meant,
# and "image-list" is another word.
_SLIP, _ALIKE = 0.85, 0.75
_SLIP_LETTERS = 2


@cache
def formats() -> tuple[str, ...]:
    """The formats of datasets that the worker reads."""
    names = (file.stem for file in _FOLDER.glob("*.py"))
    return tuple(sorted(name.replace("_", "-") for name in names if name not in _NOT_FORMATS))


def format_faults(name: str) -> Iterator[tuple[str, str, str]]:
    """The key, what is wrong and the remedy, where a format is a misspelt one of the worker's."""
    if name not in formats() and _is_slip(name):
        yield "format", f"cmx reads no format {name!r}", nearest(name, formats())


def format_notes(name: str) -> Iterator[tuple[str, str, str]]:
    """The same where it is a word that may be meant, for actions of one's own, but is much like one of the worker's."""
    if name not in formats() and not _is_slip(name) and any(_likeness(name, each) >= _ALIKE for each in formats()):
        own = "A word of your own is fine where only actions of your own read the dataset"
        yield "format", f"cmx reads no format {name!r}", f"{nearest(name, formats())} {own}"


def _is_slip(name: str) -> bool:
    """Whether nobody would have chosen a name: it is but for a letter or two that of a format."""
    near = (each for each in formats() if abs(len(each) - len(name)) <= _SLIP_LETTERS)
    return any(_likeness(name, each) >= _SLIP for each in near)


def _likeness(one: str, other: str) -> float:
    plain, known = (word.lower().replace("_", "-") for word in (one, other))
    return SequenceMatcher(None, known, plain).ratio()
