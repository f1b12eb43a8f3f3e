"""Check the model's answers on the whole dataset against its reference accuracy."""

from __future__ import annotations

from cmx.worker import ActionError, Context, Outcome
from cmx.worker.accuracy import Bar, Counts, reaches, reference_bar
from cmx.worker.classification import measure_accuracy
from cmx.worker.inference import describe_predictor, model_predictor


def validate(
    context: Context,
    *,
    metric: str = "top_1",
    at_least: float | None = None,
    tolerance: float | None = None,
    batch_size: int = 1,
    threads: int = 1,
) -> Outcome:
    """Count right answers in LoadGen's accuracy mode; ``passed`` says whether they are enough.

    Not enough is a finding, not an error. Raises ActionError when nothing says what is enough.
    """
    bar = _bar(context, metric, at_least, tolerance)
    predictor = model_predictor(context, threads=threads)
    report, counts = measure_accuracy(context, predictor, batch_size=batch_size, metric=metric)
    value = counts.accuracy[metric]
    passed = reaches(value, bar.at_least)
    metrics = {
        "metric": metric,
        "value": value,
        "correct": counts.correct[metric],
        "count": counts.total,
        "at_least": bar.at_least,
        "source": bar.source,
        "passed": passed,
        "accuracy": counts.accuracy,
        "counts": {**counts.correct, "total": counts.total},
        "engine": report.engine,
        "engine_version": report.version,
        "predictor": describe_predictor(context, predictor),
    }
    return Outcome(_summary(counts, metric, bar, passed), metrics, files=report.files)


def _bar(context: Context, metric: str, at_least: float | None, tolerance: float | None) -> Bar:
    """What must be reached: what the user says, or what the model's component says of this dataset."""
    if at_least is not None:
        return Bar(at_least, "asked for")
    model, dataset = context.role("model"), context.role("dataset")
    bar = reference_bar(model.component.get("reference") or {}, metric, dataset.name, tolerance)
    if bar is None:
        raise ActionError(
            f"{model.reference} has no reference for {metric} on {dataset.reference}, so nothing says what is enough",
            "--set at-least=0.85, or add it under reference: in the model's component.yaml",
        )
    return bar


def _summary(counts: Counts, metric: str, bar: Bar, passed: bool) -> str:
    """As in: top-1 18/20 = 0.900 ≥ 0.850 (reference 0.900 − tolerance 0.050), top-5 19/20."""
    value, sign = counts.accuracy[metric], "≥" if passed else "<"
    others = [f", {_named(name)} {count}/{counts.total}" for name, count in counts.correct.items() if name != metric]
    asked = f"{_named(metric)} {counts.correct[metric]}/{counts.total} = {value:.3f} {sign} {bar.at_least:.3f}"
    return f"{asked} ({bar.source})" + "".join(others)


def _named(metric: str) -> str:
    return metric.replace("_", "-")
