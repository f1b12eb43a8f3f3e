"""What every installer of tools is given."""

from __future__ import annotations

from typing import NamedTuple

from cmx.component import SoftwareDetect
from cmx.errors import ComponentInvalid
from cmx.reporter import Reporter
from cmx.store import Store


class Installing(NamedTuple):
    """What an installer may use; ``component`` is the tool's."""

    store: Store
    component: SoftwareDetect
    offline: bool
    reporter: Reporter

    def invalid(self, field: str, why: str, *, hint: str = "") -> ComponentInvalid:
        """The error for a field of the rule that has a value it cannot have."""
        return ComponentInvalid(f"{self.component.file}: install.{field}: {why}", hint=hint)
