"""Our engine's traffic and rules against MLPerf LoadGen's own: the same seeds, the same latencies, the same logs."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Mapping
from itertools import islice, pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

from cmx.worker.loadgen import Settings, traffic
from cmx.worker.loadgen.early_stopping import allowed_overruns, passing_needed
from cmx.worker.loadgen.effective import Effective, effective
from cmx.worker.loadgen.verdict import Measured, Verdict, judge

TOTAL, KEPT = 20, 8
LOADGEN = """
import json, sys, time
import mlperf_loadgen as lg

def run(number, settings):
    found, asked = lg.TestSettings(), []
    pause = settings.pop("pause", 0)
    for name, value in settings.items():
        old = getattr(found, name)
        setattr(found, name, getattr(type(old), value) if isinstance(value, str) else type(old)(value))
    def issue(ids, indices):
        asked.append(list(indices))
        if pause:
            time.sleep(pause)
        answers = [bytes([index]) for index in indices]
        lg.QuerySamplesComplete([lg.QuerySampleResponse(n, 0, 0) for n in ids])
    system = lg.ConstructFastSUT(issue, lambda: None)
    library = lg.ConstructQSL(20, 8, lambda indices: None, lambda indices: None)
    logging = lg.LogSettings()
    logging.log_output.outdir, logging.log_output.prefix = sys.argv[1], f"{number}_"
    lg.StartTestWithLogSettings(system, library, found, logging)
    lg.DestroyFastSUT(system)
    lg.DestroyQSL(library)
    return asked

