"""From a request to a plan: which steps, which roles, which candidates, which exact packages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from cmx.component import Action, Component, Dataset, Model, SoftwareDetect, Step, Variant, Workflow
from cmx.errors import ComponentInvalid, Unsatisfiable, UsageError, nearest
from cmx.reference import Reference
from cmx.repository import Catalog
from cmx.resolver.candidate import Candidate, Source
from cmx.resolver.encoding import Answers
from cmx.resolver.parameters import assign
from cmx.resolver.plan import Pin, Plan, PlannedEnvironment, PlannedStep, Request
from cmx.resolver.requirement import Requirement
from cmx.resolver.solver import Solution, search, solve
from cmx.resolver.world import (
    CONVERT,
    MAIN,
    NEW,
    Place,
    Surroundings,
    World,
    node,
    normalised,
    requirement,
    root_source,
)
from cmx.store import Package

LEARN_LIMIT = 20


class Refusal(Exception):
    """An installer cannot install these requirements together; the message is its reason."""


class Machine(Surroundings, Protocol):
    """What a planner needs of the machine beside what the solver asks."""

    def lock(self, requirements: Sequence[str], python: str) -> Sequence[Package]:
        """The whole closure of some packages, with hashes. Raises Refusal, or Unavailable without a network."""

    def host(self) -> Mapping[str, Any]:
        """The host's document."""


@dataclass
class _Draft:
    """A request with its names looked up."""

    request: Request
    catalog: Catalog
    workflow: Workflow
    steps: list[tuple[Step, Action]]
    roles: dict[str, Reference] = field(default_factory=dict)

    @property
    def wanted(self) -> frozenset[str]:
        return frozenset(role for _, action in self.steps for role in action.open_roles)

    @property
    def unfilled(self) -> frozenset[str]:
        return self.wanted - set(self.roles)


def make_plan(catalog: Catalog, request: Request, machine: Machine, *, version: str, offline: bool = False) -> Plan:
    """Choose and lock everything that a request needs.

    What is detected or stored is used where it will do; only where it will not are package indexes asked.
    Raises UsageError, ComponentNotFound, Unsatisfiable (with the facts and repairs) or Unavailable.
    """
    draft = _draft(catalog, request)
    parameters = assign(draft.steps, request.parameters, complete=bool(request.action))
    solution, locks = _solve(draft, machine, offline)
    pins = _pins(draft, solution)
    _check_filled(draft, pins)
    return Plan(
        request=request,
        workflow=draft.workflow.reference,
        digest=draft.workflow.digest,
        host=machine.host(),
        pins=pins,
        environments=_environments(solution, locks),
        steps=tuple(_planned(step, action, parameters[step.id], pins) for step, action in draft.steps),
        version=version,
    )


def narrowed(plan: Plan, catalog: Catalog, request: Request) -> Plan:
    """A plan with the same pins for another action, other parameters or another seed; nothing is chosen anew.

    Raises ComponentInvalid when the request needs a role that the plan has no pin for.
    """
    draft = _draft(catalog, request)
    parameters = assign(draft.steps, request.parameters, complete=bool(request.action))
    _check_filled(draft, plan.pins)
    steps = tuple(_planned(step, action, parameters[step.id], plan.pins) for step, action in draft.steps)
    return replace(plan, request=request, steps=steps)


def _draft(catalog: Catalog, request: Request) -> _Draft:
    workflow = catalog.workflow(Reference.parse(request.workflow, kind="workflow"))
    steps = [(step, catalog.action(step.action)) for step in workflow.steps]
    draft = _Draft(request, catalog, workflow, _selected(workflow, steps, request.action))
    draft.roles = {role: reference for role, reference in workflow.requires.items() if role in draft.wanted}
    for role, text in request.use.items():
        draft.roles[role] = _used(draft, role, text)
    return draft


def _selected(workflow: Workflow, steps: list[tuple[Step, Action]], wanted: str) -> list[tuple[Step, Action]]:
    """The steps of an action, those that check it, and everything these need, in the workflow's order."""
    if not wanted:
        return steps
    name = Reference.parse(wanted, kind="action").name
    chosen = {step.id for step, action in steps if action.name == name}
    if not chosen:
        raise UsageError(
            f"{workflow.key} has no step for action {name!r}", hint=nearest(name, {action.name for _, action in steps})
        )
    checks = {check for step, action in steps if step.id in chosen for check in action.checked_by}
    chosen |= {step.id for step, action in steps if action.name in checks}
    for step, _ in reversed(steps):
        if step.id in chosen:
            chosen |= set(step.needs)
    return [(step, action) for step, action in steps if step.id in chosen]


