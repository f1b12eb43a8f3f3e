"""Whether the program classifies as the labels say, and as Python does with the same samples."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np

from cmx.worker import ActionError, Context
from cmx.worker.accuracy import count_top, reference_bar
from cmx.worker.datasets import ImageFolder
from cmx.worker.native import Check, Report
from cmx.worker.operators import pipeline
from cmx.worker.predictors import open_predictor

TOLERANCE = 1e-5
"""How far a class's probability may be from Python's."""


def check(context: Context, report: Report, answers: Path) -> list[Check]:
    """top_1 and top_5 against the model's reference, and probabilities against the Python predictor's.

    The last is left out where this environment has no such framework: that of another target cannot be imported.
    """
    dataset, model = ImageFolder.open(context.role("dataset")), context.role("model")
    logits = np.fromfile(answers, dtype="<f4")
    if logits.size != len(dataset) * report.facts["classes"]:
        raise ActionError(f"the program wrote {logits.size} numbers for {len(dataset)} samples")
    logits = logits.reshape(len(dataset), -1)
    best = pipeline(model.get("postprocess", ()))
    ranked = {index: list(map(int, row)) for index, row in enumerate(best(logits)[0])}
    counts = count_top(ranked, [dataset.label(index) for index in range(len(dataset))], ("top_1", "top_5"))
    checks = [Check(name, right, counts.total, _bar(context, name)) for name, right in counts.correct.items()]
    return [*checks, *_as_python(context, logits)]


def _bar(context: Context, metric: str) -> float:
    """What the model's component says of this dataset."""
    model, dataset = context.role("model"), context.role("dataset")
    bar = reference_bar(model.component.get("reference") or {}, metric, dataset.name)
    if bar is None:
        raise ActionError(
            f"{model.reference} has no reference for {metric} on {dataset.reference}, so nothing says what is enough",
            "add it under reference: in the model's component.yaml",
        )
    return bar.at_least


def _as_python(context: Context, logits: np.ndarray[Any, Any]) -> list[Check]:
    framework = context.role("framework")
    if importlib.util.find_spec(framework.name.replace("-", "_")) is None:
        return []
    samples = context.product("samples", "samples")
    if samples is None:
        raise ActionError("the step 'samples' left no samples")
    model = context.role("model")
    predictor = open_predictor(framework, model.file, model.component)
    name, output = predictor.inputs[0].name, predictor.outputs[0].name
    theirs = [predictor.predict({name: sample[np.newaxis]})[output][0] for sample in np.load(samples)]
    errors = np.abs(_probabilities(logits) - _probabilities(np.stack(theirs))).max(axis=1)
    detail = f"largest difference of a probability {errors.max():.3g}, allowed {TOLERANCE:g}"
    return [Check("as_python", int((errors <= TOLERANCE).sum()), len(errors), detail=detail)]


def _probabilities(logits: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    powers = np.exp(logits.astype(np.float64) - logits.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))
