"""Operators on arrays."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, Sequence, Union

import numpy as np

from cmx.worker.operators.registry import OperatorError, operator

if TYPE_CHECKING:
    from PIL.Image import Image


class TopK(NamedTuple):
    """The best of the last axis, best first: ``indices`` (int64) and ``values``, both of shape (..., k)."""

    indices: np.ndarray
    values: np.ndarray


@operator(
    mean={"type": ["number", "array"], "items": {"type": "number"}, "minItems": 1},
    std={
        "type": ["number", "array"],
        "not": {"const": 0},
        "items": {"type": "number", "not": {"const": 0}},
        "minItems": 1,
    },
)
def normalize(
    image: Union[np.ndarray, Image], *, mean: Union[float, Sequence[float]], std: Union[float, Sequence[float]]
) -> np.ndarray:
    """``(image - mean) / std`` in float32, of shape (..., height, width, channel) and values 0 to 255.

    ``mean`` and ``std`` are numbers, or lists of one number for each channel.
    """
    if getattr(image, "mode", "RGB") != "RGB":
        image = image.convert("RGB")  # type: ignore[union-attr]
    pixels = np.asarray(image, np.float32)
    return np.asarray((pixels - _per_channel("mean", mean, pixels)) / _per_channel("std", std, pixels))


def _per_channel(name: str, value: Union[float, Sequence[float]], pixels: np.ndarray) -> np.ndarray:
    array = np.asarray(value, np.float32)
    if array.ndim and array.shape != pixels.shape[-1:]:
        raise OperatorError(f"normalize: {name} has {array.size} values for {pixels.shape[-1]} channels")
    return array


@operator(order={"type": "string", "enum": ["RGB", "BGR"]})
def channels(image: Union[np.ndarray, Image], *, order: str) -> np.ndarray:
    """The picture's red, green and blue in this ``order``: RGB or BGR; of shape (..., height, width, channel)."""
    if getattr(image, "mode", "RGB") != "RGB":
        image = image.convert("RGB")  # type: ignore[union-attr]
    pixels = np.asarray(image)
    return pixels[..., ::-1] if order == "BGR" else pixels


@operator(order={"type": "string", "enum": ["NCHW", "NHWC"]})
def layout(pixels: Any, *, order: str) -> np.ndarray:
    """(..., height, width, channel) as ``order`` says: NCHW moves channels to the front, NHWC leaves them.

    N is the axis on which samples are stacked; a single sample has none. Contiguous in memory either way.
    """
    array = np.asarray(pixels)
    if array.ndim < 3:
        raise OperatorError(f"layout: an array of shape {array.shape} has no height, width and channel")
    return np.ascontiguousarray(np.moveaxis(array, -1, -3) if order == "NCHW" else array)


@operator()
def softmax(logits: np.ndarray) -> np.ndarray:
    """``exp(x) / sum(exp(x))`` over the last axis, without overflow."""
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=-1, keepdims=True))


@operator(k={"type": "integer", "minimum": 1})
def top_k(values: np.ndarray, *, k: int) -> TopK:
    """The ``k`` largest of the last axis, largest first; of equals, the lower index comes first."""
    if k > values.shape[-1]:
        raise OperatorError(f"top_k: k is {k}; there are {values.shape[-1]} values to choose from")
    # In float64, since a negated unsigned integer would wrap around.
    indices = np.argsort(np.negative(values, dtype=np.float64), axis=-1, kind="stable")[..., :k]
    return TopK(indices, np.take_along_axis(values, indices, axis=-1))
