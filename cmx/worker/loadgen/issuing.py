"""The loops that issue queries, one for each way in which queries arrive."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count, islice
from threading import Thread
from time import perf_counter_ns
from typing import List, NamedTuple, Optional

from cmx.worker.loadgen.effective import Effective
from cmx.worker.loadgen.ledger import REPORT_NS, Ledger
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
    size = settings.samples_per_query
    found = Issued(perf_counter_ns())
    times = found.starts = found.times
    ledger.asked = lambda: len(times) * size
    waiting: Optional[Sequence[int]] = None
    """The ids of the query that is not answered."""

    def answered(
        ids: Sequence[int], answers: Optional[Sequence[bytes]] = None, tokens: Optional[Sequence[int]] = None
    ) -> None:
        """``ledger.complete``, quick in the usual case: the one sample that was asked for, and nothing else to note."""
        nonlocal waiting
        if ids is waiting and answers is None and tokens is None:
            done[ids[0]] = perf_counter_ns()
            waiting = None  # from here on the next query may be issued
            if awaited:
                ledger.wake()
        else:
            ledger.complete(ids, answers, tokens)

    complete = ledger.completing(answered) if size == 1 else ledger.complete
    done, awaited, failures = ledger.done, ledger.awaited, ledger.failures
    issue, started, clock = sut.issue, times.append, perf_counter_ns
    pending, now = zip(_ids(size), queries), found.begin
    look = _Look(found, ledger, size, _limits(settings, found.begin))
    ended = False
    while not ended:
        at = look.at
        for waiting, indices in islice(pending, look.room()):
            now = clock()
            started(now)
            issue(waiting, indices, complete)
            if waiting is not None or failures:
                waiting = None
                ledger.wait(len(times) * size - size, len(times) * size)
            if now >= at:
                break
        ended = look.ends(now)
    found.samples = len(times) * size
    return found


class _Look:
    """Whether a run of one query after another ends; it can only after so many queries, or from a time ``at`` on.

    Progress is told then too, where a query is one sample: the ledger does not see their answers.
    """

    def __init__(self, found: Issued, ledger: Ledger, size: int, limits: Limits) -> None:
        self._found, self._ledger, self._size, self._limits = found, ledger, size, limits
        self._last, self._next = 0, 1
        self._report_at = found.begin if size == 1 else _NEVER
        self.at = found.begin

    def room(self) -> int:
        """How many queries may be issued before the next look; the ledger has room for them."""
        coming = min(self._next - self._last, _ROOM)
        self._ledger.make_room((self._last + coming) * self._size)
        return coming

    def ends(self, now: int) -> bool:
        """Whether the run ends with the query that was issued ``now``; what was found says why."""
        found, number, limits = self._found, self._found.queries, self._limits
        if number == self._last:
            found.errors.append(_RAN_OUT)
        elif now >= limits.enough and number >= limits.least:
            found.messages.append(NATURALLY)
        elif number >= limits.most or now > limits.latest:
            found.errors.append(_ended_early(number, now - found.begin, by_count=number >= limits.most))
        else:
            self._go_on(number, now)
            return False
        return True

    def _go_on(self, number: int, now: int) -> None:
        limits = self._limits
        if now >= self._report_at:
            self._report_at = now + REPORT_NS
            self._ledger.report(number, now)
        self._last = number
        self._next = limits.most if number >= limits.least else min(limits.least, limits.most)
        latest = limits.latest + 1
        self.at = min(self._report_at, latest if now >= limits.enough else min(limits.enough, latest))


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
