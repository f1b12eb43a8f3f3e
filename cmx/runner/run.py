"""From a plan to a result: provision, carry out the steps in order, record."""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from cmx.component import SoftwareDetect
from cmx.detect import Finding
from cmx.errors import CmxError, Interrupted, RunError, UsageError
from cmx.host import Host, Noise, NoiseMonitor, describe
from cmx.reference import Reference
from cmx.reporter import Reporter
from cmx.repository import Catalog
from cmx.resolver.draft import EMULATOR
from cmx.resolver.parameters import require_all
from cmx.resolver.plan import Plan, PlannedStep
from cmx.resolver.world import normalised
from cmx.results import Comparability, Database, Result, Step
from cmx.runner.process import Limits, run_worker
from cmx.runner.provision import Made, Provisioner, products_of, role_document
from cmx.settings import Settings
from cmx.store import key_of, sha256_of

TIME_LIMIT = 600.0
"""Seconds that a step may take beyond the duration it was asked for."""

Document = Mapping[str, Any]


@dataclass(frozen=True)
class Options:
    """How a run is carried out; none of it changes what is measured."""

    time_limit: float = TIME_LIMIT
    memory_limit: int | None = None
    offline: bool = False
    anonymous: bool = False


@dataclass
class _Run:
    """A run under way."""

    plan: Plan
    catalog: Catalog
    settings: Settings
    options: Options
    reporter: Reporter
    id: str = field(default_factory=Result.new_id)
    steps: list[Step] = field(default_factory=list)
    products: dict[str, dict[str, Path]] = field(default_factory=dict)
    noise: Noise | None = None

    @cached_property
    def folder(self) -> Path:
        return Database(self.settings).folder(self.id)

    @cached_property
    def provisioner(self) -> Provisioner:
        return Provisioner(
            self.plan,
            self.catalog,
            self.settings,
            work=self._make,
            offline=self.options.offline,
            reporter=self.reporter,
        )

    def _make(self, python: Path, job: Document, step: str) -> Made:
        outcome = _work(self, python, job, step)
        if outcome["status"] != "ok":
            raise _failure(step, outcome)
        return Made(_products(outcome, self.folder / step), outcome["summary"])


def run_plan(
    plan: Plan,
    *,
    catalog: Catalog,
    settings: Settings,
    options: Options | None = None,
    reporter: Reporter | None = None,
) -> Result:
    """Carry out a plan on this machine and record what came of it.

    A step that fails ends the run, which is recorded all the same: the result's status and error say so. Raises what
    provisioning raises (nothing was measured then, and nothing is recorded), and Interrupted.
    """
    run = _Run(plan, catalog, settings, options or Options(), reporter or Reporter())
    _refuse_foreign(plan)
    for step in plan.steps:
        require_all(catalog.action(Reference.parse(step.action)), step.parameters)
    database = Database(settings)
    try:
        with database.under_way(run.id):
            result = _result(run, _carry_out(run))
            database.add(result)
            return result
    except (KeyboardInterrupt, Interrupted):
        shutil.rmtree(run.folder, ignore_errors=True)
        raise Interrupted("interrupted", hint="nothing of this run was recorded") from None


def _refuse_foreign(plan: Plan) -> None:
    """Raise UsageError for a plan whose steps would have to run on another platform than this one."""
    here, there = Host.detect().platform, f"{plan.host['os']}-{plan.host['architecture']}"
    programs = any(EMULATOR in step.roles for step in plan.steps)
    wanted = there if programs or not plan.request.target else plan.request.target
    if wanted != here:
        raise UsageError(f"the plan is for {wanted}, and this is {here}", hint="resolve again here, without --target")


def _carry_out(run: _Run) -> CmxError | None:
    """Carry out the steps; returns the error that ended them."""
    try:
        _provision(run)
        for step in run.plan.steps:
            if step.cached:
                _cached_step(run, step)
            elif failed := _step(run, step):
                return _failure(step.id, failed)
    except RunError as error:
        return error
    return None


