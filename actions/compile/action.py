"""Optimise the model for this machine with its framework."""

from __future__ import annotations

import json
from pathlib import Path

from cmx.worker import Context, Outcome
from cmx.worker.predictors import optimise
from cmx.worker.tasks import Feeds, open_task


def compile_model(context: Context, *, threads: int = 1) -> Outcome:
    """Write the optimised model, and beside it what was done: whoever loads the model must not optimise it again.

    Where the framework has nothing to do there is no product 'model', and whoever comes later loads the model itself.
    """
    source, framework = context.role("model").place, context.role("framework")
    product = context.output / f"model{source.suffix}"
    facts = optimise(framework, source, product, threads=threads, calibration=_samples(context))
    (context.output / "facts.json").write_text(json.dumps(facts), encoding="utf-8")
    if facts is None:
        return Outcome(f"nothing to compile for {framework.name}", {}, products={"facts": "facts.json"})
    form = source.suffix.lstrip(".") or context.role("model").variant
    return Outcome(
        f"{form} → optimised {form}",
        {**facts, "bytes_before": _size(source), "bytes_after": _size(product)},
        products={"model": product.name, "facts": "facts.json"},
    )


def _samples(context: Context) -> list[Feeds]:
    """The samples of the role ``calibration`` as the model is given them; none where no setting asks for it."""
    if "calibration" not in context.roles:
        return []
    roles = {"model": context.role("model"), "dataset": context.role("calibration")}
    task = open_task(Context(roles, {}, context.output))
    return [task.sample(index) for index in range(len(task))]


def _size(place: Path) -> int:
    files = place.rglob("*") if place.is_dir() else [place]
    return sum(file.stat().st_size for file in files if file.is_file())
