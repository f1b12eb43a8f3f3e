"""Optimise the model for this machine with its framework."""

from __future__ import annotations

import json

from cmx.worker import Context, Outcome
from cmx.worker.predictors import optimise


def compile_model(context: Context, *, threads: int = 1) -> Outcome:
    """Write the optimised model, and beside it what was done: whoever loads the model must not optimise it again.

    Where the framework has nothing to do there is no product 'model', and whoever comes later loads the model itself.
    """
    source, framework = context.role("model").file, context.role("framework")
    product = context.output / f"model{source.suffix}"
    facts = optimise(framework, source, product, threads=threads)
    (context.output / "facts.json").write_text(json.dumps(facts), encoding="utf-8")
    if facts is None:
        return Outcome(f"nothing to compile for {framework.name}", {}, products={"facts": "facts.json"})
    before, after = source.stat().st_size, product.stat().st_size
    return Outcome(
        f"{source.suffix.lstrip('.')} → optimised {source.suffix.lstrip('.')}",
        {**facts, "bytes_before": before, "bytes_after": after},
        products={"model": product.name, "facts": "facts.json"},
    )
