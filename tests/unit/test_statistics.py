"""Statistics against slow plain oracles, and against LoadGen itself."""

from __future__ import annotations

import json
import struct
from fractions import Fraction
from math import comb
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cmx.errors import StoreError
from cmx.results.npy import read_int64
from cmx.results.statistics import (
    allowed_overruns,
    loadgen_estimate,
    median_interval,
    percentile,
    queries_needed,
    summarise,
    upper_bound,
)

LOADGEN = Path(__file__).parents[1] / "cases" / "statistics" / "loadgen-single-stream-700.json"
VALUES = st.lists(st.integers(0, 10**12), min_size=1, max_size=200).map(sorted)
PERCENTS = st.sampled_from([1, 10, 25, 50, 90, 95, 99, 99.9])


def at_most(count: int, chance: Fraction, most: int) -> Fraction:
    """P(Binomial(count, chance) <= most), term by term in whole numbers."""
    return sum((comb(count, k) * chance**k * (1 - chance) ** (count - k) for k in range(most + 1)), Fraction(0))


@given(VALUES, PERCENTS)
def test_a_percentile_is_the_least_value_that_enough_values_do_not_exceed(values: list[int], percent: float) -> None:
    share = Fraction(str(percent)) / 100
    enough = [value for value in values if sum(other <= value for other in values) >= share * len(values)]
    assert percentile(values, percent) == min(enough)


def test_the_hundredth_percentile_is_the_greatest_value_and_there_is_none_of_nothing() -> None:
    assert percentile([1, 2, 3], 100) == 3
    assert percentile([7], 1) == 7
    for values, percent in (([], 50), ([1], 0), ([1], 101), ([1], float("nan"))):
        with pytest.raises(ValueError):
            percentile(values, percent)


def test_whole_ranks_are_not_pushed_up_by_floating_point() -> None:
    values = list(range(1, 1001))
    assert [percentile(values, percent) for percent in (7, 14, 28, 29, 55, 56, 57, 58, 99.9)] == [
        *(70, 140, 280, 290, 550, 560, 570, 580, 999)
    ]


@pytest.mark.parametrize(
    ("percent", "overruns", "needed"), [(50, 0, 7), (90, 0, 44), (95, 0, 90), (99, 0, 459), (90, 1, 64), (99, 1, 662)]
)
def test_the_queries_needed_are_those_of_mlperf(percent: float, overruns: int, needed: int) -> None:
    assert queries_needed(percent, overruns=overruns) == needed


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 300), st.sampled_from([50, 90, 99]), st.sampled_from([0.9, 0.95, 0.99]))
def test_allowed_overruns_are_the_most_by_the_binomial_sum_in_exact_numbers(
    count: int, percent: int, confidence: float
) -> None:
    chance, mass = Fraction(100 - percent, 100), 1 - Fraction(str(confidence))
    most = allowed_overruns(count, percent, confidence)
    assert most < 0 or at_most(count, chance, most) <= mass
    assert at_most(count, chance, most + 1) > mass or most + 1 > count


@settings(deadline=None, max_examples=20)
@given(st.sampled_from([50, 80, 90, 97]), st.integers(0, 5), st.sampled_from([0.9, 0.99]))
def test_one_query_less_than_needed_proves_nothing(percent: int, overruns: int, confidence: float) -> None:
    needed = queries_needed(percent, confidence, overruns=overruns)
    assert allowed_overruns(needed, percent, confidence) >= overruns > allowed_overruns(needed - 1, percent, confidence)


@pytest.mark.parametrize("count", [10_000, 1_000_000])
def test_a_million_queries_allow_what_the_normal_approximation_says(count: int) -> None:
    expected = count * 0.1 - 2.3263 * (count * 0.09) ** 0.5
    assert allowed_overruns(count, 90) == pytest.approx(expected, abs=3)


def test_too_few_queries_have_no_bound() -> None:
    assert upper_bound(list(range(43)), 90) is None
    assert upper_bound(list(range(44)), 90) == 43
    assert upper_bound([], 90) is None


def test_the_bound_holds_as_often_as_it_claims() -> None:
    random = Random(1)
    launches = ([random.randrange(10**6) for _ in range(100)] for _ in range(2000))
    bounds = [upper_bound(sorted(latencies), 90) or 0 for latencies in launches]
    assert sum(bound >= 900_000 for bound in bounds) / len(bounds) >= 0.985


def loadgen() -> dict[str, Any]:
    """A real run of LoadGen."""
    document: dict[str, Any] = json.loads(LOADGEN.read_text(encoding="utf-8"))
    return document


def test_early_stopping_estimates_are_those_that_loadgen_printed() -> None:
    run = loadgen()
    ordered = sorted(run["latencies"])
    for percent, estimate in run["early_stopping"].items():
        assert loadgen_estimate(ordered, float(percent)) == estimate
    assert loadgen_estimate(ordered[:63], 90) is None
    assert loadgen_estimate(ordered[:64], 90) == ordered[63]


