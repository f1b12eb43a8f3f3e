"""The solver against brute force on small catalogs: the same answer, the same choice, and facts that are all needed."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from types import MappingProxyType

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cmx.errors import Unsatisfiable
from cmx.reference import admits, contradiction
from cmx.resolver import fallback
from cmx.resolver.candidate import Candidate, Source
from cmx.resolver.encoding import Answers
from cmx.resolver.explanation import Part, explain
from cmx.resolver.provider import Provider
from cmx.resolver.requirement import Requirement
from cmx.resolver.solver import solve

ENGINES = {"python-sat": fallback.python_sat, "search": fallback.Search}
NAMES = ("a", "b", "c", "d")
RANGES = ("", ">=2", "<2", "<=1", "==2", "!=2", ">=1,<3", ">=3,<2", "==9")


@dataclass
class Small(Provider):
    """A catalog small enough to try everything."""

    catalog: dict[str, dict[Candidate, list[Requirement]]]
    refused: list[tuple[frozenset[Candidate], str]] = field(default_factory=list)

    def candidates(self, name: str) -> Sequence[Candidate]:
        return list(self.catalog.get(name, {}))

    def requirements(self, candidate: Candidate) -> Sequence[Requirement]:
        return self.catalog[candidate.name][candidate]

    def forbidden(self) -> Sequence[tuple[frozenset[Candidate], str]]:
        return self.refused


def some_requirement(random: Random) -> Requirement:
    specifier = random.choice(RANGES[:-2] if random.random() < 0.9 else RANGES)
    variants = random.choice(((), (), (), ("p",), ("p", "q")))
    places = random.choice(((), (), (), ("here",)))
    return Requirement(random.choice(NAMES), specifier, frozenset(variants), frozenset(places))


def some_candidate(random: Random, name: str) -> Candidate:
    version, variant, place = random.choice("123"), random.choice("pq"), random.choice(("", "here"))
    return Candidate(name, version, variant, random.choice(tuple(Source)), place)


def some_problem(random: Random) -> tuple[Small, list[Requirement]]:
    catalog: dict[str, dict[Candidate, list[Requirement]]] = {}
    for name in NAMES:
        for _ in range(random.choice((0, 2, 3, 3, 3, 3))):
            needs = [some_requirement(random) for _ in range(random.choice((0, 0, 0, 1, 2)))]
            catalog.setdefault(name, {})[some_candidate(random, name)] = needs
    everyone = [candidate for group in catalog.values() for candidate in group]
    refused = []
    for index in range(random.choice((0, 0, 1, 3)) if everyone else 0):
        members = frozenset(random.choice(everyone) for _ in range(random.choice((1, 2, 3))))
        refused.append((members, f"refused together: {index}"))
    return Small(catalog, refused), [some_requirement(random) for _ in range(random.choice((1, 1, 2, 3)))]


def meets(requirement: Requirement, candidate: Candidate) -> bool:
    """What a requirement means, spelt out once more."""
    return (
        candidate.name == requirement.name
        and admits(requirement.specifier, candidate.version)
        and (not requirement.variants or candidate.variant in requirement.variants)
        and (not requirement.places or candidate.place in requirement.places)
    )


def is_solution(problem: Small, request: Iterable[Requirement], pins: Mapping[str, Candidate]) -> bool:
    """Whether everything that is needed is there, and nothing that was refused."""
    wanted = [*request, *(need for candidate in pins.values() for need in problem.requirements(candidate))]
    return all(requirement.name in pins and meets(requirement, pins[requirement.name]) for requirement in wanted) and (
        not any(members <= set(pins.values()) for members, _ in problem.refused)
    )


def all_solutions(
    problem: Small, request: Sequence[Requirement], pins: Mapping[str, Candidate] = MappingProxyType({})
) -> Iterator[dict[str, Candidate]]:
    """Every valid choice that has just the names that are needed: each candidate of each is tried."""
    wanted = [*request, *(need for candidate in pins.values() for need in problem.requirements(candidate))]
    name = next((requirement.name for requirement in wanted if requirement.name not in pins), None)
    if name is not None:
        for candidate in problem.candidates(name):
            yield from all_solutions(problem, request, {**pins, name: candidate})
    elif is_solution(problem, request, pins):
        yield dict(pins)


def best_of(problem: Small, request: Sequence[Requirement], left: list[dict[str, Candidate]]) -> dict[str, Candidate]:
    """The rule of the solver's docstring, followed by crossing out; names in breadth-first order."""
    found: dict[str, Candidate] = {}
    queue = list(dict.fromkeys(requirement.name for requirement in request))
    for name in queue:
        order = problem.candidates(name)
        found[name] = min((pins[name] for pins in left), key=order.index)
        left = [pins for pins in left if pins[name] == found[name]]
        for requirement in problem.requirements(found[name]):
            if requirement.name not in queue:
                queue.append(requirement.name)
    return found


