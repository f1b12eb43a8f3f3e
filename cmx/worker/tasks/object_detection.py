"""Object detection: a picture in, boxes around things out; mean average precision as COCO counts it."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Optional, cast

import numpy as np

from cmx.worker.accuracy import Score
from cmx.worker.context import Context
from cmx.worker.datasets import class_names, open_picture
from cmx.worker.datasets.coco import Coco
from cmx.worker.drawing import draw_boxes
from cmx.worker.operators import pipeline
from cmx.worker.operators.boxes import Boxes
from cmx.worker.outcome import ActionError
from cmx.worker.tasks.base import Feeds, Infer, Outputs, PictureTask, Shown, close_numbers

if TYPE_CHECKING:
    from PIL.Image import Image

_THRESHOLD = 0.35
_TOP = 100


class ObjectDetection(PictureTask):
    """An answer is a row for each box, best first: class, score, left, top, right, bottom in fractions, float32.

    ``mAP`` is the average precision over the overlaps 0.50, 0.55 … 0.95, ``AP50`` that at 0.50 alone.
    """

    metrics = ("mAP", "AP50")

    def __init__(self, context: Context, inputs: Sequence[str]) -> None:
        super().__init__(context, inputs)
        self._boxes = pipeline(self.model.get("postprocess", ()))

    @property
    def _photos(self) -> Coco:
        return cast(Coco, self.dataset)

    def sample(self, index: int) -> Feeds:
        return self.feeds(self._photos.image(index))

    def answers(self, feeds: Feeds, outputs: Outputs) -> Sequence[bytes]:
        return [_rows(boxes).astype("<f4").tobytes() for boxes in self._boxes(outputs)]

    def alike(self, first: bytes, second: bytes) -> bool:
        return close_numbers(first, second)

    def score(self, answers: Mapping[int, bytes], metric: str) -> Score:
        with contextlib.redirect_stdout(io.StringIO()):  # pycocotools prints
            precision = _evaluate(self._photos, {index: _read(answer) for index, answer in answers.items()})
        return Score(dict(zip(self.metrics, precision)), len(self))

    def show(self, path: Path, infer: Infer, *, top: Optional[int], threshold: Optional[float]) -> Shown:
        """Leaves a copy of the picture with the boxes drawn."""
        picture = open_picture(path)
        (boxes,) = self._boxes(infer(self.feeds(picture)))
        chosen = np.flatnonzero(boxes.scores >= (_THRESHOLD if threshold is None else threshold))
        boxes = boxes.take(chosen[: top or _TOP])
        things = self._named(boxes, picture)
        labels = [f"{each['name']} {each['score']:.2f}" for each in things]
        file = f"{path.stem}-objects.jpg"
        drawn = draw_boxes(picture, list(zip([each["box"] for each in things], labels, map(int, boxes.classes))))
        drawn.save(self.context.output / file, quality=92)
        said = ", ".join(labels[:5]) or "nothing found"
        return Shown(f"{path.name}: {said}", "objects", things, files=[file])

    def _named(self, boxes: Boxes, picture: Image) -> list[dict[str, Any]]:
        names = class_names(self.context.roles["labels"]) if "labels" in self.context.roles else ()
        pixels = boxes.corners * np.array([*picture.size, *picture.size])
        return [
            {
                "name": names[kind] if kind < len(names) else f"class {kind}",
                "score": float(score),
                "box": [round(float(value), 1) for value in corners],
            }
            for kind, score, corners in zip(boxes.classes, boxes.scores, pixels)
        ]


def _rows(boxes: Boxes) -> np.ndarray[Any, Any]:
    return np.concatenate([boxes.classes[:, None], boxes.scores[:, None], boxes.corners], axis=1)


def _read(answer: bytes) -> np.ndarray[Any, Any]:
    return np.frombuffer(answer, dtype="<f4").reshape(-1, 6).astype(np.float64)


def _evaluate(photos: Coco, found: Mapping[int, np.ndarray[Any, Any]]) -> tuple[float, float]:
    """mAP and AP50 by COCO's own library; raises ActionError for a class that the annotations do not have."""
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    truth = COCO()
    truth.dataset = dict(photos.document)
    truth.createIndex()
    rows = [row for index, boxes in found.items() for row in _results(photos, index, boxes)]
    if not rows:
        return 0.0, 0.0
    evaluation = COCOeval(truth, truth.loadRes(rows), "bbox")
    evaluation.evaluate()
    evaluation.accumulate()
    evaluation.summarize()
    return float(evaluation.stats[0]), float(evaluation.stats[1])


def _results(photos: Coco, index: int, boxes: np.ndarray[Any, Any]) -> list[dict[str, Any]]:
    photo, kinds = photos.photos[index], photos.categories
    if len(boxes) and boxes[:, 0].max() >= len(kinds):
        raise ActionError(f"the model found class {int(boxes[:, 0].max())}, the annotations have {len(kinds)} classes")
    size = np.array([photo["width"], photo["height"]], dtype=np.float64)
    corner, far = boxes[:, 2:4] * size, boxes[:, 4:6] * size
    return [
        {"image_id": photo["id"], "category_id": kinds[int(kind)]["id"], "bbox": [*low, *(high - low)], "score": score}
        for kind, score, low, high in zip(boxes[:, 0], boxes[:, 1], corner, far)
    ]
