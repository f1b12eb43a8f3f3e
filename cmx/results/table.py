"""Results as rows of text with units in the headings; whoever prints them chooses the widths."""

from __future__ import annotations

from collections.abc import Sequence

from cmx.results.judgement import ACCURACY, launches
from cmx.results.result import Result

UNKNOWN = "-"


def measurement(result: Result) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The headings and the one row that a benchmark's end shows; each accuracy with its count."""
    columns = _of_program(result) if "launches" in result.metrics else _of_queries(result)
    columns |= {name.replace("_", "-").upper(): _counted(result, name) for name in result.accuracy}
    if result.metrics.get("no_accuracy"):
        columns["ACCURACY"] = "none"
    if not result.in_accuracy_mode:  # there is no verdict of it
        judge = "LOADGEN" if "loadgen" in str(result.metrics.get("engine", "mlperf-loadgen")) else "VERDICT"
        columns[judge] = str(result.metrics.get("verdict") or UNKNOWN)
    return tuple(columns), tuple(columns.values())


def _of_queries(result: Result) -> dict[str, str]:
    return {
        "SCENARIO": result.scenario or UNKNOWN,
        **({"MODE": ACCURACY} if result.in_accuracy_mode else {}),
        **_launches(result),
        "QUERIES": _whole(_total(result, "queries")),
        "SAMPLES": _whole(_total(result, "samples")),
        **({} if result.in_accuracy_mode else _times(result)),
        **_energy(result),
    }


def _times(result: Result) -> dict[str, str]:
    latency = result.latency
    return {
        "P50 ms": milliseconds(latency.p50),
        **_interval(result, "latency"),
        "P90 ms": milliseconds(latency.p90),
        "P99 ms": milliseconds(latency.p99),
        "THROUGHPUT": UNKNOWN if result.throughput is None else f"{result.throughput:.1f} /s",
        **_interval(result, "throughput"),
        **_tokens(result),
    }


def _tokens(result: Result) -> dict[str, str]:
    """Of a model that generates: the times to the first token and for each after it, in the first launch."""
    metrics = result.metrics
    if not metrics.get("tokens_per_second"):
        return {}
    columns = {"TOKENS": f"{metrics['tokens_per_second']:.1f} /s"}
    for name, heading in (("first_token", "TTFT"), ("per_token", "TPOT")):
        if metrics.get(name):
            columns |= {f"{heading} P{p} ms": milliseconds(metrics[name][f"p{p}"]) for p in (50, 99)}
    return columns


def _launches(result: Result) -> dict[str, str]:
    return {"LAUNCHES": str(result.launches)} if result.launches > 1 else {}


def _interval(result: Result, measure: str) -> dict[str, str]:
    """What may be claimed of the number that the result is about; nothing with one launch, where nothing may be."""
    statistics = result.statistics or {}
    if result.launches < 2 or statistics.get("measure") != measure:
        return {}
    found = statistics[measure]["interval"]
    if measure == "latency":
        return {"P50 INTERVAL ms": _range(milliseconds(found["low"]), milliseconds(found["high"])) if found else "none"}
    return {"INTERVAL /s": _range(f"{found['low']:.1f}", f"{found['high']:.1f}") if found else "none"}


def _range(low: str, high: str) -> str:
    return f"{low} to {high}"


def _energy(result: Result) -> dict[str, str]:
    """Only where the machine tells it."""
    energy = (result.statistics or {}).get("energy")
    return {"J A LAUNCH": f"{energy['median']:.1f}"} if energy else {}


def _of_program(result: Result) -> dict[str, str]:
    """A native program: the medians of its launches, the main measure with the least and the greatest."""
    metrics = result.metrics
    columns = {
        **_launches(result),
        "RUNS" if result.launches > 1 else "LAUNCHES": _whole(_total(result, "launches")),
        "P50 ms": milliseconds(result.latency.p50),
        **_interval(result, "latency"),
        **_energy(result),
    }
    for name, unit in {name: each["unit"] for name, each in (metrics.get("measures") or {}).items()}.items():
        if not name.endswith("-best"):
            columns[f"{name.upper()} {unit}"] = _measure(result, name, span=name == metrics.get("measure"))
    return columns


def _measure(result: Result, name: str, *, span: bool) -> str:
    """The median of the launches' medians, with the least and the greatest of all runs."""
    found = [step.metrics["measures"][name] for step in launches(result.steps)]
    medians = sorted(each["median"] for each in found)
    least, greatest = min(each["min"] for each in found), max(each["max"] for each in found)
    shown = f"{medians[(len(medians) - 1) // 2]:.2f}"
    return f"{shown} ({least:.2f} to {greatest:.2f})" if span else shown


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
    """One row for each result, under LISTING. The last column is its verdict."""
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
    """What a result is worth, in one word; and "emulated" where an emulator was measured, and no machine.

    "valid"; "invalid" (it ran, and its numbers may not be used); "unchecked" (nothing was measured or checked);
    "failed".
    """
    if result.status != "ok":
        return "failed"
    word = "invalid" if not result.valid else "valid" if result.checked else "unchecked"
    return f"{word}, emulated" if "emulator" in result.pins else word


def _total(result: Result, name: str) -> int | None:
    """A count over all launches."""
    counts = [step.metrics.get(name) for step in launches(result.steps)]
    return sum(filter(None, counts)) if any(count is not None for count in counts) else None


def milliseconds(nanoseconds: float | None) -> str:
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
