"""What must be met: a name, and the versions, variants and places it may have."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from cmx.reference import admits, clauses

if TYPE_CHECKING:
    from cmx.resolver.candidate import Candidate


class Requirement(NamedTuple):
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
            (f"{self.name}{part}", self._replace(specifier=",".join(p for p in parts if p != part))) for part in parts
        ]
        if self.variants:
            found.append((f"{self.name}[{'|'.join(sorted(self.variants))}]", self._replace(variants=frozenset())))
        if self.places:
            found.append((f"{self.name} at {' or '.join(sorted(self.places))}", self._replace(places=frozenset())))
        return found

    def __str__(self) -> str:
        variants = f"[{'|'.join(sorted(self.variants))}]" if self.variants else ""
        places = f" at {' or '.join(sorted(self.places))}" if self.places else ""
        return f"{self.name}{variants}{self.specifier}{places}"
