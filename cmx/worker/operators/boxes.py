"""Operators on what detectors give. Boxes are left, top, right and bottom in fractions of the picture."""

from __future__ import annotations

from typing import Any, List, Mapping, NamedTuple, Sequence

import numpy as np

from cmx.worker.operators.registry import OperatorError, operator


class Boxes(NamedTuple):
    """The boxes of one picture: ``corners`` (n, 4), ``scores`` (n) and ``classes`` (n), the numbers of classes."""

    corners: np.ndarray
    scores: np.ndarray
    classes: np.ndarray

    def take(self, chosen: np.ndarray) -> Boxes:
        """Those of these places, in their order."""
        return Boxes(self.corners[chosen], self.scores[chosen], self.classes[chosen])


@operator(
    strides={"type": "array", "items": {"type": "integer", "minimum": 1}, "minItems": 1},
    size={"type": "integer", "minimum": 1},
    least={"type": "number", "minimum": 0, "maximum": 1},
)
def boxes_of_grids(
    outputs: Mapping[str, np.ndarray], *, strides: Sequence[int], size: int, least: float = 0.05
) -> List[Boxes]:
    """The boxes of each picture of a batch that score at least ``least``, from grids of cells ``stride`` pixels apart.

    For each stride there are outputs ``scores_STRIDE`` (batch, cells, classes), between 0 and 1, and
    ``distances_STRIDE`` (batch, cells, 4 × bins): from a cell's centre to the left, top, right and bottom, each a
    distribution over 0, 1, 2 … strides, before its softmax (Li et al., "Generalized Focal Loss", 2020). ``size`` is the
    side of the model's square input in pixels.
    """
    scores = np.concatenate([_of(outputs, f"scores_{stride}") for stride in strides], axis=1)
    corners = np.concatenate([_corners(_of(outputs, f"distances_{each}"), each, size) for each in strides], axis=1)
    return [_at_least(each, score, least) for each, score in zip(corners, scores)]


def _of(outputs: Mapping[str, np.ndarray], name: str) -> np.ndarray:
    if name not in outputs:
        raise OperatorError(f"boxes_of_grids: the model has no output {name!r}; it has {', '.join(outputs)}")
    return outputs[name]


def _corners(distances: np.ndarray, stride: int, size: int) -> np.ndarray:
    """(batch, cells, 4): the corners of each cell's box."""
    batch, cells, _ = distances.shape
    side = -(-size // stride)
    if cells != side * side:
        raise OperatorError(f"boxes_of_grids: {cells} cells at stride {stride}, a side of {size} has {side * side}")
    powers = distances.reshape(batch, cells, 4, -1)
    powers = np.exp(powers - powers.max(axis=-1, keepdims=True))
    bins = np.arange(powers.shape[-1], dtype=np.float32)
    left, top, right, bottom = np.moveaxis((powers @ bins) / powers.sum(axis=-1) * stride, -1, 0)
    y, x = (np.mgrid[:side, :side].reshape(2, -1) + 0.5) * stride
    return np.clip(np.stack([x - left, y - top, x + right, y + bottom], axis=-1) / size, 0, 1).astype(np.float32)


def _at_least(corners: np.ndarray, scores: np.ndarray, least: float) -> Boxes:
    cells, classes = np.nonzero(scores >= least)
    return Boxes(corners[cells], scores[cells, classes], classes)


@operator(size={"type": "integer", "minimum": 1}, least={"type": "number"})
def boxes_of_list(outputs: Any, *, size: int, least: float = 0.0) -> List[Boxes]:
    """The boxes of each picture of a batch, of one output (batch, n, 6): left, top, right, bottom, score and class.

    Corners are in pixels of the model's square input, whose side is ``size``.
    """
    rows = next(iter(outputs.values())) if isinstance(outputs, Mapping) else outputs
    if rows.ndim != 3 or rows.shape[-1] != 6:
        raise OperatorError(f"boxes_of_list: the output is of shape {rows.shape}; expected (batch, n, 6)")
    found = [Boxes(np.clip(each[:, :4] / size, 0, 1), each[:, 4], np.rint(each[:, 5]).astype(int)) for each in rows]
    return [boxes.take(np.flatnonzero(boxes.scores >= least)) for boxes in found]


@operator(
    overlap={"type": "number", "minimum": 0, "maximum": 1},
    most={"type": "integer", "minimum": 1},
    candidates={"type": "integer", "minimum": 1},
)
def suppress(
    pictures: Sequence[Boxes], *, overlap: float = 0.6, most: int = 100, candidates: int = 1000
) -> List[Boxes]:
    """The ``most`` best boxes of each picture, best first, without those that a better one of their class covers.

    Two boxes are of the same thing where their intersection is more than ``overlap`` of their union. Only the best
    ``candidates`` are looked at.
    """
    return [boxes.take(_kept(boxes, overlap, candidates)[:most]) for boxes in pictures]


def _kept(boxes: Boxes, overlap: float, candidates: int) -> np.ndarray:
    left = np.argsort(-boxes.scores, kind="stable")[:candidates]
    kept: List[int] = []
    while len(left):
        best, left = left[0], left[1:]
        kept.append(int(best))
        same = boxes.classes[left] == boxes.classes[best]
        left = left[~(same & (_overlaps(boxes.corners[best], boxes.corners[left]) > overlap))]
    return np.array(kept, dtype=np.int64)


def _overlaps(box: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Intersection over union of one box with each of several; 0 where both are empty."""
    sides = np.minimum(box[2:], others[:, 2:]) - np.maximum(box[:2], others[:, :2])
    shared = np.prod(np.maximum(sides, 0), axis=1)
    union = np.prod(box[2:] - box[:2]) + np.prod(others[:, 2:] - others[:, :2], axis=1) - shared
    return np.asarray(np.divide(shared, union, out=np.zeros_like(shared), where=union > 0))
