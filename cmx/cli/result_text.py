"""A result as people read it: one table, what was noisy, and whether it counts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from cmx.cli.answer import table
from cmx.files import counted
from cmx.results import Result
from cmx.results.table import UNKNOWN, measurement, verdict

if TYPE_CHECKING:
    from cmx.runner.interleaved import Done


def result_text(result: Result) -> str:
    """The whole answer of a run."""
    parts = [_body(result), *_remarks(result), f"result {result.short}    cmx result show {result.short}"]
    return "\n" + "\n".join(part for part in parts if part)


def _body(result: Result) -> str:
    metrics = result.metrics
    if "throughput" in metrics or "latency" in metrics:
        head, row = measurement(result)
        return table(head, [row], right=_numbers(row)) + "\n"
    if result.audits:
        rows = [[name, "passed" if each["passed"] else "FAILED", each["found"]] for name, each in result.audits.items()]
        return table(["AUDIT", "VERDICT", "FOUND"], rows) + "\n"
    if "shows" in metrics:
        return _shown(result) + "\n"
    said = _accuracy_line(result.validation) if result.validation else _last_words(result)
    return f"{said}\n" if said else ""


def _last_words(result: Result) -> str:
    """What the last step says came of it: all that is known of an action of somebody's own."""
    last = result.steps[-1] if result.steps else None
    summary = (last.outcome.get("summary") or "") if last and last.outcome else ""
    return f"{last.id}: {summary}" if last and summary else ""


def _numbers(row: Sequence[str]) -> list[int]:
    """The columns that hold a number, or that there is none."""
    return [column for column, cell in enumerate(row) if cell[:1].isdigit() or cell == UNKNOWN]


def matrix_text(points: Sequence[Done]) -> str:
    """One row for each point of a matrix, with what was varied in front."""
    rows = [_point_row(each) for each in points]
    head = list(dict.fromkeys(key for row in rows for key in row))
    head = [key for key in head if key not in _LAST] + [key for key in _LAST if key in head]
    failed = [f"failed: {_name(each.point)}: {error['message']}" for each in points if (error := _error(each))]
    measured = [
        each.result for each in points if each.result and each.result.noise and not each.result.in_accuracy_mode
    ]
    noisy = sum(1 for result in measured if result.noisy)
    of_all = f"{noisy} of {counted(len(measured), 'point')}"
    remarks = [f"noisy: {of_all}; cmx result show says what went on"] if noisy else []
    text = table(head, [[row.get(key, "-") for key in head] for row in rows])
    return "\n".join(["", text, "", *failed, *remarks])


_LAST = ("STATUS", "RESULT")


def _error(each: Done) -> Mapping[str, Any] | None:
    return each.result.error if each.result else each.error


def _name(point: Mapping[str, str]) -> str:
    return ", ".join(f"{key}={value}" for key, value in point.items())


def _point_row(each: Done) -> dict[str, str]:
    """The columns of one point; what was varied is not said twice."""
    varied = {key.upper(): value for key, value in each.point.items()}
    if each.result is None:
        return {**varied, "STATUS": "not resolved"}
    headings, values = measurement(each.result) if each.result.launches else ((), ())
    measured = {key: value for key, value in zip(headings, values, strict=True) if key not in varied}
    return {**varied, **measured, "STATUS": verdict(each.result), "RESULT": each.result.short}


def _shown(result: Result) -> str:
    """What a model made of one input: a table of its answers, and where the files are that it wrote."""
    metrics, step = result.metrics, result.steps[-1]
    answers = metrics[metrics["shows"]]
    lines = [str(metrics.get("input", ""))]
    if answers:
        rows = [[_cell(value) for value in each.values()] for each in answers]
        head = [name.replace("_", " ").upper() for name in answers[0]]
        numbers = [column for column, value in enumerate(answers[0].values()) if not isinstance(value, str)]
        lines.append(table(head, rows, right=numbers))
    else:
        lines.append(f"no {metrics['shows']}")
    files = step.outcome.get("files") or ()
    lines += [f"written: {result.folder / step.id / name}" for name in files if result.folder]
    return "\n".join(lines)


def _cell(value: Any) -> str:
    """A number with three decimals if it has any; several of them rounded, as of a box."""
    if isinstance(value, list):
        return " ".join(f"{each:.0f}" if isinstance(each, float) else str(each) for each in value)
    return f"{value:.3f}" if isinstance(value, float) else str(value)


