"""How many times as long one thing takes as another, from launches of both, whatever the noise looks like.

The Hodges-Lehmann estimate of a ratio is the median of all quotients b/a (a shift of the logarithms; Hodges and
Lehmann 1963). Its interval lies between two of those quotients, chosen by the distribution of the Mann-Whitney count
of pairs (Hollander, Wolfe and Chicken, Nonparametric Statistical Methods, 4.3): it supposes that launches are
independent of each other, and nothing of their shape. Ties make it wider than it says, never narrower.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from cmx.results.statistics import MEDIAN_CONFIDENCE

# Up to here the distribution is counted, in milliseconds; above, it is so near to normal that no launch is told apart.
_EXACT_PAIRS = 10_000
# An interval is claimed of so many launches each or more (docs/results.md).
FEWEST_LAUNCHES = 5


@dataclass(frozen=True)
class Ratio:
    """B's time by A's: the estimate, and the interval that holds the truth with ``confidence`` (the exact coverage).

    ``low`` and ``high`` are None where there were too few launches for one.
    """

    estimate: float
    low: float | None
    high: float | None
    confidence: float

    @property
    def verdict(self) -> str:
        """What is shown of B: "faster", "slower", "no difference shown" or "too few launches"."""
        if self.low is None or self.high is None:
            return "too few launches"
        if self.high < 1:
            return "faster"
        return "slower" if self.low > 1 else "no difference shown"

    def document(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "estimate": self.estimate,
            "low": self.low,
            "high": self.high,
            "confidence": self.confidence,
            "verdict": self.verdict,
        }


def ratio(a: Sequence[float], b: Sequence[float], confidence: float = MEDIAN_CONFIDENCE) -> Ratio:
    """The ratio of b's times to a's, one time per launch, all over 0.

    Costs a sort of all pairs. Raises ValueError for no launches, a time of 0 or less, or a
    confidence that is not between 0 and 1.
    """
    if not a or not b or min(*a, *b) <= 0:
        raise ValueError("a ratio needs times over 0 on both sides")
    if not 0 < confidence < 1:
        raise ValueError(f"no interval has confidence {confidence}")
    quotients = sorted(each / base for each in b for base in a)
    middle = _median(quotients)
    if min(len(a), len(b)) < FEWEST_LAUNCHES:
        return Ratio(middle, None, None, 0.0)
    left_out, outside = _left_out(len(a), len(b), 1 - confidence)
    if left_out == 0:
        return Ratio(middle, None, None, 0.0)
    return Ratio(middle, quotients[left_out - 1], quotients[-left_out], round(1 - outside, 6))


def _median(ordered: Sequence[float]) -> float:
    """The middle one, or between two the geometric mean: so that the ratio of A to B is one by this."""
    half = len(ordered) // 2
    return ordered[half] if len(ordered) % 2 else math.sqrt(ordered[half - 1] * ordered[half])


def _left_out(first: int, second: int, mass: float) -> tuple[int, float]:
    """The place of the interval's ends among the quotients, counted from 1 at both ends, and the chance to miss.

    The largest c with 2 P(U < c) <= mass; 0 when even c = 1 has more.
    """
    if first * second > _EXACT_PAIRS:
        return _left_out_normal(first, second, mass)
    below, total, place = 0, math.comb(first + second, first), 0
    for count in _arrangements(first, second):
        if 2 * (below + count) > mass * total:
            break
        below += count
        place += 1
    return place, 2 * below / total


@lru_cache(maxsize=32)
def _arrangements(first: int, second: int) -> tuple[int, ...]:
    """How many orders of so many values have U = 0, 1, 2 …: the coefficients of a Gaussian binomial."""
    counts = [1] + [0] * (first * second)
    for i in range(1, first + 1):
        for at in range(len(counts) - 1, second + i - 1, -1):  # times 1 - x^(second + i)
            counts[at] -= counts[at - second - i]
        for at in range(i, len(counts)):  # by 1 - x^i
            counts[at] += counts[at - i]
    return tuple(counts)


def _left_out_normal(first: int, second: int, mass: float) -> tuple[int, float]:
    from statistics import NormalDist

    pairs = first * second
    around = NormalDist(pairs / 2, math.sqrt(pairs * (first + second + 1) / 12))
    place = max(0, math.floor(around.inv_cdf(mass / 2) + 0.5))  # P(U < c) is taken at c - 1/2
    return place, 2 * around.cdf(place - 0.5)
