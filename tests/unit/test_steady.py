"""Where a launch's steady state begins."""

from __future__ import annotations

import math
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cmx.results.steady import BATCH, steady_state


def latencies(count: int, seed: int, shape: object = None) -> list[int]:
    """Latencies around 10 ms, one in a hundred much longer; ``shape`` says how the level moves."""
    chance = Random(seed)

    def one(index: int) -> int:
        level = 1e7 * chance.lognormvariate(0, 0.05) * (chance.uniform(1.5, 4) if chance.random() < 0.01 else 1)
        return round(level * (shape(index) if callable(shape) else 1))

    return [one(index) for index in range(count)]


def marginal_error(values: list[int], cut: int) -> float:
    """What MSER-5 makes smallest, as its authors write it."""
    means = [sum(values[i : i + BATCH]) / BATCH for i in range(0, len(values) - BATCH + 1, BATCH)][cut:]
    centre = sum(means) / len(means)
    return sum((mean - centre) ** 2 for mean in means) / len(means) ** 2


@given(st.integers(0, 10**6), st.integers(50, 300))
def test_the_cut_makes_the_error_of_the_mean_smallest(seed: int, count: int) -> None:
    values = latencies(count, seed, lambda index: 1 + math.exp(-index / 10))
    found = steady_state(values)
    errors = [marginal_error(values, cut) for cut in range(count // BATCH // 2 + 1)]
    if found.found:
        assert errors[found.cut // BATCH] == pytest.approx(min(errors), rel=1e-6)


@pytest.mark.parametrize("seed", range(20))
def test_a_launch_that_warms_up_loses_its_beginning(seed: int) -> None:
    found = steady_state(latencies(640, seed, lambda index: 1 + 3 * math.exp(-index / 20)))
    assert found.found
    assert 20 <= found.cut <= 320


def test_a_launch_that_never_settles_has_no_steady_state_and_loses_nothing() -> None:
    for shape in (lambda index: 1 + index / 640, lambda index: 1 if index < 450 else 1.3):
        assert [steady_state(latencies(640, seed, shape)) for seed in range(10)] == [(0, False)] * 10


def test_most_quiet_launches_are_steady_from_the_start() -> None:
    found = [steady_state(latencies(640, seed)) for seed in range(100)]
    assert sum(each.found is True for each in found) >= 95
    assert sorted(each.cut for each in found)[50] <= 64


@pytest.mark.parametrize("count", [0, 1, 49])
def test_too_few_queries_are_not_judged(count: int) -> None:
    assert steady_state([10**7] * count) == (0, None)


def test_equal_latencies_are_steady() -> None:
    assert steady_state([10**7] * 100) == (0, True)
