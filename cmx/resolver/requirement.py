"""What must be met: a name, and the versions, variants and places it may have."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING

from cmx.reference import admits, version_key

if TYPE_CHECKING:
    from cmx.resolver.candidate import Candidate


@dataclass(frozen=True)
class Requirement:
    """One thing that must be chosen; the empty string and the empty sets mean "any"."""

    name: str
    specifier: str = ""
    variants: frozenset[str] = frozenset()
    places: frozenset[str] = frozenset()

    def holds(self, candidate: Candidate) -> bool:
        """Whether choosing ``candidate`` meets this."""
        return candidate.name == self.name and self.suits(candidate) and admits(self.specifier, candidate.version)

    def suits(self, candidate: Candidate) -> bool:
        """Whether variant and place are as asked for."""
        return (not self.variants or candidate.variant in self.variants) and (
            not self.places or candidate.place in self.places
        )

    @property
    def limited(self) -> bool:
        """Whether anything but the name is asked for."""
        return bool(self.specifier or self.variants or self.places)

    def loosened(self) -> list[tuple[str, Requirement]]:
        """Each limit, in words, with the requirement that is left when this limit alone is lifted."""
        parts = clauses(self.specifier)
        found = [
            (f"{self.name}{part}", replace(self, specifier=",".join(p for p in parts if p != part))) for part in parts
        ]
        if self.variants:
            found.append((f"{self.name}[{'|'.join(sorted(self.variants))}]", replace(self, variants=frozenset())))
        if self.places:
            found.append((f"{self.name} at {' or '.join(sorted(self.places))}", replace(self, places=frozenset())))
        return found

    def __str__(self) -> str:
        variants = f"[{'|'.join(sorted(self.variants))}]" if self.variants else ""
        places = f" at {' or '.join(sorted(self.places))}" if self.places else ""
        return f"{self.name}{variants}{self.specifier}{places}"


def clauses(specifier: str) -> list[str]:
    """The comma-separated parts of a range, each once."""
    return list(dict.fromkeys(part.strip() for part in specifier.split(",") if part.strip()))


@lru_cache(maxsize=4096)
def contradiction(specifier: str) -> tuple[str, str] | None:
    """Two parts of a range that no version can meet together, or None.

    Sound, not complete: what it names is empty by PEP 440, but it does not look for gaps that only
    pre-releases and exclusions make.
    """
    parts = clauses(specifier)
    for low in parts:
        for high in parts:
            if _apart(low, high):
                return low, high
    return None


_OPERATORS = ("~=", "==", "<=", ">=", "<", ">")


def _apart(low: str, high: str) -> bool:
    """Whether every version that meets ``low`` lies above every version that meets ``high``."""
    lower, upper = _lower(low), _upper(high)
    if lower is None or upper is None:
        return False
    (floor, reaches), (ceiling, included) = lower, upper
    above, below = version_key(floor), version_key(ceiling)
    return bool(above > below) or bool(above == below and not (reaches and included))


def _split(part: str) -> tuple[str, str]:
    """Operator and public version; an operator that says nothing of an order comes back as ""."""
    operator = next((o for o in _OPERATORS if part.startswith(o)), "")
    if part.startswith("==="):
        operator = ""
    return operator, part[len(operator) :].strip().split("+")[0]


def _lower(part: str) -> tuple[str, bool] | None:
    """The least version of one part, and whether it is itself held."""
    operator, version = _split(part)
    if operator == "==" and version.endswith(".*"):
        return version[:-2] + ".dev0", True
    if operator in ("==", ">=", "~="):
        return version, True
    return (version, False) if operator == ">" else None


def _upper(part: str) -> tuple[str, bool] | None:
    """The greatest version of one part, and whether it is itself held."""
    operator, version = _split(part)
    if operator == "~=":
        key = version_key(version)
        return (_next(key.epoch, key.release[:-1]), False) if len(key.release) > 1 else None
    if operator == "==" and version.endswith(".*"):
        key = version_key(version[:-2])
        # A prefix such as ==1.5rc1.* is nobody's; say nothing about it.
        return None if key.is_prerelease or key.is_postrelease else (_next(key.epoch, key.release), False)
    if operator in ("==", "<="):
        return version, True
    return (version, False) if operator == "<" else None


def _next(epoch: int, release: tuple[int, ...]) -> str:
    """The first release above all that begin with ``release``: 1.4 -> 1.5."""
    return f"{epoch}!" + ".".join(str(number) for number in (*release[:-1], release[-1] + 1))
