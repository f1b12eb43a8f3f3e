"""Operators on pictures of one line of text, which may be of any width."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from cmx.worker.operators.registry import operator

if TYPE_CHECKING:
    from PIL.Image import Image


@operator(height={"type": "integer", "minimum": 1})
def scale_to_height(image: Image, *, height: int) -> Image:
    """The picture in RGB at this height in pixels, its proportions kept, its width rounded up; bilinear."""
    from PIL import Image

    width = math.ceil(height * image.width / image.height)
    return image.convert("RGB").resize((width, height), Image.Resampling.BILINEAR)


@operator(width={"type": "integer", "minimum": 1})
def least_width(pixels: np.ndarray, *, width: int) -> np.ndarray:
    """(height, width, channel) with zeros on the right, up to this width; a wider one is left as it is."""
    missing = max(0, width - pixels.shape[1])
    return np.pad(pixels, ((0, 0), (0, missing), (0, 0)))
