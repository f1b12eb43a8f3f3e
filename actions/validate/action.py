"""Check the model's answers on the whole dataset against its reference accuracy."""

from __future__ import annotations

from cmx.worker import ActionError, Context, Outcome
from cmx.worker.accuracy import Bar, Score, no_accuracy, reaches, reference_bar
from cmx.worker.inference import describe_predictor, measure_accuracy, model_predictor, model_task


def validate(
    context: Context,
    *,
    engine: str = "loadgen",
    metric: str | None = None,
    at_least: float | None = None,
    tolerance: float | None = None,
    batch_size: int = 1,
    threads: int = 1,
) -> Outcome:
    """Score the answers given in LoadGen's accuracy mode; ``passed`` says whether they are good enough.

    Not enough is a finding, not an error. Raises ActionError when nothing says what is enough.
    """
    predictor = model_predictor(context, threads=threads)
    task = model_task(context, predictor)
    metric = metric or task.metrics[0]
    task.check_metric(metric)
    bar = _bar(context, metric, at_least, tolerance)
    report, score = measure_accuracy(context, predictor, task, batch_size=batch_size, metric=metric, engine=engine)
    value = score.accuracy[metric]
    passed = reaches(value, bar.at_least)
    counted = {"correct": score.correct[metric]} if metric in score.correct else {}
    metrics = {
        "metric": metric,
        "value": value,
        **counted,
        "count": score.total,
        "at_least": bar.at_least,
        "source": bar.source,
        "passed": passed,
        **score.document(),
        "engine": report.engine,
        "engine_version": report.version,
        "predictor": describe_predictor(context, predictor),
    }
    return Outcome(_summary(score, metric, bar, passed), metrics, files=report.files)


def _bar(context: Context, metric: str, at_least: float | None, tolerance: float | None) -> Bar:
    """What must be reached: what the user says, or what the model's component says of this dataset."""
    if at_least is not None:
        return Bar(at_least, "asked for")
    model, dataset = context.role("model"), context.role("dataset")
    bar = reference_bar(model.get("reference") or {}, metric, dataset.name, tolerance)
    if reason := no_accuracy(model.get("reference") or {}):
        raise ActionError(f"{model.reference}: {reason}, so there is no accuracy", "benchmark it, or --use model=NAME")
    if bar is None:
        raise ActionError(
            f"{model.reference} has no reference for {metric} on {dataset.reference}, so nothing says what is enough",
            "--set at-least=0.85, or add it under reference: in the model's component.yaml",
        )
    return bar


def _summary(score: Score, metric: str, bar: Bar, passed: bool) -> str:
    """As in: top-1 18/20 = 0.900 ≥ 0.850 (reference 0.900 − tolerance 0.050), top-5 19/20."""
    value, sign = score.accuracy[metric], "≥" if passed else "<"
    counted = f"{_said(score, metric)} = {value:.3f}" if metric in score.correct else _said(score, metric)
    others = [f", {_said(score, name)}" for name in score.accuracy if name != metric]
    return f"{counted} {sign} {bar.at_least:.3f} ({bar.source})" + "".join(others)


def _said(score: Score, metric: str) -> str:
    """A metric as a count where it is one: "top-5 19/20", "mAP 0.440"."""
    value = f"{score.correct[metric]}/{score.total}" if metric in score.correct else f"{score.accuracy[metric]:.3f}"
    return f"{metric.replace('_', '-')} {value}"
