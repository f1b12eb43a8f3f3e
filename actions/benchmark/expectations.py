"""What a run is asked to do where the user does not say it: by what the warm-up took."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

from cmx.worker.loadgen import Settings, seeds
from cmx.worker.loadgen.settings import ANSWER_TIMEOUT

# LoadGen prepares queries before it starts, by the latency it expects. Too many cost a little memory; too few end
# the run early and make it invalid, so the warm-up's best time is taken for slower than the best to come.
_FASTER_QUERIES = 2.0
_FASTER_SAMPLES = 1.2
_SHARE = 0.5
_BACKLOG_S = 10.0
_LEAST_QUERIES = 100
_CONFIDENCE = 0.99
_PERCENTILES = {"single-stream": 0.9, "multi-stream": 0.99, "server": 0.99}
_SAMPLES_PER_QUERY = 8


class Expected(NamedTuple):
    """The warm-up's best and worst batch in ns, of so many samples, and how many workers there are."""

    best_ns: int
    worst_ns: int
    batch_size: int
    workers: int

    @property
    def sample_ns(self) -> float:
        """What a sample took at best, with all workers at work."""
        return max(self.best_ns, 1) / self.batch_size / self.workers

    @property
    def rate(self) -> float:
        """Samples a second."""
        return 1e9 / self.sample_ns


def defaults(given: Settings, configured: Mapping[str, Any], expected: Expected, seed: int) -> dict[str, Any]:
    """Fields of Settings for what neither the user (``given``) nor a user.conf (``configured``) says.

    With mlperf.conf its seeds and minima hold; what it expects of a system is for the user.conf to say, and else here.
    """
    found = {"answer_timeout": max(ANSWER_TIMEOUT, 20 * expected.worst_ns / 1e9), **_expectations(given, expected)}
    if not given.configured:
        found.update(_minima(given), **seeds(seed), **_limits(given, expected))
    elif seed:
        found.update(seeds(seed))
    return {name: value for name, value in found.items() if name not in configured}


def _expectations(given: Settings, expected: Expected) -> dict[str, Any]:
    if given.scenario == "offline":
        return {"offline_expected_qps": expected.rate * _FASTER_SAMPLES}
    if given.scenario == "server":
        return {"server_target_qps": _round(expected.rate * _SHARE)}
    samples = 1
    if given.scenario == "multi-stream":
        samples = given.multi_stream_samples_per_query or _SAMPLES_PER_QUERY
    name = f"{given.scenario.replace('-', '_')}_expected_latency_ns"
    return {name: max(1, round(expected.sample_ns * samples / _FASTER_QUERIES))}


def _minima(given: Settings) -> dict[str, Any]:
    """As many queries as LoadGen's early stopping needs for its percentile; it asks for 100 itself."""
    if given.scenario not in _PERCENTILES:
        return {}
    name = f"{given.scenario.replace('-', '_')}_target_latency_percentile"
    share = getattr(given, name) or _PERCENTILES[given.scenario]
    return {"min_query_count": max(_LEAST_QUERIES, queries_needed(share))}


def queries_needed(share: float) -> int:
    """The least n that bounds a percentile with one query above it: P(Binomial(n, 1 - share) <= 1) <= 1 %."""
    count = 2
    while share**count + count * (1 - share) * share ** (count - 1) > 1 - _CONFIDENCE:
        count += 1
    return count


def _limits(given: Settings, expected: Expected) -> dict[str, Any]:
    """A server that is far too slow is not asked for ever: what waits is worked off in about ten seconds."""
    if given.scenario != "server" or given.mode == "find-peak":
        return {}
    bound = (given.server_target_latency_ns or 0) / 1e9
    return {"server_max_async_queries": max(_LEAST_QUERIES, math.ceil(expected.rate * max(_BACKLOG_S, 5 * bound)))}


def _round(rate: float) -> float:
    """Two digits: what was measured in a few predictions has no more."""
    return float(f"{rate:.2g}")
