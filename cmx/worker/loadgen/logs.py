"""LoadGen's logs: ``:::MLLOG`` lines of JSON in the detail log, answers in the accuracy log."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Optional

DETAIL = "mlperf_log_detail.txt"
SUMMARY = "mlperf_log_summary.txt"
ACCURACY = "mlperf_log_accuracy.json"
TRACE = "mlperf_log_trace.json"
_PREFIX = ":::MLLOG "
_RESULTS = ("result_", "early_stopping", "num_errors", "num_warnings", "generated_", "loadgen_version", "power_")
_CONDITIONS = {
    "result_min_duration_met": "the run ended before the minimum duration",
    "result_min_queries_met": "the run ended before the minimum number of queries",
}
_THROUGHPUT = {
    "single-stream": "result_qps_with_loadgen_overhead",
    "server": "result_completed_samples_per_sec",
    "offline": "result_samples_per_second",
}
_PEAK = "FindPeakPerformance: Found peak performance field: "
_TWICE_QUOTED = re.compile(r'""([^"]*)""')
_BOUNDS = {"": ("result_{:.2f}_percentile_latency_ns", "effective_target_latency_ns")}
_OF_TOKENS = "requested_use_token_latencies"
_TOKEN_BOUNDS = {
    " of first tokens": ("result_first_token_{:.2f}_percentile_latency_ns", "requested_server_ttft_latency"),
    " of tokens after the first": (
        "result_time_per_output_token_{:.2f}_percentile_ns",
        "requested_server_tpot_latency",
    ),
}
_TOO_MANY = "Too many outstanding queries"


@dataclass(frozen=True)
class Log:
    """The last value of each key of a detail log, and the messages it marks as errors."""

    values: Mapping[str, Any]
    errors: tuple[str, ...]


def read(path: Path) -> Log:
    """Read a detail log; what is not an MLLOG line is passed over. Raises OSError when there is none."""
    values: dict[str, Any] = {}
    errors: list[str] = []
    with path.open(encoding="utf-8", errors="replace") as lines:
        for line in lines:
            entry = _entry(line)
            if entry:
                values[entry["key"]] = _exact(entry["key"], entry["value"])
                if entry.get("metadata", {}).get("is_error"):
                    errors.append(str(entry["value"]))
    return Log(values, tuple(errors))


def _entry(line: str) -> Optional[dict[str, Any]]:
    if not line.startswith(_PREFIX):
        return None
    try:
        entry = json.loads(line[len(_PREFIX) :])
    except ValueError:
        # A control character in a message makes a line that is not JSON; no figure is lost with it.
        return None
    return entry if isinstance(entry, dict) and "key" in entry and "value" in entry else None


def _exact(key: str, value: Any) -> Any:
    """Times as whole numbers: LoadGen writes some as 1e+06."""
    return int(value) if isinstance(value, float) and key.endswith(("_ns", "_ms", "_count")) else value


def summary(log: Log) -> dict[str, Any]:
    """What LoadGen found: the keys of its results, as it names them; latencies in integer ns."""
    return {key: value for key, value in log.values.items() if key.startswith(_RESULTS)}


def settings(log: Log) -> dict[str, Any]:
    """The settings in effect, under LoadGen's names without ``effective_``."""
    prefix = "effective_"
    return {key[len(prefix) :]: value for key, value in log.values.items() if key.startswith(prefix)}


def invalid_reasons(log: Log) -> tuple[str, ...]:
    """Why a run does not count: conditions that were not met, errors, and LoadGen's own advice."""
    values = log.values
    unmet = [reason for key, reason in _CONDITIONS.items() if values.get(key) is False]
    if any(_TOO_MANY in error for error in log.errors):
        # LoadGen advises to increase the target here, which can only make it worse.
        slow = "the system is slower than target-qps: queries waited for an answer, and no more were asked"
        return (slow, *unmet, *log.errors)
    if values.get("result_perf_constraints_met") is False:
        unmet.append(_over_the_bound(log))
    elif values.get("early_stopping_met") is False:
        unmet.append(_too_few(log))
    advice = " ".join(str(values.get("result_invalid_reason", "")).split())
    return (*unmet, *log.errors, *([f"advice: {advice}"] if advice else []))


def _over_the_bound(log: Log) -> str:
    """That answers came too late, with the figures where the log has them."""
    percentile = _percentile(log)
    bounds = _TOKEN_BOUNDS if log.values.get(_OF_TOKENS) else _BOUNDS
    said = []
    for what, (reached_key, target_key) in bounds.items():
        reached, target = log.values.get(reached_key.format(percentile)), log.values.get(target_key)
        if reached is not None and target is not None and reached > target:
            said.append(f"p{percentile:g}{what} is {reached / 1e6:.1f} ms, and may be {target / 1e6:g} ms")
    return ": ".join(["the latency bound was not met", *([", ".join(said)] if said else [])])


def _too_few(log: Log) -> str:
    """That a percentile asks for more queries, in LoadGen's words: how many depends on the percentile."""
    names = ("early_stopping_result", "early_stopping_ttft_result", "early_stopping_tpot_result")
    said = " ".join(" ".join(str(log.values.get(name, "")) for name in names).replace(" * ", " ").split())
    return f"too few queries for the percentile asked for, the {_percentile(log):g}th: {said}"


def _percentile(log: Log) -> float:
    return round(float(log.values.get("effective_target_latency_percentile", 0)) * 100, 4)


def throughput(log: Log, scenario: str) -> Optional[float]:
    """Samples per second as LoadGen counted them, None if it did not."""
    value = log.values.get(_THROUGHPUT.get(scenario, ""))
    return float(value) if value is not None else None


def peak(log: Log) -> Optional[float]:
    """The queries per second that find-peak found; None where even its first rate was too much."""
    said = str(log.values.get("generic_message", ""))
    return float(said[len(_PEAK) :]) if said.startswith(_PEAK) else None


def answers(path: Path) -> dict[int, bytes]:
    """Sample index → what was answered first: LoadGen fills up the last query of a multi-stream with samples again.

    Raises ValueError when the log is not one.
    """
    found: dict[int, bytes] = {}
    for index, answer in logged_answers(path):
        found.setdefault(index, answer)
    return found


def mend_trace(path: Path) -> None:
    """Make the trace JSON, line by line: LoadGen 6.0 quotes some names twice, and viewers refuse that."""
    mended = path.with_suffix(".mended")
    with path.open(encoding="utf-8", errors="replace") as lines, mended.open("w", encoding="utf-8") as to:
        to.writelines(_TWICE_QUOTED.sub(r'"\1"', line) for line in lines)
    mended.replace(path)


def logged_answers(path: Path) -> list[tuple[int, bytes]]:
    """Sample index and answer, as often as they are in an accuracy log: while measuring, a sample is asked again.

    Raises ValueError when the log is not one.
    """
    entries = json.loads(path.read_text(encoding="utf-8"))
    return [(int(entry["qsl_idx"]), bytes.fromhex(entry["data"])) for entry in entries]


def files(output: Path) -> tuple[str, ...]:
    """Names of the logs that hold something: LoadGen leaves those it has no use for empty, or as an empty list."""
    return tuple(sorted(path.name for path in output.glob("mlperf_log_*") if path.stat().st_size > len("[\n]\n")))
