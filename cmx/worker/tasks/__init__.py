"""Tasks: what goes into a model, what its outputs mean, and how good they are.

A model's component names its task (``task: image-classification``). The module of that name in this package (with
``_`` for ``-``) has the class that carries it out, named as the task is: ``ImageClassification(Task)``. There is no
list of tasks: the module's presence is all it takes.
"""

from __future__ import annotations

import difflib
import importlib
import pkgutil
from collections.abc import Sequence
from typing import Optional, cast

from cmx.worker.accuracy import Score
from cmx.worker.context import Context
from cmx.worker.outcome import ActionError
from cmx.worker.tasks.base import Feeds, GeneratingTask, Infer, Outputs, PictureTask, Shown, Task

__all__ = ["Feeds", "GeneratingTask", "Infer", "Outputs", "PictureTask", "Score", "Shown", "Task", "open_task", "tasks"]


def tasks() -> tuple[str, ...]:
    """The names of the tasks that there are."""
    names = (module.name for module in pkgutil.iter_modules(__path__))
    return tuple(sorted(name.replace("_", "-") for name in names if name != "base"))


def open_task(context: Context, inputs: Optional[Sequence[str]] = None) -> Task:
    """The task of the job's model; ``inputs`` names the model's inputs in order, its component's if not given.

    Raises ActionError for a task that there is none of, or a dataset that is for another task.
    """
    model = context.role("model")
    name = str(model.component.get("task"))
    if name not in tasks():
        close = difflib.get_close_matches(name, tasks(), n=1)
        hint = f"did you mean {close[0]!r}?" if close else "there is: " + ", ".join(tasks())
        raise ActionError(f"{model.reference}: unknown task {name!r}", hint)
    _check_dataset(context, name)
    if inputs is None:
        inputs = [each["name"] for each in model.get("inputs", ())]
    module = importlib.import_module(f"{__name__}.{name.replace('-', '_')}")
    kind = cast("type[Task]", getattr(module, "".join(part.capitalize() for part in name.split("-"))))
    return kind(context, inputs)


def _check_dataset(context: Context, task: str) -> None:
    dataset = context.roles.get("dataset")
    theirs = dataset.component.get("task", task) if dataset else task
    if dataset and theirs != task:
        raise ActionError(
            f"{dataset.reference} is for {theirs}, {context.role('model').reference} for {task}",
            "--use dataset=NAME, or --use model=NAME",
        )
