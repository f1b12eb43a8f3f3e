"""Which samples were asked for, and when each was answered."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Sequence
from queue import Empty, SimpleQueue
from time import perf_counter_ns
from typing import Any, Dict, List, Optional, cast

from cmx.worker.loadgen.seam import Complete, LoadError, ProgressSink
from cmx.worker.loadgen.settings import Settings

_LOOK_S = 1.0
REPORT_NS = 200_000_000
"""How often progress is told, in ns."""
_MANY = 16


class Ledger:
    """``done`` has, for each sample in the order of asking, the ``perf_counter_ns`` of its answer, 0 before that;
    ``asked`` says how many of them have been asked for; if nobody sets it, all that are expected.

    ``complete`` is what a system under test is given; any thread may call it. An id is its sample's place in ``done``.
    What ends the run is in ``failures``, the first cause first. Who notes an answer in ``done`` without ``complete``
    calls ``wake`` afterwards if anything is in ``awaited``, and now and then ``report``; ``complete`` does both.
    """

    def __init__(self, settings: Settings, progress: ProgressSink, total: Optional[int] = None) -> None:
        self.done = array("q")
        self.asked: Callable[[], int] = self.done.__len__
        self.answers: Dict[int, bytes] = {}
        self.first_tokens: Dict[int, int] = {}
        self.tokens: Dict[int, int] = {}
        self.failures: List[BaseException] = []
        self._patience = settings.answer_timeout
        self._progress, self._total = progress, total
        self.awaited: List[int] = []
        self._wake: SimpleQueue[None] = SimpleQueue()
        self.complete = self._answering(keep_answers=settings.answers)

    def expect(self, count: int) -> None:
        """So many samples more will be asked for: from now on they count as asked, if ``asked`` is not set."""
        self.done.frombytes(bytes(8 * count))

    def make_room(self, total: int) -> None:
        """Room for so many samples in all, for whoever sets ``asked``."""
        self.expect(max(total - len(self.done), 0))

    def wait(self, first: int, last: int) -> None:
        """Until the samples from ``first`` up to ``last`` are answered.

        Raises LoadError when nothing is answered for ``answer_timeout``, and what the system failed with.
        The last is waited for first: with answers in the order of asking this thread wakes up once.
        """
        if 0 in self.done[first:last]:
            for number in range(last - 1, first - 1, -1):
                if not self.done[number]:
                    self._wait_for(number, last)
            self.awaited.clear()
        self.check()

    def check(self) -> None:
        """Raise what ends the run, if anything does."""
        if self.failures:
            raise self.failures[0]

    def fail(self, error: BaseException) -> None:
        """The run is to end with this."""
        self.failures.append(error)
        self.wake()

    def wake(self) -> None:
        """Let whoever waits look again."""
        self._wake.put(None)

    def _wait_for(self, number: int, last: int) -> None:
        # Its answer is looked for once more after this, by which whoever brings it knows that it is waited for.
        self.awaited[:] = [number]
        left, since = last, perf_counter_ns()
        while not self.done[number]:
            self.check()
            try:
                self._wake.get(timeout=min(_LOOK_S, self._patience))
                continue
            except Empty:
                now_left = self.done[:last].count(0)
            if now_left < left:
                left, since = now_left, perf_counter_ns()
            elif perf_counter_ns() - since >= self._patience * 1e9:
                message = f"{left} of {last} samples asked for were not answered, and none was for {self._patience:g} s"
                raise LoadError(message, "if the model takes that long, give --set answer-timeout=SECONDS")

    def report(self, count: int, now: int) -> None:
        """Tell that so many samples are done; ``now`` is a ``perf_counter_ns``."""
        self._progress(count, self._total, now_ns=now)

    def _answering(self, *, keep_answers: bool) -> Complete:
        """A closure: it is called for each answer, and the time it takes is measured with the system's."""
        done, awaited, wake, refuse = self.done, self.awaited, self.wake, self._refuse
        kept, counts, clock, report_at = self.answers, self.tokens, perf_counter_ns, perf_counter_ns()
        report = self.report

        def together(ids: Sequence[int], now: int) -> bool:
            """Note the answers to many neighbours in one go; False where they are not neighbours, or not all open."""
            if type(ids) is not range or ids.step != 1 or any(done[ids.start : ids.stop]):
                return False
            if ids.stop > self.asked():
                return False
            done[ids.start : ids.stop] = array("q", [now]) * len(ids)
            if any(number in ids for number in awaited):
                wake()
            return True

        def note(ids: Sequence[int], now: int) -> None:
            asked = self.asked()
            for number in ids if len(ids) < _MANY or not together(ids, now) else ():
                if not 0 <= number < asked:
                    refuse(number, "that it was never asked for")
                    return
                if done[number]:
                    refuse(number, "twice")
                done[number] = now
                if number in awaited:
                    wake()

        def complete(
            ids: Sequence[int], answers: Optional[Sequence[bytes]] = None, tokens: Optional[Sequence[int]] = None
        ) -> None:
            nonlocal report_at
            now = clock()
            note(ids, now)
            if answers is not None and keep_answers:
                kept.update(zip(ids, map(bytes, answers)))
            if tokens is not None:
                counts.update(zip(ids, tokens))
            if now >= report_at:
                report_at = now + REPORT_NS
                report(max(ids, default=0) + 1, now)

        return self.completing(complete)

    def completing(self, complete: Callable[..., None]) -> Complete:
        """A function that notes answers, with what else a system under test may say."""
        extended = cast(Any, complete)
        extended.first_token, extended.fail = self._first_token, self.fail
        return cast(Complete, complete)

    def _first_token(self, ids: Sequence[int], answers: Optional[Sequence[bytes]] = None) -> None:
        now = perf_counter_ns()
        for number in ids:
            if number in self.first_tokens:
                self.fail(LoadError(f"the first token of sample {number} was announced twice"))
            self.first_tokens[number] = now

    def _refuse(self, number: int, how: str) -> None:
        what = f"the system under test answered sample {number} of the run {how}"
        self.fail(LoadError(what, "each id that issue() was given is to be completed once"))
