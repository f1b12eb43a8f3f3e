"""Results of configurations that differ in what a test says, with launches as many as it says."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from result_samples import COMPARABILITY, HOST, PINS, TIMES, checked, make, timed

from cmx.host import Description, Field
from cmx.results import Database, Result

_started = itertools.count(1)


def host(**fields: Any) -> Description:
    """The usual host, with some facts of its own."""
    return Description({**HOST.fields, **{name: Field(value, "test") for name, value in fields.items()}})


def result(
    p50: float = 10.0,
    *,
    framework: str = "onnxruntime==1.31.1",
    variant: str = "onnx",
    weights: str = "w" * 64,
    parameters: Mapping[str, Any] | None = None,
    settings: Mapping[str, Any] | None = None,
    work: Mapping[str, Any] | None = None,
    accuracy: float = 0.9,
    mode: str = "performance",
    predictor: Mapping[str, Any] | None = None,
    **changes: Any,
) -> Result:
    """A result of one launch whose median is ``p50`` ms; ``predictor`` is what the predictor said of itself."""
    number = next(_started)
    given = {"batch-size": 1, "threads": 1, "scenario": "single-stream", **(parameters or {})}
    plan = {
        "pins": {
            "model": {"variant": variant, "artifact": {"variant": variant, "from": {"source": {"sha256": weights}}}},
            "dataset": {"variant": "", "artifact": {"source": {"sha256": "d" * 64}}},
            "framework": {"variant": "", "artifact": None, "settings": dict(settings or {})},
        },
        "steps": [{"id": "benchmark", "measures": True, "environment": "main", "parameters": given}],
        "environments": {"main": {"packages": [{"name": framework.partition("==")[0], "version": "1", "hashes": []}]}},
    }
    hashes = {"model": (framework + variant).ljust(64, "0")[:64], "dataset": "b" * 64}
    known = {"batch_size": given["batch-size"], "threads": given["threads"], "scenario": given["scenario"]}
    step = timed(
        latency={**TIMES, "p50": round(p50 * 1e6)}, throughput=1000 / p50, predictor=predictor, mode=mode, **known
    )
    step = replace(step, outcome={**step.outcome, "started_ns": number})
    values = {
        "pins": {**PINS, "framework": f"software/{framework}"},
        "plan": plan,
        "comparability": replace(COMPARABILITY, hashes=hashes, **{**known, **(work or {})}),
        "created": f"2026-01-01T00:{number // 60 % 60:02}:{number % 60:02}.{number // 3600:03}Z",
        "noise": None,
        **changes,
    }
    return make(step, checked(accuracy={"top_1": accuracy}, value=accuracy), **values)


def results(medians: Sequence[float], **changes: Any) -> list[Result]:
    """One result for each median, in ms."""
    return [result(median, **changes) for median in medians]


def kept(database: Database, *many: Sequence[Result]) -> None:
    """Put them all into the database."""
    for each in itertools.chain(*many):
        database.add(each)
