"""What every kind of source is given and returns."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from cmx.errors import ComponentInvalid
from cmx.reporter import Reporter
from cmx.store import Store


class Fetched(NamedTuple):
    """The files of a source: ``path`` is a file, or a folder of files. ``digest`` is known by what they contain."""

    path: Path
    digest: str
    size: int


class Fetching(NamedTuple):
    """What a source may use while it fetches; ``folder`` is that of the component."""

    store: Store
    folder: Path
    offline: bool
    reporter: Reporter

    def invalid(self, field: str, why: str, *, hint: str = "") -> ComponentInvalid:
        """The error for a field of the source that has a value it cannot have."""
        return ComponentInvalid(f"{self.folder / 'component.yaml'}: source.{field}: {why}", hint=hint)
