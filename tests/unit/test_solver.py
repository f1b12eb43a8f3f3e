"""What solve() promises beyond the cases in tests/cases/resolve: asking little, saying why, and both engines."""

from __future__ import annotations

import itertools
import sys
from collections import Counter
from collections.abc import Mapping, Sequence

import pytest

from cmx.errors import Unsatisfiable
from cmx.resolver.candidate import Candidate, Source
from cmx.resolver.fallback import Clause, Engine, Search, python_sat, start
from cmx.resolver.provider import Provider
from cmx.resolver.requirement import Requirement
from cmx.resolver.solver import solve

Catalog = Mapping[str, Mapping[Candidate, Sequence[Requirement]]]


class Listed(Provider):
    """A catalog that counts what it is asked."""

    def __init__(self, catalog: Catalog) -> None:
        self.catalog = catalog
        self.asked: Counter[object] = Counter()

    def candidates(self, name: str) -> Sequence[Candidate]:
        self.asked[name] += 1
        return list(self.catalog.get(name, {}))

    def requirements(self, candidate: Candidate) -> Sequence[Requirement]:
        self.asked[candidate] += 1
        return self.catalog[candidate.name][candidate]


def versions(name: str, *numbers: str, needs: Sequence[Requirement] = ()) -> dict[Candidate, Sequence[Requirement]]:
    return {Candidate(name, number): needs for number in numbers}


def test_with_one_root_and_no_conflict_the_most_preferred_is_chosen() -> None:
    catalog = Listed({"x": versions("x", "1.5", "2.0", "1.0")})
    assert solve(catalog, [Requirement("x")])["x"].version == "1.5"


def test_nothing_asked_for_is_nothing_chosen() -> None:
    assert dict(solve(Listed({}), [])) == {}


def test_names_come_breadth_first() -> None:
    catalog = Listed(
        {
            "a": versions("a", "1", needs=[Requirement("c"), Requirement("d")]),
            "b": versions("b", "1"),
            "c": versions("c", "1", needs=[Requirement("e")]),
            "d": versions("d", "1"),
            "e": versions("e", "1"),
        }
    )
    assert list(solve(catalog, [Requirement("a"), Requirement("b")])) == ["a", "b", "c", "d", "e"]


def test_what_cannot_be_reached_is_not_asked_about() -> None:
    catalog = Listed({"x": {**versions("x", "2", needs=[Requirement("y")]), **versions("x", "1")}})
    solve(catalog, [Requirement("x", "<2")])
    assert set(catalog.asked) == {"x", Candidate("x", "1")}


def test_nothing_is_asked_twice_even_for_an_explanation() -> None:
    catalog = Listed({"x": versions("x", "1", "2", needs=[Requirement("y", ">=2")]), "y": versions("y", "1")})
    with pytest.raises(Unsatisfiable):
        solve(catalog, [Requirement("x", ">=1"), Requirement("y")])
    assert set(catalog.asked.values()) == {1}


def test_a_choice_says_who_needs_it_and_why_not_the_others() -> None:
    catalog = Listed(
        {
            "model": versions("model", "1", needs=[Requirement("x", "<3")]),
            "x": {
                **versions("x", "3"),
                **versions("x", "2", needs=[Requirement("nowhere")]),
                **versions("x", "1", "0.9"),
            },
        }
    )
    choice = solve(catalog, [Requirement("model")]).choices["x"]
    assert choice.candidate.version == "1"
    assert choice.why == "model 1 needs x<3; number 3 of 4 in order of preference"
    assert [(other.candidate.version, other.why_not) for other in choice.alternatives] == [
        ("3", "model 1 needs x<3"),
        ("2", "needs nowhere, and there is none"),
        ("0.9", "comes later in the order of preference"),
    ]


def test_a_candidate_that_was_refused_with_others_says_so() -> None:
    class Refusing(Listed):
        def forbidden(self) -> Sequence[tuple[frozenset[Candidate], str]]:
            return [(frozenset({Candidate("a", "1"), Candidate("b", "2")}), "they do not link")]

    catalog = Refusing({"a": versions("a", "1"), "b": versions("b", "2", "1")})
    choice = solve(catalog, [Requirement("a"), Requirement("b")]).choices["b"]
    assert choice.candidate.version == "1"
    assert choice.alternatives[0].why_not == "they do not link"


