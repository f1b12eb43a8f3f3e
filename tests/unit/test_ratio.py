"""The ratio of two sets of launches, against a slow oracle, against scipy, and against noise."""

from __future__ import annotations

import functools
import itertools
import math
import random
import statistics
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cmx.results.ratio import FEWEST_LAUNCHES, Ratio, ratio

times = st.lists(st.integers(1_000, 1_000_000), min_size=1, max_size=12)


@functools.cache
def counts_of_pairs(first: int, second: int) -> list[int]:
    """U for every way to choose A's ranks."""
    return [sum(ranks) - first * (first - 1) // 2 for ranks in itertools.combinations(range(first + second), first)]


def chance_of_fewer(pairs: int, first: int, second: int) -> float:
    counts = counts_of_pairs(first, second)
    return sum(count < pairs for count in counts) / len(counts)


@pytest.mark.parametrize(("first", "second"), [(5, 5), (5, 6), (5, 8), (7, 6)])
@pytest.mark.parametrize("confidence", [0.5, 0.9, 0.95, 0.99])
def test_the_interval_is_as_wide_as_counting_every_order_says(first: int, second: int, confidence: float) -> None:
    a = [1.0 + 0.01 * i for i in range(first)]
    b = [1.3 + 0.013 * i for i in range(second)]
    found = ratio(a, b, confidence)
    quotients = sorted(y / x for x in a for y in b)
    place = max(c for c in range(first * second) if 2 * chance_of_fewer(c, first, second) <= 1 - confidence)
    if place == 0:
        assert (found.low, found.high) == (None, None)
    else:
        assert (found.low, found.high) == pytest.approx((quotients[place - 1], quotients[-place]))
        assert found.confidence == pytest.approx(1 - 2 * chance_of_fewer(place, first, second), abs=1e-6)
        assert found.confidence >= confidence


def test_the_distribution_is_scipys() -> None:
    scipy_stats = pytest.importorskip("scipy.stats", reason="scipy is not installed here")
    rng = random.Random(1)
    for first, second in [(5, 5), (6, 11), (20, 20), (60, 45)]:
        a = [rng.lognormvariate(0, 0.1) for _ in range(first)]
        b = [rng.lognormvariate(0.02, 0.1) for _ in range(second)]
        found = ratio(a, b)
        shrunk = [math.log(value / (found.low or 0) / (1 + 1e-12)) for value in b]
        widened = [math.log(value / (found.low or 0) / (1 - 1e-12)) for value in b]
        logs = [math.log(value) for value in a]
        method = "exact"
        # The interval is what the two-sided test does not reject: its end is where the p-value passes 5 %.
        inside = scipy_stats.mannwhitneyu(logs, shrunk, method=method).pvalue
        outside = scipy_stats.mannwhitneyu(logs, widened, method=method).pvalue
        assert outside <= 0.05 < inside
        assert 1 - found.confidence == pytest.approx(outside, abs=1e-6)


def test_many_launches_take_the_normal_distribution_and_hardly_notice() -> None:
    rng = random.Random(2)
    a = [rng.lognormvariate(0, 0.1) for _ in range(100)]
    b = [rng.lognormvariate(0.05, 0.1) for _ in range(101)]
    exact, normal = ratio(a, b[:100]), ratio(a, b)
    assert normal.low == pytest.approx(exact.low, rel=0.003)
    assert normal.high == pytest.approx(exact.high, rel=0.003)
    assert normal.confidence == pytest.approx(0.95, abs=0.001)


@given(times, times)
def test_the_estimate_is_the_median_of_all_quotients_and_lies_in_its_interval(a: list[int], b: list[int]) -> None:
    found = ratio(a, b)
    logs = [math.log(y / x) for x in a for y in b]
    assert math.log(found.estimate) == pytest.approx(statistics.median(logs), abs=1e-9)
    if found.low is not None and found.high is not None:
        assert found.low <= found.estimate * (1 + 1e-12)
        assert found.estimate <= found.high * (1 + 1e-12)


@given(times, times)
def test_changing_sides_turns_the_ratio_round(a: list[int], b: list[int]) -> None:
    there, back = ratio(a, b), ratio(b, a)
    assert there.estimate == pytest.approx(1 / back.estimate)
    turned = {"faster": "slower", "slower": "faster"}
    assert back.verdict == turned.get(there.verdict, there.verdict)


def test_too_few_launches_give_an_estimate_and_no_claim() -> None:
    few = [10.0] * (FEWEST_LAUNCHES - 1)
    found = ratio(few, [20.0] * 50)
    assert found == Ratio(2.0, None, None, 0.0)
    assert found.verdict == "too few launches"
    assert ratio([10.0] * 5, [20.0] * 5, confidence=0.999).verdict == "too few launches"


@pytest.mark.parametrize(("a", "b", "confidence"), [([], [1], 0.9), ([0], [1], 0.9), ([1], [-1], 0.9), ([1], [1], 1)])
def test_what_has_no_ratio_is_an_error(a: Sequence[float], b: Sequence[float], confidence: float) -> None:
    with pytest.raises(ValueError, match=r"ratio|confidence"):
        ratio(a, b, confidence)


def launches(rng: random.Random, count: int, middle: float) -> list[float]:
    """Medians of launches as machines give them: a skewed spread of some per cent, and now and then a slow one."""
    return [
        middle * math.exp(rng.gauss(0, 0.02) + (rng.expovariate(8) if rng.random() < 0.1 else 0)) for _ in range(count)
    ]


@pytest.mark.parametrize("count", [5, 8, 12])
def test_one_configuration_against_itself_shows_no_difference(count: int) -> None:
    rng = random.Random(count)
    tries = 500
    verdicts = [ratio(launches(rng, count, 10), launches(rng, count, 10)).verdict for _ in range(tries)]
    shown = tries - verdicts.count("no difference shown")
    assert shown / tries < 0.07, "at most one in twenty, give or take the chance of the tries"


def test_a_tenth_slower_is_found() -> None:
    rng = random.Random(3)
    verdicts = [ratio(launches(rng, 8, 10), launches(rng, 8, 11)).verdict for _ in range(500)]
    assert verdicts.count("slower") / 500 > 0.95
    assert "faster" not in verdicts


def test_the_interval_holds_the_truth_as_often_as_it_says() -> None:
    rng = random.Random(4)
    held = 0
    for _ in range(500):
        found = ratio(launches(rng, 6, 10), launches(rng, 6, 10.7))
        held += (found.low or 9) <= 1.07 <= (found.high or 0)
    assert held / 500 >= 0.94
