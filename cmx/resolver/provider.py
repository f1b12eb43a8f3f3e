"""What the solver asks of the world; it knows nothing else of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from cmx.resolver.candidate import Candidate
from cmx.resolver.requirement import Requirement


class Provider(Protocol):
    """The solver's only view of the world. Subclass it: the words of explanations have defaults.

    Each method is asked at most once for each argument in one call of ``solve``, and must answer the same
    each time.
    """

    def candidates(self, name: str) -> Sequence[Candidate]:
        """All ways to have ``name``, best first; empty if there is none."""
        ...

    def requirements(self, candidate: Candidate) -> Sequence[Requirement]:
        """What must be chosen too if ``candidate`` is."""
        ...

    def forbidden(self) -> Sequence[tuple[frozenset[Candidate], str]]:
        """Sets of candidates that were refused together, each with a sentence that says why."""
        return ()

    def describe_request(self, requirement: Requirement) -> str:
        """The sentence for what was asked for."""
        return f"you asked for {requirement}"

    def describe_missing(self, name: str) -> str:
        """Why ``name`` has no candidate at all."""
        return f"{name} is not here and nothing known can install it"

    def describe_here(self, name: str, listing: str) -> str:
        """What there is of ``name``; ``listing`` is "6 (detected at /usr/lib)", or several of those."""
        return f"here: {name} {listing}"

    def describe_only(self, name: str) -> str:
        """How the one candidate of ``name`` stands: whether others were ruled out before."""
        return "the only one there is"

    def describe_single(self, name: str, listing: str) -> str:
        """That no two candidates of ``name`` can be chosen together."""
        return f"only one {name} can be chosen (here: {listing})"

    def describe_need(self, who: str, requirement: Requirement) -> str:
        """That ``who`` ("every version of model/x", "software/numpy 1.26") cannot do without ``requirement``."""
        return f"{who} needs {requirement}"
