"""What several launches say together, and when they are enough."""

from __future__ import annotations

from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
from result_samples import checked, make, outcome, timed

from cmx.api import access
from cmx.cli.result_text import result_text
from cmx.errors import UsageError
from cmx.results import Step
from cmx.results.export import row
from cmx.results.launches import Observed, spread, statistics
from cmx.runner.options import LEAST_LAUNCHES, MOST_LAUNCHES, Sampling, half_width
from cmx.schema import validate

VALUES = [100.0, 101.0, 102.0, 103.0, 104.0, 150.0]


def launched(number: int, latencies: list[int], folder: Path, **changes: Any) -> Step:
    """A launch of a benchmark that left its latencies."""
    first = timed(**changes)
    name = "benchmark" if number == 1 else f"benchmark.{number}"
    (folder / name).mkdir()
    np.save(folder / name / "latencies.npy", np.asarray(latencies, dtype=np.int64))
    files = {**first.outcome, "files": ["latencies.npy"]}
    return Step("benchmark", first.action, "ok", 10**9, outcome=files, launch=number)


def test_a_spread_of_five_has_an_interval_of_what_five_can_reach_and_of_six_one_of_95_percent() -> None:
    assert spread([]) is None
    four, five, six = (spread(VALUES[:count]) for count in (4, 5, 6))
    assert four and five and six and five.interval and six.interval
    assert (four.median, four.interval) == (101.5, None)
    assert five.interval == (100.0, 104.0, 0.9375)
    assert six.interval == (100.0, 150.0, 0.96875)
    assert six.document() == {
        "median": 102.5,
        "min": 100.0,
        "max": 150.0,
        "n": 6,
        "interval": {"low": 100.0, "high": 150.0, "confidence": 0.96875},
    }


