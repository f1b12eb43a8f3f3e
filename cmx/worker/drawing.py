"""Boxes with labels on a picture."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from PIL.Image import Image

# Told apart by people who see no red or no green as well (Okabe and Ito, 2008), and dark or light enough for a label.
_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#f0e442")
_DARK_TEXT = frozenset({"#e69f00", "#56b4e9", "#f0e442", "#cc79a7"})


def draw_boxes(picture: Image, boxes: Sequence[tuple[Sequence[float], str, int]]) -> Image:
    """A copy with each box (left, top, right, bottom in pixels; its label; a number that chooses its colour).

    The first of the boxes is drawn last, on top of the others.
    """
    from PIL import ImageDraw

    copy = picture.copy()
    draw = ImageDraw.Draw(copy)
    height = max(11, round(min(copy.size) / 32))
    font, line = _font(height), max(2, round(min(copy.size) / 200))
    for corners, label, kind in reversed(boxes):
        colour = _COLOURS[kind % len(_COLOURS)]
        draw.rectangle(tuple(corners), outline=colour, width=line)
        left, top, right, bottom = draw.textbbox((0, 0), label, font=font)
        width, tall = right - left + 6, bottom - top + 6
        x = min(max(corners[0], 0), max(copy.width - width, 0))
        y = corners[1] - tall if corners[1] >= tall else corners[1]
        draw.rectangle((x, y, x + width, y + tall), fill=colour)
        draw.text((x + 3 - left, y + 3 - top), label, fill="black" if colour in _DARK_TEXT else "white", font=font)
    return copy


def _font(height: int) -> Any:
    """Pillow's own font, in this size where this Pillow can (from 10.1 on, with FreeType)."""
    from PIL import ImageFont

    try:
        return ImageFont.load_default(size=height)
    except (TypeError, ImportError):
        return ImageFont.load_default()
