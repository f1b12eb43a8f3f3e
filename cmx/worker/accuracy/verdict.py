"""Whether an accuracy is enough."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Optional, Union

# 0.9 - 0.05 is 0.85 in decimal and 0.85000000000000009 in binary; no accuracy is counted this finely.
_EPSILON = 1e-9

Reference = Union[Mapping[str, Any], Sequence[Mapping[str, Any]]]
"""What a model reached: ``{dataset: NAME, METRIC: VALUE, tolerance: …}``, one of these for each dataset, or
``{none: REASON}``."""


@dataclass(frozen=True)
class Bar:
    """What must be reached, and the words that say where it comes from."""

    at_least: float
    source: str


def reaches(value: float, at_least: float) -> bool:
    """``value >= at_least``, for numbers that are equal in decimal; a value that is no number reaches nothing."""
    return value >= at_least - _EPSILON


def no_accuracy(reference: Reference) -> str:
    """Why the answers of a model mean nothing, as its component says: "constant weights"; "" where they do."""
    return str(reference.get("none", "")) if isinstance(reference, Mapping) else ""


def reference_bar(reference: Reference, metric: str, dataset: str, tolerance: Optional[float] = None) -> Optional[Bar]:
    """The bar a model's component sets: its reference on this dataset, less the tolerance.

    None when there is no reference for this dataset, or it has not this metric.
    """
    known = [reference] if isinstance(reference, Mapping) else reference
    found = next((each for each in known if each.get("dataset") == dataset and metric in each), None)
    if found is None:
        return None
    value = float(found[metric])
    slack = float(found.get("tolerance", 0.0) if tolerance is None else tolerance)
    return Bar(value - slack, f"reference {value:.3f} − tolerance {slack:.3f}")
