"""Quantisation to 8 bits by ONNX Runtime's own tool, which needs the package onnx."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Iterator, Mapping, Optional, Sequence

import numpy as np
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_dynamic, quantize_static

from cmx.worker.predictors import PredictorError

Feeds = Mapping[str, np.ndarray]


class _Samples(CalibrationDataReader):  # type: ignore[misc]
    """One sample after the other, then None."""

    def __init__(self, samples: Sequence[Feeds]) -> None:
        self._left: Iterator[Feeds] = iter(samples)

    def get_next(self) -> Optional[Feeds]:
        return next(self._left, None)


def quantise(source: Path, destination: Path, how: str, samples: Sequence[Feeds]) -> dict[str, Any]:
    """Write a model with weights of 8 bits; what was done is returned as JSON values.

    "dynamic" quantises what lies between as it comes; "static" by the ranges seen on ``samples``. Raises PredictorError
    for static without samples.
    """
    if how == "dynamic":
        # Unsigned weights: on x86 the signed ones run several times slower.
        quantize_dynamic(source, destination, weight_type=QuantType.QUInt8)
        return {"quantisation": how}
    if not samples:
        raise PredictorError("quantisation static needs samples to calibrate on", "--use calibration=dataset/NAME")
    quantize_static(
        source,
        destination,
        _Samples(samples),
        quant_format=QuantFormat.QDQ,
        activation_type=QuantType.QUInt8,
        weight_type=QuantType.QInt8,
        per_channel=True,
    )
    return {"quantisation": how, "calibrated_on": len(samples)}
