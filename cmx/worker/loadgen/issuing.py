"""The loops that issue queries, one for each way in which queries arrive."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count, islice
from threading import Thread
from time import perf_counter_ns
from typing import List, NamedTuple, Optional, Tuple

from cmx.worker.loadgen.effective import Effective
from cmx.worker.loadgen.ledger import NOTHING, REPORT_NS, Ledger
from cmx.worker.loadgen.seam import SystemUnderTest
from cmx.worker.loadgen.traffic import wait_until
from cmx.worker.loadgen.undisturbed import punctual

NATURALLY = "Ending naturally: Minimum query count and test duration met."
_RAN_OUT = (
    "Ending early: Ran out of generated queries to issue before the minimum query count and test duration were reached."
)
_NEVER = 1 << 62
_ROOM = 4096  # queries for which room is made at a time


class Limits(NamedTuple):
    """The least and the most queries; the times from which they are enough, and after which none is issued."""

    least: int = _NEVER
    most: int = _NEVER
    enough: int = _NEVER
    latest: int = _NEVER


@dataclass
class Issued:
    """What a loop did. Times are ``perf_counter_ns``.

    ``starts`` has for each query the time from which its latency counts, ``times`` when it was issued, ``samples`` is
    how many were asked for. ``errors`` are the ends of a run that LoadGen calls an error, ``messages`` the others.
    """

    begin: int = 0
    starts: array[int] = field(default_factory=lambda: array("q"))
    times: array[int] = field(default_factory=lambda: array("q"))
    samples: int = 0
    errors: List[str] = field(default_factory=list)
    messages: List[str] = field(default_factory=list)

    @property
    def queries(self) -> int:
        """How many were issued."""
        return len(self.times)


def one_after_another(
    sut: SystemUnderTest, ledger: Ledger, queries: Iterable[Sequence[int]], settings: Effective
) -> Issued:
    """The next query as soon as the one before is answered, until the settings' limits."""
    found, size = Issued(), settings.samples_per_query
    times = found.starts = found.times
    issue, complete, started, clock = sut.issue, ledger.complete, times.append, perf_counter_ns
    waiting = ledger.lone if size == 1 else [NOTHING]
    failures = ledger.failures
    ledger.asked = lambda: len(times) * size
    found.begin = clock()
    limits = _limits(settings, found.begin)
    pending = zip(_ids(size), queries)
    number, stop_number, stop_time = 0, 1, found.begin  # the run cannot end before one of these
    report_at = found.begin if size == 1 else _NEVER
    while True:
        before, now = number, found.begin
        coming = min(stop_number - number, _ROOM)
        ledger.make_room((number + coming) * size)
        for ids, indices in islice(pending, coming):
            waiting[0] = ids
            now = clock()
            started(now)
            issue(ids, indices, complete)
            if waiting[0] or failures:
                ledger.wait(ids[0], ids[0] + size)
            if now >= stop_time:
                break
        number = found.queries
        if number == before:
            found.errors.append(_RAN_OUT)
            break
        if now >= report_at:
            report_at = now + REPORT_NS
            ledger.report(number, now)
        if _ends(found, number, now, limits):
            break
        stop_number, stop_time = _next_stop(number, now, limits)
        stop_time = min(stop_time, report_at)
    found.samples = number * size
    return found


def _ends(found: Issued, number: int, now: int, limits: Limits) -> bool:
    """Whether a run ends after so many queries; ``found`` says why then."""
    if now >= limits.enough and number >= limits.least:
        found.messages.append(NATURALLY)
        return True
    if number >= limits.most or now > limits.latest:
        found.errors.append(_ended_early(number, now - found.begin, by_count=number >= limits.most))
        return True
    return False


def _next_stop(number: int, now: int, limits: Limits) -> Tuple[int, int]:
    """The number of queries and the time before neither of which a run can end."""
    stop_number = limits.most if number >= limits.least else min(limits.least, limits.most)
    return stop_number, limits.latest + 1 if now >= limits.enough else min(limits.enough, limits.latest + 1)


def each_once(sut: SystemUnderTest, ledger: Ledger, queries: Iterable[Sequence[int]]) -> Issued:
    """All of these queries, one after another."""
    found = Issued(begin=perf_counter_ns())
    found.starts = found.times
    for indices in queries:
        first, last = found.samples, found.samples + len(indices)
        ledger.expect(len(indices))
        found.samples = last
        found.times.append(perf_counter_ns())
        sut.issue(range(first, last), indices, ledger.complete)
        ledger.wait(first, last)
    return found


