"""What repo.yaml files say, kept as JSON, so that one that is unchanged is not parsed and checked again.

Like the index it may be deleted at any time, and where it cannot be written, cmx does without.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cmx.errors import StoreError
from cmx.files import write_atomically
from cmx.repository.listing import rules, stamp

Read = Callable[[Path], dict[str, Any]]


class Heads:
    """Reads repo.yaml through a file of the cache."""

    def __init__(self, cache: Path) -> None:
        self._cache = cache

    def document(self, file: Path, read: Read) -> dict[str, Any]:
        """What ``read`` makes of a repo.yaml, or made of it before it last changed. Raises what ``read`` raises."""
        kept, now = self._kept(), _stamp(file)
        found = kept.get(str(file))
        if now and isinstance(found, dict) and found.get("stamp") == now and isinstance(found.get("document"), dict):
            known: dict[str, Any] = found["document"]
            return known
        document = read(file)
        if now:
            self._keep({**kept, str(file): {"stamp": now, "document": document}})
        return document

    def _kept(self) -> dict[str, Any]:
        try:
            kept = json.loads(self._cache.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return kept if isinstance(kept, dict) else {}

    def _keep(self, kept: dict[str, Any]) -> None:
        try:
            write_atomically(self._cache, json.dumps(kept, ensure_ascii=False))
        except (OSError, StoreError):
            return


def _stamp(file: Path) -> str:
    try:
        return f"{rules()}:{stamp(file.stat())}"
    except OSError:
        return ""
