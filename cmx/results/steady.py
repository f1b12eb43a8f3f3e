"""Where a launch's steady state begins: what comes before it (warming caches, a clock that settles) is cut off.

MSER-5 (White, Cobb and Spratt, "A comparison of five steady-state truncation heuristics for simulation", 2000): of the
means of every five queries, leave out as many at the beginning as make the standard error of the rest's mean smallest,
and at most half of them. Where half would not do, or the level still moves after the cut, there is no steady state.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

BATCH = 5
LEAST_BATCHES = 10
DRIFT = 0.05
"""How far, as a share, the medians of the two halves after the cut may lie apart."""


class Steady(NamedTuple):
    """``cut`` queries at the beginning are left out; ``found`` is None where there are too few queries to judge.

    Where no steady state was found nothing is cut: every query counts, and whoever shows the number says so.
    """

    cut: int
    found: bool | None


def steady_state(latencies: Sequence[int]) -> Steady:
    """The steady state of one launch's latencies, which are in the order of the queries."""
    means = [sum(latencies[i : i + BATCH]) / BATCH for i in range(0, len(latencies) - BATCH + 1, BATCH)]
    if len(means) < LEAST_BATCHES:
        return Steady(0, None)
    most = len(means) // 2
    errors = _squared_errors(means)
    batches = min(range(most + 1), key=errors.__getitem__)
    cut = batches * BATCH
    if batches == most or _drifts(latencies[cut:]):
        return Steady(0, False)
    return Steady(cut, True)


def _squared_errors(means: Sequence[float]) -> list[float]:
    """For each number of batches left out: the sum of squares about the rest's mean, over the rest's count squared."""
    centre = sum(means) / len(means)  # differences from it, since squares of times in ns use up a float's digits
    found = [0.0] * len(means)
    total = squares = 0.0
    for index in range(len(means) - 1, -1, -1):
        difference = means[index] - centre
        total += difference
        squares += difference * difference
        count = len(means) - index
        found[index] = max(squares - total * total / count, 0.0) / count**2
    return found


def _drifts(latencies: Sequence[int]) -> bool:
    middle = len(latencies) // 2
    first, second = (sorted(half)[len(half) // 2] for half in (latencies[:middle], latencies[middle:]))
    return abs(first - second) > DRIFT * min(first, second)
