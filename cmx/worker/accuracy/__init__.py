"""Accuracy: how many answers were right, and whether that is enough."""

from __future__ import annotations

from cmx.worker.accuracy.top import Counts, count_top, metric_depth
from cmx.worker.accuracy.verdict import Bar, reaches, reference_bar

__all__ = ["Bar", "Counts", "count_top", "metric_depth", "reaches", "reference_bar"]
