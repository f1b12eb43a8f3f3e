"""Format ``marked-lines``: one picture with lines of text, and where each is and what it says.

The option ``lines`` names a file of the component's own folder, a JSON list of ``{"box": [left, top, right, bottom],
"text": …}``; pixels, right and bottom are the first outside.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from cmx.worker.context import Role
from cmx.worker.datasets.picture import open_picture

if TYPE_CHECKING:
    from PIL.Image import Image


class Line(NamedTuple):
    """A part of the picture, and the text on it."""

    box: tuple[int, int, int, int]
    text: str


class MarkedLines:
    """A sample is one line, cut out of the picture."""

    def __init__(self, picture: Path, lines: Sequence[Line]) -> None:
        self._picture = picture
        self._lines = tuple(lines)

    def __len__(self) -> int:
        return len(self._lines)

    def name(self, index: int) -> str:
        """The text."""
        return self._lines[index].text

    def text(self, index: int) -> str:
        """What is written there."""
        return self._lines[index].text

    def image(self, index: int) -> Image:
        """The line, in RGB."""
        return self._page.crop(self._lines[index].box)

    @cached_property
    def _page(self) -> Image:
        return open_picture(self._picture)


def open(role: Role) -> MarkedLines:
    """The lines of a role; raises ValueError when they are not what its component says."""
    options = role.component.get("options") or {}
    if list(options) != ["lines"]:
        raise ValueError(f"{role.reference}: options: expected lines, found {', '.join(options) or 'none'}")
    file = role.folder / options["lines"]
    try:
        lines = [_line(each) for each in json.loads(file.read_text(encoding="utf-8"))]
    except (TypeError, KeyError, ValueError) as error:
        raise ValueError(f"{file}: expected a JSON list of {{box, text}}: {error}") from error
    expected = role.component.get("samples", len(lines))
    if not lines or len(lines) != expected:
        raise ValueError(f"{role.reference}: {len(lines)} lines in {file}, expected {expected or 'some'}")
    return MarkedLines(role.file, lines)


def _line(entry: Mapping[str, Any]) -> Line:
    left, top, right, bottom = map(int, entry["box"])
    return Line((left, top, right, bottom), str(entry["text"]))
