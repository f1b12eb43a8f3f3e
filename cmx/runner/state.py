"""A run under way: its plan, what it has so far, and the jobs that its steps are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from cmx.component import SoftwareDetect
from cmx.detect import Finding
from cmx.errors import CmxError
from cmx.host import Host, describe
from cmx.reporter import Reporter
from cmx.repository import Catalog
from cmx.resolver.plan import Plan, PlannedStep
from cmx.results import Database, Result, Step
from cmx.runner.ahead import Ahead
from cmx.runner.isolation import Isolation
from cmx.runner.options import Options
from cmx.runner.process import Limits
from cmx.runner.provision import Made, Provisioner, role_document
from cmx.runner.work import failure, products_in, work
from cmx.settings import Settings
from cmx.store import key_of, sha256_of

Document = Mapping[str, Any]
_CONFIGURATIONS = ("mlperf-model", "user-conf")
_CONFIGURED = 3600.0


@dataclass
class Run:
    """A run under way. ``steps`` are those that were carried out, one for each launch; ``error`` is what ended it.

    ``label`` is what its launches are announced by; ``told_time`` whether it was said how long measuring takes;
    ``ahead`` are workers that wait for their jobs.
    """

    plan: Plan
    catalog: Catalog
    settings: Settings
    options: Options
    reporter: Reporter
    id: str = field(default_factory=Result.new_id)
    steps: list[Step] = field(default_factory=list)
    products: dict[str, dict[str, Path]] = field(default_factory=dict)
    error: CmxError | None = None
    sampling: Document | None = None
    matrix: Document | None = None
    label: str = ""
    told_time: bool = False
    ahead: Ahead = field(default_factory=Ahead)

    @cached_property
    def folder(self) -> Path:
        """Where everything of this run lies."""
        return Database(self.settings).folder(self.id)

    @cached_property
    def provisioner(self) -> Provisioner:
        """What makes the plan's pins available."""
        return Provisioner(
            self.plan,
            self.catalog,
            self.settings,
            work=self._make,
            offline=self.options.offline,
            reporter=self.reporter,
            given=self.options.given,
        )

    @cached_property
    def isolation(self) -> Isolation | None:
        """The walls around its workers, which may read the plan's components, what is in the store, and this run."""
        if self.options.isolation is None:
            return None
        roots = (repository.root for repository in self.catalog.repositories)
        return self.options.isolation.showing(self.settings.store, self.folder, *roots)

    @property
    def measuring(self) -> PlannedStep | None:
        """The step that is repeated in fresh launches; None in a plan that measures nothing."""
        return next((step for step in self.plan.steps if step.measures), None)

    def limits(self, step: PlannedStep | None = None) -> Limits:
        """What a worker of this run may use; a step that measures, its duration more."""
        return Limits(self.options.time_limit + (duration_of(step) if step else 0.0), self.options.memory_limit)

    def _make(self, python: Path, job: Document, step: str) -> Made:
        outcome = work(self, python, job, step, self.limits()).outcome
        if outcome["status"] != "ok":
            raise failure(step, outcome)
        return Made(products_in(outcome, self.folder / step), outcome["summary"])


def duration_of(step: PlannedStep) -> float:
    """How many seconds a step is asked to measure; an hour where a configuration file of LoadGen says how long."""
    asked = step.parameters.get("duration")
    configured = any(step.parameters.get(name) for name in _CONFIGURATIONS)
    return _CONFIGURED if asked is None and configured else float(asked or 0)


def outline_of(run: Run, step: PlannedStep) -> dict[str, Any]:
    """What a worker is told of a step, without the files: nothing is fetched, built or verified for it."""
    action = run.provisioner.unchanged(step.action, step.digest)
    pins = {role: run.plan.pins[pin] for role, pin in step.roles.items()}
    return {
        "action": {"reference": step.action, "entry": f"{action.folder}/{action.document['entry']}"},
        "roles": {role: role_document(pin, run.provisioner.component(pin), None) for role, pin in pins.items()},
    }


def job_of(run: Run, step: PlannedStep) -> dict[str, Any]:
    """What a worker is told of a step."""
    outline = outline_of(run, step)
    for role, pin in step.roles.items():
        outline["roles"][role] |= _files_of(run, pin)
    workflow = run.provisioner.unchanged(run.plan.workflow, run.plan.digest)
    return {
        **outline,
        "parameters": {name.replace("-", "_"): value for name, value in step.parameters.items()},
        "products": {need: {n: str(p) for n, p in run.products.get(need, {}).items()} for need in step.needs},
        "workflow": {
            "reference": workflow.reference,
            "component": dict(workflow.document),
            "folder": str(workflow.folder),
        },
        "target": run.plan.request.target,
        "host": f"{run.plan.host['os']}-{run.plan.host['architecture']}",
    }


def _files_of(run: Run, pin: str) -> dict[str, Any]:
    """Where what fills a role lies, as its document in a job has it."""
    if tool := run.provisioner.tool(pin):
        return {"path": str(tool.path), "target": tool.target, "exports": dict(tool.exports)}
    if folder := run.provisioner.target_folder(pin):
        return {"path": str(folder)}
    provided = run.provisioner.files(pin)
    return {"path": str(provided.path)} if provided else {}


def made_from(run: Run, step: PlannedStep) -> dict[str, Any]:
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


def _frameworks(run: Run, step: PlannedStep) -> dict[str, Any]:
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