def _provision(run: _Run) -> None:
    """Everything that the steps need, before the first of them starts."""
    for name in dict.fromkeys(step.environment for step in run.plan.steps):
        run.provisioner.python(name)
    for role in dict.fromkeys(role for step in run.plan.steps for role in step.roles.values()):
        run.provisioner.files(role)
        run.provisioner.tool(role)


def _step(run: _Run, step: PlannedStep) -> Document | None:
    """Carry out a step; returns its outcome if it failed."""
    run.reporter.begin(step.id, _intent(step))
    python, job = run.provisioner.python(step.environment), _job(run, step)
    try:
        outcome = _work(run, python, job, step.id, step)
    except RunError:
        run.steps.append(Step(step.id, step.action, "failed", 0))
        raise
    run.steps.append(Step(step.id, step.action, outcome["status"], outcome["wall_ns"], outcome=outcome))
    if outcome["status"] != "ok":
        return outcome
    _check_versions(run.plan, step, outcome["versions"])
    run.products[step.id] = _products(outcome, run.folder / step.id)
    run.reporter.end(step.id, outcome["summary"], outcome["wall_ns"] / 1e9)
    return None


def _cached_step(run: _Run, step: PlannedStep) -> None:
    """A step whose products depend on its inputs and this machine alone: they are kept in the store."""
    start = time.perf_counter_ns()
    made_from = _made_from(run, step)
    try:
        artefact = run.provisioner.derive(
            step.id, _intent(step), made_from, lambda: run.provisioner.python(step.environment), _job(run, step)
        )
    except RunError:
        run.steps.append(Step(step.id, step.action, "failed", time.perf_counter_ns() - start))
        raise
    run.products[step.id] = products_of(artefact)
    run.steps.append(Step(step.id, step.action, "ok", time.perf_counter_ns() - start, cached=True))


def _made_from(run: _Run, step: PlannedStep) -> dict[str, Any]:
    """Everything that the products of a cached step depend on."""
    environment = run.plan.environments.get(step.environment)
    files = {role: found.digest for role, pin in step.roles.items() if (found := run.provisioner.files(pin))}
    tools = {role: _tool_key(tool) for role, pin in step.roles.items() if (tool := run.provisioner.tool(pin))}
    return {
        "code": step.digest,
        "workflow": run.plan.digest if tools else "",
        "with": dict(step.parameters),
        "files": files,
        "tools": tools,
        "frameworks": _frameworks(run, step),
        "products": {need: sorted(map(str, run.products[need].values())) for need in step.needs},
        "lock": [str(package) for package in environment.packages] if environment else [],
        "target": run.plan.request.target or _processor(),
    }


def _frameworks(run: _Run, step: PlannedStep) -> dict[str, Any]:
    """The code and the settings of what runs the models of a step."""
    pins = {role: run.plan.pins[pin] for role, pin in step.roles.items()}
    components = {role: run.provisioner.component(pin) for role, pin in pins.items()}
    return {
        role: {"code": pins[role].digest, "settings": dict(pins[role].settings)}
        for role, component in components.items()
        if isinstance(component, SoftwareDetect) and component.predictor
    }


def _tool_key(tool: Finding) -> list[str]:
    return [tool.name, tool.version, tool.target, str(tool.path), sha256_of(tool.path)]


def _processor() -> str:
    """What an optimised program depends on: the processor's model and its instruction sets."""
    facts = describe(Host.detect())
    return key_of({name: str(facts[name]) for name in ("architecture", "cpu_model", "cpu_flags")})


def _intent(step: PlannedStep) -> str:
    scenario = step.parameters.get("scenario")
    return f"{step.action}{f', {scenario}' if scenario else ''}"


def _duration(step: PlannedStep) -> float:
    return float(step.parameters.get("duration") or 0)