def chain(length: int) -> Listed:
    """Each newest version of a name is at odds with the newest of the next."""
    catalog: dict[str, dict[Candidate, Sequence[Requirement]]] = {}
    for index in range(length):
        nothing = [Requirement(f"n{index + 1}", "<=2")] if index + 1 < length else []
        anything = [Requirement(f"n{index + 1}")] if index + 1 < length else []
        group = versions(f"n{index}", "3", needs=nothing)
        catalog[f"n{index}"] = {**group, **versions(f"n{index}", "2", "1", needs=anything)}
    return Listed(catalog)


@pytest.mark.parametrize("engine", [python_sat, Search])
def test_without_a_budget_the_answer_is_valid_and_says_that_it_may_not_be_the_best(engine: type[Search]) -> None:
    class Backwards(Search):
        """Prefers what the solver likes least, so that there is something to better."""

        def _next(self, assumptions: Sequence[int]) -> int | None:
            literal = super()._next(assumptions)
            return literal if literal is None or len(self._starts) < len(assumptions) else -literal

    hurried = solve(Listed({"x": versions("x", "2", "1")}), [Requirement("x")], budget_s=0, start=Backwards)
    assert not hurried.best
    assert hurried["x"].version == "1"
    assert hurried.choices["x"].alternatives[0].why_not == "not tried: the time for better choices was over"
    assert solve(Listed({"x": versions("x", "2", "1")}), [Requirement("x")], start=engine).best


def test_the_search_alone_chooses_as_python_sat_does() -> None:
    assert dict(solve(chain(30), [Requirement("n0")], start=Search)) == dict(
        solve(chain(30), [Requirement("n0")], start=python_sat)
    )


def test_few_clauses_are_decided_by_the_search_and_many_by_python_sat() -> None:
    assert isinstance(start([[1]]), Search)
    assert not isinstance(start([[number] for number in range(1, 300)]), Search)


def test_where_python_sat_cannot_be_imported_the_search_takes_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pysat.solvers", None)
    assert isinstance(python_sat([[1]]), Search)
    assert solve(chain(3), [Requirement("n0")], start=python_sat)["n1"].version == "2"


def test_preference_is_by_source_in_this_order() -> None:
    assert sorted(Source) == [Source.PINNED, Source.DETECTED, Source.STORED, Source.INSTALLABLE]
    assert Source.DETECTED.word == "detected"


def holes(pigeons: int) -> list[Clause]:
    """One pigeon more than there are holes: each has a hole, and no hole has two."""
    hole = {pair: index + 1 for index, pair in enumerate(itertools.product(range(pigeons), range(pigeons - 1)))}
    clauses = [[hole[pigeon, h] for h in range(pigeons - 1)] for pigeon in range(pigeons)]
    for h in range(pigeons - 1):
        clauses += [[-hole[a, h], -hole[b, h]] for a, b in itertools.combinations(range(pigeons), 2)]
    return clauses


@pytest.mark.parametrize("engine", [python_sat, Search])
def test_an_engine_gives_up_after_so_many_conflicts_and_can_go_on(engine: type[Search]) -> None:
    solver: Engine = engine(holes(6))
    assert solver.try_to_solve([], 3) is None
    assert solver.try_to_solve([], 100_000) is False


@pytest.mark.parametrize("engine", [python_sat, Search])
def test_a_core_names_assumptions_that_fail_together(engine: type[Search]) -> None:
    solver: Engine = engine([[-1, 2], [-2, -3], [4, 5]])
    assert not solver.solve([4, 1, 3])
    assert set(solver.core()) == {1, 3}
    assert solver.solve([4, 1])
    assert {1, 2, 4} <= set(solver.model())
    solver.add([-4])
    assert solver.solve([1])
    assert 5 in solver.model()
    solver.close()
