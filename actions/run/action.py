"""Classify one picture and name the best classes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from cmx.worker import ActionError, Context, Outcome
from cmx.worker.datasets import class_names, open_picture
from cmx.worker.inference import describe_predictor, model_predictor
from cmx.worker.operators import pipeline


def run(
    context: Context,
    *,
    input: str,
    top: int = 5,
    threads: int = 1,
) -> Outcome:
    """The ``top`` best classes of a picture, best first, with their probabilities.

    Raises ActionError for a file that is no picture, and for more classes than the model has.
    """
    picture = Path(input).expanduser()
    image = open_picture(picture)
    predictor = model_predictor(context, threads=threads)
    model = context.role("model").component
    sample = np.asarray(pipeline(model.get("preprocess", ()))(image), dtype=np.float32)[np.newaxis]
    outputs = predictor.predict({predictor.inputs[0].name: np.ascontiguousarray(sample)})
    logits = outputs[predictor.outputs[0].name]
    if top > logits.shape[-1]:
        raise ActionError(f"top is {top}, the model knows {logits.shape[-1]} classes", f"--set top={logits.shape[-1]}")
    indices, probabilities = pipeline(_keeping(model.get("postprocess", ()), top))(logits[0])
    classes = _named(context, indices, probabilities)
    metrics = {"input": picture.name, "classes": classes, "predictor": describe_predictor(context, predictor)}
    return Outcome(f"{picture.name}: {classes[0]['name']} {classes[0]['probability']:.3f}", metrics)


def _keeping(postprocess: Sequence[Mapping[str, Any]], top: int) -> list[Mapping[str, Any]]:
    """The model's own steps, keeping ``top`` classes instead of the number it says."""
    return [{"top_k": top} if "top_k" in step else step for step in postprocess]


def _named(context: Context, indices: Sequence[int], probabilities: Sequence[float]) -> list[dict[str, Any]]:
    names = class_names(context.roles["labels"]) if "labels" in context.roles else ()
    return [
        {
            "index": int(index),
            "name": names[index] if index < len(names) else f"class {index}",
            "probability": float(probability),
        }
        for index, probability in zip(indices, probabilities)
    ]
