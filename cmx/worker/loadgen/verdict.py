"""What a performance run comes to: LoadGen's figures, and its rules of what is VALID.

The rules are those of mlcommons/inference, loadgen/results.cc. Percentiles are LoadGen's too: the value at place n p.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Dict, List, Optional

import numpy as np
from numpy.typing import NDArray

from cmx.worker.loadgen.early_stopping import allowed_overruns, passing_needed
from cmx.worker.loadgen.effective import Effective

Times = NDArray[np.int64]
PERCENTILES = (0.5, 0.9, 0.95, 0.97, 0.99, 0.999)
_MULTI_STREAM = 0.99
_PER_QUERY = "_percentile_per_query_latency_ns"
_ADVICE = {
    "single-stream": "Decrease the expected latency so the loadgen pre-generates more queries.",
    "multi-stream": "Decrease the expected latency so the loadgen pre-generates more queries.",
    "server": "Increase the target QPS so the loadgen pre-generates more queries.",
    "offline": "Increase expected QPS so the loadgen pre-generates a larger (coalesced) query.",
}
_SLOW = "Reduce target QPS to improve latency."
_EARLY = "The test exited early, before enough queries were issued."


@dataclass(frozen=True)
class Measured:
    """What a run left: latencies in ns, ``queries`` per query (multi-stream), times in ns from the run's start.

    ``scheduled``, ``issued`` and ``done`` are the last query's: when it was to come, came, and was answered.
    """

    queries_issued: int
    samples: Times
    queries: Times
    scheduled: int
    issued: int
    done: int


@dataclass
class Verdict:
    """``judged`` is the latency at the percentile that is judged; ``figures`` have LoadGen's names and order.

    ``met`` says of each condition whether it was met, ``advice`` what LoadGen advises on those that were not.
    """

    valid: bool = True
    judged: int = 0
    met: Dict[str, bool] = field(default_factory=dict)
    advice: List[str] = field(default_factory=list)
    early_stopping: str = ""
    figures: Dict[str, Any] = field(default_factory=dict)


def judge(measured: Measured, settings: Effective) -> Verdict:
    """The verdict on a run; raises ValueError when nothing was measured."""
    if not measured.samples.size:
        raise ValueError("the run ended without a single query")
    samples = np.sort(measured.samples)
    queries = np.sort(measured.queries) if measured.queries.size else samples
    found = Verdict(judged=at(queries, settings.target_latency_percentile))
    estimates = _stop_early(found, settings, queries, measured.queries_issued)
    _conditions(found, measured, settings, samples)
    found.valid = all(found.met.values())
    found.figures = {
        "result_query_count": measured.queries_issued,
        **_rates(measured, settings, samples),
        **(_latencies(queries, "query_latency_ns", _PER_QUERY) if measured.queries.size else {}),
        **estimates,
        **_latencies(samples, "latency_ns", "_percentile_latency_ns"),
    }
    return found


def at(ordered: Times, percentile: float) -> int:
    """LoadGen's percentile."""
    return int(ordered[int(len(ordered) * percentile)])


def _conditions(found: Verdict, measured: Measured, settings: Effective, samples: Times) -> None:
    """What has to be met beside early stopping, and what LoadGen advises where it is not."""
    if settings.scenario == "server":
        fast = at(samples, settings.target_latency_percentile) <= settings.target_latency_ns
        _meet(found, "result_perf_constraints_met", fast, _SLOW)
    lasted = {"offline": int(samples[-1]), "server": measured.scheduled}.get(settings.scenario, measured.issued)
    long_enough = lasted >= settings.min_duration_ms * 1_000_000
    _meet(found, "result_min_duration_met", long_enough, _ADVICE[settings.scenario])
    enough = measured.queries_issued >= settings.min_query_count and len(samples) >= settings.min_sample_count
    _meet(found, "result_min_queries_met", enough, _EARLY)


def _meet(found: Verdict, condition: str, met: bool, advice: str) -> None:
    found.met[condition] = met
    if not met:
        found.advice.append(advice)


