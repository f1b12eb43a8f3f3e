"""The engine below the solver: python-sat, or a small search in pure Python.

Both decide sets of clauses exactly. The search is for problems so small that importing python-sat would take longer,
and for machines that have none; it is good for a few thousand clauses.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

Clause = list[int]


class Engine(Protocol):
    """Decides whether clauses can hold together. Literals are non-zero ints; negative means "not"."""

    def add(self, clause: Sequence[int]) -> None:
        """Also require ``clause``."""

    def solve(self, assumptions: Sequence[int] = ()) -> bool:
        """Whether all clauses can hold with the assumptions."""

    def try_to_solve(self, assumptions: Sequence[int], conflicts: int) -> bool | None:
        """As ``solve``, but gives up with None after so many conflicts."""

    def model(self) -> Sequence[int]:
        """The answer found last: at index i the literal of variable i + 1 that holds."""

    def core(self) -> list[int]:
        """After an answer of False: assumptions that cannot hold together (not always the fewest)."""

    def close(self) -> None:
        """Free what the engine holds."""


_FEW = 200
"""Clauses that the search decides in about a millisecond; importing python-sat takes some twenty."""


def start(clauses: Iterable[Clause]) -> Engine:
    """An engine that has the clauses: python-sat, but for few clauses or where it cannot be imported."""
    clauses = list(clauses)
    return Search(clauses) if len(clauses) <= _FEW else python_sat(clauses)


def python_sat(clauses: Iterable[Clause]) -> Engine:
    """An engine that has the clauses: python-sat where it can be imported."""
    try:
        from pysat.solvers import Minisat22
    except ImportError:
        return Search(clauses)
    return _PySat(Minisat22(bootstrap_with=clauses))


class _PySat:
    """python-sat's MiniSat 2.2, of its solvers the fastest on problems of this shape."""

    def __init__(self, solver) -> None:  # type: ignore[no-untyped-def]
        self._solver = solver

    def add(self, clause: Sequence[int]) -> None:
        self._solver.add_clause(list(clause))

    def solve(self, assumptions: Sequence[int] = ()) -> bool:
        return bool(self._solver.solve(assumptions=list(assumptions)))

    def try_to_solve(self, assumptions: Sequence[int], conflicts: int) -> bool | None:
        self._solver.conf_budget(conflicts)
        answer = self._solver.solve_limited(assumptions=list(assumptions))
        return None if answer is None else bool(answer)

    def model(self) -> Sequence[int]:
        return self._solver.get_model() or []

    def core(self) -> list[int]:
        return list(self._solver.get_core() or ())

    def close(self) -> None:
        self._solver.delete()


