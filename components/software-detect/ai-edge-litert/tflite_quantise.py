"""Quantisation of TFLite models to 8 bits, by the AI Edge Quantizer."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Mapping, Sequence

import numpy as np
from ai_edge_litert.interpreter import Interpreter
from ai_edge_quantizer import quantizer, recipe

from cmx.worker.predictors import PredictorError

_RECIPES = {"dynamic": recipe.dynamic_wi8_afp32, "static": recipe.static_wi8_ai8}


def quantise(source: Path, destination: Path, how: str, samples: Sequence[Mapping[str, np.ndarray]]) -> dict[str, Any]:
    """Write a model with weights of 8 bits; what was done is returned as JSON values.

    "dynamic" quantises what lies between as it comes; "static" all of it, its inputs and outputs too, by the ranges
    seen on ``samples``. Raises PredictorError for static without samples, or of a model without one signature.
    """
    tool = quantizer.Quantizer(str(source), _RECIPES[how]())
    if how == "dynamic":
        tool.quantize().export_model(str(destination))
        return {"quantisation": how}
    if not samples:
        raise PredictorError("quantisation static needs samples to calibrate on", "--use calibration=dataset/NAME")
    tool.quantize(tool.calibrate({_signature(source): list(samples)})).export_model(str(destination))
    return {"quantisation": how, "calibrated_on": len(samples)}


def _signature(model: Path) -> str:
    names = list(Interpreter(str(model)).get_signature_list())
    if len(names) != 1:
        raise PredictorError(f"{model}: has {len(names)} signatures; to calibrate, its inputs must have names of one")
    return str(names[0])
