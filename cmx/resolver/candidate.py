"""One way to meet a requirement."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import IntEnum


class Source(IntEnum):
    """How a candidate would be had, most preferred first."""

    PINNED = 0
    DETECTED = 1
    STORED = 2
    INSTALLABLE = 3

    @property
    def word(self) -> str:
        """As it stands in sentences and documents: "detected"."""
        return self.name.lower()


@dataclass(frozen=True)
class Candidate:
    """A version of a name, in one variant, from one source; ``place`` says where (an interpreter, a path).

    ``package`` is the name of its Python package there, if it is one.
    ``data`` is the provider's own; it takes no part in equality.
    """

    name: str
    version: str
    variant: str = ""
    source: Source = Source.INSTALLABLE
    place: str = ""
    data: object = field(default=None, compare=False, repr=False)
    package: str = field(default="", compare=False)

    @property
    def label(self) -> str:
        """Version and variant: "1.0 [onnx]"."""
        return f"{self.version} [{self.variant}]" if self.variant else self.version

    @property
    def origin(self) -> str:
        """Source and place: "detected at /usr/lib"."""
        return f"{self.source.word} at {self.place}" if self.place else self.source.word

    def __str__(self) -> str:
        return f"{self.name} {self.label} ({self.origin})"


class LeftOut:
    """What was ruled out before it became a candidate of a name, and by what, to be told."""

    def __init__(self) -> None:
        self._said: dict[str, dict[str, None]] = {}

    def add(self, name: str, labels: Iterable[str], why: str) -> None:
        """Keep that these were ruled out."""
        if several := list(dict.fromkeys(labels)):
            more = f" and {len(several) - 2} more" if len(several) > 2 else ""
            self._said.setdefault(name, {})[f"{', '.join(several[:2])}{more} ({why})"] = None

    def of(self, name: str) -> str:
        """All of it in one phrase; "" for a name of which nothing was ruled out."""
        return "; ".join(self._said.get(name, ()))
