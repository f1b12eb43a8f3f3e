"""Results to test with: runs that went well, and their steps."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from cmx.host import Description, Field, Noise, Unavailable
from cmx.results import Comparability, Result, Step

MODEL = "model/efficientnet-lite0[onnx]==1.0.0"
PINS = {"model": MODEL, "dataset": "dataset/imagenet-photos==1.0.0", "framework": "software/onnxruntime==1.31.1"}
COMPARABILITY = Comparability(
    action="action/benchmark==1.0.0",
    workflow="workflow/image-classification==1.2.0",
    hashes={"model": "a" * 64, "dataset": "b" * 64},
    scenario="single-stream",
    batch_size=1,
    threads=1,
)
HOST = Description({"cpu_model": Field("Cortex-A72", "/proc/cpuinfo"), "governor": Unavailable("not there")})
TIMES = {"min": 1_000_000, "mean": 2_000_000, "p50": 2_000_000, "p90": 3_000_000}
TIMES |= {"p95": 3_500_000, "p99": 4_000_000, "max": 5_000_000}


def outcome(metrics: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """What a worker leaves."""
    body = {"schema": 1, "document": "outcome", "status": "ok", "error": None, "summary": "done", "metrics": metrics}
    body |= {"files": [], "products": {}, "versions": {"python": "3.11.7"}, "memory_peak": 10**8, "threads": {}}
    return {**body, "started_ns": 1, "wall_ns": 10, "cpu_ns": 9, **changes}


def timed(**changes: Any) -> Step:
    """A benchmark step that went well."""
    metrics: dict[str, Any] = {"scenario": "single-stream", "queries": 641, "samples": 641, "valid": True}
    metrics |= {"verdict": "VALID", "invalid_reasons": [], "latency": TIMES, "throughput": 66.8, "load_ns": 5}
    metrics |= {"threads": 1, "batch_size": 1}
    return Step("benchmark", "action/benchmark==1.0.0", "ok", 10**10, outcome=outcome({**metrics, **changes}))


def checked(**changes: Any) -> Step:
    """A validation step that found the answers right."""
    metrics: dict[str, Any] = {"metric": "top_1", "value": 0.9, "correct": 18, "count": 20, "at_least": 0.85}
    metrics |= {"passed": True, "accuracy": {"top_1": 0.9, "top_5": 0.95}}
    return Step("validate", "action/validate==1.0.0", "ok", 10**8, outcome=outcome({**metrics, **changes}))


def make(*steps: Step, **changes: Any) -> Result:
    """A result of these steps; a benchmark and its validation when none are given."""
    values: dict[str, Any] = {
        "id": Result.new_id(),
        "request": {"workflow": "image-classification"},
        "plan": {"schema": 1, "document": "plan"},
        "pins": PINS,
        "comparability": COMPARABILITY,
        "host": HOST,
        "noise": Noise(elapsed_ns=10**10, cpus=2, load=2.4),
        "steps": steps or (timed(), checked()),
    }
    return Result.assemble(**{**values, **changes})


def with_latencies(folder: Path, values: Any) -> Result:
    """A result whose benchmark left raw latencies."""
    (folder / "benchmark").mkdir(parents=True)
    np.save(folder / "benchmark" / "latencies.npy", np.asarray(values, dtype=np.int64))
    step = timed()
    files = replace(step, outcome={**step.outcome, "files": ["latencies.npy"]})
    return make(files, checked(), folder=folder)
