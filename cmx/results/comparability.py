"""Which results may be put beside each other: those that did the same work in the same way, on any machine."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

_ADDED = ("arguments", "target", "load")


@dataclass(frozen=True)
class Comparability:
    """What must be equal: ``hashes`` are the sha256 of model and data by role; ``precision`` is "" when unknown.

    ``arguments`` are a native program's, and ``target`` is what it was compiled for where that is not the host.
    ``load`` is what else the load generator was asked for, as in "target-qps 20": a server's latency depends on it.
    The machine, the framework and its version are what is compared, so they are not part of it.
    """

    action: str
    workflow: str
    hashes: Mapping[str, str] = field(default_factory=dict)
    scenario: str = ""
    batch_size: int = 0
    threads: int = 0
    precision: str = ""
    arguments: str = ""
    target: str = ""
    load: str = ""

    @property
    def key(self) -> str:
        """16 hex digits, equal exactly for what may be compared."""
        # What later versions added is left out where it is empty, so that older keys stay as they are.
        parts = {name: value for name, value in self.document().items() if value or name not in _ADDED}
        text = json.dumps(parts, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def differences(self, other: Comparability) -> tuple[str, ...]:
        """What stands in the way of a comparison: "threads: 1 and 2"; nothing when the keys are equal."""
        mine, theirs = self.document(), other.document()
        return tuple(f"{name}: {mine[name]} and {theirs[name]}" for name in mine if mine[name] != theirs[name])

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> Comparability:
        """What ``document`` made."""
        return cls(**document)

    def document(self) -> dict[str, Any]:
        """As JSON."""
        return {**asdict(self), "hashes": dict(self.hashes)}
