"""Whether a run's numbers may be believed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cmx.results.result import Step

ACCURACY = "accuracy"
"""The mode of a benchmark that asks for each sample once, and takes no times that count."""


def measured(steps: Iterable[Step]) -> Step | None:
    """The step that took times; None when none did."""
    return next((step for step in steps if "throughput" in step.metrics or "latency" in step.metrics), None)


def launches(steps: Iterable[Step]) -> list[Step]:
    """The step that took times, once for each launch that left a measurement."""
    steps = list(steps)
    first = measured(steps)
    return [step for step in steps if step.id == first.id and step.metrics] if first else []


def validated(steps: Iterable[Step]) -> Step | None:
    """The step that checked the answers; None when none did.

    A benchmark in accuracy mode counts right answers too, but does not say how many are enough.
    """
    counted = [step for step in steps if "accuracy" in step.metrics]
    return next((step for step in counted if "passed" in step.metrics), counted[0] if counted else None)


def audited(steps: Iterable[Step]) -> dict[str, Mapping[str, Any]]:
    """What each audit found, by its name: ``passed``, and in ``found`` why."""
    return {name: each for step in steps for name, each in (step.metrics.get("audits") or {}).items()}


def doubts(steps: Sequence[Step]) -> Iterator[str]:
    """One sentence for each reason not to believe the numbers, from the steps that ran.

    Times count only with the VALID of what took them (LoadGen, as a rule), and with answers that were checked and
    right: a fast wrong answer is none. Times stand alone of a model whose answers mean nothing, as its component says.
    """
    for step in steps:
        if step.status != "ok":
            yield f"step {step.id} failed: {step.error or 'it left no outcome'}"
    timed, checked = launches(steps), validated(steps)
    for step in timed:
        yield from _verdict(step, of_several=len(timed) > 1)
    if timed and checked is None and not any(step.metrics.get("no_accuracy") for step in timed):
        yield "the answers were not checked: no validation ran"
    if checked is not None and not checked.metrics.get("passed", False):
        yield _wrong_answers(checked.metrics)
    for name, audit in audited(steps).items():
        if not audit["passed"]:
            yield f"audit {name}: {audit['found']}"


def _verdict(step: Step, *, of_several: bool) -> Iterator[str]:
    if step.metrics.get("valid") is not True:
        why = "; ".join(map(str, step.metrics.get("invalid_reasons") or ())) or "it gave no reason"
        judge = "LoadGen's verdict" if "loadgen" in step.metrics.get("engine", "loadgen") else "the verdict"
        which = f"launch {step.launch}: " if of_several else ""
        yield f"{which}{judge} is {step.metrics.get('verdict', 'missing')}: {why}"


def _wrong_answers(metrics: Mapping[str, Any]) -> str:
    name, value, least = metrics.get("metric", "accuracy"), metrics.get("value"), metrics.get("at_least")
    counted = f" ({metrics['correct']} of {metrics['count']})" if "correct" in metrics and "count" in metrics else ""
    return f"the answers are not right: {name} is {value}{counted}, at least {least} was expected"
