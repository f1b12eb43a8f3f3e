"""Why there is no solution: the fewest facts that rule one out, and what could be asked for instead.

Each fact guards its clauses with a selector of its own. From the selectors of an unsatisfiable core those are
dropped, one at a time, without which the rest is still unsatisfiable: what stays is needed, every part of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from cmx.errors import Unsatisfiable
from cmx.reference import contradiction, newest, version_key
from cmx.resolver.candidate import Candidate
from cmx.resolver.encoding import Answers, Goal, Graph, met, one_at_most
from cmx.resolver.fallback import Clause, Engine
from cmx.resolver.requirement import Requirement

Search = Callable[[Sequence[Requirement]], Mapping[str, Candidate] | None]


@dataclass(frozen=True)
class Part:
    """One guarded piece of the problem.

    kind: "asked" (``goal`` was asked for) · "needs" (``members``, all of ``name``, need ``goal``) · "exists" (what
    there is of ``name`` is all there is) · "single" (one candidate of ``name`` at most) · "empty" (no version is in
    ``goal``'s range) · "refused" (``members`` do not go together; ``why`` says why).
    """

    kind: str
    name: str = ""
    goal: Requirement | None = None
    members: frozenset[Candidate] = frozenset()
    why: str = ""


@dataclass(frozen=True)
class Fact:
    """A sentence, and the parts that it states."""

    sentence: str
    parts: tuple[Part, ...]


def unsatisfiable(answers: Answers, requirements: Sequence[Requirement], search: Search) -> Unsatisfiable:
    """The error for a request that has no solution; ``search`` answers a changed request, None if it has none."""
    facts = explain(answers, requirements)
    asked = [part.goal for fact in facts for part in fact.parts if part.kind == "asked" and part.goal]
    return Unsatisfiable([fact.sentence for fact in facts], repairs(requirements, asked, search))


def explain(answers: Answers, requirements: Sequence[Requirement]) -> list[Fact]:
    """A minimal set of facts that together rule out every solution of an unsatisfiable request."""
    for requirement in requirements:
        if pair := contradiction(requirement.specifier):
            return [
                Fact(answers.provider.describe_request(requirement), (Part("asked", requirement.name, requirement),)),
                Fact(_nothing_in(pair), (Part("empty", requirement.name, requirement),)),
            ]
    graph = Graph.reach(answers, requirements)
    parts, clauses = _guarded(graph)
    engine = answers.start(clauses)
    try:
        return _Words(graph, [parts[selector] for selector in _minimal(engine, list(parts))]).facts()
    finally:
        engine.close()


def repairs(requirements: Sequence[Requirement], asked: Iterable[Requirement], search: Search) -> list[str]:
    """Changes of what was asked for, each of which was tried and has a solution.

    For each of ``asked``: every single limit without which the rest can be solved; where there is none, all of
    its limits; where that is not enough, the whole of it (unless nothing would be left).
    """
    found: list[str] = []
    for requirement in dict.fromkeys(asked):
        for attempts in _attempts(requirement):
            tried = [_try(words, requirement, changed, requirements, search) for words, changed in attempts]
            if any(tried):
                found.extend(words for words in tried if words)
                break
    return found


def _attempts(requirement: Requirement) -> Iterator[list[tuple[str, Requirement | None]]]:
    """The changes to try, mildest first; None drops the requirement."""
    limits = requirement.loosened()
    yield [(f"without the limit {limit}", changed) for limit, changed in limits]
    if len(limits) > 1:
        yield [(f"without any limit on {requirement.name}", Requirement(requirement.name))]
    yield [(f"without {requirement}", None)]


def _try(
    words: str, old: Requirement, new: Requirement | None, requirements: Sequence[Requirement], search: Search
) -> str:
    """The repair's sentence with what would then be chosen, or "" if it does not help."""
    changed = (new if requirement == old else requirement for requirement in requirements)
    left = [requirement for requirement in changed if requirement is not None]
    solution = search(left) if left else None
    if solution is None:
        return ""
    return f"{words} (then {old.name} {solution[old.name].label})" if new else words


def _guarded(graph: Graph) -> tuple[dict[int, Part], list[Clause]]:
    """Selector -> part, nearest to the request first; and the clauses, each enforced by its selector only."""
    parts: dict[int, Part] = {}
    found: list[Clause] = []

    def guard(part: Part, clauses: Iterable[Clause]) -> None:
        selector = graph.variable()
        parts[selector] = part
        found.extend([-selector, *clause] for clause in clauses)

    for goal in {goal.variable: goal for goal in graph.roots}.values():
        guard(Part("asked", goal.requirement.name, goal.requirement), [[goal.variable]])
    aims = _by_name(graph.goals.values())
    for name in graph.names:
        reached = graph.reached(name)
        guard(Part("exists", name), [met(goal) for goal in aims[name] if not goal.empty_range])
        guard(Part("single", name), one_at_most(graph, reached))
        for goal in aims[name]:
            if goal.empty_range:
                guard(Part("empty", name, goal.requirement), [met(goal)])
        for goal, variables in _shared_needs(graph, reached):
            members = frozenset(graph.candidates[variable] for variable in variables)
            guard(Part("needs", name, goal.requirement, members), [[-v, goal.variable] for v in variables])
    for variables, why in graph.forbidden():
        members = frozenset(graph.candidates[variable] for variable in variables)
        guard(Part("refused", members=members, why=why), [[-variable for variable in variables]])
    return parts, found


def _by_name(goals: Iterable[Goal]) -> dict[str, list[Goal]]:
    found: dict[str, list[Goal]] = {}
    for goal in goals:
        found.setdefault(goal.requirement.name, []).append(goal)
    return found


def _shared_needs(graph: Graph, variables: Iterable[int]) -> list[tuple[Goal, list[int]]]:
    """Each goal of some candidates of one name, with those that need it."""
    found: dict[int, tuple[Goal, list[int]]] = {}
    for variable in variables:
        for goal in graph.needs[variable]:
            who = found.setdefault(goal.variable, (goal, []))[1]
            if variable not in who:
                who.append(variable)
    return list(found.values())


def _minimal(engine: Engine, selectors: list[int]) -> list[int]:
    """Selectors of facts that rule out every solution, none of which can be spared, in their order.

    What is farthest from the request is the first to be dropped, so that the explanation stays near it.
    """

    def core_of(chosen: Sequence[int]) -> list[int] | None:
        if engine.solve(chosen):
            return None
        core = set(engine.core())
        return [selector for selector in chosen if selector in core]

    left = core_of(selectors) or []
    tried: set[int] = set()
    while untried := [selector for selector in left if selector not in tried]:
        tried.add(untried[-1])
        smaller = core_of([selector for selector in left if selector != untried[-1]])
        left = left if smaller is None else smaller
    return left


class _Words:
    """Turns the parts of a minimal core into sentences, from the request downwards."""

    def __init__(self, graph: Graph, parts: Sequence[Part]) -> None:
        self._graph, self._parts = graph, parts
        self._provider = graph.answers.provider

    def facts(self) -> list[Fact]:
        """Each part is in at least one of them, and each is needed."""
        found = [
            Fact(self._provider.describe_request(part.goal), (part,))
            for part in self._parts
            if part.kind == "asked" and part.goal
        ]
        for name in self._graph.names:
            found.extend(self._about(name, [part for part in self._parts if part.name == name]))
        found.extend(Fact(part.why, (part,)) for part in self._parts if part.kind == "refused")
        return found

    def _about(self, name: str, parts: Sequence[Part]) -> Iterator[Fact]:
        """What there is of ``name`` and what it needs."""
        domain = tuple(part for part in parts if part.kind in ("exists", "single"))
        needs = [part for part in parts if part.kind == "needs" and part.goal]
        everyone = self._everyone(name, needs) if len(domain) == 1 else ""
        if domain and not everyone:
            yield Fact(self._domain(name, single=len(domain) > 1), domain)
        for part in parts:
            if part.kind == "empty" and part.goal and (pair := contradiction(part.goal.specifier)):
                yield Fact(_nothing_in(pair), (part,))
        for part in needs:
            assert part.goal is not None
            who = everyone or self._who(name, part.members)
            yield Fact(self._provider.describe_need(who, part.goal), (part, *(domain if everyone else ())))

    def _everyone(self, name: str, needs: Sequence[Part]) -> str:
        """ "every version of NAME" if each of ``needs`` is a need of all that could be chosen; else ""."""
        here = self._graph.named(name)
        if needs and all(len(part.members) == len(here) for part in needs):
            return f"every version of {name}" if len(here) > 1 else f"{name} {next(iter(here.values())).label}"
        goals = [part.goal for part in self._parts if part.kind in ("asked", "needs")]
        wanted = {goal for goal in goals if goal and goal.name == name}
        if len(wanted) != 1 or not needs:
            return ""
        goal = wanted.pop()
        holders = {self._graph.candidates[variable] for variable in self._graph.goals[goal].holders}
        return f"every {goal}" if all(holders <= part.members for part in needs) else ""

    def _domain(self, name: str, *, single: bool) -> str:
        here = list(self._graph.named(name).values())
        if not here:
            return self._provider.describe_missing(name)
        if single:
            return self._provider.describe_single(name, listing(here))
        unready = all(version_key(candidate.version).is_prerelease for candidate in here)
        note = "; a pre-release is chosen only where a range names one" if unready else ""
        return self._provider.describe_here(name, listing(here) + note)

    def _who(self, name: str, members: frozenset[Candidate]) -> str:
        """The candidates in the fewest words that name them all and no other."""
        here = list(self._graph.named(name).values())
        versions = newest({candidate.version for candidate in here})
        whole = [v for v in versions if all(candidate in members for candidate in here if candidate.version == v)]
        if all(candidate.version in whole for candidate in members):
            return f"{name} {_runs(whole, versions)}"
        for words, attribute in (("{}[{}]", "variant"), ("{} at {}", "place"), ("{} ({})", "origin")):
            values = {getattr(candidate, attribute) for candidate in members}
            alike = {candidate for candidate in here if getattr(candidate, attribute) in values}
            if len(values) == 1 and alike == members:
                return words.format(name, *values)
        return f"{name} {listing([candidate for candidate in here if candidate in members])}"


def listing(candidates: Iterable[Candidate]) -> str:
    """Candidates by where they come from: "6 (detected at /usr/lib), 7–12, 6 versions (installable)"."""
    groups: dict[str, list[Candidate]] = {}
    for candidate in candidates:
        groups.setdefault(candidate.origin, []).append(candidate)
    return ", ".join(f"{_labels(group)} ({origin})" for origin, group in groups.items())


def _labels(group: Sequence[Candidate]) -> str:
    oldest_first = sorted(group, key=lambda candidate: (version_key(candidate.version), candidate.variant))
    labels = list(dict.fromkeys(candidate.label for candidate in oldest_first))
    if len(labels) <= 4:
        return ", ".join(labels)
    versions = newest({candidate.version for candidate in group})
    variants = sorted({candidate.variant for candidate in group} - {""})
    forms = f" [{'|'.join(variants)}]" if variants else ""
    if len(versions) <= 4:
        return f"{', '.join(reversed(versions))}{forms}"
    return f"{versions[-1]}–{versions[0]}{forms}, {len(versions)} versions"


def _runs(chosen: Sequence[str], versions: Sequence[str]) -> str:
    """Some of ``versions`` (newest first), neighbours as a range: "1.0, 1.2–1.4"."""
    runs: list[list[str]] = []
    for version in reversed(versions):
        if version not in chosen:
            runs.append([])
        else:
            runs[-1].append(version) if runs else runs.append([version])
    return ", ".join(run[0] if len(run) == 1 else f"{run[0]}–{run[-1]}" for run in runs if run)


def _nothing_in(pair: tuple[str, str]) -> str:
    return f"no version is both {pair[0]} and {pair[1]}"