def can_hold(problem: Small, parts: Sequence[Part]) -> bool:
    """Whether some set of candidates agrees with all of the parts, by trying every set."""
    everyone = [candidate for name in NAMES for candidate in problem.candidates(name)]
    return any(
        agrees(problem, parts, set(chosen))
        for size in range(len(everyone) + 1)
        for chosen in itertools.combinations(everyone, size)
    )


def agrees(problem: Small, parts: Sequence[Part], chosen: set[Candidate]) -> bool:
    limited = {part.name for part in parts if part.kind == "exists"}
    empty = {part.goal for part in parts if part.kind == "empty"}

    def can_be_met(goal: Requirement) -> bool:
        if contradiction(goal.specifier):
            return goal not in empty
        return goal.name not in limited or any(meets(goal, candidate) for candidate in chosen)

    rules: dict[str, Callable[[Part], bool]] = {
        "asked": lambda part: part.goal is not None and can_be_met(part.goal),
        "needs": lambda part: not part.members & chosen or (part.goal is not None and can_be_met(part.goal)),
        "single": lambda part: sum(candidate.name == part.name for candidate in chosen) <= 1,
        "refused": lambda part: not part.members <= chosen,
        "exists": lambda part: True,
        "empty": lambda part: True,
    }
    return all(rules[part.kind](part) for part in parts)


def check_choice(engine: str, problem: Small, request: list[Requirement]) -> None:
    solutions = list(all_solutions(problem, request))
    try:
        found = solve(problem, request, budget_s=60, start=ENGINES[engine])
        hurried = solve(problem, request, budget_s=0, start=ENGINES[engine])
    except Unsatisfiable:
        assert not solutions
        return
    assert solutions
    assert found.best
    assert list(found.items()) == list(best_of(problem, request, solutions).items())
    assert dict(hurried) in solutions


def check_facts(engine: str, problem: Small, request: list[Requirement]) -> None:
    if next(all_solutions(problem, request), None) is not None:
        return
    facts = explain(Answers(problem, ENGINES[engine]), request)
    assert not can_hold(problem, [part for fact in facts for part in fact.parts])
    for left_out in facts:
        rest = [part for fact in facts if fact is not left_out for part in fact.parts if part not in left_out.parts]
        assert can_hold(problem, rest), left_out.sentence


@pytest.mark.parametrize("engine", ENGINES)
@settings(deadline=None)
@given(random=st.randoms(use_true_random=False))
def test_the_choice_is_the_best_of_all_that_brute_force_finds(engine: str, random: Random) -> None:
    check_choice(engine, *some_problem(random))


@pytest.mark.parametrize("engine", ENGINES)
@settings(deadline=None, max_examples=50)
@given(random=st.randoms(use_true_random=False))
def test_every_fact_of_an_explanation_is_needed(engine: str, random: Random) -> None:
    check_facts(engine, *some_problem(random))


@pytest.mark.parametrize("engine", ENGINES)
def test_two_thousand_catalogs_are_solved_as_brute_force_solves_them(engine: str) -> None:
    for seed in range(2000):
        check_choice(engine, *some_problem(Random(seed)))


@pytest.mark.parametrize("engine", ENGINES)
def test_the_facts_of_a_hundred_catalogs_are_all_needed(engine: str) -> None:
    for seed in range(100):
        check_facts(engine, *some_problem(Random(seed)))


EACH = [f"{operator}{version}" for operator in ("<", "<=", ">", ">=", "==", "!=") for version in "123"]
SINGLE = [*EACH, "~=2.0", "~=1.0.1", "==2.*", "==1!2.*"]


@given(parts=st.lists(st.sampled_from(SINGLE), max_size=4))
def test_a_range_called_empty_holds_no_version(parts: list[str]) -> None:
    versions = ["1", "1.0.1", "1.5", "2", "2.0.post1", "2.0+local", "2.5rc1", "3", "3.dev1", "4", "1!2.1"]
    specifier = ",".join(parts)
    assert contradiction(specifier) is None or not any(admits(specifier, version) for version in versions)


@pytest.mark.parametrize("specifier", [">=3.12,<3.11", ">2,<=2", "==1.5,>=1.8", "==1.4.*,>=1.5", "~=1.4.2,>1.5"])
def test_an_empty_range_is_recognised(specifier: str) -> None:
    assert contradiction(specifier) is not None


@pytest.mark.parametrize("specifier", ["", ">=1,<=1", "==1.4.*,>=1.4.9", "~=1.4,>=1.9", ">=1.0,!=1.0", "==1!2.0,>=3"])
def test_a_range_that_some_version_meets_is_not_called_empty(specifier: str) -> None:
    assert contradiction(specifier) is None