def test_the_results_number_is_the_median_of_the_launches_medians(tmp_path: Path) -> None:
    levels = [10, 30, 20, 50, 40, 60]
    steps = [launched(i, [10**6 * level] * 100, tmp_path, throughput=level) for i, level in enumerate(levels, 1)]
    result = make(*steps, checked(), folder=tmp_path)
    assert result.statistics is not None
    assert (result.launches, result.statistics["measure"]) == (6, "latency")
    assert [each["median"] // 10**6 for each in result.statistics["launches"]] == levels
    assert result.latency.p50 == 35 * 10**6
    assert result.statistics["latency"]["interval"] == {"low": 10**7, "high": 6 * 10**7, "confidence": 0.96875}
    assert result.statistics["count"] == 600
    assert result.statistics["percentiles"]["p99"]["needed"] == 459
    assert result.throughput == 35
    assert list(result.latencies(launch=4)) == [5 * 10**7] * 100
    validate(result.document(), "result", source="test")
    assert type(result).from_document(result.document()).statistics == result.statistics


def test_what_accuracy_mode_answered_is_told_without_times_and_noise() -> None:
    step = timed(mode="accuracy", engine="cmx-native", queries=20, samples=20)
    lines = result_text(make(step, checked())).splitlines()
    assert lines[1].split() == ["SCENARIO", "MODE", "QUERIES", "SAMPLES", "TOP-1", "TOP-5"]
    assert lines[4:-1] == [
        "answered by cmx's native engine, not MLPerf LoadGen, with 1 thread, 20 queries, 20 samples, in one launch",
        "accuracy mode asks for each sample once: how long that takes is no measurement, and no time is shown",
    ]


def test_what_a_launch_cuts_off_is_in_no_percentile(tmp_path: Path) -> None:
    warming = [50 * 10**6] * 10 + [10**7] * 190
    result = make(launched(1, warming, tmp_path), checked(), folder=tmp_path)
    assert result.statistics is not None
    assert result.statistics["launches"][0]["cut"] == 10
    assert (result.statistics["count"], result.statistics["max"]) == (190, 10**7)
    assert "latencies are without 10 queries before the steady state" in result_text(result).splitlines()


def test_an_action_of_ones_own_is_read_by_what_it_says_of_its_outcome() -> None:
    counted = Step("count", "action/count==1.0.0", "ok", 1, outcome=outcome({"samples": 12}, summary="12 samples"))
    assert result_text(make(counted)).splitlines()[1] == "count: 12 samples"


def test_launches_without_latencies_are_about_throughput(tmp_path: Path) -> None:
    steps = [Step("benchmark", "a", "ok", 1, outcome=timed(latency=None, throughput=t).outcome) for t in (5.0, 7.0)]
    found = statistics([Observed(i, step.metrics) for i, step in enumerate(steps, 1)])
    assert found is not None
    assert (found["measure"], found["latency"], found["throughput"]["median"]) == ("throughput", None, 6.0)
    assert "percentiles" not in found
    assert statistics([Observed(1, {})]) is None


def test_memory_loading_energy_and_stages_have_spreads_too() -> None:
    stages = {"batch_size": 1, "pre-process": {"median": 5, "count": 9}, "predict": {"median": 7.4}}
    metrics = {"latency": {"p50": 3}, "load_ns": 9, "stages": stages}
    found = statistics([Observed(1, metrics, memory_peak=10, energy=1.5), Observed(2, metrics, memory_peak=20)])
    assert found is not None
    assert (found["memory_peak"]["median"], found["load_ns"]["n"], found["energy"]["n"]) == (15, 2, 1)
    assert {name: each["median"] for name, each in found["stages"].items()} == {"pre-process": 5, "predict": 7}


def test_a_launch_that_is_not_valid_makes_the_result_not_valid_and_is_named(tmp_path: Path) -> None:
    bad = launched(2, [10**7] * 100, tmp_path, valid=False, verdict="INVALID", invalid_reasons=["too short"])
    result = make(launched(1, [10**7] * 100, tmp_path), bad, checked(), folder=tmp_path)
    assert result.reasons == ("launch 2: LoadGen's verdict is INVALID: too short",)


def test_a_record_of_before_there_were_launches_is_still_read() -> None:
    document = make().document()
    document["statistics"] = {"count": 5, "min": 1, "max": 5, "mean": 3, "confidence": 0.99, "percentiles": {}}
    document["statistics"]["cautions"] = ["few"]
    for step in document["steps"]:
        del step["launch"]
    validate(document, "result", source="test")
    old = type(make()).from_document(document)
    assert (old.cautions, old.latency.p50, old.steps[0].folder) == (("few",), 2_000_000, "benchmark")


def medians(count: int, seed: int, *, between: float) -> list[Observed]:
    """Launches that differ more from each other than their queries do, as real ones do."""
    chance = Random(seed)
    found = []
    for number in range(1, count + 1):
        level = 10**7 * chance.lognormvariate(0, between)
        found.append(Observed(number, {}, [round(level * chance.lognormvariate(0, 0.01)) for _ in range(200)]))
    return found


def test_the_interval_over_launches_covers_the_truth_as_often_as_it_claims() -> None:
    covered = 0
    for seed in range(200):
        found = statistics(medians(8, seed, between=0.03))
        assert found is not None
        interval = found["latency"]["interval"]
        covered += interval["low"] <= 10**7 <= interval["high"]
    assert covered >= 0.95 * 200


# When it is enough.


def test_a_number_of_launches_alone_is_their_number() -> None:
    assert Sampling().enough([], []) == ""
    assert Sampling().enough([1.0], [1.0]) == "1 launch was asked for"
    assert Sampling(launches=3).enough([1.0] * 2, [1.0] * 2) == ""
    assert Sampling(launches=3).enough([1.0] * 3, [1.0] * 3) == "3 launches were asked for"


def test_a_precision_goes_on_until_the_interval_is_that_narrow() -> None:
    rule = Sampling(precision=0.02)
    assert rule.enough(VALUES[:5], [1.0] * 5) == ""
    assert half_width(VALUES) == pytest.approx(47.5 / 102.5)
    assert rule.enough(VALUES, [1.0] * 6) == ""
    narrow = [100.0, 101.0, 101.0, 101.0, 102.0, 102.0]
    assert rule.enough(narrow, [1.0] * 6) == "the interval is within 0.99% of the median, 2.00% was asked for"
    assert rule.enough(VALUES * 9, [1.0] * MOST_LAUNCHES) != ""


def test_a_time_budget_begins_no_launch_that_would_end_after_it() -> None:
    rule = Sampling(time_budget=10)
    assert rule.enough([], []) == ""
    assert rule.enough([1.0, 1.0], [3.0, 4.0]) == "the time budget of 10 s has no room for another launch"
    assert rule.enough([1.0, 1.0], [3.0, 3.0]) == ""
    assert Sampling(time_budget=1).enough([1.0], [5.0]) != ""


def test_a_precision_that_too_few_launches_cannot_have_is_refused() -> None:
    with pytest.raises(UsageError, match="too few for --precision"):
        Sampling(launches=LEAST_LAUNCHES - 1, precision=0.02).check()
    with pytest.raises(UsageError, match="at least one"):
        Sampling(launches=-1).check()


def test_the_outcome_of_a_failed_launch_is_kept(tmp_path: Path) -> None:
    failure = outcome({}, status="failed", error={"type": "ValueError", "message": "gone", "traceback": ""})
    second = Step("benchmark", "action/benchmark==1.0.0", "failed", 10, outcome=failure, launch=2)
    result = make(launched(1, [10**7] * 100, tmp_path), second, folder=tmp_path)
    assert (result.status, result.launches) == ("failed", 1)
    assert result.reasons[0] == "step benchmark failed: ValueError: gone"


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        ({"precision": "2%"}, "'precision' is not a number over 0: '2%'"),
        ({"launches": 1.5}, "'launches' is not a whole number: 1.5"),
        ({"launches": 2, "precision": 0.02}, "--launches 2 is too few for --precision"),
    ],
)
def test_access_checks_how_long_is_measured(request_: dict[str, Any], message: str) -> None:
    answer = access({"action": "benchmark", **request_})
    assert answer["ok"] is False
    assert answer["error"]["message"].startswith(message)


def test_an_export_has_the_launches_and_the_interval(tmp_path: Path) -> None:
    steps = [launched(number, [10**6 * number] * 100, tmp_path) for number in range(1, 7)]
    found = row(make(*steps, checked(), folder=tmp_path))
    assert (found["launches"], found["interval_confidence"]) == (6, 0.96875)
    assert (found["latency_interval_low_ns"], found["latency_interval_high_ns"]) == (10**6, 6 * 10**6)
