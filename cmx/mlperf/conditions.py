"""What LoadGen's logs have to say of a performance run and of an accuracy run."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from cmx.errors import StoreError
from cmx.mlperf import logs, rules
from cmx.mlperf.logs import Log
from cmx.mlperf.tree import Place
from cmx.mlperf.violation import Violation

_LOGGED = "export it again: cmx mlperf export"
_SEED_HINT = "--set mlperf-model=NAME brings the seeds of LoadGen's mlperf.conf; docs/mlperf.md has the command"
_VERSION = re.compile(r"\d+\.\d+")
_AUDITS = ("performance_issue_same", "performance_issue_unique")


class _Run(NamedTuple):
    """A log, the file it was read from, and where it belongs."""

    file: Path
    log: Log
    place: Place
    benchmark: rules.Benchmark

    def broken(self, rule: str, found: str, remedy: str) -> Violation:
        """A rule that the log breaks."""
        return Violation(self.file, rule, found, remedy)


def performance(place: Place, benchmark: rules.Benchmark) -> Iterator[Violation]:
    """The rules that a performance run breaks."""
    yield from _verdict(place.summary)
    path = place.performance / logs.DETAIL
    try:
        run = _Run(path, logs.read(path), place, benchmark)
    except StoreError as error:
        yield _unreadable(path, error)
        return
    yield from _mode(run, "PerformanceOnly", "performance")
    for check in _OF_PERFORMANCE:
        yield from check(run)
    if run.log.values.get("result_validity") != "VALID":
        found = f"result_validity is {run.log.values.get('result_validity', 'not there')}"
        yield run.broken("valid", found, "run it until LoadGen says VALID")


def accuracy(place: Place, benchmark: rules.Benchmark, *, any_size: bool) -> Iterator[Violation]:
    """The rules that an accuracy run breaks; ``any_size`` leaves out how many samples it covers."""
    path = place.accuracy / logs.DETAIL
    try:
        run = _Run(path, logs.read(path), place, benchmark)
    except StoreError as error:
        yield _unreadable(path, error)
        return
    for check in (_engine, _errors, _scenario):
        yield from check(run)
    yield from _mode(run, "AccuracyOnly", "accuracy")
    count = run.log.setting("accuracy_sample_count") or run.log.values.get("qsl_reported_total_count")
    if not any_size and count != benchmark.dataset_size:
        found = f"the accuracy run covers {count} samples, the dataset of {benchmark.name} has {benchmark.dataset_size}"
        yield run.broken("dataset-size", found, "use the whole dataset, or check with --skip-dataset-size-check")


def _unreadable(path: Path, error: StoreError) -> Violation:
    return Violation(path, "log", error.message.removeprefix(f"{path}: ").removeprefix(str(path)), error.hint)


def _verdict(path: Path) -> Iterator[Violation]:
    """What the official checker never reads."""
    try:
        lines = [line.strip() for line in path.read_text(encoding="utf-8", errors="replace").splitlines()]
    except OSError as error:
        yield Violation(path, "summary", f"cannot be read: {error.strerror}", _LOGGED)
        return
    if logs.VALID not in lines:
        said = [line for line in lines if line.startswith("Result is") or line.lower().endswith(": no")]
        yield Violation(path, "valid", "; ".join(said) or "it has no verdict", "run it until LoadGen says VALID")


def _engine(run: _Run) -> Iterator[Violation]:
    """Another engine may write logs of the same form, under a name of its own."""
    version = run.log.values.get("loadgen_version")
    if not _VERSION.match(str(version)):
        found = f"loadgen_version is {version or 'not there'}: it is no log of MLPerf LoadGen"
        yield run.broken("engine", found, "run it with MLPerf LoadGen")


def _errors(run: _Run) -> Iterator[Violation]:
    for error in run.log.errors:
        yield run.broken("no-errors", f"LoadGen marks an error: {error}", "put that right, and run it again")


def _mode(run: _Run, mode: str, word: str) -> Iterator[Violation]:
    if run.log.mode != mode:
        yield run.broken("mode", f"test_mode is {run.log.mode or 'not there'}, not {mode}", f"run it in mode={word}")


def _scenario(run: _Run) -> Iterator[Violation]:
    """That of the folder, or one from which the folder's may be inferred."""
    pair = (run.log.scenario, run.place.scenario)
    if pair[0] != pair[1] and pair not in rules.INFERRED:
        found = f"its scenario is {pair[0] or 'not there'}, its folder's {pair[1]}"
        yield run.broken("scenario", found, "put the logs of the same scenario there")


