"""Logs in LoadGen's form: the summary, the detail log's ``:::MLLOG`` lines, and answers.

What reads LoadGen's logs reads these too. ``loadgen_version`` and the summary's heading say whose they are.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterable, Mapping
from datetime import datetime, timezone
from pathlib import Path
from time import perf_counter_ns
from typing import Any, List, Tuple

from cmx.worker.loadgen import logs
from cmx.worker.loadgen.effective import Effective
from cmx.worker.loadgen.verdict import PERCENTILES, Verdict

_RULE = "=" * 48
_TITLE = "Results Summary of cmx's native engine (not MLPerf LoadGen)"
_UNMENTIONED = ("scenario", "target_duration_ms", "min_sample_count", "sample_concatenate_permutation")
_UNITS = {
    "target_latency_ns": "target_latency (ns):",
    "min_duration_ms": "min_duration (ms) :",
    "max_duration_ms": "max_duration (ms) :",
}


class DetailLog:
    """The detail log: a line of JSON for each key, written as it comes."""

    def __init__(self, folder: Path) -> None:
        self.errors = self.warnings = 0
        self._file = (folder / logs.DETAIL).open("w", encoding="utf-8")
        self._begin = perf_counter_ns()
        self._thread = {"pid": os.getpid(), "tid": threading.get_native_id()}

    def __call__(self, key: str, value: Any, *, is_error: bool = False, is_warning: bool = False) -> None:
        """One line."""
        self.errors += is_error
        self.warnings += is_warning
        entry = {
            "key": key,
            "value": value,
            "time_ms": round((perf_counter_ns() - self._begin) / 1e6, 6),
            "namespace": "mlperf::logging",
            "event_type": "POINT_IN_TIME",
            "metadata": {
                "is_error": is_error,
                "is_warning": is_warning,
                "file": "native.py",
                "line_no": 0,
                **self._thread,
            },
        }
        self._file.write(f":::MLLOG {json.dumps(entry)}\n")

    def all(self, entries: Mapping[str, Any], prefix: str = "") -> None:
        """A line for each."""
        for key, value in entries.items():
            self(prefix + key, value)

    def close(self) -> None:
        """Nothing more comes."""
        self._file.close()


def clock_time(moment: datetime) -> str:
    """As LoadGen writes the time at which power begins to count."""
    return moment.astimezone(timezone.utc).strftime("%m-%d-%Y %H:%M:%S.%f")[:-3]


def write_answers(folder: Path, answers: Iterable[Tuple[int, int, bytes]]) -> None:
    """The accuracy log: sequence number, sample index and answer of each; empty, as LoadGen's, for none."""
    lines = [
        f'{{ "seq_id" : {seq}, "qsl_idx" : {index}, "data" : "{data.hex().upper()}" }}' for seq, index, data in answers
    ]
    text = "[" + ",".join(f"\n{line}" for line in lines) + "\n]\n"
    (folder / logs.ACCURACY).write_text(text, encoding="utf-8")


def write_summary(folder: Path, mode: str, settings: Effective, verdict: Verdict, detail: DetailLog) -> None:
    """The summary of a performance run, line for line what LoadGen writes about the same figures."""
    lines = [
        *_headed(_TITLE),
        "SUT name : cmx",
        f"Scenario : {settings.document()['scenario']}",
        f"Mode     : {mode}",
        *_main_figure(settings, verdict),
        *_judgement(verdict),
        *(["Early Stopping Result:", verdict.early_stopping] if verdict.early_stopping else []),
        "",
        *_headed("Additional Stats"),
        *_additional(settings, verdict.figures),
        "",
        *_headed("Test Parameters Used"),
        *_parameters(settings),
        *_problems(detail),
    ]
    (folder / logs.SUMMARY).write_text("\n".join(lines) + "\n", encoding="utf-8")


def write_no_summary(folder: Path, detail: DetailLog) -> None:
    """What LoadGen's summary has where nothing was measured."""
    (folder / logs.SUMMARY).write_text("\n".join(_problems(detail)) + "\n", encoding="utf-8")


def _headed(title: str) -> List[str]:
    return [_RULE, title, _RULE]


def _main_figure(settings: Effective, verdict: Verdict) -> List[str]:
    figures = verdict.figures
    if settings.scenario == "offline":
        return [f"Samples per second: {figures['result_samples_per_second']:g}"]
    if settings.scenario == "server":
        return [f"Completed samples per second    : {figures['result_completed_samples_per_sec']:.2f}"]
    percent = settings.target_latency_percentile * 100
    return [f"{percent:.1f}th percentile latency (ns) : {verdict.judged}"]


def _judgement(verdict: Verdict) -> List[str]:
    labels = {
        "result_perf_constraints_met": "  Performance constraints satisfied : ",
        "result_min_duration_met": "  Min duration satisfied : ",
        "result_min_queries_met": "  Min queries satisfied : ",
        "early_stopping_met": "  Early stopping satisfied: ",
    }
    conditions = [
        label + ("Yes" if verdict.met[name] else "NO") for name, label in labels.items() if name in verdict.met
    ]
    advice = ["Recommendations:", *(f" * {each}" for each in verdict.advice)] if not verdict.valid else []
    return [f"Result is : {'VALID' if verdict.valid else 'INVALID'}", *conditions, *advice]


def _additional(settings: Effective, figures: Mapping[str, Any]) -> List[str]:
    name, of = "latency_ns", "_percentile_latency_ns"
    lines: List[str] = []
    if settings.scenario == "single-stream":
        lines = [
            f"QPS w/ loadgen overhead         : {figures['result_qps_with_loadgen_overhead']:.2f}",
            f"QPS w/o loadgen overhead        : {figures['result_qps_without_loadgen_overhead']:.2f}",
            "",
        ]
    elif settings.scenario == "server":
        lines = [f"Scheduled samples per second : {figures['result_scheduled_samples_per_sec']:.2f}"]
    elif settings.scenario == "multi-stream":
        name, of = "query_latency_ns", "_percentile_per_query_latency_ns"
        lines = ["Per-query latency:  "]
    extremes = [
        f"{word.title()} latency (ns)".ljust(32) + f": {figures[f'result_{word}_{name}']}" for word in _EXTREMES
    ]
    return [
        *lines,
        *extremes,
        *(f"{p * 100:.2f} percentile latency (ns)   : {figures[f'result_{p * 100:.2f}{of}']}" for p in PERCENTILES),
    ]


_EXTREMES = ("min", "max", "mean")


def _parameters(settings: Effective) -> List[str]:
    shown = {name: value for name, value in settings.document().items() if name not in _UNMENTIONED}
    shown.pop("target_latency_percentile")
    return [f"{_UNITS.get(name, f'{name} :')} {_plain(value)}" for name, value in shown.items()]


def _plain(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(int(value))


def _problems(detail: DetailLog) -> List[str]:
    return [
        "",
        f"{detail.warnings or 'No'} warning{'' if detail.warnings == 1 else 's'} encountered{_where(detail.warnings)}",
        "",
        f"{detail.errors} ERROR{'' if detail.errors == 1 else 'S'} encountered{_where(detail.errors)}"
        if detail.errors
        else "No errors encountered during test.",
    ]


def _where(count: int) -> str:
    return ". See detailed log." if count else " during test."