class Search:
    """Conflict-driven search: two watched literals for each clause, and one clause learnt from each conflict."""

    def __init__(self, clauses: Iterable[Clause] = ()) -> None:
        self._watches: dict[int, list[list[int]]] = {}
        self._values: dict[int, bool] = {}  # literal -> whether it holds; both signs are kept
        self._level: dict[int, int] = {}  # variable -> depth at which it was set
        self._reason: dict[int, list[int] | None] = {}
        self._trail: list[int] = []
        self._starts: list[int] = []  # where on the trail each depth begins
        self._done = 0  # the trail has been propagated up to here
        self._last = 0
        self._free = 1  # no variable below it is free
        self._broken = False  # the clauses cannot hold, whatever is assumed
        self._core: list[int] = []
        self._model: list[int] = []
        for clause in clauses:
            self.add(clause)

    def add(self, clause: Sequence[int]) -> None:
        self._undo(0)
        literals = list(dict.fromkeys(clause))
        self._last = max([self._last, *map(abs, literals)])
        if any(-literal in literals or self._values.get(literal) for literal in literals):
            return
        literals = [literal for literal in literals if literal not in self._values]
        if len(literals) > 1:
            self._watch(literals)
        elif not literals:
            self._broken = True
        else:
            self._set(literals[0], None)
            self._broken = self._broken or self._propagate() is not None

    def solve(self, assumptions: Sequence[int] = ()) -> bool:
        return bool(self.try_to_solve(assumptions, -1))

    def try_to_solve(self, assumptions: Sequence[int], conflicts: int) -> bool | None:
        self._core = []
        self._last = max([self._last, *map(abs, assumptions)])
        while not self._broken:
            clause = self._propagate()
            if clause is not None:
                if not self._starts:
                    self._broken = True
                elif conflicts == 0:
                    self._undo(0)
                    return None
                else:
                    conflicts -= 1
                    self._learn(clause)
                continue
            literal = self._next(assumptions)
            if literal is None:
                self._model = sorted(self._trail, key=abs)
                self._undo(0)
                return True
            if self._values.get(literal) is False:
                self._core = self._blame(literal)
                break
            self._starts.append(len(self._trail))
            if literal not in self._values:
                self._set(literal, None)
        self._undo(0)
        return False

    def model(self) -> Sequence[int]:
        return self._model

    def core(self) -> list[int]:
        return self._core

    def close(self) -> None:
        self._watches.clear()

    def _next(self, assumptions: Sequence[int]) -> int | None:
        """The next assumption, or "not" for the lowest free variable; None when nothing is free."""
        if len(self._starts) < len(assumptions):
            return assumptions[len(self._starts)]
        while self._free in self._values:
            self._free += 1
        return -self._free if self._free <= self._last else None

    def _watch(self, literals: list[int]) -> None:
        for literal in literals[:2]:
            self._watches.setdefault(-literal, []).append(literals)

    def _set(self, literal: int, reason: list[int] | None) -> None:
        self._values[literal], self._values[-literal] = True, False
        self._level[abs(literal)], self._reason[abs(literal)] = len(self._starts), reason
        self._trail.append(literal)

    def _undo(self, depth: int) -> None:
        if len(self._starts) > depth:
            keep = self._starts[depth]
            for literal in self._trail[keep:]:
                del self._values[literal], self._values[-literal]
                self._free = min(self._free, abs(literal))
            del self._trail[keep:], self._starts[depth:]
            self._done = keep

    def _propagate(self) -> list[int] | None:
        """Draw all consequences; a clause that fails, if one does."""
        while self._done < len(self._trail):
            literal = self._trail[self._done]
            self._done += 1
            watching, self._watches[literal] = self._watches.get(literal, []), []
            for index, clause in enumerate(watching):
                if not self._visit(clause, literal):
                    self._watches[literal].extend(watching[index + 1 :])
                    return clause
        return None

    def _visit(self, clause: list[int], literal: int) -> bool:
        """Find ``clause`` something else to watch now that ``literal`` holds; False if all of it fails."""
        if clause[0] == -literal:
            clause[0], clause[1] = clause[1], clause[0]
        if not self._values.get(clause[0]):
            for index in range(2, len(clause)):
                if self._values.get(clause[index]) is not False:
                    clause[1], clause[index] = clause[index], clause[1]
                    self._watches.setdefault(-clause[1], []).append(clause)
                    return True
        self._watches[literal].append(clause)
        if clause[0] not in self._values:
            self._set(clause[0], clause)
        return self._values[clause[0]]

    def _learn(self, clause: list[int]) -> None:
        """Learn the clause of the first unique implication point, and go back to where it says something."""
        seen: set[int] = set()
        earlier: list[int] = []
        open_here, position, point = 0, len(self._trail), 0
        while True:
            for literal in clause:
                variable = abs(literal)
                if variable not in seen and self._level[variable] > 0 and literal != point:
                    seen.add(variable)
                    if self._level[variable] == len(self._starts):
                        open_here += 1
                    else:
                        earlier.append(literal)
            position -= 1
            while abs(self._trail[position]) not in seen:
                position -= 1
            point, open_here = self._trail[position], open_here - 1
            if open_here == 0:
                break
            clause = self._reason[abs(point)] or []
        earlier.sort(key=lambda literal: -self._level[abs(literal)])
        learnt = [-point, *earlier]
        self._undo(self._level[abs(earlier[0])] if earlier else 0)
        if earlier:
            self._watch(learnt)
        self._set(-point, learnt)

    def _blame(self, literal: int) -> list[int]:
        """The assumptions from which it follows that ``literal``, an assumption, fails."""
        blamed, seen = [literal], {abs(literal)}
        for held in reversed(self._trail):
            if abs(held) not in seen or self._level[abs(held)] == 0:
                continue
            reason = self._reason[abs(held)]
            if reason is None:
                blamed.append(held)
            else:
                seen.update(map(abs, reason))
        return list(dict.fromkeys(blamed))