def _used(draft: _Draft, role: str, text: str) -> Reference:
    own = {name: need for _, action in draft.steps for name, need in action.own_needs.items()}
    known = {**draft.workflow.requires, **own, **dict.fromkeys(draft.wanted)}
    if role not in known:
        raise UsageError(f"--use {role}={text}: there is no role {role!r}", hint=nearest(role, known))
    usual = known[role]
    return Reference.parse(text, kind=usual.kind if usual else _kind_of(draft, role))


def _kind_of(draft: _Draft, role: str) -> str:
    return next(action.open_roles[role] for _, action in draft.steps if role in action.open_roles)


def _root_requirements(draft: _Draft) -> dict[str, tuple[Component, Sequence[Requirement]]]:
    """The workflow and its actions as the solver's roots; what the user put in a role's place is left to the user."""
    workflow = draft.workflow
    needs = [
        requirement(workflow.requires[role])
        for role, reference in draft.roles.items()
        if role in workflow.requires and workflow.requires[role].key == reference.key and role in draft.wanted
    ]
    roots: dict[str, tuple[Component, Sequence[Requirement]]] = {workflow.key: (workflow, needs)}
    for _, action in draft.steps:
        own = [
            requirement(need)
            for role, need in action.own_needs.items()
            if role not in draft.roles or draft.roles[role].key == need.key
        ]
        roots[action.key] = (action, own)
    return roots


def _solve(draft: _Draft, machine: Machine, offline: bool) -> tuple[Solution, dict[str, Sequence[Package]]]:
    roots = _root_requirements(draft)
    model, framework = draft.roles.get("model"), draft.roles.get("framework")
    world = World(
        draft.catalog,
        machine,
        roots,
        wanted_roles=draft.unfilled,
        model=node(model) if model else "",
        framework=node(framework) if framework else "",
        offline=offline,
    )
    asked = [Requirement(name, f"=={component.version}") for name, (component, _) in roots.items()]
    asked += [requirement(draft.roles[role]) for role in draft.request.use if role in draft.roles]
    if offline or search(Answers(world), asked, 0):
        return _settle(world, asked, machine)
    world.installing = True
    world.prefetch(_packages(draft))
    return _settle(world, asked, machine)


def _packages(draft: _Draft) -> list[str]:
    """The Python packages that the request may have to install, to ask for all their versions at once."""
    references = [*draft.roles.values(), *(need for _, action in draft.steps for need in action.own_needs.values())]
    for reference in draft.roles.values():
        if reference.kind == "model":
            model = draft.catalog.model(reference)
            references += [need for variant in model.variants.values() for need in variant.requires.values()]
    names = {reference.name for reference in references if reference.kind == "software"}
    known = {entry.name for entry in draft.catalog.entries("software-detect")}
    components = [draft.catalog.software(name) for name in sorted(names & known)]
    return [c.python_package for c in components if c.python_package and any(r.with_ == "pip" for r in c.install)]


def _settle(
    world: World, asked: Sequence[Requirement], machine: Machine
) -> tuple[Solution, dict[str, Sequence[Package]]]:
    """Solve, lock the new environments, and solve again without what an installer refused."""
    for _ in range(LEARN_LIMIT):
        solution = solve(world, asked)
        try:
            return solution, _lock_all(solution, machine, world)
        except Refusal:
            continue
    raise Unsatisfiable([f"after {LEARN_LIMIT} tries the installer still refused: {world.refused[-1][1]}"])


def _lock_all(solution: Solution, machine: Machine, world: World) -> dict[str, Sequence[Package]]:
    locks: dict[str, Sequence[Package]] = {}
    for name, place in _places(solution).items():
        members = _members(solution, name)
        if place.source is Source.STORED:
            locks[name] = place.lock
        elif place.source is Source.DETECTED:
            locks[name] = [Package(_package(member), member.version) for member in members]
        else:
            locks[name] = _lock(members, place, machine, world)
    return locks


def _lock(members: Sequence[Candidate], place: Place, machine: Machine, world: World) -> Sequence[Package]:
    try:
        return machine.lock([f"{_package(member)}=={member.version}" for member in members], place.interpreter)
    except Refusal as refusal:
        world.refused.append((frozenset(members), str(refusal)))
        raise


def _places(solution: Solution) -> dict[str, Place]:
    chosen = {name: candidate.data for name, candidate in solution.items() if name.startswith("environment/")}
    return {name.partition("/")[2]: place for name, place in chosen.items() if isinstance(place, Place)}


def _members(solution: Solution, environment: str) -> list[Candidate]:
    """The Python packages that were chosen for an environment, by name."""
    return [
        candidate
        for name, candidate in sorted(solution.items())
        if isinstance(candidate.data, SoftwareDetect)
        and candidate.data.python_package
        and (name.partition("@")[2] or MAIN) == environment
    ]


def _package(candidate: Candidate) -> str:
    assert isinstance(candidate.data, SoftwareDetect)
    return normalised(candidate.data.python_package)


