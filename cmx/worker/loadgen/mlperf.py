"""MLPerf LoadGen as an engine.

TestSettings are filled in here, field by field: ``FromConfig`` reads mlperf.conf only the first time it is called
in a process, and logs an error the second time, so it is not used, and a process runs one test.
"""

from __future__ import annotations

import gc
from array import array
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter_ns
from typing import Any, Optional

import mlperf_loadgen as lg

from cmx.worker.loadgen import logs
from cmx.worker.loadgen.seam import ProgressSink, Report, SampleLibrary, SystemUnderTest
from cmx.worker.loadgen.settings import Settings

NAME = "mlperf-loadgen"
_SCENARIOS = {"single-stream": "SingleStream", "offline": "Offline"}
_MODES = {"performance": "PerformanceOnly", "accuracy": "AccuracyOnly"}


def run(sut: SystemUnderTest, qsl: SampleLibrary, settings: Settings, output: Path, progress: ProgressSink) -> Report:
    """Run one test; LoadGen's logs stay in ``output``. Raises what the system under test raised."""
    bridge = _Bridge(sut, progress, one_query=settings.scenario == "offline")
    with _undisturbed():
        begin = perf_counter_ns()
        _start(bridge, qsl, _test_settings(settings), _log_settings(output))
        elapsed = perf_counter_ns() - begin
    if bridge.error is not None:
        raise bridge.error
    return _report(bridge, settings, output, elapsed)


class _Bridge:
    """Stands between LoadGen's calls, which must not raise, and the system under test; takes the times.

    LoadGen calls from the thread that called StartTest in the scenarios there are.
    """

    def __init__(self, sut: SystemUnderTest, progress: ProgressSink, one_query: bool) -> None:
        self.queries = 0
        self.latencies = array("q")
        self.error: Optional[BaseException] = None
        self._issue = sut.issue
        self._flush = sut.flush
        self._progress = progress
        self._one_query = one_query
        self._total: Optional[int] = None
        self._begin = self._now = 0

    def issue(self, ids: list[int], indices: list[int]) -> None:
        """One query. An error is remembered, and what is unanswered completed, or LoadGen would wait for ever."""
        self.queries += 1
        if self._one_query:
            self._total = len(ids)
        done = len(self.latencies)
        if self.error is None:
            self._begin = perf_counter_ns()
            try:
                self._issue(ids, indices, self.complete)
            except BaseException as error:
                self.error = error
        if self.error is not None:
            self.complete(ids[len(self.latencies) - done :])

    def complete(self, ids: Sequence[int], answers: Optional[Sequence[bytes]] = None) -> None:
        """These are done; LoadGen copies the answers before it returns."""
        self._now = perf_counter_ns()
        if answers is None:
            lg.QuerySamplesComplete([lg.QuerySampleResponse(number, 0, 0) for number in ids])
        else:
            buffers = [array("B", answer) for answer in answers]
            places = [buffer.buffer_info() for buffer in buffers]
            lg.QuerySamplesComplete([lg.QuerySampleResponse(n, at, size) for n, (at, size) in zip(ids, places)])
        latency = self._now - self._begin
        for _ in ids:
            self.latencies.append(latency)
        self._progress(len(self.latencies), self._total, now_ns=self._now)

    def flush(self) -> None:
        """Passed on; an error is remembered."""
        try:
            self._flush()
        except BaseException as error:
            self.error = self.error or error


def _start(bridge: _Bridge, qsl: SampleLibrary, settings: Any, log_settings: Any) -> None:
    """LoadGen's test from construction to destruction."""

    def load(indices: list[int]) -> None:
        try:
            qsl.load(indices)
        except BaseException as error:
            bridge.error = bridge.error or error

    library = lg.ConstructQSL(qsl.total, qsl.performance_count, load, qsl.unload)
    system = lg.ConstructFastSUT(bridge.issue, bridge.flush)
    try:
        lg.StartTestWithLogSettings(system, library, settings, log_settings)
    finally:
        lg.DestroyFastSUT(system)
        lg.DestroyQSL(library)


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Without Python's cyclic garbage collector, whose pauses would be counted as the model's.

    What is alive is collected once and frozen, so that nothing is left to do; the collector is restored after.
    """
    enabled = gc.isenabled()
    gc.collect()
    gc.freeze()
    gc.disable()
    try:
        yield
    finally:
        gc.unfreeze()
        if enabled:
            gc.enable()


def _test_settings(settings: Settings) -> Any:
    found = lg.TestSettings()
    found.scenario = getattr(lg.TestScenario, _SCENARIOS[settings.scenario])
    found.mode = getattr(lg.TestMode, _MODES[settings.mode])
    for name, value in settings.given().items():
        setattr(found, name, type(getattr(found, name))(value))
    return found


def _log_settings(output: Path) -> Any:
    found = lg.LogSettings()
    found.enable_trace = False
    found.log_output.outdir = str(output)
    found.log_output.copy_summary_to_stdout = False
    return found


def _report(bridge: _Bridge, settings: Settings, output: Path, elapsed: int) -> Report:
    log = logs.read(output / logs.DETAIL)
    samples = len(bridge.latencies)
    accuracy = settings.mode == "accuracy"
    valid = not log.errors if accuracy else log.values.get("result_validity") == "VALID"
    return Report(
        engine=NAME,
        version=str(log.values.get("loadgen_version", "")).split(" ")[0],
        valid=valid,
        verdict=str(log.values.get("result_validity", "")),
        invalid_reasons=() if valid else logs.invalid_reasons(log),
        queries=bridge.queries,
        samples=samples,
        throughput=logs.throughput(log, settings.scenario) or samples * 1e9 / max(elapsed, 1),
        latencies=bridge.latencies,
        answers=logs.answers(output / logs.ACCURACY) if accuracy else {},
        summary=logs.summary(log),
        settings=logs.settings(log),
        files=logs.files(output),
    )
