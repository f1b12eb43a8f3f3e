"""Whether an accuracy is enough."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Optional

# 0.9 - 0.05 is 0.85 in decimal and 0.85000000000000009 in binary; no accuracy is counted this finely.
_EPSILON = 1e-9


@dataclass(frozen=True)
class Bar:
    """What must be reached, and the words that say where it comes from."""

    at_least: float
    source: str


def reaches(value: float, at_least: float) -> bool:
    """``value >= at_least``, for numbers that are equal in decimal."""
    return value >= at_least - _EPSILON


def reference_bar(
    reference: Mapping[str, Any], metric: str, dataset: str, tolerance: Optional[float] = None
) -> Optional[Bar]:
    """The bar a model's component sets: its reference on this dataset, less the tolerance.

    None when the reference is for another dataset, or has not this metric.
    """
    if reference.get("dataset") != dataset or metric not in reference:
        return None
    value = float(reference[metric])
    slack = float(reference.get("tolerance", 0.0) if tolerance is None else tolerance)
    return Bar(value - slack, f"reference {value:.3f} − tolerance {slack:.3f}")
