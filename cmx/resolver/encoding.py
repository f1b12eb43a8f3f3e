"""What can be reached from a request, and its clauses.

Variables: one for each candidate, one for each distinct requirement ("it must be met"), one for each rung of
a ladder that keeps two candidates of a name apart. A clause is a list of non-zero ints; negative means "not".
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from cmx.reference import admits, contradiction
from cmx.resolver.candidate import Candidate
from cmx.resolver.fallback import Clause, Engine, start
from cmx.resolver.provider import Provider
from cmx.resolver.requirement import Requirement


class _Range(dict[str, bool]):
    """Version -> whether a range holds it; much asked, so each is judged once and then looked up."""

    def __init__(self, specifier: str) -> None:
        self._specifier = specifier

    def __missing__(self, version: str) -> bool:
        self[version] = held = admits(self._specifier, version)
        return held


@dataclass
class Answers:
    """The provider's answers, each asked for once, for one call of ``solve`` and its repairs."""

    provider: Provider
    start: Callable[[Iterable[Clause]], Engine] = start
    """Makes the engine that decides clauses."""
    _candidates: dict[str, tuple[Candidate, ...]] = field(default_factory=dict)
    _requirements: dict[int, Sequence[Requirement]] = field(default_factory=dict)
    _forbidden: tuple[tuple[frozenset[Candidate], str], ...] | None = None

    def candidates(self, name: str) -> tuple[Candidate, ...]:
        """The distinct candidates of ``name``, best first."""
        if name not in self._candidates:
            self._candidates[name] = tuple(dict.fromkeys(self.provider.candidates(name)))
        return self._candidates[name]

    def requirements(self, candidate: Candidate) -> Sequence[Requirement]:
        """What ``candidate``, one of those given out here, needs."""
        found = self._requirements.get(id(candidate))
        if found is None:
            found = self._requirements[id(candidate)] = self.provider.requirements(candidate)
        return found

    @property
    def forbidden(self) -> tuple[tuple[frozenset[Candidate], str], ...]:
        """The sets of candidates that were refused together."""
        if self._forbidden is None:
            self._forbidden = tuple(self.provider.forbidden())
        return self._forbidden


@dataclass
class Goal:
    """A distinct requirement that was reached: its variable, and the candidates that meet it, best first."""

    requirement: Requirement
    variable: int
    holders: list[int]
    empty_range: tuple[str, str] | None = None

    @cached_property
    def members(self) -> frozenset[int]:
        """The holders, to look one up."""
        return frozenset(self.holders)


@dataclass
class Graph:
    """Everything that a request can reach. Candidates are known by their variables."""

    answers: Answers
    roots: list[Goal] = field(default_factory=list)
    goals: dict[Requirement, Goal] = field(default_factory=dict)
    """In breadth-first order."""
    candidates: dict[int, Candidate] = field(default_factory=dict)
    needs: dict[int, list[Goal]] = field(default_factory=dict)
    """Of each reached candidate; what no requirement reaches is not here."""
    variables: int = 0
    _names: dict[str, dict[int, Candidate]] = field(default_factory=dict)
    _queue: list[Goal] = field(default_factory=list)
    _versions: dict[str, dict[str, list[int]]] = field(default_factory=dict)
    _ranges: dict[str, _Range] = field(default_factory=dict)

    @classmethod
    def reach(cls, answers: Answers, requirements: Iterable[Requirement]) -> Graph:
        """Explore breadth first; asks the provider for nothing that no requirement leads to."""
        graph = cls(answers)
        graph.roots = [graph._goal(requirement) for requirement in requirements]
        for goal in graph._queue:  # which grows meanwhile
            for variable in goal.holders:
                if variable not in graph.needs:
                    wanted = answers.requirements(graph.candidates[variable])
                    graph.needs[variable] = [graph._goal(requirement) for requirement in wanted]
        return graph

    def named(self, name: str) -> dict[int, Candidate]:
        """All candidates of ``name`` with their variables, best first."""
        if name not in self._names:
            found = self.answers.candidates(name)
            # Engines decide the lowest free variable first, as "not": so the best candidate gets the highest number.
            last = self.variables = self.variables + len(found)
            self._names[name] = {last - rank: candidate for rank, candidate in enumerate(found)}
            self.candidates.update(self._names[name])
        return self._names[name]

    @property
    def names(self) -> list[str]:
        """Every name that can be reached, breadth first."""
        return list(self._names)

    def reached(self, name: str) -> list[int]:
        """The variables of those candidates of ``name`` that some requirement admits, best first."""
        return [variable for variable in self.named(name) if variable in self.needs]

    def forbidden(self) -> list[tuple[list[int], str]]:
        """The refused sets all of whose members can be reached, with why."""
        if not self.answers.forbidden:
            return []
        numbers = {candidate: variable for variable, candidate in self.candidates.items() if variable in self.needs}
        return [
            ([numbers[candidate] for candidate in members], why)
            for members, why in self.answers.forbidden
            if members and all(candidate in numbers for candidate in members)
        ]

    def variable(self) -> int:
        """A fresh one."""
        self.variables += 1
        return self.variables

    def _goal(self, requirement: Requirement) -> Goal:
        goal = self.goals.get(requirement)
        if goal is None:
            admitted = self._admitted(requirement.name, requirement.specifier)
            empty_range = contradiction(requirement.specifier)
            if empty_range:
                admitted = []
            elif requirement.variants or requirement.places:
                admitted = [variable for variable in admitted if requirement.suits(self.candidates[variable])]
            goal = self.goals[requirement] = Goal(requirement, self.variable(), admitted, empty_range)
            self._queue.append(goal)
        return goal

    def _admitted(self, name: str, specifier: str) -> list[int]:
        """The candidates whose version is in range, best first."""
        everyone = self.named(name)
        if name not in self._versions:
            for variable, candidate in everyone.items():
                self._versions.setdefault(name, {}).setdefault(candidate.version, []).append(variable)
        if specifier not in self._ranges:
            self._ranges[specifier] = _Range(specifier)
        held, versions = self._ranges[specifier], self._versions.get(name, {})
        found = [variable for version, same in versions.items() if held[version] for variable in same]
        found.sort(reverse=True)  # the highest number is the best
        return found


def met(goal: Goal) -> Clause:
    """If the goal stands, one of its holders is chosen."""
    return [-goal.variable, *goal.holders]


def needed(graph: Graph) -> Iterator[tuple[int, Goal]]:
    """Each reached candidate with each of its goals."""
    for variable, goals in graph.needs.items():
        for goal in goals:
            yield variable, goal


def one_at_most(graph: Graph, variables: Sequence[int]) -> Iterator[Clause]:
    """A ladder: rung i says that one of the first i + 1 is chosen; linear in the number of variables."""
    rung = 0
    for variable in variables[:-1]:
        following = graph.variable()
        yield [-variable, following]
        if rung:
            yield [-rung, following]
            yield [-rung, -variable]
        rung = following
    if rung:
        yield [-rung, -variables[-1]]


def plain(graph: Graph) -> list[Clause]:
    """The whole problem, for a first answer; ``cmx.resolver.explanation`` encodes it again to say why not."""
    found: list[Clause] = [[goal.variable] for goal in graph.roots]
    found.extend(met(goal) for goal in graph.goals.values())
    found.extend([-variable, goal.variable] for variable, goal in needed(graph))
    for name in graph.names:
        found.extend(one_at_most(graph, graph.reached(name)))
    found.extend([-variable for variable in members] for members, _ in graph.forbidden())
    return found
