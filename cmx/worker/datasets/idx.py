"""Format ``idx``: grey pictures and their labels in two gzipped files, as MNIST and its relatives come.

The dataset's options are the names of the files: ``images`` and ``labels``. A file is two zero bytes, 8 (for uint8),
the number of axes, an int32 of each, big-endian, and the values.
"""

from __future__ import annotations

import gzip
import math
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from cmx.worker.context import Role

if TYPE_CHECKING:
    from PIL.Image import Image

_UINT8 = 8


class IdxPictures:
    """``pixels`` is (pictures, height, width) and ``labels`` (pictures,), both uint8."""

    def __init__(self, pixels: np.ndarray[Any, Any], labels: np.ndarray[Any, Any]) -> None:
        self.pixels = pixels
        self.labels = labels

    def __len__(self) -> int:
        return len(self.labels)

    def image(self, index: int) -> Image:
        """The picture, in grey."""
        from PIL import Image

        return Image.fromarray(self.pixels[index])

    def label(self, index: int) -> int:
        """The number of the class it shows, from 0."""
        return int(self.labels[index])

    def name(self, index: int) -> str:
        """Its number."""
        return str(index)


def open(role: Role) -> IdxPictures:
    """The pictures of a role; raises ValueError when its files are not what its component says."""
    options = role.component.get("options") or {}
    if sorted(options) != ["images", "labels"] or role.path is None:
        raise ValueError(f"{role.reference}: options: expected images and labels, found {', '.join(options) or 'none'}")
    pixels, labels = _read(role.path / options["images"], axes=3), _read(role.path / options["labels"], axes=1)
    expected = role.component.get("samples", len(labels))
    if not len(pixels) == len(labels) == expected:
        raise ValueError(f"{role.reference}: {len(pixels)} pictures and {len(labels)} labels, expected {expected}")
    return IdxPictures(pixels, labels)


def _read(path: Path, *, axes: int) -> np.ndarray[Any, Any]:
    try:
        data = gzip.decompress(path.read_bytes())
    except (OSError, EOFError, zlib.error) as error:
        raise ValueError(f"{path}: not a gzipped file that can be read: {error}") from error
    shape = np.frombuffer(data[4 : 4 + 4 * axes].ljust(4 * axes, b"\0"), dtype=">i4").tolist()
    if data[:4] != bytes([0, 0, _UINT8, axes]) or len(data) != 4 + 4 * axes + math.prod(shape):
        raise ValueError(f"{path}: not an idx file of uint8 with {axes} axes, or one that is cut short")
    return np.asarray(np.frombuffer(data, dtype=np.uint8, offset=4 + 4 * axes).reshape(shape))