print(json.dumps([run(*each) for each in enumerate(json.load(sys.stdin))]))
"""
SEEDS = {"qsl_rng_seed": 7, "sample_index_rng_seed": 2**63 + 8, "schedule_rng_seed": 9, "accuracy_log_rng_seed": 10}
SCENARIOS: dict[str, dict[str, Any]] = {
    "single-stream": {"min_query_count": 70, "min_duration_ms": 20, "single_stream_expected_latency_ns": 100_000},
    "single-stream, few": {"min_query_count": 20, "min_duration_ms": 0, "single_stream_expected_latency_ns": 100_000},
    "single-stream, many": {"min_query_count": 5000, "min_duration_ms": 0, "single_stream_expected_latency_ns": 1000},
    "single-stream, permutations": {
        "min_query_count": 17,
        "min_duration_ms": 2,
        "sample_concatenate_permutation": True,
    },
    "single-stream, ended": {"min_query_count": 700, "max_query_count": 400, "min_duration_ms": 10_000},
    "multi-stream": {"min_query_count": 700, "min_duration_ms": 5, "multi_stream_expected_latency_ns": 100_000},
    "multi-stream, three": {
        "min_query_count": 20,
        "min_duration_ms": 5,
        "multi_stream_samples_per_query": 3,
        "multi_stream_expected_latency_ns": 100_000,
    },
    "server": {"server_target_qps": 5000.0, "min_query_count": 500, "min_duration_ms": 20},
    "server, slow": {
        "server_target_qps": 2000.0,
        "server_target_latency_ns": 1_000_000,
        "server_target_latency_percentile": 0.9,
        "min_query_count": 100,
        "min_duration_ms": 20,
        "pause": 0.0006,
    },
    "offline": {"offline_expected_qps": 1000.0, "min_duration_ms": 30},
    "offline, permutations": {
        "offline_expected_qps": 1000.0,
        "min_duration_ms": 30,
        "sample_concatenate_permutation": True,
    },
}
_GRID = [(count, percentile) for count in (1, 30, 31, 63, 64, 65, 662, 2000) for percentile in (0.8, 0.9, 0.99)]


def _theirs(name: str, settings: Mapping[str, Any]) -> dict[str, Any]:
    words = "".join(word.title() for word in name.partition(",")[0].split("-"))
    return {**SEEDS, **settings, "scenario": words, "mode": "PerformanceOnly"}


def _ours(name: str) -> Effective:
    given = {key: value for key, value in SCENARIOS[name].items() if key != "pause"}
    return effective(Settings(scenario=name.partition(",")[0], **SEEDS, **given), TOTAL, KEPT)


class LoadGen:
    """What LoadGen did in each run, by name: its figures, samples asked for, and each sample as its trace has it."""

    def __init__(self, folder: Path, runs: Mapping[str, Mapping[str, Any]]) -> None:
        settings = [_theirs(name, each) for name, each in runs.items()]
        command = [sys.executable, "-c", LOADGEN, str(folder)]
        done = subprocess.run(command, input=json.dumps(settings), capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        self.asked = dict(zip(runs, json.loads(done.stdout), strict=True))
        self._folder, self._numbers = folder, {name: number for number, name in enumerate(runs)}

    def values(self, name: str) -> dict[str, Any]:
        text = (self._folder / f"{self._numbers[name]}_detail.txt").read_text()
        entries = [json.loads(line.removeprefix(":::MLLOG ")) for line in text.splitlines()]
        return {entry["key"]: entry["value"] for entry in entries}

    def trace(self, name: str) -> list[dict[str, Any]]:
        text = (self._folder / f"{self._numbers[name]}_trace.json").read_text()
        begun = [line for line in text.splitlines() if '"name":"Sample"' in line and '"ph":"b"' in line]
        events = [json.loads(line.rstrip(",")) for line in begun]
        found = sorted(({**event["args"], "ts": event["ts"]} for event in events), key=lambda each: each["sample_seq"])
        assert [each["sample_seq"] for each in found] == list(range(len(found)))
        return found


@pytest.fixture(scope="module")
def loadgen(tmp_path_factory: pytest.TempPathFactory) -> LoadGen:
    return LoadGen(tmp_path_factory.mktemp("loadgen"), SCENARIOS)


@pytest.fixture(scope="module")
def grid(tmp_path_factory: pytest.TempPathFactory) -> LoadGen:
    runs = {
        f"single-stream, {count} at {percentile}": {
            "min_query_count": count,
            "min_duration_ms": 0,
            "single_stream_expected_latency_ns": 1000,
            "single_stream_target_latency_percentile": percentile,
        }
        for count, percentile in _GRID
    }
    return LoadGen(tmp_path_factory.mktemp("grid"), runs)


def _judged(loadgen: LoadGen, name: str) -> Verdict:
    """What our rules make of the latencies that LoadGen measured."""
    settings, samples = _ours(name), loadgen.trace(name)
    size = settings.samples_per_query
    latencies = np.array([each["complete_ns"] for each in samples])
    multi = settings.scenario == "multi-stream"
    last = round((samples[-1]["ts"] - samples[0]["ts"]) * 1000)
    return judge(
        Measured(
            queries_issued=len(loadgen.asked[name]),
            samples=latencies,
            queries=latencies.reshape(-1, size).max(axis=1) if multi else latencies[:0],
            scheduled=last,
            issued=last + samples[-1]["issue_start_ns"],
            done=last + int(latencies[-1]),
        ),
        settings,
    )


@pytest.mark.parametrize("name", SCENARIOS)
def test_the_settings_in_effect_are_loadgens(loadgen: LoadGen, name: str) -> None:
    values = loadgen.values(name)
    theirs = {key.removeprefix("effective_"): value for key, value in values.items() if key.startswith("effective_")}
    theirs.pop("test_mode")
    ours = _ours(name).document()
    ours["qsl_rng_seed"], theirs["target_qps"] = theirs["qsl_rng_seed"], pytest.approx(theirs["target_qps"], rel=1e-5)
    assert ours == theirs


@pytest.mark.parametrize("name", SCENARIOS)
def test_the_verdict_and_every_figure_are_loadgens(loadgen: LoadGen, name: str) -> None:
    values, ours = loadgen.values(name), _judged(loadgen, name)
    assert ("VALID" if ours.valid else "INVALID") == values["result_validity"]
    assert ours.met == {key: values[key] for key in ours.met}
    assert " ".join(ours.advice).split() == values.get("result_invalid_reason", "").split()
    assert ours.early_stopping.replace("\n", " ") == values["early_stopping_result"]
    exact = {key: value for key, value in ours.figures.items() if isinstance(value, int)}
    assert exact == {key: values[key] for key in exact}
    for key in ours.figures.keys() - exact.keys():
        assert ours.figures[key] == pytest.approx(values[key], rel=0.02), key
    theirs = {key for key in values if key.startswith(("result_", "early_stopping_latency"))}
    assert theirs == {*ours.figures, *ours.met, "result_validity", *(["result_invalid_reason"] * (not ours.valid))} - {
        "early_stopping_met"
    }


@pytest.mark.parametrize(("count", "percentile"), _GRID)
def test_early_stopping_takes_loadgens_numbers_of_queries(grid: LoadGen, count: int, percentile: float) -> None:
    said = grid.values(f"single-stream, {count} at {percentile}")["early_stopping_result"]
    needed = re.search(r"(?:at least) (\d+) queries", said)
    assert needed is not None
    assert int(needed[1]) == passing_needed(1, percentile) + 1
    discarded = re.search(r"discard (\d+) highest", said)
    assert (int(discarded[1]) if discarded else -1) == max(-1, allowed_overruns(count, percentile) - 1)
    assert bool(discarded) == (count >= int(needed[1]))


def test_server_early_stopping_says_how_many_queries_are_missing(loadgen: LoadGen) -> None:
    values = loadgen.values("server, slow")
    over, count = values["result_overlatency_query_count"], values["result_query_count"]
    missing = re.search(r"at least (\d+) more", values["early_stopping_result"])
    assert over > 0
    assert (int(missing[1]) if missing else 0) == max(0, passing_needed(over, 0.9) + over - count)


@pytest.mark.skipif(sys.platform != "linux", reason="LoadGen's wheels for other systems have another C++ library")
@pytest.mark.parametrize("name", SCENARIOS)
def test_equal_seeds_ask_for_the_samples_that_loadgen_asks_for(loadgen: LoadGen, name: str) -> None:
    settings, asked = _ours(name), loadgen.asked[name]
    samples = traffic.sample_sets(settings, TOTAL, KEPT)[0]
    assert traffic.padded(samples, settings) == loadgen.values(name)["loaded_qsl_set"]
    theirs = [index for query in asked for index in query]
    assert traffic.asked(settings, samples, len(theirs)) == theirs


@pytest.mark.skipif(sys.platform != "linux", reason="LoadGen's wheels for other systems have another C++ library")
def test_equal_seeds_arrive_when_they_do_in_loadgen(loadgen: LoadGen) -> None:
    times = [each["ts"] for each in loadgen.trace("server")]
    ours = traffic.arrivals(_ours("server"), KEPT)
    assert [at / 1000 for at in ours] == pytest.approx([at - times[0] for at in times], abs=0.002)


def _arrivals(seed: int, rate: float = 1000.0) -> list[int]:
    settings = Settings(scenario="server", server_target_qps=rate, min_query_count=5000, schedule_rng_seed=seed)
    return list(traffic.arrivals(effective(settings, TOTAL, KEPT), KEPT))


def test_arrivals_of_equal_seeds_are_equal() -> None:
    assert _arrivals(1) == _arrivals(1) != _arrivals(2)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_arrivals_are_a_poisson_process(seed: int) -> None:
    arrivals, rate = _arrivals(seed), 1000.0
    gaps = [(later - earlier) / 1e9 for earlier, later in pairwise(arrivals)]
    assert stats.kstest(gaps, stats.expon(scale=1 / rate).cdf).pvalue > 0.001
    # Of a Poisson process the times, too, are as if thrown at random over the whole.
    assert stats.kstest([at / arrivals[-1] for at in arrivals[1:-1]], "uniform").pvalue > 0.001


def test_arrivals_end_after_the_duration_and_the_least_number() -> None:
    arrivals = _arrivals(4)
    assert arrivals[0] == 0
    assert arrivals == sorted(arrivals)
    assert arrivals[-1] >= 10_000_000_000 > arrivals[-2]
    few = Settings(scenario="server", server_target_qps=10.0, min_query_count=500, min_duration_ms=1)
    assert len(traffic.arrivals(effective(few, TOTAL, KEPT), KEPT)) == 500


def test_accuracy_mode_asks_for_each_sample_once() -> None:
    for scenario in ("single-stream", "multi-stream", "server", "offline"):
        settings = effective(Settings(scenario=scenario, mode="accuracy", **SEEDS), TOTAL, KEPT)
        sets = traffic.sample_sets(settings, TOTAL, TOTAL)
        assert [len(each) for each in sets] == [8, 8, 4]
        queries = [query for each in sets for query in traffic.accuracy_queries(settings, each)]
        assert sorted(index for query in queries for index in query) == list(range(TOTAL))
        assert max(map(len, queries)) <= settings.samples_per_query or scenario == "offline"


@pytest.mark.parametrize("scenario", ["single-stream", "server"])
def test_unique_samples_are_asked_for_once_and_the_same_one_always(scenario: str) -> None:
    once = effective(Settings(scenario=scenario, performance_issue_unique=True), TOTAL, KEPT)
    assert sorted(traffic.performance_samples(once, range(10, 18))) == list(range(10, 18))
    same = Settings(scenario=scenario, performance_issue_same=True, performance_issue_same_index=3)
    chosen = traffic.performance_samples(effective(same, TOTAL, KEPT), range(10, 18))
    assert set(islice(chosen, 50)) == {13}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"performance_issue_unique": True, "performance_issue_same": True}, "cannot both be true"),
        ({"performance_issue_same": True, "performance_issue_same_index": 8}, "index is 8, of 8 samples"),
        ({"scenario": "offline", "offline_expected_qps": 0.0}, "offline_expected_qps is 0.0"),
    ],
)
def test_settings_that_contradict_each_other_are_an_error(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        effective(Settings(**settings), TOTAL, KEPT)
