"""One pass over samples that are loaded: queries issued as their scenario does, and what came of them."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import chain, islice
from typing import Dict

import numpy as np

from cmx.worker.loadgen import issuing, traffic
from cmx.worker.loadgen.effective import Effective
from cmx.worker.loadgen.ledger import Ledger
from cmx.worker.loadgen.seam import ProgressSink, SystemUnderTest
from cmx.worker.loadgen.settings import Settings
from cmx.worker.loadgen.verdict import Measured, Times


@dataclass(frozen=True)
class Pass:
    """Queries that were issued and answered."""

    issued: issuing.Issued
    ledger: Ledger
    settings: Effective

    @cached_property
    def ends(self) -> Times:
        """When each sample that was asked for was answered, in the order of asking."""
        return _times(self.ledger.done)[: self.issued.samples]

    @property
    def elapsed(self) -> int:
        """ns from the start to the last answer."""
        return int(self.ends.max(initial=self.issued.begin)) - self.issued.begin

    @cached_property
    def samples(self) -> Times:
        """The latency of each sample in ns, in the order of asking."""
        starts = _times(self.issued.starts)
        if self.settings.scenario != "offline":
            starts = np.repeat(starts, self.settings.samples_per_query)[: len(self.ends)]
        latencies: Times = self.ends - starts
        return latencies

    @cached_property
    def queries(self) -> Times:
        """The latency of each query in ns, to its last sample; in offline of each sample, in the order of answers."""
        if self.settings.scenario == "offline":
            return np.sort(self.samples)
        size = self.settings.samples_per_query
        return np.maximum.reduceat(self.samples, range(0, len(self.samples), size)) if size > 1 else self.samples

    def generated(self) -> Dict[str, int]:
        """What LoadGen says of the queries that it makes ahead; here there are those that were issued."""
        queries = self.issued.queries
        lasted = self.issued.starts[-1] - self.issued.begin
        return {"query_count": queries, "samples_per_query": self.issued.samples // queries, "query_duration": lasted}

    def measured(self) -> Measured:
        """What is judged."""
        issued, samples = self.issued, self.samples
        scheduled = issued.starts[-1] - issued.begin
        return Measured(
            queries_issued=issued.queries,
            samples=samples,
            queries=self.queries if self.settings.scenario == "multi-stream" else samples[:0],
            scheduled=scheduled,
            issued=issued.times[-1] - issued.begin,
            done=scheduled + int(samples[-1]),
        )

    def delays(self) -> Times:
        """How late each query was issued, in ns."""
        return _times(self.issued.times) - _times(self.issued.starts)


def _times(noted: array[int]) -> Times:
    return np.asarray(noted, np.int64)


def measure(
    sut: SystemUnderTest, settings: Settings, limits: Effective, samples: Sequence[int], progress: ProgressSink
) -> Pass:
    """Ask for the loaded ``samples`` as performance mode does, and wait for every answer."""
    if limits.scenario == "offline":
        indices = traffic.offline_samples(limits, samples)
        ledger = Ledger(settings, progress, len(indices))
        return _finish(sut, ledger, limits, issuing.all_at_once(sut, ledger, indices))
    chosen = traffic.performance_samples(limits, samples)
    ledger = Ledger(settings, progress)
    if limits.scenario == "server":
        schedule = _once(limits, len(samples)) if limits.performance_issue_unique else limits
        arrivals = traffic.arrivals(schedule, len(samples))
        indices = list(islice(chosen, len(arrivals)))
        coalesce, threads = bool(settings.server_coalesce_queries), settings.server_num_issue_query_threads or 0
        return _finish(
            sut,
            ledger,
            limits,
            issuing.at_arrivals(sut, ledger, indices, arrivals, limits, coalesce=coalesce, threads=threads),
        )
    queries: Iterable[Sequence[int]] = zip(chosen)
    if limits.scenario == "multi-stream":
        ring, size = tuple(traffic.padded(samples, limits)), limits.samples_per_query
        queries = (ring[place : place + size] for place in chosen)
    return _finish(sut, ledger, limits, issuing.one_after_another(sut, ledger, queries, limits))


def answer_all(
    sut: SystemUnderTest,
    settings: Settings,
    limits: Effective,
    queries: Sequence[Sequence[int]],
    progress: ProgressSink,
) -> Pass:
    """Ask for each sample once, as accuracy mode does, and wait for every answer."""
    indices = list(chain.from_iterable(queries))
    ledger = Ledger(settings, progress, len(indices))
    if limits.scenario == "offline":
        return _finish(sut, ledger, limits, issuing.all_at_once(sut, ledger, indices))
    if limits.scenario == "server":
        arrivals = traffic.arrivals(_once(limits, len(indices)), len(indices))
        return _finish(sut, ledger, limits, issuing.at_arrivals(sut, ledger, indices, arrivals, None))
    return _finish(sut, ledger, limits, issuing.each_once(sut, ledger, queries))


def _once(limits: Effective, count: int) -> Effective:
    """With arrivals for exactly so many queries."""
    return replace(limits, target_duration_ms=0, min_query_count=count, sample_concatenate_permutation=False)


def _finish(sut: SystemUnderTest, ledger: Ledger, limits: Effective, issued: issuing.Issued) -> Pass:
    """Say that no more comes, and wait for what is left."""
    ledger.check()
    sut.flush()
    ledger.wait(0, issued.samples)
    return Pass(issued, ledger, limits)
