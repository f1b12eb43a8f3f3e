"""What every task has; a task of its own overrides what is different."""

from __future__ import annotations

import os
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Optional

import numpy as np

from cmx.worker.accuracy import Score
from cmx.worker.context import Context
from cmx.worker.datasets import Dataset, open_dataset
from cmx.worker.operators import pipeline
from cmx.worker.outcome import ActionError

if TYPE_CHECKING:
    from PIL.Image import Image

    from cmx.worker.predictors import Predictor

Feeds = Mapping[str, "np.ndarray[Any, Any]"]
"""A model's inputs by name, samples along the first axis."""
Outputs = Mapping[str, "np.ndarray[Any, Any]"]
"""A model's outputs by name, in the order of the model."""
Infer = Callable[[Feeds], Outputs]
_MOST_CHARACTERS = 1_000_000


@dataclass(frozen=True)
class Shown:
    """What a model makes of one input.

    ``summary`` is one line, ``answers`` are rows of a table with the same keys, called ``kind`` ("classes"), and
    ``files`` are names in the output folder, as of a picture with boxes.
    """

    summary: str
    kind: str
    answers: Sequence[Mapping[str, Any]]
    files: Sequence[str] = ()


class Task(ABC):
    """One task with one model: from samples to feeds, from outputs to answers, from answers to a score.

    ``metrics`` are the names that ``score`` gives, the main one first; ``words`` is whether an input may be the words
    themselves instead of a file. What is needed only to show an input or to score answers is imported where it is used.
    """

    metrics: tuple[str, ...] = ()
    words: bool = False

    def __init__(self, context: Context, inputs: Sequence[str]) -> None:
        self.context = context
        self.model = context.role("model")
        self.inputs = tuple(inputs)
        self._own = threading.local()

    @cached_property
    def dataset(self) -> Dataset:
        """The samples; raises ValueError when their files are not what their component says."""
        return open_dataset(self.context.role("dataset"))

    def __len__(self) -> int:
        return len(self.dataset)

    @abstractmethod
    def sample(self, index: int) -> Feeds:
        """One sample as the model wants it: contiguous arrays whose first axis is 1 long.

        Called from threads, in a validation also while others are answered.
        """

    def collate(self, samples: Sequence[Feeds]) -> Feeds:
        """Several samples as one batch; here they have one shape, and go into memory that is used again.

        A task whose samples vary in length pads them.
        """
        return {name: self._stacked(name, [sample[name] for sample in samples]) for name in samples[0]}

    def _stacked(self, name: str, arrays: Sequence[np.ndarray[Any, Any]]) -> np.ndarray[Any, Any]:
        first, count = arrays[0], len(arrays)
        # Of each thread its own: several predictors may be at work.
        buffers: dict[str, np.ndarray[Any, Any]] = self._own.__dict__
        buffer = buffers.get(name)
        if buffer is None or len(buffer) < count or buffer.shape[1:] != first.shape[1:] or buffer.dtype != first.dtype:
            buffer = buffers[name] = np.empty((count, *first.shape[1:]), dtype=first.dtype)
        return np.concatenate(arrays, out=buffer[:count])

    def infer(self, predict: Infer, feeds: Feeds) -> Outputs:
        """The outputs for a batch: one prediction, or as many as a model with a state takes for a sample."""
        return predict(feeds)

    @abstractmethod
    def answers(self, feeds: Feeds, outputs: Outputs) -> Sequence[bytes]:
        """One answer for each sample of a batch, as bytes: they go through the load generator's accuracy log."""

    def alike(self, first: bytes, second: bytes) -> bool:
        """Whether two answers to one sample are the same, but for what an order of additions makes of them."""
        return first == second

    def check_metric(self, metric: str) -> None:
        """Raise ValueError for a metric that ``score`` will not give."""
        if metric not in self.metrics:
            raise ValueError(f"unknown metric {metric!r}; there is: {', '.join(self.metrics)}")

    @abstractmethod
    def score(self, answers: Mapping[int, bytes], metric: str) -> Score:
        """How good the answers are, by the samples' indices: ``metric``, and what else there is to say."""

    @abstractmethod
    def show(self, path: Path, infer: Infer, *, top: Optional[int], threshold: Optional[float]) -> Shown:
        """What the model makes of the input in a file: at most ``top`` answers, those of a score above ``threshold``.

        None leaves either to the task. Raises ActionError for a file that is no such input.
        """


def close_numbers(first: bytes, second: bytes) -> bool:
    """Whether two answers of float32 are as many numbers, and the same to a thousandth."""
    a, b = (np.frombuffer(answer, dtype="<f4") for answer in (first, second))
    return len(a) == len(b) and bool(np.allclose(a, b, rtol=1e-3, atol=1e-3))


class GeneratingTask(Task):
    """A task whose outputs come token by token: when the first is there, and how many there are, is told too."""

    @abstractmethod
    def stream(self, predictor: Predictor, feeds: Feeds, first: Callable[[], None]) -> Outputs:
        """As ``infer``; ``first`` is called once, when the first token is there."""

    @abstractmethod
    def tokens(self, outputs: Outputs) -> Sequence[int]:
        """How many tokens were generated for each sample of a batch."""


class PictureTask(Task):
    """A task with one input, a picture, made ready by the model's ``preprocess``."""

    def __init__(self, context: Context, inputs: Sequence[str]) -> None:
        super().__init__(context, inputs)
        if len(self.inputs) != 1:
            raise ActionError(f"the model has {len(self.inputs)} inputs; a picture fills one")
        self._prepare = pipeline(self.model.get("preprocess", ()))

    def feeds(self, picture: Image) -> Feeds:
        """The picture as the model's input, float32."""
        array = np.asarray(self._prepare(picture), dtype=np.float32)
        return {self.inputs[0]: np.ascontiguousarray(array[np.newaxis])}


def text_of(path: Path) -> str:
    """What is in a file, or the words themselves where there is no such file."""
    if not os.path.isfile(path):  # noqa: PTH113 - Path.is_file raises for words that are too long for a name
        return str(path)
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ActionError(f"cannot read the text: {error}", "give a text, or the path of a file") from error
    except UnicodeDecodeError:
        raise ActionError(f"{path}: not text in UTF-8", "give a text, or the path of a file with one") from None
    if len(text) > _MOST_CHARACTERS:
        raise ActionError(f"{path}: {len(text):,} characters", f"give at most {_MOST_CHARACTERS:,}")
    return text
