"""A rule that a tree breaks."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Violation:
    """``rule`` is its name, ``found`` what is wrong in ``file``, ``remedy`` what puts it right."""

    file: Path
    rule: str
    found: str
    remedy: str

    def document(self) -> dict[str, Any]:
        """As JSON."""
        return {**asdict(self), "file": str(self.file)}
