"""What a few launches say: each launch is one observation, whatever happened inside it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import median
from typing import Any, Optional

_CONFIDENCE = 0.95


def median_interval(values: Sequence[float], confidence: float = _CONFIDENCE) -> Optional[dict[str, float]]:
    """``{"low", "high", "confidence"}``: an interval of the median that assumes no distribution; None for too few.

    From the k-th least to the k-th greatest value, with the largest k for which 2 P(Binomial(n, 1/2) < k) is at most
    1 - confidence (David and Nagaraja, Order Statistics, 7.1). 95 % needs 6 values. ``confidence`` is the exact one.
    """
    ordered, count = sorted(values), len(values)
    outside, rank = 0, 0
    while rank < count and 2 * (outside + math.comb(count, rank)) <= (1 - confidence) * 2**count:
        outside += math.comb(count, rank)
        rank += 1
    if not rank:
        return None
    return {"low": ordered[rank - 1], "high": ordered[count - rank], "confidence": round(1 - 2 * outside / 2**count, 6)}


def spread(values: Sequence[float]) -> dict[str, Any]:
    """Median, least and greatest of what the launches measured, how many they were, and the median's interval."""
    return {
        "median": median(values),
        "min": min(values),
        "max": max(values),
        "n": len(values),
        "interval": median_interval(values),
    }


def summarise(times: Sequence[int]) -> dict[str, int]:
    """min, mean (rounded), p50 and max of times in ns; no higher percentile, for which launches are too few.

    p50 is the nearest rank, as everywhere: the least time that half of them do not exceed.
    """
    ordered = sorted(times)
    middle = ordered[(len(ordered) + 1) // 2 - 1]
    return {"min": ordered[0], "mean": round(sum(ordered) / len(ordered)), "p50": middle, "max": ordered[-1]}
