"""One job in a worker, under the machine's measurement lock, and what may be said of its outcome."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from cmx.errors import CmxError, RunError
from cmx.host import Noise, NoiseMonitor
from cmx.resolver.plan import Plan, PlannedStep
from cmx.resolver.world import normalised
from cmx.runner.process import Limits, run_worker

if TYPE_CHECKING:
    from cmx.runner.state import Run

Document = Mapping[str, Any]


class Worked(NamedTuple):
    """An outcome, and what else went on while the worker was at it."""

    outcome: dict[str, Any]
    noise: Noise


def work(run: Run, python: Path, job: Document, folder: str, limits: Limits) -> Worked:
    """One job in a worker. One at a time on this machine, so that nobody's measurement is disturbed by another's."""
    document = {
        "schema": 1,
        "document": "job",
        **job,
        "seed": run.plan.request.seed,
        "output": str(run.folder / folder),
        "progress": True,
        "memory_limit": limits.memory,
    }
    what = f"{folder} of {run.plan.workflow}"
    with run.provisioner.store.device_lock("device-cpu", what=what, on_wait=run.reporter.note):
        monitor = NoiseMonitor()
        outcome = run_worker(
            python, document, limits, lambda done, total: run.reporter.progress("queries", done, total)
        )
        return Worked(outcome, monitor.finish(outcome["cpu_ns"]))


def products_in(outcome: Document, folder: Path) -> dict[str, Path]:
    """The products of an outcome, by name."""
    return {name: folder / path for name, path in outcome["products"].items()}


def failure(step: str, outcome: Document) -> CmxError:
    """The error that a failed outcome tells of."""
    error = outcome["error"]
    if not error.get("traceback"):
        return RunError(f"{step}: {error['message']}", hint=error.get("hint", ""))
    lines = (error.get("traceback") or "").splitlines()[-6:]
    return RunError(f"{step} failed: {error['type']}: {error['message']}", output=lines)


def check_versions(plan: Plan, step: PlannedStep, seen: Mapping[str, str]) -> None:
    """What the worker imported is what the plan pinned. Raises RunError."""
    found = {normalised(name): version for name, version in seen.items()}
    environment = plan.environments.get(step.environment)
    for package in environment.packages if environment else ():
        version = found.get(normalised(package.name), package.version)
        if version != package.version:
            raise RunError(
                f"{step.id}: the worker ran with {package.name} {version}, the plan says {package.version}",
                hint="the environment has changed since the plan was made: resolve again",
            )


def intent(step: PlannedStep) -> str:
    """What a step is about to do, in a few words."""
    scenario = step.parameters.get("scenario")
    return f"{step.action}{f', {scenario}' if scenario else ''}"


def elapsed(start: int) -> int:
    """ns since ``start``."""
    return time.perf_counter_ns() - start
