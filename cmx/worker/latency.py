"""Latencies in a few numbers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

PERCENTILES = (50, 90, 95, 99)


def summarise(latencies: Sequence[int]) -> dict[str, int]:
    """min, mean (rounded), percentiles and max, in ns; raises ValueError for no latency.

    A percentile p is the nearest rank: the smallest value that at least p % of all do not exceed. So it is a
    latency that was measured, and integer arithmetic finds its place: ceil(p n / 100).
    """
    ordered = np.sort(np.asarray(latencies, dtype=np.int64))
    count = len(ordered)
    if not count:
        raise ValueError("no latency was measured")
    ranks = {f"p{p}": int(ordered[-(-p * count // 100) - 1]) for p in PERCENTILES}
    return {"min": int(ordered[0]), "mean": round(float(ordered.mean())), **ranks, "max": int(ordered[-1])}


def save(latencies: Sequence[int], path: Path) -> None:
    """Keep raw latencies: int64 ns in numpy's format, in the order of issue."""
    np.save(path, np.asarray(latencies, dtype=np.int64), allow_pickle=False)
