"""Accuracy: how good the answers were, and whether that is enough."""

from __future__ import annotations

from cmx.worker.accuracy.score import Score
from cmx.worker.accuracy.top import count_top, metric_depth
from cmx.worker.accuracy.verdict import Bar, no_accuracy, reaches, reference_bar

__all__ = ["Bar", "Score", "count_top", "metric_depth", "no_accuracy", "reaches", "reference_bar"]