def _samples(run: _Run) -> Iterator[Violation]:
    count, least = run.log.setting("performance_sample_count") or 0, run.benchmark.performance_samples
    if count < least:
        found = f"performance_sample_count is {count}, at least {least} is asked for"
        yield run.broken(
            "performance-samples", found, f"--set performance-sample-count={least}, of a dataset that has them"
        )


def _seeds(run: _Run) -> Iterator[Violation]:
    for name, expected in rules.SEEDS.items():
        if (found := run.log.setting(name)) != expected:
            yield run.broken("seeds", f"{name} is {found}, {rules.VERSION} asks for {expected}", _SEED_HINT)


def _duration(run: _Run) -> Iterator[Violation]:
    least = run.log.setting("min_duration_ms") or 0
    if least < rules.MIN_DURATION_MS:
        found = f"min_duration_ms is {least:.0f}, at least {rules.MIN_DURATION_MS} is asked for"
        yield run.broken(
            "min-duration", found, f"--set duration={rules.MIN_DURATION_MS // 1000}, or --set mlperf-model=NAME"
        )
    if run.log.scenario == "Offline" and (run.log.setting("min_query_count") or 0) < 1:
        yield run.broken("min-queries", "min_query_count is below 1", "--set min-query-count=1")


def _early_stopping(run: _Run) -> Iterator[Violation]:
    if run.log.scenario != "Offline" and run.log.values.get("early_stopping_met") is not True:
        why = " ".join(str(run.log.values.get("early_stopping_result", "the log does not say why")).split())
        yield run.broken(
            "early-stopping", f"early stopping was not met: {why}", "run it longer: more queries are needed"
        )


def _latency(run: _Run) -> Iterator[Violation]:
    bound, asked = run.benchmark.target_latency_ns.get(run.log.scenario), run.log.setting("target_latency_ns") or 0
    if bound and asked > bound:
        found = f"target_latency_ns is {asked:.0f}, at most {bound} may be asked for"
        yield run.broken("target-latency", found, f"--set target-latency={bound / 1e6:g}ms")


def _tokens(run: _Run) -> Iterator[Violation]:
    if run.benchmark.tokens and not run.log.values.get("requested_use_token_latencies"):
        found = f"use_token_latencies is off, {run.benchmark.name} asks for it"
        yield run.broken("token-latencies", found, "--set use-token-latencies=true")


def _audit(run: _Run) -> Iterator[Violation]:
    """An audit asks for the same sample again, which is no measurement of the model."""
    for name in _AUDITS:
        if run.log.setting(name):
            yield run.broken("audit", f"{name} is on: it is the run of an audit", "put a run without it there")


def _reported(run: _Run) -> Iterator[Violation]:
    key = rules.SCENARIOS.get(run.log.scenario)
    if key and not run.log.values.get(key):
        yield run.broken("result", f"{key} is {run.log.values.get(key, 'not there')}", "run it to its end")
    inferred = (run.log.scenario, run.place.scenario) == ("SingleStream", "MultiStream")
    if inferred and not run.log.values.get("early_stopping_latency_ms"):
        found = "too few queries to infer MultiStream from: early_stopping_latency_ms is 0"
        yield run.broken("result", found, "662 queries at least are needed")


_OF_PERFORMANCE = (
    *(_engine, _errors, _scenario, _samples, _seeds, _duration, _early_stopping, _latency, _tokens, _audit, _reported),
)
