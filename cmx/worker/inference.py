"""Joins a model, a dataset and a framework into what a load generator drives."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from time import perf_counter_ns
from typing import TYPE_CHECKING, Any, Optional

import numpy as np

from cmx.worker.context import Context
from cmx.worker.datasets import Dataset
from cmx.worker.operators import pipeline
from cmx.worker.outcome import ActionError
from cmx.worker.predictors import Predictor, open_predictor
from cmx.worker.process import processors

if TYPE_CHECKING:
    from cmx.worker.loadgen import Complete

COMPILE = "compile"
FACTS = "facts"
_AT_ONCE = 8


def model_predictor(context: Context, *, threads: int) -> Predictor:
    """The model of the job in its framework, with the framework's settings: as the step ``compile`` left it, if it did.

    What that step made is optimised already; doing it again would cost loading time and change nothing.
    """
    model, compiled = context.role("model"), context.product(COMPILE, "model")
    framework = context.role("framework")
    file = compiled or model.file
    return open_predictor(framework, file, model.component, threads=threads, compiled=compiled is not None)


def describe_predictor(context: Context, predictor: Predictor) -> dict[str, Any]:
    """What determines the predictor's speed; under ``compiled`` what the step ``compile`` did, None without one."""
    facts = context.product(COMPILE, FACTS)
    compiled = json.loads(facts.read_text(encoding="utf-8")) if facts else None
    return {**predictor.describe(), "compiled": compiled}


class PictureLibrary:
    """The samples of a dataset, preprocessed: float32 arrays with a batch dimension of 1, contiguous.

    A sample is preprocessed once and kept: loading is not timed, and what LoadGen unloads it may load again.
    """

    def __init__(
        self, dataset: Dataset, preprocess: Sequence[Mapping[str, Any]], performance_count: Optional[int] = None
    ) -> None:
        self.total = len(dataset)
        self.performance_count = min(performance_count or self.total, self.total)
        self.samples: dict[int, np.ndarray[Any, Any]] = {}
        self._dataset = dataset
        self._prepare = pipeline(preprocess)

    def load(self, indices: Sequence[int]) -> None:
        missing = [index for index in indices if index not in self.samples]
        # Several at once: unpacking and scaling pictures are most of the work, and let go of Python's lock.
        with ThreadPoolExecutor(max(1, min(_AT_ONCE, processors(), len(missing)))) as threads:
            self.samples.update(zip(missing, threads.map(self._sample, missing)))

    def _sample(self, index: int) -> np.ndarray[Any, Any]:
        array = np.asarray(self._prepare(self._dataset.image(index)), dtype=np.float32)
        return np.ascontiguousarray(array[np.newaxis])

    def unload(self, indices: Sequence[int]) -> None:
        for index in indices:
            self.samples.pop(index, None)


class PredictorSut:
    """Answers queries with a predictor, ``batch_size`` samples at a time, on the thread that asks.

    ``answer`` turns a batch of outputs into one bytes object a sample; without it nothing is answered, and what
    is timed is the prediction alone.
    """

    def __init__(
        self,
        predictor: Predictor,
        library: PictureLibrary,
        batch_size: int = 1,
        answer: Optional[Callable[[np.ndarray[Any, Any]], Sequence[bytes]]] = None,
    ) -> None:
        if len(predictor.inputs) != 1:
            raise ActionError(f"the model has {len(predictor.inputs)} inputs; a picture fills one")
        self._fixed = _check_batch(predictor, batch_size)
        self._predict = predictor.predict
        self._input = predictor.inputs[0].name
        self._output = predictor.outputs[0].name
        self._samples = library.samples
        self._batch_size = batch_size
        self._answer = answer
        self._buffer: Optional[np.ndarray[Any, Any]] = None

    def issue(self, ids: Sequence[int], indices: Sequence[int], complete: Complete) -> None:
        step = self._batch_size
        for start in range(0, len(ids), step):
            outputs = self._predict({self._input: self._batch(indices[start : start + step])})
            answers = self._answer(outputs[self._output]) if self._answer else None
            complete(ids[start : start + step], answers)

    def flush(self) -> None:
        """Nothing is ever held back."""

    def _batch(self, indices: Sequence[int]) -> np.ndarray[Any, Any]:
        """A lone sample as it lies in memory; several are copied into one buffer that is used again.

        Where the model's batch is fixed, what is left in the buffer fills up the last, smaller batch.
        """
        if self._batch_size == 1:
            return self._samples[indices[0]]
        if self._buffer is None:
            first = self._samples[indices[0]]
            self._buffer = np.zeros((self._batch_size, *first.shape[1:]), dtype=first.dtype)
        for row, index in enumerate(indices):
            self._buffer[row] = self._samples[index][0]
        return self._buffer if self._fixed else self._buffer[: len(indices)]

    def warm_up(self, index: int, queries: int) -> list[int]:
        """Predict the same full batch ``queries`` times; the ns each took, none of them counted."""
        times = []
        for _ in range(queries):
            begin = perf_counter_ns()
            self._predict({self._input: self._batch([index] * self._batch_size)})
            times.append(perf_counter_ns() - begin)
        return times


def _check_batch(predictor: Predictor, batch_size: int) -> bool:
    """Whether the model's batch is fixed; raises ActionError when it is, at another size."""
    shape = predictor.inputs[0].shape
    size = shape[0] if shape else None
    fixed = isinstance(size, int) and size > 0
    if fixed and size != batch_size:
        raise ActionError(
            f"the model takes batches of {size} only, batch-size is {batch_size}", f"--set batch-size={size}"
        )
    return fixed
