"""Results as rows of text with units in the headings; whoever prints them chooses the widths."""

from __future__ import annotations

from collections.abc import Sequence

from cmx.results.result import Result

UNKNOWN = "-"


def measurement(result: Result) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The headings and the one row that a benchmark's end shows. Accuracy has a column for its main metric."""
    metric = str(result.validation.get("metric", ""))
    headings = ("SCENARIO", "QUERIES", "P50 ms", "P90 ms", "P99 ms", "THROUGHPUT")
    latency = result.latency
    values = (
        result.scenario or UNKNOWN,
        _whole(result.metrics.get("queries")),
        *(milliseconds(each) for each in (latency.p50, latency.p90, latency.p99)),
        UNKNOWN if result.throughput is None else f"{result.throughput:.1f} /s",
    )
    accuracy = ((metric.replace("_", "-").upper(), _fraction(result.accuracy.get(metric))),) if metric else ()
    verdict = (("LOADGEN", str(result.metrics.get("verdict", UNKNOWN))),)
    extra = (*accuracy, *verdict)
    return (*headings, *(name for name, _ in extra)), (*values, *(value for _, value in extra))


LISTING = ("RESULT", "WHEN (UTC)", "WORKFLOW", "MODEL", "FRAMEWORK", "SCENARIO", "P90 ms", "THROUGHPUT", "STATUS")


def listing(results: Sequence[Result]) -> list[tuple[str, ...]]:
    """One row for each result, under LISTING. The last column is "valid", "invalid" or "failed"."""
    return [_listed(result) for result in results]


def _listed(result: Result) -> tuple[str, ...]:
    return (
        result.short,
        result.created[:16].replace("T", " "),
        _bare(result.workflow),
        _bare(result.pins.get("model", UNKNOWN)),
        _bare(result.pins.get("framework", UNKNOWN)),
        result.scenario or UNKNOWN,
        milliseconds(result.latency.p90),
        UNKNOWN if result.throughput is None else f"{result.throughput:.1f} /s",
        verdict(result),
    )


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


def _fraction(value: float | None) -> str:
    return UNKNOWN if value is None else f"{value:.3f}"
