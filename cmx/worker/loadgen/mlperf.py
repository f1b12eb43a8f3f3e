"""MLPerf LoadGen as an engine.

``FromConfig``, which reads the mlperf.conf of LoadGen's wheel and a user.conf, works the first time only: called again
in a process it skips mlperf.conf and logs an error. So a process calls it once, and only where that is asked for;
everything else is filled in field by field.

LoadGen runs in a thread of its own, so that this one can see that it has stopped: at a query that is never answered
it would wait for ever.
"""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path
from time import monotonic, perf_counter_ns
from typing import Any

import mlperf_loadgen as lg

from cmx.worker.loadgen import forecast, logs
from cmx.worker.loadgen.bridge import Bridge
from cmx.worker.loadgen.seam import LoadError, ProgressSink, Report, SampleLibrary, SystemUnderTest
from cmx.worker.loadgen.settings import NAMES, TEST_SETTINGS, Settings
from cmx.worker.loadgen.undisturbed import undisturbed

NAME = "mlperf-loadgen"
_MODES = {
    "performance": "PerformanceOnly",
    "accuracy": "AccuracyOnly",
    "submission": "SubmissionRun",
    "find-peak": "FindPeakPerformance",
}
_LOG_MODES = {"async-poll": "AsyncPoll", "end-of-test": "EndOfTestOnly", "synchronous": "Synchronous"}
_TICK = 0.2
_GRACE = 3.0
_from_config: dict[tuple[str, str, str], Any] = {}


def run(sut: SystemUnderTest, qsl: SampleLibrary, settings: Settings, output: Path, progress: ProgressSink) -> Report:
    """Run one test; LoadGen's logs stay in ``output``. Raises as the seam's Engine does."""
    _refuse(settings)
    wanted = _test_settings(settings)
    filled = {name: getattr(wanted, name) for name in TEST_SETTINGS if hasattr(wanted, name)}
    forecast.tell(progress, replace(settings, **filled), qsl)
    tokens = bool(wanted.use_token_latencies)
    bridge = Bridge(sut, one_query=settings.scenario == "offline", tokens=tokens)
    library = _library(bridge, qsl)
    with undisturbed():
        begin = perf_counter_ns()
        _supervise(bridge, library, wanted, settings, output, progress)
        elapsed = perf_counter_ns() - begin
    if bridge.error is not None:
        raise bridge.error
    return _report(bridge, settings, output, elapsed)


def _refuse(settings: Settings) -> None:
    """Raise LoadError for what LoadGen has, and its Python module does not."""
    if settings.server_num_issue_query_threads:
        raise LoadError(
            "MLPerf LoadGen's Python module cannot issue queries from several threads",
            "leave out issue-threads, or use the engine native",
        )


def _library(bridge: Bridge, qsl: SampleLibrary) -> int:
    """LoadGen's sample library."""

    def load(indices: list[int]) -> None:
        try:
            qsl.load(indices)
        except BaseException as error:
            bridge.fail(error)

    return int(lg.ConstructQSL(qsl.total, qsl.performance_count, load, qsl.unload))


def _supervise(
    bridge: Bridge, library: int, wanted: Any, settings: Settings, output: Path, progress: ProgressSink
) -> None:
    """LoadGen's test from construction to destruction.

    After an error it has a moment to end by itself; if it does not, it is left where it is.
    """
    system = lg.ConstructFastSUT(bridge.issue, bridge.flush)
    ended = threading.Event()

    def test() -> None:
        try:
            lg.StartTestWithLogSettings(
                system, library, wanted, _log_settings(settings, output), settings.audit_config or "audit.config"
            )
        except BaseException as error:
            bridge.fail(error)
        finally:
            ended.set()

    threading.Thread(target=test, name="loadgen", daemon=True).start()
    watch = _Watch(bridge, settings, progress)
    while not ended.wait(_TICK):
        watch.look()
        if bridge.error is not None:
            ended.wait(_GRACE)
            break
    if ended.is_set():
        lg.DestroyFastSUT(system)
        lg.DestroyQSL(library)


