"""One job in a worker, under the machine's measurement lock, and what may be said of its outcome."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from cmx.errors import CmxError, RunError
from cmx.files import readable_time
from cmx.host import Energy, EnergyMonitor, Noise, NoiseMonitor, look, wait_for_quiet
from cmx.resolver.plan import Plan, PlannedStep
from cmx.resolver.world import normalised
from cmx.runner.process import Code, Limits, Worker, code_of

if TYPE_CHECKING:
    from cmx.runner.state import Run

Document = Mapping[str, Any]
DEVICE = "device-cpu"
_LONG = 30.0


class Worked(NamedTuple):
    """An outcome; of a measurement also how busy the machine was, before and meanwhile, the energy, and the time."""

    outcome: dict[str, Any]
    before: Noise | None = None
    noise: Noise | None = None
    energy: Energy | None = None
    took_ns: int = 0


def work(run: Run, python: Path, job: Document, folder: str, limits: Limits, *, measures: bool = False) -> Worked:
    """One job in a worker. One at a time on this machine, so that nobody's measurement is disturbed by another's.

    Raises what ``Worker.carry_out`` raises, and RunError where the machine has to be quiet and does not become so.
    """
    document = {
        "schema": 1,
        "document": "job",
        **job,
        "seed": run.plan.request.seed,
        "output": str(run.folder / folder),
        "progress": True,
        "memory_limit": limits.memory,
    }

    def carry_out(worker: Worker) -> dict[str, Any]:
        return worker.carry_out(document, limits, lambda event: _tell(run, event))

    what = f"{folder} of {run.plan.workflow}"
    with run.provisioner.store.device_lock(DEVICE, what=what, on_wait=run.reporter.note):
        begin = time.perf_counter_ns()
        waiting = run.ahead.take(run.folder / folder)
        with waiting or start_worker(run, python, code_of(job, frameworks=measures), folder) as worker:
            if not measures:
                return Worked(carry_out(worker))
            worker.wait_until_loaded(limits.seconds)
            run.ahead.settle()
            loading = elapsed(begin)
            before = _quiet(run)
            monitor, energy = NoiseMonitor(), EnergyMonitor()
            outcome = carry_out(worker)
            used, noise = energy.finish(), monitor.finish(outcome["cpu_ns"])
            return Worked(outcome, before, noise, used, loading + noise.elapsed_ns)


def start_worker(run: Run, python: Path, code: Sequence[Code], folder: str) -> Worker:
    """The worker of a job of this run, which loads its code."""
    return Worker(python, code, run.folder / folder, run.isolation, run.options.memory_limit)


def _tell(run: Run, event: Document) -> None:
    """How far a worker is, and how long it will take; what is long is said once, where nobody watches a bar, too."""
    lasts = float(event.get("lasts", 0))
    text = f"{'at least' if event.get('at_least') else 'about'} {readable_time(lasts)}" if lasts else ""
    if lasts >= _LONG and not run.told_time:
        run.told_time = True
        several = ", in each launch" if run.options.sampling.most > 1 else ""
        run.reporter.note(f"measuring takes {text}{several}")
    run.reporter.progress(f"queries ({text})" if text else "queries", event["done"], event.get("total"))


def _quiet(run: Run) -> Noise:
    """How busy the machine is before a measurement. Raises RunError where it has to be quiet and is not."""
    limit = run.options.require_quiet
    if limit is None:
        return look()
    run.reporter.begin("quiet", f"waiting up to {limit:g} s for the machine to be quiet")
    before = wait_for_quiet(limit)
    if busy := before.now:
        raise RunError(
            f"the machine did not become quiet within {limit:g} s: {busy[0]}",
            hint="end what runs beside it, wait longer (--require-quiet 10min), or leave --require-quiet out",
        )
    return before


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
