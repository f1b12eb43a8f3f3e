"""Operators on sound: one channel, float32 from -1 to 1, of shape (values,)."""

from __future__ import annotations

import numpy as np

from cmx.worker.operators.registry import operator


@operator(size={"type": "integer", "minimum": 1}, context={"type": "integer", "minimum": 0})
def frames(signal: np.ndarray, *, size: int, context: int = 0) -> np.ndarray:
    """The signal in frames of ``size`` values, each after the ``context`` values before it: (count, context + size).

    Zeros stand before the first frame; what is left over at the end is dropped. Contiguous in memory.
    """
    count = len(signal) // size
    padded = np.concatenate([np.zeros(context, signal.dtype), signal[: count * size]])
    starts = np.arange(count)[:, None] * size
    return np.ascontiguousarray(padded[starts + np.arange(context + size)])
