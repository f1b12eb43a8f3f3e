"""Show what a model makes of one input."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from cmx.worker import Context, Outcome
from cmx.worker.inference import describe_predictor, model_predictor, model_task


def run(
    context: Context,
    *,
    input: str,
    top: int | None = None,
    threshold: float | None = None,
    threads: int = 1,
) -> Outcome:
    """What the model's task shows: answers as a table, under the name in ``shows``, and files it made.

    Raises ActionError for a file that is no input of the task.
    """
    file = Path(input)
    predictor = model_predictor(context, threads=threads)
    task = model_task(context, predictor)
    shown = task.show(file, partial(task.infer, predictor.predict), top=top, threshold=threshold)
    metrics = {
        "input": file.name,
        "shows": shown.kind,
        shown.kind: shown.answers,
        "predictor": describe_predictor(context, predictor),
    }
    return Outcome(shown.summary, metrics, files=shown.files)
