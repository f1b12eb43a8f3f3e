"""Steps in a history, and the frontier."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cmx.results.history import pettitt, segments
from cmx.results.pareto import frontier


def noisy(rng: random.Random, count: int, middle: float) -> list[float]:
    """Medians of runs: 2 % of spread, and one in twenty far off."""
    return [middle * rng.gauss(1, 0.02) * (1.5 if rng.random() < 0.05 else 1) for _ in range(count)]


def test_a_step_is_found_where_it_is() -> None:
    rng = random.Random(1)
    found = segments([*noisy(rng, 20, 10), *noisy(rng, 20, 11)])
    assert len(found) == 2
    assert abs(found[1].start - 20) <= 1
    assert found[1].median / found[0].median == pytest.approx(1.1, abs=0.02)


def test_up_and_down_again_are_two_steps() -> None:
    rng = random.Random(2)
    found = segments([*noisy(rng, 20, 10), *noisy(rng, 20, 12), *noisy(rng, 20, 10)])
    assert [round(each.median) for each in found] == [10, 12, 10]


def test_where_nothing_changed_a_step_is_rarely_seen() -> None:
    rng = random.Random(3)
    seen = sum(len(segments(noisy(rng, 30, 10))) > 1 for _ in range(400))
    assert seen / 400 < 0.02


def test_one_odd_run_is_no_step() -> None:
    assert len(segments([10.0, 10.1, 9.9, 10.2, 10.0, 30.0, 10.1, 9.9, 10.0, 10.1, 10.2, 9.8, 10.0, 10.1])) == 1


def test_a_change_too_small_to_matter_is_none() -> None:
    assert len(segments([10.0 + i * 1e-4 for i in range(20)] + [10.05 + i * 1e-4 for i in range(20)])) == 1


@pytest.mark.parametrize(("values", "count"), [([], 0), ([1.0], 1), ([1.0] * 50, 1), ([1.0, 2.0], 1)])
def test_little_or_nothing_has_no_steps(values: list[float], count: int) -> None:
    assert len(segments(values)) == count


def test_pettitts_statistic_is_that_of_comparing_every_pair() -> None:
    rng = random.Random(4)
    values = [float(rng.randint(1, 9)) for _ in range(25)]
    sums = [sum((a > b) - (a < b) for a in values[:at] for b in values[at:]) for at in range(1, len(values))]
    most = max(map(abs, sums))
    place, likely = pettitt(values)
    assert abs(sums[place - 1]) == most
    n = len(values)
    assert likely == pytest.approx(min(1, 2 * 2.718281828459045 ** (-6 * most**2 / (n**3 + n**2))))


@given(st.lists(st.tuples(st.integers(0, 20), st.integers(0, 20))))
def test_the_frontier_is_what_nothing_beats(points: list[tuple[int, int]]) -> None:
    def beaten(a: tuple[int, int]) -> bool:
        return any(b != a and b[0] <= a[0] and b[1] >= a[1] for b in points)

    chosen = [points[place] for place in frontier(points)]
    assert chosen == sorted({each for each in points if not beaten(each)})