def _stop_early(found: Verdict, settings: Effective, ordered: Times, count: int) -> Dict[str, int]:
    """Whether the queries prove the percentile that is judged, in LoadGen's words; and its estimates."""
    found.met["early_stopping_met"] = True
    if settings.scenario == "offline":
        return {}
    if settings.scenario == "server":
        _bounded(found, settings, ordered, count)
        return {}
    percentile = settings.target_latency_percentile
    needed = passing_needed(1, percentile) + 1
    estimate = _estimate(ordered, count, percentile)
    name = "early_stopping_latency_ss" if settings.scenario == "single-stream" else "early_stopping_latency_ms"
    estimates = {"early_stopping_latency_ss": 0} if settings.scenario == "single-stream" else {}
    estimates["early_stopping_latency_ms"] = 0
    if estimate is None:
        found.met["early_stopping_met"] = False
        found.early_stopping = (
            f" * Only processed {count} queries.\n * Need to process at least {needed} queries for early stopping."
        )
        return estimates
    estimates[name] = estimate
    found.early_stopping = (
        f" * Processed at least {needed} queries ({count}).\n"
        f" * Would discard {allowed_overruns(count, percentile) - 1} highest latency queries.\n"
        f" * Early stopping {percentile * 100:.1f}th percentile estimate: {estimate}"
    )
    if settings.scenario == "single-stream":
        estimates["early_stopping_latency_ms"] = _estimate_multi_stream(found, ordered, count)
    return estimates


def _bounded(found: Verdict, settings: Effective, ordered: Times, count: int) -> None:
    """Server: whether so few queries exceeded the bound that it is proved."""
    over = _above(ordered, settings.target_latency_ns)
    missing = passing_needed(over, settings.target_latency_percentile) + over - count
    found.met["early_stopping_met"] = missing <= 0
    found.early_stopping = (
        " * Run successful."
        if missing <= 0
        else (
            f" * Run unsuccessful.\n * Processed {count} queries.\n"
            f" * Would need to run at least {missing} more queries,\n"
            " with the run being successful if every additional\n query were under latency."
        )
    )


def _estimate_multi_stream(found: Verdict, ordered: Times, count: int) -> int:
    """What a single-stream run says of the 99th percentile, from which multi-stream is inferred; 0 for nothing."""
    estimate = _estimate(ordered, count, _MULTI_STREAM)
    if estimate is None:
        needed = passing_needed(1, _MULTI_STREAM) + 1
        found.early_stopping += (
            f"\n * Not enough queries processed for {_MULTI_STREAM * 100:.1f}th percentile\n"
            f" early stopping estimate (would need to process at\n least {needed} total queries)."
        )
        return 0
    found.early_stopping += f"\n * Early stopping {_MULTI_STREAM * 100:.1f}th percentile estimate: {estimate}"
    return estimate


def _estimate(ordered: Times, count: int, percentile: float) -> Optional[int]:
    """The latency that bounds a percentile, counted as an overrun itself; None for too few queries."""
    over = allowed_overruns(count, percentile)
    return None if over < 1 else int(ordered[count - over])


def _rates(measured: Measured, settings: Effective, samples: Times) -> Dict[str, Any]:
    count = len(samples)
    if settings.scenario == "single-stream":
        return {
            "result_qps_with_loadgen_overhead": _rate(count - 1, measured.issued),
            "result_qps_without_loadgen_overhead": _rate(1, _mean(samples)),
        }
    if settings.scenario == "server":
        return {
            "result_overlatency_query_count": _above(samples, settings.target_latency_ns),
            "result_scheduled_samples_per_sec": _rate(count - 1, measured.scheduled),
            "result_completed_samples_per_sec": _rate(count - 1, measured.done),
        }
    return {"result_samples_per_second": _rate(count, int(samples[-1]))} if settings.scenario == "offline" else {}


def _mean(ordered: Times) -> int:
    return int(ordered.sum()) // len(ordered)


def _above(ordered: Times, bound: int) -> int:
    """How many are greater."""
    return len(ordered) - int(np.searchsorted(ordered, bound, side="right"))


def _rate(count: int, nanoseconds: int) -> float:
    """So many in that time, a second; 0 where no time went by."""
    return count * 1e9 / nanoseconds if nanoseconds > 0 else 0.0


def _latencies(ordered: Times, name: str, percentile_name: str) -> Dict[str, int]:
    percentiles = {f"result_{p * 100:.2f}{percentile_name}": at(ordered, p) for p in PERCENTILES}
    return {
        f"result_min_{name}": int(ordered[0]),
        f"result_max_{name}": int(ordered[-1]),
        f"result_mean_{name}": _mean(ordered),
        **percentiles,
    }
