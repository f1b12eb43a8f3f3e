"""Format ``scored-pairs``: lines of two texts and a number, how alike people find them, with tabs in between."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from cmx.worker.context import Role


class Pair(NamedTuple):
    """Two texts, by their numbers, and their score."""

    first: int
    second: int
    score: float


class ScoredPairs:
    """A sample is a text; one that is in several pairs is one sample. They are in the order of the file."""

    def __init__(self, texts: Sequence[str], pairs: Sequence[Pair]) -> None:
        self.texts = tuple(texts)
        self.pairs = tuple(pairs)

    def __len__(self) -> int:
        return len(self.texts)

    def name(self, index: int) -> str:
        """The text."""
        return self.texts[index]


def open(role: Role) -> ScoredPairs:
    """The texts and the pairs of a role's file, in which a line that begins with # is a comment.

    Raises ValueError naming the line for one that is no pair, or when its texts are not as many as its component says.
    """
    numbers: dict[str, int] = {}
    pairs = []
    for count, line in enumerate(role.file.read_text(encoding="utf-8").splitlines(), start=1):
        if line.strip() and not line.startswith("#"):
            pairs.append(_pair(line, numbers, f"{role.file}: line {count}"))
    expected = role.component.get("samples")
    if not pairs or (expected is not None and len(numbers) != expected):
        raise ValueError(
            f"{role.reference}: {len(numbers)} texts in {role.file}, expected {expected or 'at least two'}"
        )
    return ScoredPairs(tuple(numbers), pairs)


def _pair(line: str, numbers: dict[str, int], where: str) -> Pair:
    fields = line.split("\t")
    try:
        first, second, score = fields[0], fields[1], float(fields[2])
    except (IndexError, ValueError):
        raise ValueError(f"{where}: expected two texts and a number, with tabs between them") from None
    return Pair(numbers.setdefault(first, len(numbers)), numbers.setdefault(second, len(numbers)), score)