class _Watch:
    """Passes on how far a test is, and gives it up when nothing has been answered for too long."""

    def __init__(self, bridge: Bridge, settings: Settings, progress: ProgressSink) -> None:
        self._bridge, self._progress = bridge, progress
        self._limit = settings.answer_timeout
        self._one_query = settings.scenario == "offline"
        self._done, self._since = -1, monotonic()

    def look(self) -> None:
        asked, unanswered = self._bridge.asked, self._bridge.unanswered
        done = asked - unanswered
        self._progress(done, asked if self._one_query and asked else None)
        now = monotonic()
        if done != self._done or not unanswered:
            self._done, self._since = done, now
        elif now - self._since > self._limit:
            self._bridge.fail(
                LoadError(
                    f"{unanswered} of {asked} samples were never answered: nothing came for {self._limit:g} s",
                    "the system under test dropped them, or needs longer: --set answer-timeout=10min",
                )
            )


def _test_settings(settings: Settings) -> Any:
    """By LoadGen's precedence: its defaults, mlperf.conf, user.conf, and what was set for this run."""
    found = lg.TestSettings()
    for name, value in {**_configuration(settings), **settings.given()}.items():
        setattr(found, name, type(getattr(found, name))(value))
    found.scenario = getattr(lg.TestScenario, NAMES[settings.scenario])
    found.mode = getattr(lg.TestMode, _MODES[settings.mode])
    return found


def _configuration(settings: Settings) -> dict[str, Any]:
    """What mlperf.conf and user.conf say, read by LoadGen itself. Raises LoadError for a second one in a process."""
    if not settings.configured:
        return {}
    key = (settings.user_conf, settings.mlperf_model or "*", NAMES[settings.scenario])
    if key not in _from_config:
        if _from_config:
            raise LoadError("LoadGen reads its configuration files once in a process", "begin another process")
        configured = lg.TestSettings()
        status = configured.FromConfig(*key, 1 if settings.user_conf else 0)
        if status:
            raise LoadError(f"{settings.user_conf}: LoadGen cannot read it (status {status})")
        names = (name for name in dir(configured) if not name.startswith("_") and name not in _NOT_SETTINGS)
        _from_config[key] = {name: getattr(configured, name) for name in names}
    return _from_config[key]  # type: ignore[no-any-return]


_NOT_SETTINGS = ("FromConfig", "scenario", "mode")


def _log_settings(settings: Settings, output: Path) -> Any:
    found = lg.LogSettings()
    found.enable_trace = settings.trace
    found.log_mode = getattr(lg.LoggingMode, _LOG_MODES[settings.log_mode])
    found.log_output.outdir = str(output)
    found.log_output.copy_summary_to_stdout = False
    return found


def _report(bridge: Bridge, settings: Settings, output: Path, elapsed: int) -> Report:
    log = logs.read(output / logs.DETAIL)
    if settings.trace:
        logs.mend_trace(output / logs.TRACE)
    several = settings.mode in ("submission", "find-peak")
    part = bridge.last_run() if several else slice(None)
    samples = bridge.samples(last_run=several)
    answers = logs.answers(output / logs.ACCURACY) if settings.mode in ("accuracy", "submission") else {}
    valid = not log.errors if settings.mode == "accuracy" else log.values.get("result_validity") == "VALID"
    return Report(
        engine=NAME,
        version=str(log.values.get("loadgen_version", "")).split(" ")[0],
        valid=valid,
        verdict=str(log.values.get("result_validity", "")),
        invalid_reasons=() if valid else logs.invalid_reasons(log),
        queries=len(bridge.begins[part]),
        samples=samples,
        throughput=logs.throughput(log, settings.scenario) or samples * 1e9 / max(elapsed, 1),
        latencies=bridge.latencies(part),
        answers=answers,
        summary=logs.summary(log),
        settings=logs.settings(log),
        files=logs.files(output),
        first_tokens=bridge.first_tokens[part],
        tokens=bridge.tokens[part],
        peak_qps=logs.peak(log) if settings.mode == "find-peak" else None,
    )
