"""Choose one candidate for each name that is needed, or prove that it cannot be done.

The choice is the best in this order: names are taken breadth first from what was asked for, in the order in
which requirements are listed; each gets the most preferred candidate with which all of the rest can still be
solved. Past the budget the remaining names keep what the last valid answer gave them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from cmx.reference import contradiction
from cmx.resolver.candidate import Candidate
from cmx.resolver.encoding import Answers, Goal, Graph, plain
from cmx.resolver.fallback import Clause, Engine, start
from cmx.resolver.provider import Provider
from cmx.resolver.requirement import Requirement

_CONFLICTS_PER_STEP = 2_000
"""Of one attempt to better one choice; some 10 ms."""

_ALTERNATIVES = 2
"""How many better candidates that were not chosen are explained, for each name."""


class Alternative(NamedTuple):
    """A candidate that was not chosen, and why not."""

    candidate: Candidate
    why_not: str


class Choice(NamedTuple):
    """The candidate chosen for one name, why, and the nearest alternatives."""

    candidate: Candidate
    why: str
    alternatives: tuple[Alternative, ...] = ()


@dataclass(frozen=True)
class Solution(Mapping[str, Candidate]):
    """Name -> candidate, breadth first; ``choices`` says why. ``best`` is False if the budget ran out."""

    choices: Mapping[str, Choice]
    best: bool = True

    def __getitem__(self, name: str) -> Candidate:
        return self.choices[name].candidate

    def __iter__(self) -> Iterator[str]:
        return iter(self.choices)

    def __len__(self) -> int:
        return len(self.choices)

    def why(self, name: str) -> str:
        """One line: who needs ``name``, and how its candidate stands among all there are."""
        return self.choices[name].why


def solve(
    provider: Provider,
    requirements: Sequence[Requirement],
    *,
    budget_s: float = 0.1,
    start: Callable[[Iterable[Clause]], Engine] = start,
) -> Solution:
    """The best choice for ``requirements``.

    ``budget_s`` limits the bettering of a valid answer, not the search for one; ``start`` makes the engine.
    Raises Unsatisfiable, with a minimal set of facts and the repairs that were tried and work.
    """
    answers = Answers(provider, start)
    found = search(answers, requirements, budget_s)
    if found is None:
        from cmx.resolver.explanation import unsatisfiable

        raise unsatisfiable(answers, requirements, lambda changed: search(answers, changed, budget_s))
    return found


def search(answers: Answers, requirements: Sequence[Requirement], budget_s: float) -> Solution | None:
    """As ``solve``, but None if there is no solution. A range that is empty in itself is refused unsearched."""
    if any(contradiction(requirement.specifier) for requirement in requirements):
        return None
    graph = Graph.reach(answers, requirements)
    engine = answers.start(plain(graph))
    try:
        if not engine.solve():
            return None
        chosen, best = _Polish(graph, engine, time.perf_counter_ns() + int(budget_s * 1e9)).choose()
    finally:
        engine.close()
    return Solution(_Reasons(graph, chosen, best).choices(), best)


class _Polish:
    """Betters a valid answer until it is the best, or the time is over."""

    def __init__(self, graph: Graph, engine: Engine, deadline_ns: int) -> None:
        self._graph, self._engine, self._deadline_ns = graph, engine, deadline_ns
        self._model = engine.model()
        self._chosen: dict[str, int] = {}
        self._guess: list[int] = []

    def choose(self) -> tuple[dict[str, int], bool]:
        """Fix the choices breadth first, each as good as it can be; and whether the time was enough for all."""
        best = self._leap()
        for name in (queue := self._roots()):  # which grows meanwhile
            order = self._graph.reached(name)
            rank = self._rank(order)
            while best and rank > 0 and (answer := self._try([-variable for variable in order[rank:]])) is not False:
                best, rank = answer is True, self._rank(order)
            self._chosen[name] = order[rank]
            if best:
                self._engine.add([order[rank]])
                best = order[rank] in self._guess or self._leap()
            queue.extend(needed for needed in self._wanted(order[rank]) if needed not in queue)
        return self._chosen, best

    def _roots(self) -> list[str]:
        return list(dict.fromkeys(goal.requirement.name for goal in self._graph.roots))

    def _wanted(self, variable: int) -> dict[str, None]:
        return dict.fromkeys(goal.requirement.name for goal in self._graph.needs[variable])

    def _rank(self, order: Sequence[int]) -> int:
        return next(rank for rank, variable in enumerate(order) if self._model[variable - 1] > 0)

    def _try(self, assumptions: Sequence[int]) -> bool | None:
        """Whether the assumptions can hold; the model is the latest that did. None: no time left to find out."""
        if time.perf_counter_ns() >= self._deadline_ns:
            return None
        answer = self._engine.try_to_solve(assumptions, _CONFLICTS_PER_STEP)
        if answer:
            self._model = self._engine.model()
        return answer

    def _leap(self) -> bool:
        """Move the model to what a greedy choice comes to, as far as that goes; False if there was no time.

        One answer of the engine then betters many names at once, where each would have cost an answer.
        """
        guess = self._greedy()
        while any(self._model[variable - 1] < 0 for variable in guess):
            answer = self._try(guess)
            if answer is None:
                return False
            if answer:
                break
            core = set(self._engine.core())
            guess = guess[: max(index for index, variable in enumerate(guess) if variable in core)]
        self._guess = guess
        return True

    def _greedy(self) -> list[int]:
        """For each name, breadth first, the best candidate that does not contradict those before it."""
        picked: dict[str, int] = {}
        demands: dict[str, list[Goal]] = {}
        for goal in self._graph.roots:
            demands.setdefault(goal.requirement.name, []).append(goal)
        queue = self._roots()
        queued = set(queue)
        for name in queue:
            options = [self._chosen[name]] if name in self._chosen else self._graph.reached(name)
            fitting = (variable for variable in options if self._fits(variable, demands[name], picked))
            if variable := next(fitting, 0):
                picked[name] = variable
                for goal in self._graph.needs[variable]:
                    needed = goal.requirement.name
                    demands.setdefault(needed, []).append(goal)
                    if needed not in queued:
                        queued.add(needed)
                        queue.append(needed)
        return list(picked.values())

    def _fits(self, variable: int, demands: Sequence[Goal], picked: Mapping[str, int]) -> bool:
        for goal in demands:
            if variable not in goal.members:
                return False
        for goal in self._graph.needs[variable]:
            if not goal.holders or picked.get(goal.requirement.name, goal.holders[0]) not in goal.members:
                return False
        return True


class _Reasons:
    """Says why each choice was made; looks things up, and solves nothing."""

    def __init__(self, graph: Graph, chosen: Mapping[str, int], best: bool) -> None:
        self._graph, self._chosen, self._best = graph, chosen, best
        self._provider = graph.answers.provider
        self._taken = set(chosen.values())
        self._forbidden = graph.forbidden()
        self._demands: dict[str, list[tuple[str, Goal]]] = {name: [] for name in chosen}
        for goal in graph.roots:
            self._demands[goal.requirement.name].append(("", goal))
        for name, variable in chosen.items():
            for goal in graph.needs[variable]:
                self._demands[goal.requirement.name].append((f"{name} {graph.candidates[variable].label}", goal))

    def choices(self) -> dict[str, Choice]:
        return {name: self._choice(name, variable) for name, variable in self._chosen.items()}

    def _choice(self, name: str, variable: int) -> Choice:
        order = list(self._graph.named(name))
        rank = order.index(variable)
        nearest = [*order[:rank][:_ALTERNATIVES], *order[rank + 1 : rank + 2]]
        others = tuple(Alternative(self._graph.candidates[v], self._why_not(name, v, variable)) for v in nearest)
        return Choice(self._graph.candidates[variable], self._why(name, rank, len(order)), others)

    def _why(self, name: str, rank: int, count: int) -> str:
        demands = list(dict.fromkeys(self._sentence(who, goal) for who, goal in self._demands[name]))
        more = f"; and {len(demands) - 2} more" if len(demands) > 2 else ""
        only, order = self._provider.describe_only, f"number {rank + 1} of {count} in order of preference"
        return f"{'; '.join(demands[:2])}{more}; {only(name) if count == 1 else order}"

    def _sentence(self, who: str, goal: Goal) -> str:
        if who:
            return self._provider.describe_need(who, goal.requirement)
        return self._provider.describe_request(goal.requirement)

    def _why_not(self, name: str, variable: int, chosen: int) -> str:
        for who, goal in self._demands[name]:
            if variable not in goal.holders:
                return self._sentence(who, goal)
        if variable < chosen:
            return "comes later in the order of preference"
        return self._in_its_way(name, variable) or (
            "with it, the rest cannot be solved" if self._best else "not tried: the time for better choices was over"
        )

    def _in_its_way(self, name: str, variable: int) -> str:
        """What of the choices made, or of what there is, speaks against a candidate; "" if that lies deeper."""
        for goal in self._graph.needs[variable]:
            wanted = goal.requirement.name
            if not goal.holders:
                return f"needs {goal.requirement}, and there is none"
            if wanted in self._chosen and wanted != name and self._chosen[wanted] not in goal.holders:
                return f"needs {goal.requirement}, and {self._graph.candidates[self._chosen[wanted]]} was chosen"
        with_it = (self._taken - {self._chosen[name]}) | {variable}
        return next((why for members, why in self._forbidden if with_it.issuperset(members)), "")
