"""What may be said about a set of latencies, and with what confidence.

Two rules keep the claims honest. A percentile is a value that was measured (nearest rank), never one between two.
A bound on a percentile uses order only, no shape of distribution: of n queries the number above the true p-th
percentile is Binomial(n, 1 - p), whatever the latencies are. That holds for queries that are independent of each
other; queries of one process launch are less varied than launches are, so an interval that is to hold for a machine
takes the medians of several launches.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, NamedTuple

from cmx.files import counted

CONFIDENCE = 0.99
MEDIAN_CONFIDENCE = 0.95
PERCENTILES = (50.0, 90.0, 95.0, 99.0)


def percentile(ordered: Sequence[int], percent: float) -> int:
    """The nearest-rank percentile: the least measured value that at least ``percent`` % of the values do not exceed.

    ``ordered`` ascends; ``percent`` is over 0 and up to 100. Raises ValueError otherwise, or when there is no value.
    LoadGen takes the value one rank higher wherever n * percent is a whole number.
    """
    if not ordered:
        raise ValueError("no values")
    if not 0 < percent <= 100:
        raise ValueError(f"a percentile lies over 0 and up to 100, not at {percent}")
    return ordered[math.ceil(len(ordered) * _fraction(percent)) - 1]


def _fraction(percent: float) -> Fraction:
    """Exactly what was written: 99.9 is 999/1000, though the float is not."""
    return Fraction(str(percent)) / 100


def queries_needed(percent: float, confidence: float = CONFIDENCE, *, overruns: int = 0) -> int:
    """The fewest queries that bound a percentile when ``overruns`` of them exceed the bound.

    The least n with P(Binomial(n, 1 - p) <= overruns) <= 1 - confidence. With none: 44 for p90, 459 for p99. LoadGen
    counts the bound itself as an overrun in SingleStream and MultiStream, and so asks for 64 and 662.
    """
    _check_bound(percent, confidence)
    low, high = overruns, overruns + 1
    while allowed_overruns(high, percent, confidence) < overruns:
        low, high = high, high * 2
    while high - low > 1:
        middle = (low + high) // 2
        enough = allowed_overruns(middle, percent, confidence) >= overruns
        low, high = (low, middle) if enough else (middle, high)
    return high


def allowed_overruns(count: int, percent: float, confidence: float = CONFIDENCE) -> int:
    """The most of ``count`` queries that may exceed a bound that is still proved for a percentile; -1 if not even none.

    The largest t with P(Binomial(count, 1 - p) <= t) <= 1 - confidence: the rule of LoadGen's early stopping without
    tolerance (mlcommons/inference, loadgen/early_stopping.cc, where the sum is a regularised incomplete beta function).
    """
    _check_bound(percent, confidence)
    return _binomial_quantile(count, float(1 - _fraction(percent)), 1 - confidence)


def upper_bound(ordered: Sequence[int], percent: float, confidence: float = CONFIDENCE) -> int | None:
    """A measured value that the true percentile does not exceed, with this confidence; None for too few queries."""
    over = allowed_overruns(len(ordered), percent, confidence)
    return None if over < 0 else ordered[len(ordered) - 1 - over]


def loadgen_estimate(ordered: Sequence[int], percent: float, confidence: float = CONFIDENCE) -> int | None:
    """LoadGen's early-stopping estimate in SingleStream and MultiStream; None where it asks for more queries.

    One rank above ``upper_bound`` (mlcommons/inference, loadgen/results.cc: latencies[n - t] with t >= 1).
    """
    over = allowed_overruns(len(ordered), percent, confidence)
    return None if over < 1 else ordered[len(ordered) - over]


def _check_bound(percent: float, confidence: float) -> None:
    if not 0 < percent < 100 or not 0 < confidence < 1:
        raise ValueError(f"no bound on the {percent}th percentile with confidence {confidence}")


def _binomial_quantile(count: int, chance: float, mass: float) -> int:
    """The largest t with P(Binomial(count, chance) <= t) <= mass; -1 when even t = 0 has more.

    Sums the terms from 40 standard deviations below the mean, under which nothing that a float can hold is left, so
    that a million queries cost milliseconds.
    """
    if count <= 0:
        return -1
    mean, deviation = count * chance, math.sqrt(count * chance * (1 - chance))
    start = max(0, math.floor(mean - 40 * deviation - 40))
    term = math.exp(_log_binomial(count, start, chance))
    total, k = term, start
    while total <= mass and k < count:
        term *= (count - k) / (k + 1) * chance / (1 - chance)
        if term < 1e-290:  # a denormal float has few digits and would not grow: take the next term from its logarithm
            term = math.exp(_log_binomial(count, k + 1, chance))
        total += term
        k += 1
    return k - 1 if total > mass else k


def _log_binomial(count: int, k: int, chance: float) -> float:
    """log P(Binomial(count, chance) = k)."""
    ways = math.lgamma(count + 1) - math.lgamma(k + 1) - math.lgamma(count - k + 1)
    return ways + k * math.log(chance) + (count - k) * math.log1p(-chance)


class Interval(NamedTuple):
    """``low`` to ``high``, both measured values, hold the truth with at least ``confidence`` (the exact coverage)."""

    low: float
    high: float
    confidence: float


def median_interval(ordered: Sequence[float], confidence: float = MEDIAN_CONFIDENCE) -> Interval | None:
    """The distribution-free interval of the median between two order statistics; None for too few values.

    The values are one per launch where the interval is to hold for the machine.
    The k-th least and k-th greatest value, with the largest k for which 2 P(Binomial(n, 1/2) < k) <= 1 - confidence
    (David and Nagaraja, Order Statistics, 7.1). 95 % needs 6 values; 5 reach 93.75 %.
    """
    if not 0 < confidence < 1:
        raise ValueError(f"no interval has confidence {confidence}")
    count = len(ordered)
    k = _binomial_quantile(count, 0.5, (1 - confidence) / 2)
    if k < 0:
        return None
    outside = 2 * math.fsum(math.exp(_log_binomial(count, i, 0.5)) for i in range(max(0, k - 1000), k + 1))
    return Interval(ordered[k], ordered[count - 1 - k], round(1 - outside, 6))


@dataclass(frozen=True)
class Percentile:
    """A percentile, its upper bound (None when there were too few queries) and the queries that a bound needs."""

    percent: float
    value: int
    bound: int | None
    needed: int

    @property
    def name(self) -> str:
        """As in "p99" or "p99.9"."""
        return f"p{self.percent:g}"

    def document(self) -> dict[str, Any]:
        """As JSON."""
        return {"value": self.value, "bound": self.bound, "needed": self.needed}


@dataclass(frozen=True)
class Summary:
    """What is said about one launch's latencies, in ns; ``cut`` queries more were left out as warm-up.

    No interval of the median: within one launch it would be far too narrow for the machine (module's docstring).
    """

    count: int
    minimum: int
    maximum: int
    mean: int
    percentiles: tuple[Percentile, ...]
    cut: int = 0

    @property
    def cautions(self) -> tuple[str, ...]:
        """One sentence for each percentile that too few queries were made for."""
        left = f" ({self.cut} of {self.count + self.cut} were cut as warm-up)" if self.cut else ""
        queries = counted(self.count, "query", "queries")
        return tuple(
            f"{each.name} of {queries}{left} is an impression: a bound on it needs {each.needed} queries"
            for each in self.percentiles
            if each.bound is None
        )

    def document(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "count": self.count,
            "min": self.minimum,
            "max": self.maximum,
            "mean": self.mean,
            "confidence": CONFIDENCE,
            "percentiles": {each.name: each.document() for each in self.percentiles},
            "cautions": list(self.cautions),
        }


def summarise(latencies: Sequence[int], percents: Sequence[float] = PERCENTILES, *, cut: int = 0) -> Summary:
    """The summary of latencies in any order; ``cut`` others were left out. Raises ValueError when there are none."""
    if not latencies:
        raise ValueError("no values")
    ordered = sorted(latencies)
    return Summary(
        count=len(ordered),
        minimum=ordered[0],
        maximum=ordered[-1],
        mean=sum(ordered) // len(ordered),
        percentiles=tuple(
            Percentile(percent, percentile(ordered, percent), upper_bound(ordered, percent), queries_needed(percent))
            for percent in percents
        ),
        cut=cut,
    )
