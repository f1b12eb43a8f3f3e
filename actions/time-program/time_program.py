"""Run a compiled program several times, and say what its launches measured."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from cmx.worker import ActionError, Context, Outcome
from cmx.worker.native import EMULATED, Launch, Program, expand, open_program, spread, summarise

_REPETITIONS = 5


def time_program(
    context: Context,
    *,
    arguments: str = "",
    in_emulator: str = "",
    repetitions: int | None = None,
    threads: int = 1,
    time_limit: float = 300,
) -> Outcome:
    """Launch the program afresh for each observation; in an emulator nothing that it measured is kept."""
    with open_program(context) as program:
        words = expand(f"{arguments} {in_emulator}" if program.emulated else arguments, context)
        count = repetitions or (1 if program.emulated else _REPETITIONS)
        launches = []
        for number in range(count):
            launches.append(program.launch(words, threads=threads, seconds=time_limit))
            launches[-1].report.check_asked(words)
            context.progress(number + 1, count)
    common = _common(program, launches, threads)
    if program.emulated:
        if not common["valid"]:
            raise ActionError(common["invalid_reasons"][0])
        return Outcome(f"{_launches(count)}, {EMULATED}", {**common, "notes": [EMULATED]})
    metrics = {**common, **_times(launches), "notes": list(dict.fromkeys(_notes(launches)))}
    return Outcome(_summary(metrics, count), metrics)


def _common(program: Program, launches: Sequence[Launch], threads: int) -> dict[str, Any]:
    """What holds wherever the program ran."""
    sums = [launch.report.checksum for launch in launches]
    differing = [number for number, checksum in enumerate(sums, start=1) if checksum != sums[0]]
    reasons = [f"launch {number} gave other answers than the first" for number in differing]
    return {
        "engine": "launches",
        "valid": not reasons,
        "verdict": "INVALID" if reasons else "VALID",
        "invalid_reasons": reasons,
        "launches": len(launches),
        "threads": threads,
        "emulated": program.emulated,
        "emulator": program.emulator,
        "checksum": sums[0],
        "build": dict(program.facts),
        "program": dict(launches[0].report.facts),
    }


def _times(launches: Sequence[Launch]) -> dict[str, Any]:
    """``latency`` is of the program's unit of work, one value a launch; ``throughput`` such units in a second."""
    first = launches[0].report
    latency = summarise([launch.report.kernel_ns for launch in launches])
    return {
        "latency": latency,
        "throughput": 1e9 / latency["p50"],
        "wall": summarise([launch.wall_ns for launch in launches]),
        "measure": first.metric,
        "measures": {
            name: {"unit": measure.unit, **spread([launch.report.measures[name].value for launch in launches])}
            for name, measure in first.measures.items()
        },
        "samples_per_launch": [_sample(launch) for launch in launches],
    }


def _sample(launch: Launch) -> dict[str, Any]:
    measures = {name: measure.value for name, measure in launch.report.measures.items()}
    return {
        "wall_ns": launch.wall_ns,
        "cpu_ns": launch.cpu_ns,
        "kernel_ns": launch.report.kernel_ns,
        "checksum": launch.report.checksum,
        **measures,
    }


def _notes(launches: Sequence[Launch]) -> Iterator[str]:
    for launch in launches:
        yield from launch.report.notes


def _summary(metrics: dict[str, Any], count: int) -> str:
    if not metrics["measure"]:
        return f"{_launches(count)}, {metrics['latency']['p50'] / 1e6:.3f} ms"
    main = metrics["measures"][metrics["measure"]]
    span = f"{main['min']:.2f} to {main['max']:.2f}"
    return f"{_launches(count)}, {metrics['measure']} {main['median']:.2f} {main['unit']} ({span})"


def _launches(count: int) -> str:
    return f"{count} launch" if count == 1 else f"{count} launches"
