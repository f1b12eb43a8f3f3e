"""Stands between LoadGen's calls, which must not raise, and the system under test; takes the times.

A system may answer from any thread, may forget an answer and may give one twice: LoadGen would wait for ever for the
first, and reads freed memory at the second. So each id is open from its issue to its completion, and LoadGen is told
of open ones only. After an error everything open is completed, and everything new at once, so that LoadGen ends.
"""

from __future__ import annotations

import threading
from array import array
from collections.abc import Callable, Sequence
from itertools import repeat
from time import perf_counter_ns
from typing import Any, Optional, cast

import mlperf_loadgen as lg
import numpy as np

from cmx.worker.loadgen.seam import Complete, LoadError, SystemUnderTest

_Response = lg.QuerySampleResponse
_AT_ONCE = 1024


class _Responses(threading.local):
    """LoadGen's responses, of each thread its own, used again and again: making one costs three times as much as that.

    LoadGen copies what it is told before it lets another thread of Python run.
    """

    def __init__(self) -> None:
        self.alone = [_Response(0, 0, 0)]
        self._many: list[Any] = []

    def tell(self, ids: Sequence[int]) -> None:
        """These are done, without an answer."""
        for start in range(0, len(ids), _AT_ONCE):
            part = ids[start : start + _AT_ONCE]
            self._many += (_Response(0, 0, 0) for _ in range(len(part) - len(self._many)))
            for response, number in zip(self._many, part):
                response.id = number
            lg.QuerySamplesComplete(self._many[: len(part)])


_responses_of_thread = _Responses()


class Bridge:
    """``issue`` and ``flush`` are for LoadGen, ``complete``, with its ``first_token`` and ``fail``, for the system.

    ``begins`` has when each query was issued, ``first_tokens`` and ``tokens`` are as in Report.
    """

    def __init__(self, sut: SystemUnderTest, *, one_query: bool, tokens: bool) -> None:
        self.error: Optional[BaseException] = None
        self.begins, self.first_tokens, self.tokens = array("q"), array("q"), array("q")
        # When each query was answered, 0 before that; of one query each sample, and how many were before its first.
        self._ends, self._ends_before = array("q"), array("q")
        self._more = 0
        self._runs: list[tuple[int, int]] = [(0, 0)]
        self._open: dict[int, int] = {}
        self._flush = sut.flush
        self._one_query = one_query
        self._with_tokens = tokens
        self.complete = self._completing()
        self.issue = self._issuing(sut)

    @property
    def asked(self) -> int:
        """How many samples were asked for."""
        return len(self.begins) + self._more

    @property
    def unanswered(self) -> int:
        """How many samples are asked for and not yet done."""
        return len(self._open)

    def last_run(self) -> slice:
        """Where the last of several runs in one test lies among the queries: LoadGen flushes at the end of each."""
        return slice(self._runs[-2][0] if len(self._runs) > 1 else 0, None)

    def latencies(self, part: slice) -> array[int]:
        """As in Report, of the queries from the beginning of ``part`` on."""
        begins, ends = np.asarray(self.begins, np.int64), np.asarray(self._ends, np.int64)
        first = part.start or 0
        if self._one_query:
            begins = np.repeat(begins, np.diff([*self._ends_before, len(ends)]))
            first = self._ends_before[first] if first else 0
        return array("q", (ends - begins)[first:].tobytes())

    def samples(self, *, last_run: bool) -> int:
        """How many samples were asked for, in the last run or in all."""
        return self.asked - (self._runs[-2][1] if last_run and len(self._runs) > 1 else 0)

    def flush(self) -> None:
        """Passed on, from LoadGen."""
        self._runs.append((len(self.begins), self.asked))
        try:
            self._flush()
        except BaseException as error:
            self.fail(error)

    def _issuing(self, sut: SystemUnderTest) -> Callable[[list[int], list[int]], None]:
        """A closure, as is that of ``_completing``: both are called for each query, and what they cost is measured."""
        opened, begins, begun, ends = self._open, self.begins, self.begins.append, self._ends
        pass_on, complete, one_query, with_tokens = sut.issue, self.complete, self._one_query, self._with_tokens

        def issue(ids: list[int], indices: list[int]) -> None:
            """One query, from LoadGen."""
            if len(ids) == 1:
                opened[ids[0]] = len(begins)
            else:
                opened.update(zip(ids, repeat(len(begins))))
                self._more += len(ids) - 1
            if one_query:
                self._ends_before.append(len(ends))
            else:
                ends.append(0)
            if with_tokens:
                self.first_tokens.append(0)
                self.tokens.append(0)
            begun(perf_counter_ns())
            if self.error is not None:
                self._give_up()
                return
            try:
                pass_on(ids, indices, complete)
            except BaseException as error:
                self.fail(error)

        return issue

    def _completing(self) -> Complete:
        taken, ends, one_query = self._open.pop, self._ends, self._one_query
        responses, tell, clock = _responses_of_thread, lg.QuerySamplesComplete, perf_counter_ns

        def complete(
            ids: Sequence[int], answers: Optional[Sequence[bytes]] = None, tokens: Optional[Sequence[int]] = None
        ) -> None:
            now = clock()
            if len(ids) != 1 or answers is not None or tokens is not None or one_query:
                self._complete(ids, answers, tokens, now)
                return
            number = taken(ids[0], -1)
            if number < 0:
                self._refuse()
                return
            ends[number] = now
            alone = responses.alone
            alone[0].id = ids[0]
            tell(alone)

        extended = cast(Any, complete)
        extended.first_token, extended.fail = self.first_token, self.fail
        return cast(Complete, complete)

    def _complete(
        self, ids: Sequence[int], answers: Optional[Sequence[bytes]], tokens: Optional[Sequence[int]], now: int
    ) -> None:
        numbers = list(map(self._open.pop, ids, repeat(-1)))
        if -1 in numbers:
            # Those that are open have been taken: complete them, or LoadGen would wait for them.
            _tell([each for each, number in zip(ids, numbers) if number >= 0])
            self._refuse()
            return
        if self._one_query:
            self._ends.extend(array("q", [now]) * len(ids))
        else:
            for number in numbers:
                self._ends[number] = max(self._ends[number], now)
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
        _responses_of_thread.tell(ids)
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
