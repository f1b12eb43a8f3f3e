"""Joins a model, a task and a framework into what a load generator drives."""

from __future__ import annotations

import json
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from time import perf_counter_ns
from typing import TYPE_CHECKING, Any, Dict, Optional

from cmx.worker.context import Context
from cmx.worker.declared import check_declared
from cmx.worker.loadgen import Report, Settings, open_engine, seeds
from cmx.worker.outcome import ActionError
from cmx.worker.predictors import Predictor, open_predictor
from cmx.worker.process import processors
from cmx.worker.serving import ServingSut
from cmx.worker.tasks import Feeds, GeneratingTask, Outputs, Score, Task, open_task

if TYPE_CHECKING:
    from cmx.worker.loadgen import Complete, SystemUnderTest

COMPILE = "compile"
FACTS = "facts"
_AT_ONCE = 8
MOST_BYTES = 1 << 30
"""How much memory samples may take together, where nobody says how many to keep."""


def model_predictor(context: Context, *, threads: int) -> Predictor:
    """The model of the job in its framework, with the framework's settings: as the step ``compile`` left it, if it did.

    What that step made is optimised already; doing it again would cost loading time and change nothing.
    """
    model, compiled = context.role("model"), context.product(COMPILE, "model")
    framework = context.role("framework")
    file = compiled or model.place
    predictor = open_predictor(framework, file, model.properties, threads=threads, compiled=compiled is not None)
    check_declared(model, predictor)
    return predictor


def model_task(context: Context, predictor: Predictor) -> Task:
    """The task of the job's model, for the inputs that the loaded model has."""
    return open_task(context, [each.name for each in predictor.inputs])


def describe_predictor(context: Context, predictor: Predictor) -> dict[str, Any]:
    """What determines the predictor's speed; under ``compiled`` what the step ``compile`` did, None without one."""
    facts = context.product(COMPILE, FACTS)
    compiled = json.loads(facts.read_text(encoding="utf-8")) if facts else None
    return {**predictor.describe(), "compiled": compiled}


