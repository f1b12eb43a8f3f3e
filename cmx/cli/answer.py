"""What a verb answers: a document for ``--json``, and text for people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from cmx.errors import CmxError


class Answer(NamedTuple):  # not a dataclass: see Settings
    """The document, and the same as text; ``error`` where what was asked about is not as it should be."""

    document: Mapping[str, Any] = MappingProxyType({})
    text: str = ""
    error: CmxError | None = None

    @property
    def exit_code(self) -> int:
        """That of the error; 0 without one."""
        return self.error.exit_code if self.error else 0


def table(head: Sequence[str], rows: Sequence[Sequence[str]], *, right: Sequence[int] = ()) -> str:
    """Columns under a head line; those in ``right`` are aligned to the right."""
    widths = [max(len(str(row[column])) for row in (head, *rows)) for column in range(len(head))]
    lines = []
    for row in (head, *rows):
        cells = [
            str(cell).rjust(width) if column in right else str(cell).ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)
