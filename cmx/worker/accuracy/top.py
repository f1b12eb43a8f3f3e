"""Top-k accuracy of a classifier."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from cmx.worker.accuracy.score import Score

_METRIC = re.compile(r"top_([1-9][0-9]*)")


def metric_depth(metric: str) -> int:
    """The k of ``top_k``; raises ValueError for another metric."""
    match = _METRIC.fullmatch(metric)
    if not match:
        raise ValueError(f"unknown metric {metric!r}; there is: top_1, top_5 and so on")
    return int(match[1])


def count_top(ranked: Mapping[int, Sequence[int]], labels: Sequence[int], metrics: Sequence[str]) -> Score:
    """Count right answers; ``ranked`` maps each sample's index to its classes, best first.

    Raises ValueError when a sample of ``labels`` has no answer, or too few classes for a metric.
    """
    missing = [index for index in range(len(labels)) if index not in ranked]
    if missing or not labels:
        raise ValueError(f"{len(missing)} of {len(labels)} samples have no answer")
    depths = {metric: metric_depth(metric) for metric in metrics}
    shortest = min(len(classes) for classes in ranked.values())
    for metric, depth in depths.items():
        if depth > shortest:
            raise ValueError(f"{metric} needs {depth} classes an answer, the model's postprocess keeps {shortest}")
    correct = {
        metric: sum(label in list(ranked[index][:depth]) for index, label in enumerate(labels))
        for metric, depth in depths.items()
    }
    return Score.counted(correct, len(labels))