class Samples:
    """The samples of a task, ready for the model.

    Each is prepared once and kept: loading is not timed, and what LoadGen unloads it may load again. Where answering is
    not ``timed`` either, samples are prepared while those before them are answered. Without a ``performance_count`` as
    many are kept at once as are about a GiB, by the size of the first. Raises ActionError for more than there are.
    """

    def __init__(self, task: Task, performance_count: Optional[int] = None, *, timed: bool = True) -> None:
        self.total = len(task)
        self.feeds = _Prepared()
        self._task = task
        self._timed = timed
        if performance_count and performance_count > self.total:
            raise ActionError(
                f"performance-sample-count is {performance_count}, and the dataset has {self.total} samples",
                "leave it out, or take a dataset that has them: --use dataset=NAME",
            )
        self.performance_count = min(performance_count or self._fitting(), self.total)

    def load(self, indices: Sequence[int]) -> None:
        missing = [index for index in indices if index not in self.feeds]
        # Several at once: unpacking and scaling pictures are most of the work, and let go of Python's lock.
        threads = ThreadPoolExecutor(max(1, min(_AT_ONCE, processors(), len(missing))))
        self.feeds.coming.update((index, threads.submit(self._task.sample, index)) for index in missing)
        try:
            for index in missing if self._timed else ():
                self.feeds[index]
        finally:
            threads.shutdown(wait=self._timed, cancel_futures=self._timed)

    def unload(self, indices: Sequence[int]) -> None:
        for index in indices:
            self.feeds.pop(index, None)
            if index in self.feeds.coming:
                self.feeds.coming.pop(index).cancel()

    def _fitting(self) -> int:
        self.load([0])
        return max(1, MOST_BYTES // sum(array.nbytes for array in self.feeds[0].values()))


class _Prepared(Dict[int, Feeds]):
    """Samples by their number; one that is ``coming`` is waited for."""

    def __init__(self) -> None:
        self.coming: Dict[int, Future[Feeds]] = {}

    def __missing__(self, index: int) -> Feeds:
        self[index] = feeds = self.coming[index].result()
        return feeds


class Sut:
    """Answers queries with a predictor, ``batch_size`` samples at a time, on the thread that asks.

    With ``answering`` the task makes an answer of each sample's outputs; without it nothing is answered, and what is
    timed is the prediction alone. With ``tokens``, for a task that generates, the load generator is told when the first
    token is there, and how many there are.
    """

    def __init__(
        self,
        predictor: Predictor,
        task: Task,
        samples: Samples,
        batch_size: int = 1,
        *,
        answering: bool = False,
        tokens: bool = False,
    ) -> None:
        self._fixed = _check_batch(predictor, batch_size)
        self._predictor = predictor
        self._predict = predictor.predict
        self._generating = task if tokens and isinstance(task, GeneratingTask) else None
        self._task = task
        self._feeds = samples.feeds
        self._batch_size = batch_size
        self._answering = answering

    def issue(self, ids: Sequence[int], indices: Sequence[int], complete: Complete) -> None:
        step = self._batch_size
        for start in range(0, len(ids), step):
            chunk = ids[start : start + step]
            feeds = self.batch([self._feeds[index] for index in indices[start : start + step]])
            if self._generating is not None:
                outputs = _streamed(self._generating, self._predictor, feeds, chunk, complete)
                complete(
                    chunk, self._answers(feeds, outputs, len(chunk)), self._generating.tokens(outputs)[: len(chunk)]
                )
            else:
                outputs = self.infer(feeds)
                complete(chunk, self._answers(feeds, outputs, len(chunk)))

    def _answers(self, feeds: Feeds, outputs: Outputs, count: int) -> Optional[Sequence[bytes]]:
        return self._task.answers(feeds, outputs)[:count] if self._answering else None

    def flush(self) -> None:
        """Nothing is ever held back."""

    def batch(self, samples: Sequence[Feeds]) -> Feeds:
        """A lone sample as it lies in memory; several as the task collates them.

        Where the model's batch is fixed, the last sample fills up a smaller batch.
        """
        if self._batch_size == 1:
            return samples[0]
        if self._fixed and len(samples) < self._batch_size:
            samples = [*samples, *[samples[-1]] * (self._batch_size - len(samples))]
        return self._task.collate(samples)

    def infer(self, feeds: Feeds) -> Outputs:
        """The outputs for a batch."""
        return self._task.infer(self._predict, feeds)

    def warm_up(self, index: int, queries: int) -> list[int]:
        """Predict the same full batch ``queries`` times; the ns each took, none of them counted."""
        times = []
        for _ in range(queries):
            begin = perf_counter_ns()
            self.infer(self.batch([self._feeds[index]] * self._batch_size))
            times.append(perf_counter_ns() - begin)
        return times


def _streamed(
    task: GeneratingTask, predictor: Predictor, feeds: Feeds, ids: Sequence[int], complete: Complete
) -> Outputs:
    """The outputs, and on the way there the word that the first token is."""
    return task.stream(predictor, feeds, lambda: complete.first_token(ids))


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


class System:
    """What a load generator drives: ``sut`` over ``samples``, with as many predictors as there are workers.

    In single-stream, and with one worker where queries do not overlap, the thread that asks predicts. In server, and
    with several workers, threads of their own do (``cmx.worker.serving``). A predictor that says it is ``concurrent``
    is asked by all of them. ``tokens`` is whether the load generator is told of tokens: of each task that generates,
    if not given.
    """

    def __init__(
        self,
        context: Context,
        *,
        scenario: str,
        threads: int,
        batch_size: int = 1,
        batch_timeout: float = 0.0,
        workers: int = 1,
        performance_sample_count: Optional[int] = None,
        answering: bool = False,
        tokens: Optional[bool] = None,
    ) -> None:
        self._progress, self._batch_size = context.progress, batch_size
        self.predictors = _side_by_side(context, threads, workers)
        self.task = model_task(context, self.predictors[0])
        self.tokens = _of_tokens(context, self.task, tokens)
        self.samples = Samples(self.task, performance_sample_count)
        self.workers = [
            Sut(each, self.task, self.samples, batch_size, answering=answering, tokens=self.tokens)
            for each in self.predictors
        ]
        self.batches: Optional[list[int]] = None
        self.sut: SystemUnderTest = self.workers[0]
        if scenario == "server" or workers > 1:
            serving = ServingSut(self.workers, batch_size=batch_size, batch_timeout=batch_timeout)
            self.sut, self.batches = serving, serving.batches

    def warm_up(self, queries: int) -> list[int]:
        """Each worker predicts a full batch ``queries`` times; the ns that the first took, none of them counted."""
        self.samples.load([0])
        times = [each.warm_up(0, queries) for each in self.workers]
        self._progress.sample_s = min(times[0], default=0) / 1e9 / self._batch_size / len(self.workers)
        return times[0]


def _side_by_side(context: Context, threads: int, workers: int) -> list[Predictor]:
    first = model_predictor(context, threads=threads)
    if getattr(first, "concurrent", False):
        return [first] * workers
    return [first, *(model_predictor(context, threads=threads) for _ in range(workers - 1))]


def _of_tokens(context: Context, task: Task, wanted: Optional[bool]) -> bool:
    generates = isinstance(task, GeneratingTask)
    if wanted and not generates:
        name = context.role("model").component.get("task")
        raise ActionError(f"{name} generates no tokens", "leave out use-token-latencies")
    return generates if wanted is None else wanted


def score_answers(task: Task, report: Report, metric: str) -> Score:
    """How good the answers of a run over the whole dataset are. Raises ValueError where any is missing."""
    missing = [index for index in range(len(task)) if index not in report.answers]
    if missing:
        raise ValueError(f"{len(missing)} of {len(task)} samples have no answer")
    return task.score(report.answers, metric)


def measure_accuracy(
    context: Context, predictor: Predictor, task: Task, *, batch_size: int, metric: str, engine: str
) -> tuple[Report, Score]:
    """Answer the whole dataset in LoadGen's accuracy mode, and score the answers: ``metric``, and what there is else.

    Raises ValueError for a metric that the task has not.
    """
    task.check_metric(metric)
    samples = Samples(task, timed=False)
    sut = Sut(predictor, task, samples, batch_size, answering=True)
    settings = Settings(scenario="offline", mode="accuracy", **seeds(context.seed))
    report = open_engine(engine)(sut, samples, settings, context.output, context.progress)
    return report, score_answers(task, report, metric)
