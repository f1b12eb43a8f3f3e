"""cmx's own load generator: MLPerf LoadGen's scenarios, rules and logs, in Python and numpy.

It is for machines that LoadGen has no wheel for, and for short runs. Its traffic is LoadGen's for the same seeds; what
it does otherwise, docs/loadgen.md says.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from itertools import compress, count
from math import floor
from pathlib import Path
from typing import Dict, List, Optional, Tuple

import numpy as np

from cmx.worker.loadgen import forecast, log_writer, logs, traffic
from cmx.worker.loadgen.effective import Effective, effective, requested
from cmx.worker.loadgen.passes import Pass, answer_all, measure
from cmx.worker.loadgen.seam import LoadError, ProgressSink, Report, SampleLibrary, SystemUnderTest
from cmx.worker.loadgen.settings import NAMES, Settings
from cmx.worker.loadgen.undisturbed import undisturbed
from cmx.worker.loadgen.verdict import Verdict, at, judge

NAME = "cmx-native"
VERSION = "1"
"""Goes up when the same settings come to mean another load or verdict."""
_MODES = {
    "performance": "PerformanceOnly",
    "accuracy": "AccuracyOnly",
    "submission": "SubmissionRun",
    "find-peak": "FindPeakPerformance",
}


def run(sut: SystemUnderTest, qsl: SampleLibrary, settings: Settings, output: Path, progress: ProgressSink) -> Report:
    """Run one test; the logs stay in ``output``. Raises what the system under test raised, and LoadError."""
    _refuse_unknown(settings)
    test = _Test(sut, qsl, settings, output, progress)
    forecast.tell(progress, settings, qsl)
    try:
        with undisturbed():
            test.run()
    finally:
        test.log.close()
    return test.report()


def _refuse_unknown(settings: Settings) -> None:
    """Raise LoadError for what only MLPerf LoadGen does."""
    asked = {
        "user.conf": settings.configured,
        "audit.config": settings.audit_config,
        "token latencies": settings.use_token_latencies or settings.infer_token_latencies,
        "test05": settings.test05,
        "trace": settings.trace,
    }
    for name, value in asked.items():
        if value:
            raise LoadError(f"cmx's native engine has no {name}", "take MLPerf LoadGen: --engine loadgen")


class _Test:
    """One test, from its settings to its report."""

    def __init__(
        self, sut: SystemUnderTest, qsl: SampleLibrary, settings: Settings, output: Path, progress: ProgressSink
    ) -> None:
        self._sut, self._qsl, self._settings = sut, qsl, settings
        self._output, self._progress = output, progress
        self._effective = effective(settings, qsl.total, qsl.performance_count)
        self.log = log_writer.DetailLog(output)
        self._passes: List[Pass] = []
        self._verdict: Optional[Verdict] = None
        self._logged: List[Tuple[int, int, bytes]] = []
        self._answers: Dict[int, bytes] = {}

    def run(self) -> None:
        """Accuracy before performance, as LoadGen has it; the logs are whole at the end."""
        self._log_settings()
        mode = self._settings.mode
        if mode in ("accuracy", "submission"):
            self._accuracy()
        if mode in ("performance", "submission"):
            self._conclude(self._performance(self._effective))
        if mode == "find-peak":
            self._find_peak()
        log_writer.write_answers(self._output, self._logged)
        if self._verdict is None:
            log_writer.write_no_summary(self._output, self.log)

    def report(self) -> Report:
        """The report, made of the logs as that of LoadGen is."""
        log = logs.read(self._output / logs.DETAIL)
        passes = self._passes if self._settings.mode == "accuracy" else self._passes[-1:]
        valid = self._verdict.valid if self._verdict else not log.errors
        samples = sum(each.issued.samples for each in passes)
        elapsed = sum(each.elapsed for each in passes)
        return Report(
            engine=NAME,
            version=VERSION,
            valid=valid,
            verdict=str(log.values.get("result_validity", "")),
            invalid_reasons=() if valid else logs.invalid_reasons(log),
            queries=sum(each.issued.queries for each in passes),
            samples=samples,
            throughput=logs.throughput(log, self._settings.scenario) or samples * 1e9 / max(elapsed, 1),
            latencies=array("q", b"".join(each.queries.tobytes() for each in passes)),
            answers=self._answers,
            summary=logs.summary(log),
            settings=logs.settings(log),
            files=logs.files(self._output),
            peak_qps=logs.peak(log) if self._settings.mode == "find-peak" else None,
        )

    def _log_settings(self) -> None:
        self.log("loadgen_version", f"{NAME} {VERSION}")
        self.log("test_datetime", datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"))
        self.log("sut_name", "cmx")
        self.log("qsl_reported_total_count", self._qsl.total)
        self.log("qsl_reported_performance_count", self._qsl.performance_count)
        named = {"scenario": NAMES[self._settings.scenario], "test_mode": _MODES[self._settings.mode]}
        self.log.all({**named, **requested(self._settings)}, "requested_")
        self.log.all({**named, **self._effective.document()}, "effective_")

    def _accuracy(self) -> None:
        """Every sample once, one set that fits in memory after another."""
        self.log("generic_message", "Starting accuracy mode")
        limits, number = self._effective, count()
        for samples in traffic.sample_sets(limits, self._qsl.total, limits.accuracy_sample_count):
            queries = traffic.accuracy_queries(limits, samples)
            with self._loaded(samples):
                done = answer_all(self._sut, self._settings, limits, queries, self._progress)
            self._passes.append(done)
            for place, index in enumerate(index for query in queries for index in query):
                answer = done.ledger.answers.get(place, b"")
                self._logged.append((next(number), index, answer))
                self._answers[index] = answer

    def _performance(self, limits: Effective) -> Pass:
        """Measure with the first set; the answers that an audit asks for are kept."""
        self.log("generic_message", "Starting performance mode")
        samples = traffic.sample_sets(limits, self._qsl.total, limits.performance_sample_count)[0]
        with self._loaded(traffic.padded(samples, limits)):
            began = datetime.now(timezone.utc)
            done = measure(self._sut, self._settings, limits, samples, self._progress)
        self._passes.append(done)
        self.log.all(done.generated(), "generated_")
        self.log("power_begin", log_writer.clock_time(began))
        self.log("power_end", log_writer.clock_time(began + timedelta(microseconds=done.elapsed / 1000)))
        for message in done.issued.messages:
            self.log("generic_message", message)
        for message in done.issued.errors:
            self.log("error_runtime", message, is_error=True)
        if self._settings.mode == "performance" and self._settings.answers:
            self._sample_answers(done, samples)
        return done

    def _sample_answers(self, done: Pass, samples: Sequence[int]) -> None:
        """Keep some answers, chosen as LoadGen chooses them."""
        asked = traffic.asked(done.settings, samples, done.issued.samples)
        kept = compress(enumerate(asked), traffic.logged(done.settings))
        self._logged += [(number, index, done.ledger.answers.get(number, b"")) for number, index in kept]

    def _conclude(self, done: Pass) -> Verdict:
        """The verdict, in both logs."""
        verdict = self._verdict = judge(done.measured(), done.settings)
        self.log("result_validity", "VALID" if verdict.valid else "INVALID")
        self.log.all(verdict.met)
        if not verdict.valid:
            self.log("result_invalid_reason", " ".join(verdict.advice))
        self.log("early_stopping_result", verdict.early_stopping.replace("\n", " "))
        self.log.all(verdict.figures)
        if done.settings.scenario == "server":
            delays = np.sort(done.delays())
            self.log.all({f"result_{p * 100:.2f}_percentile_issue_delay_ns": at(delays, p) for p in (0.5, 0.99)})
        self.log("num_errors", self.log.errors)
        mode = _MODES[self._settings.mode]
        log_writer.write_summary(self._output, mode, done.settings, verdict, self.log)
        return verdict

    def _find_peak(self) -> None:
        """The greatest rate of queries that is VALID: doubled (or so) until it is not, then halved to the precision."""
        asked = requested(self._settings)
        low, high = self._effective.target_qps, 0.0
        step, scale = asked["server_find_peak_qps_boundary_step_size"], 10 ** asked[_DECIMALS]
        best = self._try(low)
        if best is None:
            self.log("error_runtime", _TOO_FAST, is_error=True)
            self._conclude(self._passes[-1])
            return
        while high == 0.0 or floor(low * scale) + 1 < floor(high * scale):
            rate = low + (high - low) / 2 if high else low * (1 + step)
            done = self._try(rate)
            low, high, best = (low, rate, best) if done is None else (rate, high, done)
        self.log("generic_message", f"FindPeakPerformance: Found peak performance field: {low:f}")
        self._passes.append(best)
        self._conclude(best)

    def _try(self, rate: float) -> Optional[Pass]:
        """A run at this rate of queries, None where it is not VALID."""
        self.log("generic_message", f"FindPeakPerformance: Trying {rate:f}")
        done = self._performance(replace(self._effective, target_qps=rate))
        return done if judge(done.measured(), done.settings).valid else None

    @contextmanager
    def _loaded(self, samples: Sequence[int]) -> Iterator[None]:
        self.log("loaded_qsl_set", list(samples))
        self._qsl.load(samples)
        try:
            yield
        finally:
            self._qsl.unload(samples)


_DECIMALS = "server_find_peak_qps_decimals_of_precision"
_TOO_FAST = "FindPeakPerformance: Initial lower bound does not satisfy performance constraints"
