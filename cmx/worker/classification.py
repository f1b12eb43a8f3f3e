"""A classifier's answers, as they travel through a load generator's accuracy log."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from cmx.worker.accuracy import Counts, count_top, metric_depth
from cmx.worker.context import Context
from cmx.worker.datasets import Dataset, open_dataset
from cmx.worker.inference import PictureLibrary, PredictorSut
from cmx.worker.loadgen import Report, Settings, open_engine, seeds
from cmx.worker.operators import pipeline
from cmx.worker.predictors import Predictor

_USUAL = ("top_1", "top_5")


def measure_accuracy(
    context: Context, predictor: Predictor, *, batch_size: int, scenario: str = "offline", metric: str = "top_1"
) -> tuple[Report, Counts]:
    """Classify the whole dataset in LoadGen's accuracy mode and count what is right.

    Counts ``metric``, and top_1 and top_5 where the model's postprocess keeps enough classes.
    """
    metric_depth(metric)
    component = context.role("model").component
    dataset = open_dataset(context.role("dataset"))
    library = PictureLibrary(dataset, component.get("preprocess", ()))
    sut = PredictorSut(predictor, library, batch_size, ranked_classes(component.get("postprocess", ())))
    settings = Settings(scenario=scenario, mode="accuracy", **seeds(context.seed))
    report = open_engine()(sut, library, settings, context.output, context.progress)
    return report, _count(report, dataset, metric)


def ranked_classes(postprocess: Sequence[Mapping[str, Any]]) -> Callable[[np.ndarray[Any, Any]], Sequence[bytes]]:
    """Turns a batch of logits into the numbers of the best classes of each, best first, as int32 in bytes."""
    best = pipeline(postprocess)

    def answer(logits: np.ndarray[Any, Any]) -> list[bytes]:
        indices, _ = best(logits)
        return [row.astype("<i4").tobytes() for row in indices]

    return answer


def read_classes(answer: bytes) -> list[int]:
    """What ``ranked_classes`` wrote."""
    return [int(number) for number in np.frombuffer(answer, dtype="<i4")]


def _count(report: Report, dataset: Dataset, metric: str) -> Counts:
    ranked = {index: read_classes(answer) for index, answer in report.answers.items()}
    kept = min((len(classes) for classes in ranked.values()), default=0)
    metrics = [metric, *(name for name in _USUAL if name != metric and metric_depth(name) <= kept)]
    return count_top(ranked, [dataset.label(index) for index in range(len(dataset))], metrics)
