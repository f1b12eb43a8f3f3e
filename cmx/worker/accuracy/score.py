"""What a metric's library or a count says of a model's answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Score:
    """How good the answers to ``total`` samples were: ``accuracy["top_5"]``; more is better, 1 is all right.

    ``correct`` has those metrics that are counts: so many of ``total`` samples.
    """

    accuracy: Mapping[str, float]
    total: int
    correct: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def counted(cls, correct: Mapping[str, int], total: int) -> Score:
        """The score whose metrics are all counts."""
        return cls({name: count / total for name, count in correct.items()}, total, correct)

    def document(self) -> dict[str, Any]:
        """As an action's metrics have it: ``accuracy``, and under ``counts`` the counts and the ``total``."""
        return {"accuracy": dict(self.accuracy), "counts": {**self.correct, "total": self.total}}
