"""Which results may be put beside each other: those that did the same work in the same way, on any machine."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

_ADDED = ("arguments", "target", "load", "mode")


@dataclass(frozen=True)
class Comparability:
    """What must be equal: ``hashes`` are the sha256 of model and data by role; ``precision`` is "" when unknown.

    ``arguments`` are a native program's, and ``target`` is what it was compiled for where that is not the host.
    ``load`` is what else the load generator was asked for, as in "target-qps 20": a server's latency depends on it.
    ``mode`` is "accuracy" where each sample was asked for once, and "" where times were taken.
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
    mode: str = ""

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
        names = dict.fromkeys((*mine, *theirs))
        pairs = ((name, mine.get(name, ""), theirs.get(name, "")) for name in names)
        return tuple(f"{name}: {one} and {other}" for name, one, other in pairs if one != other)

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> Comparability:
        """What ``document`` made."""
        return cls(**document)

    def document(self) -> dict[str, Any]:
        """As JSON; without an empty mode, which earlier versions do not know."""
        document = {**asdict(self), "hashes": dict(self.hashes)}
        return document if self.mode else {name: value for name, value in document.items() if name != "mode"}
