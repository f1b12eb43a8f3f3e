"""Stands between LoadGen's calls, which must not raise, and the system under test; takes the times.

A system may answer from any thread, may forget an answer and may give one twice: LoadGen would wait for ever for the
first, and reads freed memory at the second. So each id is open from its issue to its completion, and LoadGen is told
of open ones only. After an error everything open is completed, and everything new at once, so that LoadGen ends.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from itertools import repeat
from time import perf_counter_ns
from typing import Any, Optional

import mlperf_loadgen as lg

from cmx.worker.loadgen.seam import LoadError, SystemUnderTest

_Response = lg.QuerySampleResponse


class Bridge:
    """``issue`` and ``flush`` are for LoadGen, ``__call__``, ``first_token`` and ``fail`` for the system.

    ``latencies`` and what lies beside it are as in Report; ``asked`` counts samples.
    """

    def __init__(self, sut: SystemUnderTest, *, one_query: bool, tokens: bool) -> None:
        self.error: Optional[BaseException] = None
        self.asked = 0
        self.begins, self.latencies = array("q"), array("q")
        self.first_tokens, self.tokens = array("q"), array("q")
        self._ends: list[tuple[int, int]] = [(0, 0)]
        self._open: dict[int, int] = {}
        self._issue, self._flush = sut.issue, sut.flush
        self._one_query = one_query
        self._with_tokens = tokens

    @property
    def unanswered(self) -> int:
        """How many samples are asked for and not yet done."""
        return len(self._open)

    def last_run(self) -> slice:
        """Where the last of several runs in one test lies among the queries: LoadGen flushes at the end of each."""
        return slice(self._ends[-2][0] if len(self._ends) > 1 else 0, None)

    def samples(self, *, last_run: bool) -> int:
        """How many samples were asked for, in the last run or in all."""
        return self.asked - (self._ends[-2][1] if last_run and len(self._ends) > 1 else 0)

    def issue(self, ids: list[int], indices: list[int]) -> None:
        """One query, from LoadGen."""
        number = len(self.begins)
        if len(ids) == 1:
            self._open[ids[0]] = number
        else:
            self._open.update(zip(ids, repeat(number)))
        self.asked += len(ids)
        if not self._one_query:
            self.latencies.append(0)
        if self._with_tokens:
            self.first_tokens.append(0)
            self.tokens.append(0)
        self.begins.append(perf_counter_ns())
        if self.error is not None:
            self._give_up()
            return
        try:
            self._issue(ids, indices, self)
        except BaseException as error:
            self.fail(error)

    def flush(self) -> None:
        """Passed on, from LoadGen."""
        self._ends.append((len(self.begins), self.asked))
        try:
            self._flush()
        except BaseException as error:
            self.fail(error)

    def __call__(
        self, ids: Sequence[int], answers: Optional[Sequence[bytes]] = None, tokens: Optional[Sequence[int]] = None
    ) -> None:
        """As the seam's Complete."""
        now = perf_counter_ns()
        if len(ids) == 1 and answers is None and tokens is None and not self._one_query:
            number = self._open.pop(ids[0], -1)
            if number >= 0:
                self.latencies[number] = now - self.begins[number]
                lg.QuerySamplesComplete([_Response(ids[0], 0, 0)])
                return
            self._refuse()
            return
        self._complete(ids, answers, tokens, now)

    def _complete(
        self, ids: Sequence[int], answers: Optional[Sequence[bytes]], tokens: Optional[Sequence[int]], now: int
    ) -> None:
        taken = self._open.pop
        numbers = [taken(number, -1) for number in ids]
        if -1 in numbers:
            # Those that are open have been taken: complete them, or LoadGen would wait for them.
            _tell([each for each, number in zip(ids, numbers) if number >= 0])
            self._refuse()
            return
        if self._one_query:
            self.latencies.extend([now - self.begins[0]] * len(ids))
        else:
            for number in numbers:
                self.latencies[number] = max(self.latencies[number], now - self.begins[number])
        if tokens is not None and self._with_tokens:
            for number, count in zip(numbers, tokens):
                self.tokens[number] += count
        _tell(ids, answers, tokens)

    def first_token(self, ids: Sequence[int], answers: Optional[Sequence[bytes]] = None) -> None:
        """As the seam's Complete.first_token."""
        now = perf_counter_ns()
        numbers = [self._open.get(number, -1) for number in ids]
        if -1 in numbers:
            self._refuse()
            return
        if self._with_tokens:
            for number in numbers:
                self.first_tokens[number] = now - self.begins[number]
        lg.FirstTokenComplete(_responses(ids, answers)[0])

    def fail(self, error: BaseException) -> None:
        """As the seam's Complete.fail: the first error counts."""
        if self.error is None:
            self.error = error
        self._give_up()

    def _refuse(self) -> None:
        if self.error is None:
            what = "the system under test answered a query twice, or one that it was never asked"
            self.fail(LoadError(what, "each id that issue() was given is to be completed once"))

    def _give_up(self) -> None:
        """Complete whatever is open; another thread may be doing the same, and takes other ids."""
        while self._open:
            try:
                number, _ = self._open.popitem()
            except KeyError:
                return
            _tell([number])


def _tell(
    ids: Sequence[int], answers: Optional[Sequence[bytes]] = None, tokens: Optional[Sequence[int]] = None
) -> None:
    """Tell LoadGen that these are done; it copies the answers before it returns."""
    if answers is None and tokens is None:
        lg.QuerySamplesComplete([_Response(number, 0, 0) for number in ids])
        return
    responses, buffers = _responses(ids, answers, tokens)
    lg.QuerySamplesComplete(responses)
    del buffers


def _responses(
    ids: Sequence[int], answers: Optional[Sequence[bytes]], tokens: Optional[Sequence[int]] = None
) -> tuple[list[Any], list[array[int]]]:
    """LoadGen's responses, and the memory that they point into, which is to live until they are handed over."""
    buffers = [array("B", answer) for answer in answers or repeat(b"", len(ids))]
    places = [buffer.buffer_info() for buffer in buffers]
    if tokens is None:
        return [_Response(number, at, size) for number, (at, size) in zip(ids, places)], buffers
    return [_Response(n, at, size, count) for n, (at, size), count in zip(ids, places, tokens)], buffers