def _environments(solution: Solution, locks: Mapping[str, Sequence[Package]]) -> dict[str, PlannedEnvironment]:
    return {
        name: PlannedEnvironment(
            name,
            place.source.word,
            place.digest if place.source is Source.STORED else place.interpreter,
            place.python,
            tuple(locks[name]),
        )
        for name, place in _places(solution).items()
    }


def _pins(draft: _Draft, solution: Solution) -> dict[str, Pin]:
    """A pin for each role; a package of another environment than the main one is under ``environment.name``."""
    roles = {**{role: need for _, action in draft.steps for role, need in action.own_needs.items()}, **draft.roles}
    pins = {role: _pin(draft, role, solution, node(reference)) for role, reference in roles.items()}
    for candidate in list(solution.values()):
        if isinstance(candidate.data, Model):
            brought = {r: n for r, n in candidate.data.requires.items() if r in draft.unfilled}
            pins |= {role: _pin(draft, role, solution, node(reference)) for role, reference in brought.items()}
    for name in solution:
        plain, _, environment = name.partition("@")
        if environment:
            role = f"{environment}.{plain.partition('/')[2]}"
            pins[role] = _pin(draft, role, solution, name)
    return pins


def _pin(draft: _Draft, role: str, solution: Solution, name: str) -> Pin:
    candidate = solution[name]
    component = candidate.data
    assert isinstance(component, Component)
    kind, _, rest = name.partition("@")[0].partition("/")
    return Pin(
        role=role,
        kind=kind,
        name=rest,
        version=candidate.version,
        variant=candidate.variant,
        source=candidate.source.word,
        how=_how(candidate),
        environment=_environment_of(name, component),
        recipe=component.reference,
        digest=component.digest,
        why=solution.choices[name].why,
        others=tuple(
            f"{other.candidate.label} ({other.candidate.source.word}): {other.why_not}"
            for other in solution.choices[name].alternatives
        ),
        artifact=_artifact(draft, component, candidate.variant),
    )


def _how(candidate: Candidate) -> str:
    component = candidate.data
    if isinstance(component, SoftwareDetect):
        return "pip" if candidate.place == NEW else candidate.place
    source = _artifact_source(component, candidate.variant) if isinstance(component, Model | Dataset) else {}
    return next(iter(source), "")


def _environment_of(name: str, component: Component) -> str:
    if isinstance(component, SoftwareDetect) and component.python_package:
        return name.partition("@")[2] or MAIN
    return ""


def _artifact_source(component: Component, variant: str) -> Mapping[str, Any]:
    if isinstance(component, Model):
        return root_source(component, component.variants[variant])
    return component.source if isinstance(component, Dataset) else {}


def _artifact(draft: _Draft, component: Component, variant: str) -> dict[str, Any] | None:
    if isinstance(component, Dataset):
        return {"source": dict(component.source)}
    if isinstance(component, Model):
        return _variant_artifact(draft, component, component.variants[variant])
    return None


def _variant_artifact(draft: _Draft, model: Model, variant: Variant) -> dict[str, Any]:
    """How a variant is had: a source, or a conversion of another variant, with everything that goes into it."""
    if variant.source is not None:
        return {"variant": variant.name, "source": dict(variant.source)}
    assert variant.conversion is not None
    recipe = draft.catalog.model(variant.conversion.recipe) if variant.conversion.recipe else model
    return {
        "variant": variant.name,
        "from": _variant_artifact(draft, model, model.variants[variant.origin]),
        "convert": {
            "recipe": recipe.reference,
            "digest": recipe.digest,
            "entry": variant.conversion.entry,
            "with": dict(variant.conversion.arguments),
        },
        "environment": CONVERT,
    }


def _check_filled(draft: _Draft, pins: Mapping[str, Pin]) -> None:
    for step, action in draft.steps:
        for role, kind in action.open_roles.items():
            if role not in pins and role not in action.optional_roles:
                raise ComponentInvalid(
                    f"{draft.workflow.file}: steps.{step.id}: nothing fills the role {role!r} of {action.key}",
                    hint=f"add it under requires, or give --use {role}=REFERENCE",
                )
            if role in pins and pins[role].kind != kind:
                raise UsageError(
                    f"role {role!r} of {action.key} is a {kind}, not {pins[role].reference}",
                    hint=f"give --use {role}={kind}/NAME",
                )


def _planned(step: Step, action: Action, parameters: Mapping[str, Any], pins: Mapping[str, Pin]) -> PlannedStep:
    return PlannedStep(
        id=step.id,
        action=action.reference,
        digest=action.digest,
        environment=MAIN,
        roles={role: role for role in action.requires if role in pins},
        parameters=parameters,
        needs=step.needs,
        measures=action.measures,
        cached=action.cached,
    )
