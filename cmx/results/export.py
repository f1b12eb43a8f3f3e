"""Results for other programs: all of each as JSON, or one row each as CSV or Parquet, with units in the columns' names.

Parquet is written by pyarrow, an optional extra: ``pip install 'cmx-bench[parquet]'``.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from cmx.errors import StoreError, UsageError, nearest
from cmx.files import refuse_folder, write_atomically
from cmx.host import Field
from cmx.results.result import Result

FORMATS = ("csv", "json", "parquet")
_BOUNDED = ("p50", "p90", "p95", "p99")
# What spreadsheets take for the beginning of a formula (OWASP, "CSV Injection").
_FORMULA = ("=", "+", "-", "@", "\t", "\n")


def to_json(results: Iterable[Result]) -> str:
    """A list of result documents."""
    return json.dumps([result.document() for result in results], ensure_ascii=False, indent=1) + "\n"


def to_csv(results: Sequence[Result]) -> str:
    """A header and one row each. What a result does not have is empty; text that a spreadsheet would calculate is
    led by an apostrophe."""
    rows = [row(result) for result in results]
    names = list(dict.fromkeys(name for each in rows for name in each)) or list(_identity(None))
    text = io.StringIO()
    writer = csv.DictWriter(text, names, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: _cell(value) for name, value in each.items()} for each in rows)
    return text.getvalue()


def to_parquet(results: Sequence[Result]) -> bytes:
    """One row each, with typed columns; what a result does not have is null.

    Raises UsageError, naming the command that installs it, where pyarrow is not there.
    """
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        remedy = "python -m pip install 'cmx-bench[parquet]'"
        raise UsageError("Parquet needs pyarrow, which is not installed here", hint=remedy) from error
    rows = [row(result) for result in results]
    names = list(dict.fromkeys(name for each in rows for name in each)) or list(_identity(None))
    columns = {name: _column([each.get(name) for each in rows]) for name in names}
    types = {bool: pyarrow.bool_(), int: pyarrow.int64(), float: pyarrow.float64(), str: pyarrow.string()}
    types[list] = pyarrow.list_(pyarrow.string())
    arrays = {name: pyarrow.array(values, types[kind]) for name, (kind, values) in columns.items()}
    stream = io.BytesIO()
    pyarrow.parquet.write_table(pyarrow.table(arrays), stream)
    return stream.getvalue()


def _column(values: Sequence[Any]) -> tuple[type, list[Any]]:
    """The one type that holds all values, and the values in it; text where nothing else does."""
    kinds = {type(value) for value in values if value is not None}
    if kinds <= {tuple, list} and kinds:
        return list, [None if value is None else [str(each) for each in value] for value in values]
    kind = next((each for each in (bool, int, float) if kinds == {each}), float if kinds == {int, float} else str)
    return kind, [None if value is None else kind(value) for value in values]


def export(results: Sequence[Result], path: Path) -> None:
    """Write results to a file, in the form that its ending names, all or nothing.

    Raises UsageError for a folder and for another ending, StoreError when it cannot be written.
    """
    form = form_of(path)
    content = to_parquet(results) if form == "parquet" else as_text(results, form)
    try:
        write_atomically(path, content)
    except (StoreError, OSError) as error:
        raise StoreError(str(error), hint="name a file in a folder that you may write to, with room for it") from error


def form_of(path: Path) -> str:
    """One of FORMATS, by a file's ending. Raises UsageError for another, for none, and for a folder."""
    refuse_folder(path, "results.csv")
    form = path.suffix.lstrip(".").lower()
    if not form:
        raise UsageError(f"{path}: no ending says the form: {', '.join(FORMATS)}", hint=f"as in {path}.csv")
    if form not in FORMATS:
        raise _no_form(form, f"{path}: ")
    return form


def as_text(results: Sequence[Result], form: str) -> str:
    """The results in one of FORMATS that is text. Raises UsageError for another."""
    if form == "parquet":
        raise UsageError("parquet is no text", hint="--output results.parquet writes it to a file")
    if form not in FORMATS:
        raise _no_form(form)
    return to_csv(results) if form == "csv" else to_json(results)


def _no_form(form: str, where: str = "") -> UsageError:
    what = f"{where}cannot export as {form!r}: the forms are {', '.join(FORMATS)}"
    return UsageError(what, hint=nearest(form, FORMATS))


def row(result: Result) -> dict[str, Any]:
    """A result as flat columns."""
    return {
        **_identity(result),
        **_measurements(result),
        **{f"accuracy_{name}": value for name, value in sorted(result.accuracy.items())},
        **_machine(result),
    }


def _identity(result: Result | None) -> dict[str, Any]:
    names = ("id", "created", "action", "workflow", "scenario", "status", "valid", "reasons", "key")
    found = {name: getattr(result, name, None) for name in names}
    roles = result.pins if result else {}
    return {**found, **{role: roles.get(role) for role in ("model", "dataset", "framework")}}


def _measurements(result: Result) -> dict[str, Any]:
    metrics, latency = result.metrics, result.latency
    statistics = {} if result.in_accuracy_mode else result.statistics or {}
    percentiles: Mapping[str, Any] = statistics.get("percentiles", {})
    return {
        **{name: metrics.get(name) for name in ("mode", "queries", "samples", "batch_size", "threads", "verdict")},
        "throughput_per_s": result.throughput,
        **{f"latency_{name}_ns": getattr(latency, name) for name in latency.__dataclass_fields__},
        "launches": result.launches or None,
        **_interval(statistics),
        **{f"latency_{name}_bound_ns": percentiles.get(name, {}).get("bound") for name in _BOUNDED},
        "load_ns": metrics.get("load_ns"),
        "memory_peak_bytes": max((step.outcome.get("memory_peak") or 0 for step in result.steps), default=0) or None,
    }


def _interval(statistics: Mapping[str, Any]) -> dict[str, Any]:
    """The interval of the median of their latencies or throughputs."""
    measure = statistics.get("measure", "")
    found = (statistics.get(measure) or {}).get("interval") or {}
    unit = "per_s" if measure == "throughput" else "ns"
    ends = {f"{measure}_interval_{end}_{unit}": found[end] for end in ("low", "high") if end in found}
    return {**ends, "interval_confidence": found.get("confidence")}


def _machine(result: Result) -> dict[str, Any]:
    facts = ("distribution", "kernel", "libc", "architecture", "cpu_model", "cores", "threads", "governor")
    values = {f"host_{name}": _fact(result, name) for name in facts}
    noise = result.noise
    return {
        **values,
        "host_memory_bytes": _fact(result, "memory"),
        "load_average": noise.load if noise else None,
        "other_cores": noise.other_cores if noise else None,
        "noisy": result.noisy,
    }


def _fact(result: Result, name: str) -> Any:
    field = result.host.fields.get(name)
    return field.value if isinstance(field, Field) else None


def _cell(value: Any) -> Any:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (tuple, list)):
        value = "; ".join(map(str, value))
    if not isinstance(value, str):
        return value
    # A bare carriage return ends a row for some readers, and Python's writer does not quote it.
    text = value.replace("\r\n", "\n").replace("\r", "\n")
    return f"'{text}" if text.startswith(_FORMULA) else text
