"""Carries out the steps of a run: what they need is made first, one of them is repeated in fresh launches."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import suppress

from cmx.errors import RunError
from cmx.resolver.candidate import Source
from cmx.resolver.plan import PlannedStep
from cmx.results import Step
from cmx.results.launches import main_value
from cmx.results.result import folder_of, observed
from cmx.runner.ahead import plenty_of_memory
from cmx.runner.process import code_of
from cmx.runner.provision import products_of
from cmx.runner.state import Run, job_of, made_from, outline_of
from cmx.runner.work import DEVICE, check_versions, elapsed, failure, intent, products_in, start_worker, work
from cmx.store import Busy


def start_ahead(run: Run) -> None:
    """Start the workers of the steps to come, which load their code while files are verified here.

    Only where nothing has to be fetched or built first, and while nobody measures on this machine. Where it has little
    memory only the first of them.
    """
    if any(pin.source == Source.INSTALLABLE.word for pin in run.plan.pins.values()):
        return
    coming = [step for step in run.plan.steps if not step.cached]
    starting = f"starting {run.plan.workflow}"
    with suppress(Busy), run.provisioner.store.device_lock(DEVICE, what=starting, timeout=0):
        for step in coming if plenty_of_memory() else coming[:1]:
            python, code = run.provisioner.python(step.environment), code_of(outline_of(run, step), frameworks=True)
            run.ahead.add(start_worker(run, python, code, folder_of(step.id, 1)))


def prepare(run: Run) -> None:
    """Everything before the first launch: environments, files, and the steps that go before. Raises RunError."""
    for name in dict.fromkeys(step.environment for step in run.plan.steps):
        run.provisioner.python(name)
    for role in dict.fromkeys(role for step in run.plan.steps for role in step.roles.values()):
        run.provisioner.files(role)
        run.provisioner.tool(role)
    _carry_out(run, run.plan.steps[: _measuring_at(run)])


def finish(run: Run) -> None:
    """Everything after the last launch. Raises RunError."""
    _carry_out(run, run.plan.steps[_measuring_at(run) + 1 :])


def measure(run: Run) -> None:
    """Launch after launch, until the options' rules say that it is enough. Raises RunError."""
    while not (stopped := enough(run)):
        launch(run)
    run.sampling = run.options.sampling.document(len(launches(run)), stopped)


def enough(run: Run) -> str:
    """Why no further launch is needed; "" to go on."""
    done = launches(run)
    if run.measuring is None:
        return "there is nothing to measure"
    values = [value for each in done if (value := main_value(observed(each, run.folder))) is not None]
    return run.options.sampling.enough(values, [seconds(each) for each in done])


def seconds(launch: Step) -> float:
    """What a launch took, the start of its process included; less of one that an older cmx recorded."""
    return (launch.took_ns or launch.wall_ns) / 1e9


def launches(run: Run) -> list[Step]:
    """The launches of the step that measures, so far."""
    return [step for step in run.steps if run.measuring and step.id == run.measuring.id]


def launch(run: Run) -> None:
    """The step that measures, once more, in a fresh process. Raises RunError when it fails."""
    if run.measuring:
        _step(run, run.measuring, len(launches(run)) + 1)


def _which(run: Run, launch: int) -> str:
    return f"launch {launch}: " if run.options.sampling.most > 1 else ""


def _measuring_at(run: Run) -> int:
    measuring = run.measuring
    return run.plan.steps.index(measuring) if measuring else len(run.plan.steps)


def _carry_out(run: Run, steps: Sequence[PlannedStep]) -> None:
    done = {each.id: each for each in run.steps if each.status == "ok"}
    for step in steps:
        if step.id in done:  # by a command that was interrupted later on
            run.products[step.id] = products_in(done[step.id].outcome, run.folder / step.id)
        elif step.cached:
            _cached_step(run, step)
        else:
            _step(run, step)


def _step(run: Run, step: PlannedStep, launch: int = 1) -> None:
    run.reporter.begin(step.id, intent(step))
    python, job, start = run.provisioner.python(step.environment), job_of(run, step), time.perf_counter_ns()
    try:
        folder = folder_of(step.id, launch)
        outcome, before, noise, used, took = work(run, python, job, folder, run.limits(step), measures=step.measures)
    except RunError:
        run.steps.append(Step(step.id, step.action, "failed", elapsed(start), launch=launch))
        raise
    done = Step(
        step.id,
        step.action,
        outcome["status"],
        outcome["wall_ns"],
        outcome=outcome,
        launch=launch,
        before=before,
        noise=noise,
        energy=used.document() if used else None,
        took_ns=took,
    )
    run.steps.append(done)
    if outcome["status"] != "ok":
        raise failure(step.id, outcome)
    check_versions(run.plan, step, outcome["versions"])
    run.products[step.id] = products_in(outcome, run.folder / done.folder)
    which = (run.label or _which(run, launch)) if step.measures else ""
    run.reporter.end(step.id, which + outcome["summary"], outcome["wall_ns"] / 1e9)


def _label(run: Run, step: PlannedStep) -> str:
    """What a cached step makes, for whoever waits for it or finds it in the store: of the model, or the workflow."""
    model = run.plan.pins.get(step.roles.get("model", ""))
    return f"{intent(step)} of {model.reference if model else run.plan.workflow}"


def _cached_step(run: Run, step: PlannedStep) -> None:
    """A step whose products depend on its inputs and this machine alone: they are kept in the store."""
    start = time.perf_counter_ns()
    origin = made_from(run, step)
    try:
        artefact = run.provisioner.derive(
            step.id, _label(run, step), origin, lambda: run.provisioner.python(step.environment), job_of(run, step)
        )
    except RunError:
        run.steps.append(Step(step.id, step.action, "failed", elapsed(start)))
        raise
    run.products[step.id] = products_of(artefact)
    run.steps.append(Step(step.id, step.action, "ok", elapsed(start), cached=True))
