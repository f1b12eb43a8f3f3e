"""What LoadGen makes of the settings it is given, before a run begins: our engine does the same.

Fields have LoadGen's names and come in the order of its log (mlcommons/inference, loadgen/test_settings_internal.cc).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Dict

from cmx.worker.loadgen.settings import NAMES, Settings

_OWN: Mapping[str, Mapping[str, Any]] = {
    "single-stream": {
        "single_stream_expected_latency_ns": 1_000_000,
        "single_stream_target_latency_percentile": 0.9,
    },
    "multi-stream": {
        "multi_stream_expected_latency_ns": 8_000_000,
        "multi_stream_target_latency_percentile": 0.99,
        "multi_stream_samples_per_query": 8,
    },
    "server": {
        "server_target_qps": 1.0,
        "server_target_latency_ns": 100_000_000,
        "server_target_latency_percentile": 0.99,
        "server_coalesce_queries": False,
        "server_find_peak_qps_decimals_of_precision": 1,
        "server_find_peak_qps_boundary_step_size": 1.0,
        "server_max_async_queries": 0,
        "server_num_issue_query_threads": 0,
    },
    "offline": {"offline_expected_qps": 1.0},
}
_COMMON: Mapping[str, Any] = {
    "min_duration_ms": 10_000,
    "max_duration_ms": 0,
    "min_query_count": 100,
    "max_query_count": 0,
    "qsl_rng_seed": 0,
    "sample_index_rng_seed": 0,
    "schedule_rng_seed": 0,
    "accuracy_log_rng_seed": 0,
    "accuracy_log_probability": 0.0,
    "accuracy_log_sampling_target": 0,
    "print_timestamps": False,
    "performance_issue_unique": False,
    "performance_issue_same": False,
    "performance_issue_same_index": 0,
    "performance_sample_count_override": 0,
    "accuracy_sample_count_override": 0,
    "sample_concatenate_permutation": False,
}
_TOKENS: Mapping[str, Any] = {
    "use_token_latencies": False,
    "ttft_latency": 100_000_000,
    "tpot_latency": 100_000_000,
}
_SLACK_OFFLINE = 1.1
_SLACK_PERMUTATIONS = 2.0


def requested(settings: Settings) -> Dict[str, Any]:
    """The settings of the scenario as they were asked for, LoadGen's defaults in the place of None."""
    known = {**_OWN[settings.scenario], **_COMMON, **_TOKENS}
    given = {name: getattr(settings, name, None) for name in known}
    return {name: default if given[name] is None else given[name] for name, default in known.items()}


@dataclass(frozen=True)
class Effective:
    """The settings in effect; ``min_query_count`` is 1 in offline, whose one query has ``samples_per_query``."""

    scenario: str
    samples_per_query: int
    target_qps: float
    target_latency_ns: int
    target_latency_percentile: float
    max_async_queries: int
    target_duration_ms: int
    min_duration_ms: int
    max_duration_ms: int
    min_query_count: int
    max_query_count: int
    min_sample_count: int
    qsl_rng_seed: int
    sample_index_rng_seed: int
    schedule_rng_seed: int
    accuracy_log_rng_seed: int
    accuracy_log_probability: float
    accuracy_log_sampling_target: int
    print_timestamps: bool
    performance_issue_unique: bool
    performance_issue_same: bool
    performance_issue_same_index: int
    performance_sample_count: int
    accuracy_sample_count: int
    sample_concatenate_permutation: bool

    def document(self) -> Dict[str, Any]:
        """Name → value, in LoadGen's order; the scenario by LoadGen's name."""
        return {**asdict(self), "scenario": NAMES[self.scenario]}


def effective(settings: Settings, total: int, performance_count: int) -> Effective:
    """What the settings come to for a library of ``total`` samples, ``performance_count`` of them in memory at once.

    Raises ValueError for settings that contradict each other or the library, where LoadGen logs an error.
    """
    asked = requested(settings)
    kept = asked["performance_sample_count_override"] or performance_count
    _check(asked, kept)
    counts = _counts(settings.scenario, asked, kept)
    common = {name: asked[name] for name in _COMMON if name in Effective.__dataclass_fields__}
    return Effective(
        scenario=settings.scenario,
        target_qps=_rate(settings.scenario, asked),
        target_latency_ns=asked.get("server_target_latency_ns", 0),
        target_latency_percentile=_percentile(settings.scenario, asked),
        max_async_queries=asked.get("server_max_async_queries", 1),
        performance_sample_count=kept,
        accuracy_sample_count=asked["accuracy_sample_count_override"] or total,
        **{**common, **counts},
    )


def _check(asked: Mapping[str, Any], kept: int) -> None:
    if asked["performance_issue_unique"] and asked["performance_issue_same"]:
        raise ValueError("performance_issue_unique and performance_issue_same cannot both be true; leave one out")
    if asked["performance_issue_same"] and asked["performance_issue_same_index"] >= kept:
        index = asked["performance_issue_same_index"]
        raise ValueError(f"performance_issue_same_index is {index}, of {kept} samples in memory; give a smaller one")


def _rate(scenario: str, asked: Mapping[str, Any]) -> float:
    """Queries per second; in offline samples."""
    if scenario == "single-stream":
        return 1e9 / float(asked["single_stream_expected_latency_ns"])
    if scenario == "multi-stream":
        return 1e9 / float(asked["multi_stream_expected_latency_ns"])
    name = "server_target_qps" if scenario == "server" else "offline_expected_qps"
    if not asked[name] > 0:
        raise ValueError(f"{name} is {asked[name]}; it has to be more than 0")
    return float(asked[name])


def _percentile(scenario: str, asked: Mapping[str, Any]) -> float:
    name = f"{scenario.replace('-', '_')}_target_latency_percentile"
    return float(asked.get(name, 0.99))


def _counts(scenario: str, asked: Mapping[str, Any], kept: int) -> Dict[str, int]:
    """How many samples a query has, and the least number of queries and samples."""
    duration, queries = asked["min_duration_ms"], asked["min_query_count"]
    samples = asked.get("multi_stream_samples_per_query", 1)
    if scenario == "offline":
        expected = int(_SLACK_OFFLINE * duration / 1000 * _rate(scenario, asked))
        samples = kept if asked["performance_issue_unique"] else max(queries, expected)
        queries, duration = 1, 0
    elif scenario == "single-stream" and asked["sample_concatenate_permutation"]:
        queries = max(queries, int(_SLACK_PERMUTATIONS * duration / 1000 * _rate(scenario, asked)))
        queries += kept - queries % kept
    return {
        "samples_per_query": samples,
        "target_duration_ms": duration,
        "min_query_count": queries,
        "min_sample_count": queries * samples,
    }
