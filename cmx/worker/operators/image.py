"""Operators on pictures (``PIL.Image.Image``). Each takes any mode and works in RGB."""

from __future__ import annotations

from typing import TYPE_CHECKING, Sequence, Union

import numpy as np

from cmx.worker.operators.registry import operator

if TYPE_CHECKING:
    from PIL.Image import Image


@operator(fraction={"type": "number", "exclusiveMinimum": 0, "maximum": 1})
def center_crop(image: Image, *, fraction: float) -> Image:
    """The square in the middle whose side is ``fraction`` (0 < fraction <= 1) of the shorter side, rounded down.

    An odd pixel left over goes to the top and the left, as in TensorFlow's EfficientNet.
    """
    width, height = image.size
    side = max(1, int(fraction * min(width, height)))
    left, top = (width - side + 1) // 2, (height - side + 1) // 2
    return _rgb(image).crop((left, top, left + side, top + side))


@operator(
    size={
        "type": ["integer", "array"],
        "minimum": 1,
        "items": {"type": "integer", "minimum": 1},
        "minItems": 2,
        "maxItems": 2,
    },
    filter={"type": "string", "enum": ["bicubic", "bilinear", "lanczos", "nearest"]},
)
def resize(image: Image, *, size: Union[int, Sequence[int]], filter: str = "bilinear") -> Image:
    """The picture at ``size``: the side of a square, or [height, width]; proportions are not kept.

    ``filter`` is bicubic, bilinear, lanczos or nearest, each as pillow has it, which averages when it shrinks.
    """
    from PIL import Image

    height, width = (size, size) if isinstance(size, int) else size
    return _rgb(image).resize((width, height), Image.Resampling[filter.upper()])


@operator()
def grey(image: Image) -> np.ndarray:
    """The picture's brightness, uint8, of shape (height, width, 1)."""
    return np.asarray(image if image.mode == "L" else image.convert("L"))[..., np.newaxis]


def _rgb(image: Image) -> Image:
    return image if image.mode == "RGB" else image.convert("RGB")
