"""A result as people read it: one table, what was noisy, and whether it counts."""

from __future__ import annotations

from typing import Any

from cmx.cli.answer import table
from cmx.results import Result


def result_text(result: Result) -> str:
    """The whole answer of a run."""
    parts = [_body(result), *_remarks(result), f"result {result.short}    cmx result show {result.short}"]
    return "\n" + "\n".join(part for part in parts if part)


def _body(result: Result) -> str:
    metrics = result.metrics
    if "throughput" in metrics or "latency" in metrics:
        return _speed_table(result) + "\n"
    if "classes" in metrics:
        return _classes(metrics) + "\n"
    return _accuracy_line(result.validation) + "\n" if result.validation else ""


def _speed_table(result: Result) -> str:
    metrics, latency = result.metrics, result.latency
    accuracy = sorted((result.validation.get("accuracy") or {}).items())
    counts = result.validation.get("counts") or {}
    head = ["SCENARIO", "QUERIES", "SAMPLES", "P50 ms", "P90 ms", "P99 ms", "THROUGHPUT"]
    row = [
        str(metrics.get("scenario", "")),
        str(metrics.get("queries", "")),
        str(metrics.get("samples", "")),
        *(milliseconds(value) for value in (latency.p50, latency.p90, latency.p99)),
        f"{result.throughput:.1f} /s" if result.throughput else "–",
    ]
    for name, value in accuracy:
        head.append(name.upper().replace("_", "-"))
        row.append(f"{counts[name]}/{counts['total']} = {value:.3f}" if name in counts else f"{value:.3f}")
    head.append("LOADGEN")
    row.append(str(metrics.get("verdict", "–")))
    return table(head, [row], right=range(1, 7))


def milliseconds(ns: int | None) -> str:
    """Nanoseconds as milliseconds with three or more figures; "–" for none."""
    return "–" if ns is None else f"{ns / 1e6:.2f}" if ns >= 1_000_000 else f"{ns / 1e6:.4f}"


def _classes(metrics: Any) -> str:
    rows = [(str(each["index"]), each["name"], f"{each['probability']:.3f}") for each in metrics["classes"]]
    return f"{metrics.get('input', '')}\n" + table(("CLASS", "NAME", "PROBABILITY"), rows, right=(0, 2))


def _accuracy_line(validation: Any) -> str:
    counts = validation.get("counts") or {}
    values = sorted((validation.get("accuracy") or {}).items())
    parts = [f"{name} {counts.get(name, '')}/{counts.get('total', '')} = {value:.3f}" for name, value in values]
    verdict = "passed" if validation.get("passed") else "FAILED"
    return f"{', '.join(parts)}: {verdict} (at least {validation.get('at_least'):.3f} in {validation.get('metric')})"


def _remarks(result: Result) -> list[str]:
    if "throughput" not in result.metrics:
        return [f"failed: {reason}" for reason in result.reasons]
    threads = result.metrics.get("threads")
    remarks = [f"measured with {threads} thread(s), {result.metrics.get('queries')} queries in one launch"]
    remarks += [f"noisy: {sentence}" for sentence in result.noisy]
    remarks += [f"caution: {sentence}" for sentence in result.cautions]
    return remarks + [f"not valid: {reason}" for reason in result.reasons]
