"""Results as rows of text with units in the headings; whoever prints them chooses the widths."""

from __future__ import annotations

from collections.abc import Sequence

from cmx.results.result import Result

UNKNOWN = "-"


def measurement(result: Result) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The headings and the one row that a benchmark's end shows; each accuracy with its count."""
    columns = _of_launches(result) if "launches" in result.metrics else _of_queries(result)
    columns |= {name.replace("_", "-").upper(): _counted(result, name) for name in result.accuracy}
    judge = "LOADGEN" if "loadgen" in str(result.metrics.get("engine", "mlperf-loadgen")) else "VERDICT"
    columns[judge] = str(result.metrics.get("verdict") or UNKNOWN)
    return tuple(columns), tuple(columns.values())


def _of_queries(result: Result) -> dict[str, str]:
    latency = result.latency
    return {
        "SCENARIO": result.scenario or UNKNOWN,
        "QUERIES": _whole(result.metrics.get("queries")),
        "SAMPLES": _whole(result.metrics.get("samples")),
        "P50 ms": milliseconds(latency.p50),
        "P90 ms": milliseconds(latency.p90),
        "P99 ms": milliseconds(latency.p99),
        "THROUGHPUT": UNKNOWN if result.throughput is None else f"{result.throughput:.1f} /s",
    }


def _of_launches(result: Result) -> dict[str, str]:
    """A native program: the medians of its launches, the main measure with the least and the greatest."""
    metrics = result.metrics
    columns = {"LAUNCHES": _whole(metrics["launches"]), "P50 ms": milliseconds(result.latency.p50)}
    for name, measure in (metrics.get("measures") or {}).items():
        if not name.endswith("-best"):
            span = f" ({measure['min']:.2f} to {measure['max']:.2f})" if name == metrics.get("measure") else ""
            columns[f"{name.upper()} {measure['unit']}"] = f"{measure['median']:.2f}{span}"
    return columns


def _counted(result: Result, metric: str) -> str:
    """An accuracy with the count it comes from: "18/20 = 0.900"."""
    counts = result.validation.get("counts") or {}
    value = f"{result.accuracy[metric]:.3f}"
    return f"{counts[metric]}/{counts['total']} = {value}" if metric in counts and "total" in counts else value


LISTING = (
    *("RESULT", "WHEN (UTC)", "ACTION", "WORKFLOW", "MODEL", "FRAMEWORK", "SCENARIO"),
    *("P50 ms", "THROUGHPUT", "ACCURACY", "STATUS"),
)


def listing(results: Sequence[Result]) -> list[tuple[str, ...]]:
    """One row for each result, under LISTING. The last column is "valid", "invalid" or "failed"."""
    return [_listed(result) for result in results]


def _listed(result: Result) -> tuple[str, ...]:
    return (
        result.short,
        result.created[:16].replace("T", " "),
        result.action,
        _bare(result.workflow),
        _bare(result.pins.get("model", UNKNOWN)),
        _bare(result.pins.get("framework", UNKNOWN)),
        result.scenario or UNKNOWN,
        milliseconds(result.latency.p50),
        UNKNOWN if result.throughput is None else f"{result.throughput:.1f} /s",
        _main_accuracy(result),
        verdict(result),
    )


def _main_accuracy(result: Result) -> str:
    metric = str(result.validation.get("metric"))
    return f"{metric} {result.accuracy[metric]:.3f}" if metric in result.accuracy else UNKNOWN


def verdict(result: Result) -> str:
    """ "valid", "invalid" (it ran, and its numbers may not be used) or "failed"."""
    if result.status != "ok":
        return "failed"
    return "valid" if result.valid else "invalid"


def milliseconds(nanoseconds: int | None) -> str:
    """A time in ms: two decimals, or three digits' worth where it is below a hundredth."""
    if nanoseconds is None:
        return UNKNOWN
    value = nanoseconds / 1e6
    return f"{value:.2f}" if value >= 0.1 else f"{value:.3g}"


def _bare(reference: str) -> str:
    """A reference without its kind, and the space it takes."""
    return reference.split("/", 1)[-1].replace("==", " ")


def _whole(value: object) -> str:
    return UNKNOWN if value is None else str(value)
