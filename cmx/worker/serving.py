"""A system under test of several predictors, each in a thread of its own, with dynamic batching.

A framework lets go of Python's lock while it predicts, so that threads are enough. The load generator's thread only
puts samples into a queue: it is never late because a model predicts.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from queue import Empty, SimpleQueue
from time import perf_counter
from typing import TYPE_CHECKING, NamedTuple, Optional

if TYPE_CHECKING:
    from cmx.worker.inference import Sut
    from cmx.worker.loadgen import Complete


class _Chunk(NamedTuple):
    """Samples that came together; ``since`` is when."""

    ids: Sequence[int]
    indices: Sequence[int]
    complete: Complete
    since: float


class ServingSut:
    """Hands samples to ``workers``, each a system under test that answers at once.

    A query of several samples is cut into batches and needs no waiting. Queries of one sample are gathered for at
    most ``batch_timeout`` seconds from the first of them, until they fill a batch or the load generator says that no
    more come; with 0 a batch has what is there. ``close`` ends the threads.
    """

    def __init__(self, workers: Sequence[Sut], *, batch_size: int = 1, batch_timeout: float = 0.0) -> None:
        self._batch_size, self._timeout = batch_size, batch_timeout
        self._queue: SimpleQueue[Optional[_Chunk]] = SimpleQueue()
        self._collecting = threading.Lock()
        self._flushed = False
        self.batches: list[int] = []
        """How many samples each batch had."""
        self._threads = [
            threading.Thread(target=self._work, args=(worker.issue,), name=f"predictor-{number}", daemon=True)
            for number, worker in enumerate(workers)
        ]
        for thread in self._threads:
            thread.start()

    def issue(self, ids: Sequence[int], indices: Sequence[int], complete: Complete) -> None:
        self._flushed = False
        now, step = perf_counter(), self._batch_size
        for start in range(0, len(ids), step):
            end = start + step
            self._queue.put(_Chunk(ids[start:end], indices[start:end], complete, now))

    def flush(self) -> None:
        """No batch waits any longer."""
        self._flushed = True
        self._queue.put(_Chunk((), (), _nobody, 0.0))

    def close(self) -> None:
        """End the threads once the queue is empty."""
        for _ in self._threads:
            self._queue.put(None)

    def _work(self, predict: Callable[[Sequence[int], Sequence[int], Complete], None]) -> None:
        while True:
            with self._collecting:
                batch = self._collect()
            if batch is None:
                return
            if not batch.ids:
                continue
            self.batches.append(len(batch.ids))
            try:
                predict(batch.ids, batch.indices, batch.complete)
            except BaseException as error:
                batch.complete.fail(error)

    def _collect(self) -> Optional[_Chunk]:
        """The next batch; None at the end. One thread at a time: two would each wait with half a batch."""
        first = self._queue.get()
        if first is None or len(first.ids) != 1 or self._batch_size == 1:
            return first
        ids, indices = list(first.ids), list(first.indices)
        deadline = first.since + self._timeout
        while len(ids) < self._batch_size:
            try:
                more = self._more(deadline)
            except Empty:
                break
            if more is None:
                self._queue.put(None)
                break
            ids += more.ids
            indices += more.indices
        return _Chunk(ids, indices, first.complete, first.since)

    def _more(self, deadline: float) -> Optional[_Chunk]:
        """The next chunk before the deadline; raises Empty when there is none, or at once when no more come."""
        wait = 0.0 if self._flushed else deadline - perf_counter()
        return self._queue.get(timeout=wait) if wait > 0 else self._queue.get_nowait()


class _Nobody:
    """What nothing is completed with."""

    def __call__(
        self, ids: Sequence[int], answers: Optional[Sequence[bytes]] = None, tokens: Optional[Sequence[int]] = None
    ) -> None: ...

    def first_token(self, ids: Sequence[int], answers: Optional[Sequence[bytes]] = None) -> None: ...

    def fail(self, error: BaseException) -> None: ...


_nobody = _Nobody()
