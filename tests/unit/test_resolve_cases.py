"""Every file in tests/cases/resolve is a catalog, a request, and what must come of it.

A catalog entry lists candidates: a version, or {version or versions, variant, source, place, requires}. They are
offered as the catalog of cmx does: by source first, then newest first. ``pins`` are in the solver's own order.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from cmx.errors import Unsatisfiable
from cmx.reference import newest
from cmx.resolver.candidate import Candidate, Source
from cmx.resolver.fallback import Search, python_sat
from cmx.resolver.provider import Provider
from cmx.resolver.requirement import Requirement
from cmx.resolver.solver import solve

CASES = sorted((Path(__file__).parents[1] / "cases" / "resolve").glob("*.yaml"))
ENGINES = {"python-sat": python_sat, "search": Search}
REQUIREMENT = re.compile(r"(?P<name>[^\s\[<>=!~]+)(?:\[(?P<variants>.*)\])?(?P<specifier>[^ ]*)(?: at (?P<places>.*))?")


@dataclass
class Written(Provider):
    """A catalog out of a file."""

    catalog: Mapping[str, Mapping[Candidate, Sequence[Requirement]]]
    refused: Sequence[tuple[frozenset[Candidate], str]]

    def candidates(self, name: str) -> Sequence[Candidate]:
        return list(self.catalog.get(name, {}))

    def requirements(self, candidate: Candidate) -> Sequence[Requirement]:
        return self.catalog[candidate.name][candidate]

    def forbidden(self) -> Sequence[tuple[frozenset[Candidate], str]]:
        return self.refused


def read_requirement(text: str) -> Requirement:
    match = REQUIREMENT.fullmatch(text)
    assert match, text
    variants, places = (frozenset((match[key] or "").split("|")) - {""} for key in ("variants", "places"))
    return Requirement(match["name"], match["specifier"], variants, places)


def read_candidates(name: str, entries: Sequence[Any]) -> dict[Candidate, list[Requirement]]:
    found: dict[Candidate, list[Requirement]] = {}
    for entry in entries:
        given = entry if isinstance(entry, dict) else {"version": entry}
        source = Source[given.get("source", "installable").upper()]
        for version in given.get("versions", [given.get("version")]):
            candidate = Candidate(name, str(version), given.get("variant", ""), source, given.get("place", ""))
            found[candidate] = [read_requirement(text) for text in given.get("requires", [])]
    order = newest({candidate.version for candidate in found})
    return dict(sorted(found.items(), key=lambda item: (item[0].source, order.index(item[0].version))))


def read_catalog(case: Mapping[str, Any]) -> Written:
    catalog = {name: read_candidates(name, entries) for name, entries in case["catalog"].items()}
    known = {str(candidate): candidate for group in catalog.values() for candidate in group}
    refused = [(frozenset(known[text] for text in r["together"]), r["why"]) for r in case.get("forbidden", [])]
    return Written(catalog, refused)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_the_case_comes_out_as_written(path: Path, engine: str) -> None:
    case = yaml.safe_load(path.read_text(encoding="utf-8"))
    request = [read_requirement(text) for text in case["request"]]
    catalog = read_catalog(case)
    if "pins" in case:
        found = solve(catalog, request, start=ENGINES[engine])
        assert [str(candidate) for candidate in found.values()] == [f"{n} {pin}" for n, pin in case["pins"].items()]
    else:
        with pytest.raises(Unsatisfiable) as caught:
            solve(catalog, request, start=ENGINES[engine])
        assert list(caught.value.facts) == case["conflict"]
        assert list(caught.value.repairs) == case["repairs"]


def test_there_are_cases() -> None:
    assert len(CASES) >= 12