def at_arrivals(
    sut: SystemUnderTest,
    ledger: Ledger,
    indices: Sequence[int],
    arrivals: Sequence[int],
    settings: Optional[Effective],
    *,
    coalesce: bool = False,
    threads: int = 0,
) -> Issued:
    """A query of one sample at each arrival, whether or not those before are answered.

    Several are one query where ``coalesce`` and they are due. With ``threads``, so many take turns in issuing. The
    settings' limits may end it early.
    """
    ledger.expect(len(arrivals))
    server = _Server(sut, ledger, indices, arrivals, settings, coalesce=coalesce)
    helpers = [Thread(target=server.work, daemon=True) for _ in range(threads)]
    with punctual():
        for helper in helpers:
            helper.start()
        if not helpers:
            server.work()
        for helper in helpers:
            helper.join()
    found = server.found
    found.samples = len(arrivals) - found.times.count(0)
    del found.starts[found.samples :], found.times[found.samples :]
    return found


class _Server:
    """Issues queries at their arrivals, from one thread or from several that take turns."""

    def __init__(
        self,
        sut: SystemUnderTest,
        ledger: Ledger,
        indices: Sequence[int],
        arrivals: Sequence[int],
        settings: Optional[Effective],
        *,
        coalesce: bool,
    ) -> None:
        begin = perf_counter_ns()
        self.found = Issued(begin, array("q", (begin + at for at in arrivals)), array("q", bytes(8 * len(arrivals))))
        self._sut, self._ledger, self._indices, self._coalesce = sut, ledger, indices, coalesce
        self._limits = _limits(settings, begin)
        self._backlog = settings.max_async_queries if settings else 0
        self._answered = 0
        self._turns = iter(range(len(arrivals)))

    def work(self) -> None:
        """Issue one query after another until there is none left, or the run is to end: what is taken is issued."""
        try:
            while not (self._ledger.failures or self.found.errors):
                first = next(self._turns, None)
                if first is None:
                    return
                self._issue(first)
        except BaseException as error:
            self._ledger.fail(error)

    def _issue(self, first: int) -> None:
        found, due = self.found, self.found.starts
        now, last = wait_until(due[first]), first + 1
        while self._coalesce and last < len(due) and due[last] <= now:
            last = next(self._turns) + 1
        for place in range(first, last):
            found.times[place] = now
        self._sut.issue(range(first, last), self._indices[first:last], self._ledger.complete)
        if self._backlog:
            self._look_back(last)
        limits = self._limits
        if last >= limits.most or now > limits.latest:
            found.errors.append(_ended_early(last, now - found.begin, by_count=last >= limits.most))

    def _look_back(self, last: int) -> None:
        """End the run if too many queries are not answered."""
        done = self._ledger.done
        while self._answered < last and done[self._answered]:
            self._answered += 1
        if done[self._answered : last].count(0) > self._backlog:
            self.found.errors.append(f"Ending early: Too many outstanding queries. issued {last}")


def all_at_once(sut: SystemUnderTest, ledger: Ledger, indices: Sequence[int]) -> Issued:
    """One query of all samples."""
    found = Issued(samples=len(indices), messages=[NATURALLY])
    ledger.expect(len(indices))
    found.begin = perf_counter_ns()
    found.starts.append(found.begin)
    found.times.append(found.begin)
    sut.issue(range(len(indices)), indices, ledger.complete)
    return found


def _ids(size: int) -> Iterator[Sequence[int]]:
    """The ids of query after query."""
    return zip(count()) if size == 1 else (range(start, start + size) for start in count(0, size))


def _limits(settings: Optional[Effective], begin: int) -> Limits:
    if settings is None:
        return Limits()
    most, longest = settings.max_query_count, settings.max_duration_ms * 1_000_000
    enough = begin + settings.target_duration_ms * 1_000_000
    return Limits(settings.min_query_count, most or _NEVER, enough, begin + longest if longest else _NEVER)


def _ended_early(number: int, duration: int, *, by_count: bool) -> str:
    if by_count:
        return f"Ending early: Max query count reached. query_count {number}"
    return f"Ending early: Max test duration reached. duration_ns {duration}"
