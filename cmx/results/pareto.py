"""The Pareto frontier: what nothing else beats in both ways at once."""

from __future__ import annotations

from collections.abc import Sequence


def frontier(points: Sequence[tuple[float, float]]) -> tuple[int, ...]:
    """The places of the points (cost, gain) that no other point beats, by cost from least to greatest.

    A point is beaten by one that costs no more and gains no less, and is not the same in both; of equal points the
    first stays. Takes n log n.
    """
    best: list[int] = []
    for place in sorted(range(len(points)), key=lambda each: (points[each][0], -points[each][1])):
        if not best or points[place][1] > points[best[-1]][1]:
            best.append(place)
    return tuple(best)