def test_our_percentiles_are_loadgens_or_one_rank_below() -> None:
    run = loadgen()
    ordered = sorted(run["latencies"])
    for percent, value in run["percentiles"].items():
        rank = ordered.index(value)
        assert percentile(ordered, float(percent)) in (ordered[rank], ordered[rank - 1])


def test_the_median_interval_of_few_values_is_none_and_of_six_their_range() -> None:
    assert median_interval([1, 2, 3, 4, 5]) is None
    interval = median_interval([1, 2, 3, 4, 5, 6])
    assert interval is not None
    assert (interval.low, interval.high, interval.confidence) == (1, 6, 0.96875)
    five = median_interval([1, 2, 3, 4, 5], 0.9)
    assert five is not None
    assert (five.low, five.high, five.confidence) == (1, 5, 0.9375)


@given(st.integers(6, 150))
def test_the_median_interval_is_the_narrowest_that_covers_enough(count: int) -> None:
    interval = median_interval(list(range(count)))
    assert interval is not None
    outside = 2 * at_most(count, Fraction(1, 2), interval.low)
    assert interval.high == count - 1 - interval.low
    assert 1 - outside >= Fraction(95, 100) > 1 - 2 * at_most(count, Fraction(1, 2), interval.low + 1)
    assert interval.confidence == pytest.approx(float(1 - outside), abs=1e-6)


@pytest.mark.parametrize("percent", [0, 100, -1])
def test_a_bound_on_an_impossible_percentile_is_refused(percent: float) -> None:
    with pytest.raises(ValueError, match="no bound"):
        upper_bound([1], percent)


def test_a_summary_flags_the_percentiles_that_need_more_queries() -> None:
    summary = summarise(list(range(100, 0, -1)))
    assert (summary.count, summary.minimum, summary.maximum, summary.mean) == (100, 1, 100, 50)
    assert summary.cautions == ("p99 of 100 queries is an impression: a bound on it needs 459 queries",)
    assert summary.document()["percentiles"]["p90"] == {"value": 90, "bound": 97, "needed": 44}
    [left] = summarise(list(range(100, 0, -1)), cut=45).cautions
    assert left.startswith("p99 of 100 queries (45 of 145 were cut as warm-up) is an impression: ")


def test_a_summary_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="no values"):
        summarise([])


@given(st.lists(st.integers(-(2**63), 2**63 - 1)))
@settings(deadline=None)
def test_numpys_files_are_read_without_numpy(tmp_path_factory: pytest.TempPathFactory, values: list[int]) -> None:
    path = tmp_path_factory.mktemp("npy") / "latencies.npy"
    for kind in ("<i8", ">i8"):
        np.save(path, np.array(values, dtype=kind))
        assert list(read_int64(path)) == values


@pytest.mark.filterwarnings("ignore:Stored array in format")
def test_versions_two_and_three_of_the_format_are_read(tmp_path: Path) -> None:
    path = tmp_path / "latencies.npy"
    for version in ((2, 0), (3, 0)):
        with path.open("wb") as file:
            np.lib.format.write_array(file, np.arange(5, dtype=np.int64), version=version)
        assert list(read_int64(path)) == [0, 1, 2, 3, 4]


@pytest.mark.parametrize(
    "array",
    [np.zeros((2, 2), np.int64), np.zeros(3), np.zeros(3, np.int32), np.array(5), np.array(["a"])],
    ids=["two dimensions", "floats", "32 bits", "no dimension", "text"],
)
def test_another_array_is_refused_by_name(tmp_path: Path, array: np.ndarray[Any, Any]) -> None:
    path = tmp_path / "latencies.npy"
    np.save(path, array)
    with pytest.raises(StoreError, match=r"latencies\.npy: not a one-dimensional int64"):
        read_int64(path)


def test_pickled_objects_are_never_loaded(tmp_path: Path) -> None:
    path = tmp_path / "latencies.npy"
    np.save(path, np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(StoreError, match="not a one-dimensional int64"):
        read_int64(path)


@pytest.mark.parametrize("length", [0, 5, 7, 9, 40, 130, -1])
def test_a_file_that_was_cut_off_is_refused(tmp_path: Path, length: int) -> None:
    path = tmp_path / "latencies.npy"
    np.save(path, np.arange(10))
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(StoreError, match=r"latencies\.npy"):
        read_int64(path)


def test_a_header_that_promises_too_much_reserves_no_memory(tmp_path: Path) -> None:
    path = tmp_path / "latencies.npy"
    header = b"{'descr': '<i8', 'fortran_order': False, 'shape': (%d,), }" % 10**15
    path.write_bytes(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header)
    with pytest.raises(StoreError, match="another length"):
        read_int64(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"gone\.npy: No such file"):
        read_int64(tmp_path / "gone.npy")