def _job(run: _Run, step: PlannedStep) -> dict[str, Any]:
    action = run.provisioner.unchanged(step.action, step.digest)
    roles = {}
    for role, pin_role in step.roles.items():
        pin = run.plan.pins[pin_role]
        provided, tool = run.provisioner.files(pin_role), run.provisioner.tool(pin_role)
        roles[role] = role_document(pin, run.provisioner.component(pin), provided.path if provided else None)
        if folder := run.provisioner.target_folder(pin_role):
            roles[role]["path"] = str(folder)
        if tool:
            roles[role] |= {"path": str(tool.path), "target": tool.target, "exports": dict(tool.exports)}
    workflow = run.provisioner.unchanged(run.plan.workflow, run.plan.digest)
    return {
        "action": {"reference": step.action, "entry": f"{action.folder}/{action.document['entry']}"},
        "parameters": {name.replace("-", "_"): value for name, value in step.parameters.items()},
        "roles": roles,
        "products": {need: {n: str(p) for n, p in run.products.get(need, {}).items()} for need in step.needs},
        "workflow": {
            "reference": workflow.reference,
            "component": dict(workflow.document),
            "folder": str(workflow.folder),
        },
        "target": run.plan.request.target,
        "host": f"{run.plan.host['os']}-{run.plan.host['architecture']}",
    }


def _work(run: _Run, python: Path, job: Document, name: str, step: PlannedStep | None = None) -> dict[str, Any]:
    """One job in a worker. One at a time on this machine, so that nobody's measurement is disturbed by another's."""
    folder = run.folder / name
    document = {
        "schema": 1,
        "document": "job",
        **job,
        "seed": run.plan.request.seed,
        "output": str(folder),
        "progress": True,
        "memory_limit": run.options.memory_limit,
    }
    duration = float(step.parameters.get("duration") or 0) if step else 0.0
    limits = Limits(run.options.time_limit + duration, run.options.memory_limit)
    what = f"{name} of {run.plan.workflow}"
    with run.provisioner.store.lock("device-cpu", what=what, on_wait=run.reporter.note):
        monitor = NoiseMonitor()
        outcome = run_worker(
            python, document, limits, lambda done, total: run.reporter.progress("queries", done, total)
        )
        if step and step.measures:
            run.noise = monitor.finish(outcome["cpu_ns"])
    return outcome


def _products(outcome: Document, folder: Path) -> dict[str, Path]:
    return {name: folder / path for name, path in outcome["products"].items()}


def _failure(step: str, outcome: Document) -> CmxError:
    error = outcome["error"]
    if not error.get("traceback"):
        return RunError(f"{step}: {error['message']}", hint=error.get("hint", ""))
    lines = (error.get("traceback") or "").splitlines()[-6:]
    return RunError(f"{step} failed: {error['type']}: {error['message']}", output=lines)


def _check_versions(plan: Plan, step: PlannedStep, seen: Mapping[str, str]) -> None:
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


def _result(run: _Run, error: CmxError | None) -> Result:
    plan = run.plan
    step = next((each for each in plan.steps if each.measures), plan.steps[-1])
    used = {role for each in plan.steps for role in each.roles.values()} & {"model", "dataset"}
    hashes = {} if error else {role: files.digest for role in used if (files := run.provisioner.files(role))}
    comparability = Comparability(
        action=plan.request.action or "all",
        workflow=plan.workflow,
        hashes=hashes,
        scenario=str(step.parameters.get("scenario") or ""),
        batch_size=int(step.parameters.get("batch-size") or 0),
        threads=int(step.parameters.get("threads") or 0),
        arguments=str(step.parameters.get("arguments") or ""),
        target=plan.request.target,
    )
    return Result.assemble(
        id=run.id,
        request=plan.request.document(),
        plan=plan.document(),
        pins={role: pin.reference for role, pin in plan.pins.items()},
        comparability=comparability,
        host=describe(Host.detect(), anonymous=run.options.anonymous),
        noise=run.noise,
        steps=run.steps,
        folder=run.folder,
        error=error,
    )
