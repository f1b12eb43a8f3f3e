"""What several launches of one measurement say: each launch is one observation, whatever happened inside it.

The document ``statistics`` of a result, all times in ns:

``measure``      what the result is about: "latency" where queries or a program's work were timed, else "throughput"
``launches``     one object for each launch, in order (``LaunchSummary``): what to compare two results by
``latency``      the spread of the launches' medians: ``median`` is the result's number, ``interval`` what is claimed
``throughput``   the spread of the launches' samples per second
``load_ns``, ``memory_peak`` (bytes), ``energy`` (joules of a whole launch): their spreads, where they were measured
``stages``       the spread of each pipeline stage's median (pre-process, predict, post-process), by name
``count``, ``min``, ``max``, ``mean``, ``percentiles``, ``confidence``, ``cautions``
                 of the queries of all launches together, without what each launch's cut leaves out: the tail, with
                 early-stopping bounds (``cmx.results.statistics.Summary``); absent where there are no raw latencies

A spread is ``{"median", "min", "max", "n", "interval"}``; ``interval`` is ``{"low", "high", "confidence"}``, the
distribution-free one of the median, or null for fewer than 5 launches. Records of before 0.2 have the last group only,
taken over every query of one launch.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from cmx.results.statistics import MEDIAN_CONFIDENCE, Interval, median_interval, percentile, summarise
from cmx.results.steady import steady_state

LEAST_LAUNCHES = 5
"""With fewer no interval is claimed; 5 reach 93.75 %, and 6 are needed for 95 %."""
_FIVE = 0.9375


class Spread(NamedTuple):
    """One number a launch. The median is one of the values (nearest rank), as percentiles are."""

    median: float
    min: float
    max: float
    n: int
    interval: Interval | None

    def document(self) -> dict[str, Any]:
        """As JSON."""
        return {**self._asdict(), "interval": self.interval._asdict() if self.interval else None}


def spread(values: Sequence[float]) -> Spread | None:
    """The spread of the values that launches gave; None for none."""
    if not values:
        return None
    ordered = sorted(values)
    confidence = _FIVE if len(ordered) == LEAST_LAUNCHES else MEDIAN_CONFIDENCE
    return Spread(middle(ordered), ordered[0], ordered[-1], len(ordered), median_interval(ordered, confidence))


def middle(ordered: Sequence[float]) -> float:
    """A result's number from its launches': the middle one, or midway between two; whole where they are, as ns are."""
    low, high = ordered[(len(ordered) - 1) // 2], ordered[len(ordered) // 2]
    return (low + high) // 2 if isinstance(low + high, int) else (low + high) / 2


class LaunchSummary(NamedTuple):
    """What one launch measured. ``median`` and the rest of the times are of its steady state.

    ``queries`` counts all queries, ``cut`` those at the beginning that are left out; ``steady`` is whether a steady
    state was found, None where there are too few queries to judge. What was not measured is None.
    """

    launch: int
    queries: int | None
    cut: int
    steady: bool | None
    median: int | None
    p90: int | None
    p99: int | None
    min: int | None
    throughput: float | None
    load_ns: int | None
    memory_peak: int | None
    energy: float | None
    stages: Mapping[str, int]


class Observed(NamedTuple):
    """A launch as it was observed: its number, its worker's metrics, and the raw latencies where there are any."""

    launch: int
    metrics: Mapping[str, Any]
    latencies: Sequence[int] = ()
    memory_peak: int | None = None
    energy: float | None = None


def statistics(launches: Sequence[Observed]) -> dict[str, Any] | None:
    """The document described above; None where no launch measured anything."""
    kept: list[int] = []
    summaries = [_summary(each, kept) for each in launches]
    latency = _spread_of(summaries, lambda each: each.median)
    throughput = _spread_of(summaries, lambda each: each.throughput)
    if not latency and not throughput:
        return None
    pooled = summarise(kept, cut=sum(each.cut for each in summaries)).document() if kept else {}
    unsteady = [str(each.launch) for each in summaries if each.steady is False]
    found = {
        **pooled,
        "measure": "latency" if latency else "throughput",
        "launches": [{**each._asdict(), "stages": dict(each.stages)} for each in summaries],
        "latency": latency,
        "throughput": throughput,
        "load_ns": _spread_of(summaries, lambda each: each.load_ns),
        "memory_peak": _spread_of(summaries, lambda each: each.memory_peak),
        "energy": _spread_of(summaries, lambda each: each.energy),
        "stages": _stages(summaries),
    }
    if unsteady:
        found["cautions"] = [*found.get("cautions", ()), _unsteady(unsteady, len(summaries))]
    return found


def main_value(launch: Observed) -> float | None:
    """The number that a launch adds to the interval: its steady state's median, or its throughput."""
    summary = _summary(launch, [])
    return summary.throughput if summary.median is None else summary.median


def _unsteady(launches: Sequence[str], count: int) -> str:
    if count == 1:
        return "no steady state was found: the latencies kept changing, and every query counts"
    return f"no steady state was found in launch {', '.join(launches)} of {count}: there every query counts"


def _summary(launch: Observed, kept: list[int]) -> LaunchSummary:
    """The summary of a launch; its steady latencies are added to ``kept``."""
    metrics, latencies = launch.metrics, launch.latencies
    steady = steady_state(latencies)
    ordered = sorted(latencies[steady.cut :])
    kept.extend(ordered)
    given = metrics.get("latency") or {}
    own = {name: percentile(ordered, percent) for name, percent in _OWN.items()} if ordered else {}
    return LaunchSummary(
        launch=launch.launch,
        queries=len(latencies) or metrics.get("queries"),
        cut=steady.cut,
        steady=steady.found,
        median=own.get("p50", given.get("p50")),
        p90=own.get("p90", given.get("p90")),
        p99=own.get("p99", given.get("p99")),
        min=ordered[0] if ordered else given.get("min"),
        throughput=metrics.get("throughput"),
        load_ns=metrics.get("load_ns"),
        memory_peak=launch.memory_peak or None,
        energy=launch.energy,
        stages={name: value for name, each in _mapping(metrics, "stages").items() if (value := _median(each))},
    )


_OWN = {"p50": 50, "p90": 90, "p99": 99}


def _spread_of(launches: Sequence[LaunchSummary], of: Callable[[LaunchSummary], float | None]) -> dict[str, Any] | None:
    found = spread([value for each in launches if (value := of(each)) is not None])
    return found.document() if found else None


def _stages(launches: Sequence[LaunchSummary]) -> dict[str, Any]:
    names = dict.fromkeys(name for each in launches for name in each.stages)
    return {name: _spread_of(launches, lambda each, name=name: each.stages.get(name)) for name in names}  # type: ignore[misc]


def _mapping(metrics: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = metrics.get(name)
    return found if isinstance(found, Mapping) else {}


def _median(stage: Any) -> int | None:
    """A stage is the summary of several times; what else lies beside stages (a batch size) is none."""
    value = stage.get("median") if isinstance(stage, Mapping) else None
    return None if value is None else round(value)
