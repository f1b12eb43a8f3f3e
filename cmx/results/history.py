"""Whether a number changed for good somewhere in its history: steps, found by ranks.

Pettitt's test (Applied Statistics 28, 1979) asks of a sequence where the values before and after differ most in rank,
and how likely that is if nothing changed: p is about 2 exp(-6 K^2 / (n^3 + n^2)). It is put to the whole sequence, and
again to both parts of each step that is found (binary segmentation). Nothing is supposed of the noise's shape, one odd
run is no step, and 16 results at least are needed for a step in their middle to be shown.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

# How likely a step may be where there is none, for each sequence or part that is asked.
CHANCE = 0.01
# Less than this is none that anybody should look for.
LEAST_CHANGE = 0.01


class Segment(NamedTuple):
    """A stretch without a step: from ``start`` up to and without ``end``, with its median."""

    start: int
    end: int
    median: float


def segments(values: Sequence[float], chance: float = CHANCE) -> tuple[Segment, ...]:
    """The stretches of a sequence in order of time, between which it changed; one for no step, none for no values."""
    if not values:
        return ()
    places = [0, *sorted(_steps(values, 0, len(values), chance)), len(values)]
    return tuple(Segment(start, end, statistics.median(values[start:end])) for start, end in pairwise(places))


def _steps(values: Sequence[float], start: int, end: int, chance: float) -> list[int]:
    """Where parts of ``values[start:end]`` begin that differ from what was before them."""
    found: list[int] = []
    parts = [(start, end)]
    while parts:
        low, high = parts.pop()
        at, likely = pettitt(values[low:high])
        if likely > chance:
            continue
        before, after = statistics.median(values[low : low + at]), statistics.median(values[low + at : high])
        if abs(after - before) < LEAST_CHANGE * abs(before):
            continue
        found.append(low + at)
        parts += [(low, low + at), (low + at, high)]
    return found


def pettitt(values: Sequence[float]) -> tuple[int, float]:
    """Where the second part begins that differs most in rank from the first, and how likely that is by chance."""
    count = len(values)
    if count < 2:
        return 0, 1.0
    ranks = _ranks(values)
    most, place, total = 0.0, 0, 0.0
    for at in range(1, count):
        total += ranks[at - 1]
        apart = abs(2 * total - at * (count + 1))
        if apart > most:
            most, place = apart, at
    return place, min(1.0, 2 * math.exp(-6 * most**2 / (count**3 + count**2)))


def _ranks(values: Sequence[float]) -> list[float]:
    """The places of values in order, from 1; equal ones share the mean of theirs."""
    order = sorted(range(len(values)), key=values.__getitem__)
    ranks = [0.0] * len(values)
    start = 0
    while start < len(order):
        end = start
        while end < len(order) and values[order[end]] == values[order[start]]:
            end += 1
        for place in order[start:end]:
            ranks[place] = (start + 1 + end) / 2
        start = end
    return ranks
