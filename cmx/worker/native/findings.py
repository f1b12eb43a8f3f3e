"""What an oracle found out about a program's answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from cmx.worker.accuracy.verdict import reaches
from cmx.worker.outcome import ActionError


@dataclass(frozen=True)
class Check:
    """``correct`` of ``count`` answers were right, by one way of checking; ``detail`` is the worst that was seen."""

    name: str
    correct: int
    count: int
    at_least: float = 1.0
    detail: str = ""

    @property
    def value(self) -> float:
        """As a fraction of 1; nothing checked is nothing right."""
        return self.correct / self.count if self.count else 0.0

    @property
    def passed(self) -> bool:
        """Whether enough were right."""
        return self.count > 0 and reaches(self.value, self.at_least)


def verdict(checks: Sequence[Check]) -> dict[str, Any]:
    """The metrics of a validation; its headline is the first check that failed, or else the first.

    Raises ActionError when nothing was checked.
    """
    if not checks:
        raise ActionError("the oracle checked nothing")
    head = next((check for check in checks if not check.passed), checks[0])
    return {
        "metric": head.name,
        "value": head.value,
        "correct": head.correct,
        "count": head.count,
        "at_least": head.at_least,
        "passed": all(check.passed for check in checks),
        "accuracy": {check.name: check.value for check in checks},
        # A table shows "18/20" for those that share the headline's total, and the fraction for others.
        "counts": {**{check.name: check.correct for check in checks if check.count == head.count}, "total": head.count},
        "details": {check.name: check.detail for check in checks if check.detail},
    }
