"""Image classification: a picture in, a number for each class out; top-k accuracy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Optional, cast

import numpy as np

from cmx.worker.accuracy import Score, count_top, metric_depth
from cmx.worker.context import Context
from cmx.worker.datasets import ImageFolder, class_names, open_picture
from cmx.worker.operators import pipeline
from cmx.worker.outcome import ActionError
from cmx.worker.tasks.base import Feeds, Infer, Outputs, PictureTask, Shown

_TOP = 5


class ImageClassification(PictureTask):
    """An answer is the numbers of the best classes, best first, int32 little-endian."""

    metrics = ("top_1", "top_5")

    def __init__(self, context: Context, inputs: Sequence[str]) -> None:
        super().__init__(context, inputs)
        self._postprocess = self.model.get("postprocess", ())
        self._best = pipeline(self._postprocess)

    @cached_property
    def _pictures(self) -> ImageFolder:
        return cast(ImageFolder, self.dataset)

    def sample(self, index: int) -> Feeds:
        return self.feeds(self._pictures.image(index))

    def answers(self, feeds: Feeds, outputs: Outputs) -> Sequence[bytes]:
        indices, _ = self._best(_logits(outputs))
        return [row.astype("<i4").tobytes() for row in indices]

    def check_metric(self, metric: str) -> None:
        metric_depth(metric)

    def score(self, answers: Mapping[int, bytes], metric: str) -> Score:
        """``metric``, and top_1 and top_5 where the model's postprocess keeps enough classes."""
        ranked = {index: read_classes(answer) for index, answer in answers.items()}
        kept = min((len(classes) for classes in ranked.values()), default=0)
        usual = [name for name in self.metrics if name != metric and metric_depth(name) <= kept]
        labels = [self._pictures.label(index) for index in range(len(self))]
        return count_top(ranked, labels, [metric, *usual])

    def show(self, path: Path, infer: Infer, *, top: Optional[int], threshold: Optional[float]) -> Shown:
        logits = _logits(infer(self.feeds(open_picture(path))))[0]
        if top is not None and top > len(logits):
            raise ActionError(f"top is {top}, the model knows {len(logits)} classes", f"--set top={len(logits)}")
        count = min(_TOP, len(logits)) if top is None else top
        indices, probabilities = pipeline(_keeping(self._postprocess, count))(logits)
        classes = self._named(indices, probabilities)
        best = f"{path.name}: {classes[0]['name']} {classes[0]['probability']:.3f}"
        return Shown(best, "classes", [each for each in classes if each["probability"] >= (threshold or 0)])

    def _named(self, indices: Sequence[int], probabilities: Sequence[float]) -> list[dict[str, Any]]:
        names = class_names(self.context.roles["labels"]) if "labels" in self.context.roles else ()
        return [
            {
                "index": int(index),
                "name": names[index] if index < len(names) else f"class {index}",
                "probability": float(probability),
            }
            for index, probability in zip(indices, probabilities)
        ]


def read_classes(answer: bytes) -> list[int]:
    """The classes of an answer."""
    return [int(number) for number in np.frombuffer(answer, dtype="<i4")]


def _logits(outputs: Outputs) -> np.ndarray[Any, Any]:
    return next(iter(outputs.values()))


def _keeping(postprocess: Sequence[Mapping[str, Any]], top: int) -> list[Mapping[str, Any]]:
    """The model's own steps, keeping ``top`` classes instead of the number it says."""
    return [{"top_k": top} if "top_k" in step else step for step in postprocess]
