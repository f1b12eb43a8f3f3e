"""A small network whose answers numpy computes: a convolution, bias, ReLU, the mean of each map, a product, an offset.

Two inputs, ``image`` and ``offset``; two outputs, ``scores`` and ``twice``, the doubled image. It is imported by tests
and, in each framework's own environment, by what writes the network in that framework's format. Pictures are NHWC.
"""

from __future__ import annotations

import numpy as np

_RANDOM = np.random.default_rng(20261122)
SIDE, CHANNELS, MAPS, CLASSES = 6, 3, 8, 5
KERNEL = _RANDOM.standard_normal((3, 3, CHANNELS, MAPS)).astype(np.float32)
BIAS = _RANDOM.standard_normal(MAPS).astype(np.float32)
WEIGHT = _RANDOM.standard_normal((MAPS, CLASSES)).astype(np.float32)


def feeds(count: int, seed: int = 0) -> dict[str, np.ndarray]:
    """A batch of inputs, each number between -1 and 1."""
    random = np.random.default_rng([count, seed])
    shapes = {"image": (count, SIDE, SIDE, CHANNELS), "offset": (count, CLASSES)}
    return {name: random.uniform(-1, 1, shape).astype(np.float32) for name, shape in shapes.items()}


def answers(given: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """What the network answers, computed in float64."""
    padded = np.pad(given["image"].astype(np.float64), [(0, 0), (1, 1), (1, 1), (0, 0)])
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(1, 2))
    maps = np.maximum(np.einsum("byxcij,ijco->byxo", windows, KERNEL.astype(np.float64)) + BIAS, 0)
    return {"scores": maps.mean((1, 2)) @ WEIGHT.astype(np.float64) + given["offset"], "twice": given["image"] * 2}


def nchw(arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The same with pictures as NCHW."""
    moved = {name: np.moveaxis(array, -1, 1) if array.ndim == 4 else array for name, array in arrays.items()}
    return {name: np.ascontiguousarray(array) for name, array in moved.items()}