def _accuracy_line(validation: Any) -> str:
    counts = validation.get("counts") or {}
    values = (validation.get("accuracy") or {}).items()
    fractions = {name: f"{counts[name]}/{counts['total']} = " for name in counts if "total" in counts}
    parts = [f"{name} {fractions.get(name, '')}{value:.3f}" for name, value in values]
    verdict = "passed" if validation.get("passed") else "FAILED"
    return f"{', '.join(parts)}: {verdict} (at least {validation.get('at_least'):.3f} in {validation.get('metric')})"


def _remarks(result: Result) -> list[str]:
    notes = [
        f"note: {note}" for note in dict.fromkeys(note for s in result.steps for note in s.metrics.get("notes", ()))
    ]
    if result.audits and result.status == "ok":
        return notes  # the table says it all
    if "throughput" not in result.metrics:
        return [*notes, *(f"failed: {reason}" for reason in result.reasons)]
    if result.in_accuracy_mode:
        said = "accuracy mode asks for each sample once: how long that takes is no measurement, and no time is shown"
        return [f"answered {_done(result)}", said, *notes, *(f"not valid: {reason}" for reason in result.reasons)]
    remarks = [
        f"measured {_done(result)}",
        *_claim(result),
        *_cut(result),
        *notes,
    ]
    remarks += [f"noisy before: {sentence}" for sentence in _before(result)]
    remarks += [f"noisy{_how_often(result)}: {sentence}" for sentence in result.noisy]
    remarks += [f"caution: {sentence}" for sentence in result.cautions]
    return remarks + [f"not valid: {reason}" for reason in result.reasons]


def _done(result: Result) -> str:
    """What drove the model, how, and how often."""
    return f"{_by(result.metrics)}with {_with(result.metrics)}, {_repeated(result)}"


def _by(metrics: Mapping[str, Any]) -> str:
    """What drove the model, where it was not MLPerf LoadGen: the verdict is not LoadGen's either."""
    return "by cmx's native engine, not MLPerf LoadGen, " if metrics.get("engine") == "cmx-native" else ""


def _with(metrics: Mapping[str, Any]) -> str:
    """As in "1 thread", or "2 threads in each of 2 workers, batches of 3.4 on average"."""
    workers, batch = metrics.get("workers", 1), metrics.get("mean_batch")
    which = f" for {workers} workers together" if metrics.get("shared_predictor") else f" in each of {workers} workers"
    said = counted(int(metrics.get("threads") or 0), "thread") + (which if workers > 1 else "")
    return said + (f", batches of {batch:.1f} on average" if batch and metrics.get("batch_size", 1) > 1 else "")


def _repeated(result: Result) -> str:
    """What was repeated to get the numbers."""
    metrics = result.metrics
    times = "one launch" if result.launches == 1 else f"{result.launches} launches"
    if "launches" in metrics:
        runs = f"in {metrics['launches']} launches of the program"
        return runs if result.launches == 1 else f"{runs} in each of {result.launches} workers"
    words = {"queries": ("query", "queries"), "samples": ("sample",)}
    done = [counted(metrics[name], *word) for name, word in words.items() if metrics.get(name) is not None]
    each = "" if result.launches == 1 else " a launch"
    return f"{', '.join(done)}{each}, in {times}" if done else f"in {times}"


def _claim(result: Result) -> list[str]:
    """What the interval is, or that there is none; nothing for one launch, of which none is claimed."""
    statistics = result.statistics or {}
    if result.launches < 2 or "measure" not in statistics:
        return []
    interval = statistics[statistics["measure"]]["interval"]
    if interval is None:
        return [f"no interval: {result.launches} launches are too few, 5 are needed"]
    of = "medians" if statistics["measure"] == "latency" else "throughputs"
    return [f"interval: {interval['confidence']:.1%} of the median of the launches' {of}; {_stopped(result)}"]


def _cut(result: Result) -> list[str]:
    """Which queries the latencies are not of."""
    cut = sum(each.get("cut", 0) for each in (result.statistics or {}).get("launches", ()))
    if not cut:
        return []
    where = "before the steady state" if result.launches == 1 else "before the launches' steady states"
    return [f"latencies are without {counted(cut, 'query', 'queries')} {where}"]


def _stopped(result: Result) -> str:
    return str((result.sampling or {}).get("stopped", ""))


def _before(result: Result) -> list[str]:
    """What went on before the first launch that found the machine busy."""
    busy = [step.before for step in result.steps if step.before and step.before.now]
    return list(busy[0].now) if busy else []


def _how_often(result: Result) -> str:
    noises = [step.noise for step in result.steps if step.noise]
    return f" in {sum(1 for each in noises if each.noisy)} of {len(noises)} launches" if len(noises) > 1 else ""
