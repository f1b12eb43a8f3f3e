"""LoadGen's early stopping: how many queries prove a percentile, whatever the latencies are distributed like.

Of n queries the number above the true p-th percentile is Binomial(n, 1 - p). A bound that t of them exceed is proved
where P(Binomial(n, 1 - p) <= t) < 1 - confidence. LoadGen sums this as a regularised incomplete beta function
(mlcommons/inference, loadgen/early_stopping.cc, tolerance 0); here it is summed as it stands.
"""

from __future__ import annotations

import math

CONFIDENCE = 0.99
_NEGLIGIBLE = 1e-18


def proves(count: int, overruns: int, percentile: float, confidence: float = CONFIDENCE) -> bool:
    """Whether ``overruns`` of ``count`` queries may exceed a bound and still prove it for ``percentile`` (0.9)."""
    return overruns < count and _at_most(overruns, count, 1 - percentile) < 1 - confidence


def passing_needed(overruns: int, percentile: float, confidence: float = CONFIDENCE) -> int:
    """The fewest queries under the bound that make up for ``overruns`` above it: 44 for none of p90, 63 for one."""
    low, high = 0, 1
    while not proves(high + overruns, overruns, percentile, confidence):
        low, high = high, high * 2
    while high - low > 1:
        middle = (low + high) // 2
        enough = proves(middle + overruns, overruns, percentile, confidence)
        low, high = (low, middle) if enough else (middle, high)
    return high


def allowed_overruns(count: int, percentile: float, confidence: float = CONFIDENCE) -> int:
    """The most of ``count`` queries that may exceed a bound that they still prove; -1 where not even none may."""
    low, high = -1, count
    while high - low > 1:
        middle = (low + high) // 2
        enough = proves(count, middle, percentile, confidence)
        low, high = (middle, high) if enough else (low, middle)
    return low


def _at_most(most: int, count: int, chance: float) -> float:
    """P(Binomial(count, chance) <= most), summed downwards from the term that counts most, or from below it."""
    k = most
    ways = math.lgamma(count + 1) - math.lgamma(k + 1) - math.lgamma(count - k + 1)
    term = math.exp(ways + k * math.log(chance) + (count - k) * math.log1p(-chance))
    if k > count * chance:  # the greatest terms lie below: what is missing from 1 is the shorter sum
        return 1.0 - _above(k, count, chance, term)
    total = term
    while k > 0 and term > total * _NEGLIGIBLE:
        term *= k / (count - k + 1) * (1 - chance) / chance
        total += term
        k -= 1
    return total


def _above(k: int, count: int, chance: float, term: float) -> float:
    """P(Binomial(count, chance) > k), from the term of ``k``, which is above the mean."""
    total = 0.0
    while k < count:
        term *= (count - k) / (k + 1) * chance / (1 - chance)
        total += term
        k += 1
        if term <= total * _NEGLIGIBLE:
            break
    return total
