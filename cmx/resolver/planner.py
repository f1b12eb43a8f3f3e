"""From a request to a plan: which steps, which roles, which candidates, which exact packages."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from cmx.component import Action, SoftwareDetect, Step
from cmx.errors import ComponentInvalid, ComponentNotFound, ResolutionError, Unsatisfiable, UsageError
from cmx.reference import Reference
from cmx.repository import Catalog
from cmx.repository.task_rules import takes_words
from cmx.resolver.draft import Draft, asked, bring, make_draft
from cmx.resolver.encoding import Answers
from cmx.resolver.locking import (
    Machine,
    Refusal,
    differences,
    lock_all,
    lock_target,
    locked_requirements,
    target_environment,
)
from cmx.resolver.parameters import assign, is_file, settle
from cmx.resolver.pinning import make_pins, planned_environments
from cmx.resolver.plan import Pin, Plan, PlannedStep, Request
from cmx.resolver.requirement import Requirement
from cmx.resolver.solver import Solution, search, solve
from cmx.resolver.world import (
    MAIN,
    World,
    node,
    requirement,
)
from cmx.store import Package

LEARN_LIMIT = 20


def make_plan(
    catalog: Catalog,
    request: Request,
    machine: Machine,
    *,
    version: str,
    offline: bool = False,
    locked: Plan | None = None,
) -> Plan:
    """Choose and lock everything that a request needs.

    What is detected or stored is used where it will do; only where it will not are package indexes asked. With
    ``locked``, every pin and package of that plan is chosen again, or an explanation says what is in the way.
    Raises UsageError, ComponentNotFound, Unsatisfiable (with the facts and repairs) or Unavailable.
    """
    draft = make_draft(catalog, request)
    _check_platforms(draft, machine)
    _check_framework(draft, draft.software)
    _check_task(draft)
    settings, parameters = _chosen_values(draft)
    try:
        solution, locks = _solve(draft, machine, offline, locked)
    except Unsatisfiable as error:
        error.hint = _by_other_values(draft, error)
        raise
    pins = _with_settings(make_pins(draft, solution), settings)
    _check_filled(draft, pins)
    _check_references(draft, parameters, pins)
    plan = Plan(
        request=request,
        workflow=draft.workflow.reference,
        digest=draft.workflow.digest,
        host=machine.host(),
        pins=pins,
        environments={**planned_environments(solution, locks), **target_environment(locks, request.target)},
        steps=tuple(_planned(step, action, parameters[step.id], pins) for step, action in draft.steps),
        version=version,
    )
    if locked and (found := differences(locked, plan)):
        raise ResolutionError(
            "the lock cannot be met exactly: " + " · ".join(found),
            hint="resolve without --locked to take what there is",
        )
    return plan


def narrowed(plan: Plan, catalog: Catalog, request: Request) -> Plan:
    """A plan with the same pins for another action, other parameters or another seed; nothing is chosen anew.

    Raises ComponentInvalid when the request needs a role that the plan has no pin for.
    """
    draft = make_draft(catalog, request)
    settings, parameters = _chosen_values(draft)
    _check_filled(draft, plan.pins)
    _check_references(draft, parameters, plan.pins)
    for role, who in draft.brought.items():
        if role not in plan.pins:
            raise UsageError(f"{who} needs {draft.roles[role]}, for which the plan has no pin", hint="resolve again")
    steps = tuple(_planned(step, action, parameters[step.id], plan.pins) for step, action in draft.steps)
    return replace(plan, request=request, pins=_with_settings(plan.pins, settings), steps=steps)


def _check_framework(draft: Draft, software: Mapping[str, SoftwareDetect]) -> None:
    """Raise UsageError where software is to run a model that no predictor lets it run."""
    framework = software.get("framework")
    if framework and not framework.formats and "model" in draft.wanted:
        raise UsageError(
            f"software/{framework.name} runs no models: its component names no formats",
            hint="'cmx list software-detect --tag framework' has those that may do",
        )


def _check_task(draft: Draft) -> None:
    """Raise UsageError where the model and the dataset are for different tasks. What is not there, solving explains."""
    tasks = {}
    for role in {"model", "dataset"} & draft.wanted & set(draft.roles):
        with contextlib.suppress(ComponentNotFound):
            component = draft.catalog.find(draft.roles[role])
            tasks[component.key] = component.document.get("task")
    if None not in tasks.values() and len(set(tasks.values())) > 1:
        said = ", ".join(f"{key} is for {task}" for key, task in sorted(tasks.items()))
        raise UsageError(said, hint="--use dataset=NAME and --use model=NAME choose others")


def _chosen_values(draft: Draft) -> tuple[dict[str, dict[str, Any]], dict[str, dict[str, Any]]]:
    """The settings by role and the parameters by step; what their values need is added to the draft's roles."""
    software = draft.software
    settings, others = settle(software, draft.steps, draft.parameters)
    parameters = assign(draft.steps, others, complete=bool(draft.request.action))
    _check_inputs(draft, parameters)
    for role, chosen in settings.items():
        bring(draft, f"software/{software[role].name}", software[role].settings, chosen)
    for step, action in draft.steps:
        bring(draft, action.key, action.parameters, parameters[step.id])
    return settings, parameters


def _check_inputs(draft: Draft, parameters: Mapping[str, Mapping[str, Any]]) -> None:
    """Raise UsageError for words where the model's task takes a file, before anything is installed to find out."""
    task = ""
    with contextlib.suppress(ComponentNotFound, KeyError):
        task = str(draft.catalog.find(draft.roles["model"]).document.get("task", ""))
    for step, action in draft.steps:
        for name, value in parameters[step.id].items():
            if action.parameters.get(name, {}).get("format") != "path-or-text" or not isinstance(value, str):
                continue
            if not takes_words(task) and not is_file(value):
                samples = draft.workflow.requires.get("dataset")
                some = f"; 'cmx install {samples.key}' says where some lie" if samples else ""
                raise UsageError(
                    f"{name}: there is no file {value!r}, and {task} takes no words",
                    hint=f"give a file that is there, as in --{name} ./FILE{some}",
                )


def _with_settings(pins: Mapping[str, Pin], settings: Mapping[str, Mapping[str, Any]]) -> dict[str, Pin]:
    return {role: replace(pin, settings=settings[role]) if role in settings else pin for role, pin in pins.items()}


def _by_other_values(draft: Draft, error: Unsatisfiable) -> str:
    """The hint of an error, with the option that does without what stands in the way, where there is one."""
    for role, option in draft.spared.items():
        need = requirement(draft.roles[role])
        if any(fact.startswith(draft.brought[role]) and fact.endswith(str(need)) for fact in error.facts):
            others = [repair for repair in error.repairs if repair != f"without {need}"]
            more = f"; or one of these: {'; '.join(others)}" if others else ""
            return f"give {option}, which needs no {draft.roles[role].key}{more}"
    return error.hint


def _solve(
    draft: Draft, machine: Machine, offline: bool, locked: Plan | None
) -> tuple[Solution, dict[str, Sequence[Package]]]:
    wanted = {**(locked_requirements(locked) if locked else {}), **asked(draft)}
    model, framework = draft.roles.get("model"), draft.roles.get("framework")
    world = World(
        draft.catalog,
        machine,
        sentences=wanted,
        wanted_roles=draft.unfilled,
        model=node(model) if model else "",
        framework=node(framework) if framework else "",
        offline=offline,
        target=draft.request.target or machine.platform,
        platform="" if draft.makes_programs else draft.request.target,
        host=machine.platform,
        paths=draft.paths,
        prefer=draft.request.prefer,
        locks={name: each.packages for name, each in locked.environments.items()} if locked else {},
        without=tuple(
            draft.catalog.canonical(Reference.parse(text, kind="software")) for text in draft.request.without
        ),
    )
    if offline:
        return _settle_offline(world, list(wanted), machine)
    if world.prefer == "detected" and not world.platform and search(Answers(world), list(wanted), 0):
        return _settle(world, list(wanted), machine)
    world.installing = True
    world.prefetch(_packages(draft, world.platform or world.host))
    return _settle(world, list(wanted), machine)


def _packages(draft: Draft, platform: str) -> list[str]:
    """The Python packages that the request may have to install, to ask for all their versions at once."""
    references = [*draft.roles.values(), *(need for _, action in draft.steps for need in action.own_needs.values())]
    for reference in draft.roles.values():
        if reference.kind == "model":
            model = draft.catalog.model(reference)
            references += [need for variant in model.variants.values() for need in variant.requires.values()]
    known = {entry.name for entry in draft.catalog.entries("software-detect")}
    names = {reference.name for reference in references if reference.kind == "software"} & known
    components = [draft.catalog.software(name) for name in sorted(names)]
    packages = [c for c in components if c.python_package and any(rule.with_ == "pip" for rule in c.install)]
    return [component.distribution(platform) for component in packages]


def _settle_offline(
    world: World, asked: Sequence[Requirement], machine: Machine
) -> tuple[Solution, dict[str, Sequence[Package]]]:
    try:
        return _settle(world, asked, machine)
    except Unsatisfiable as error:
        fetched = "without --offline, what is missing here would be fetched"
        error.hint = f"{error.hint}; {fetched}" if error.repairs else fetched
        raise


def _settle(
    world: World, asked: Sequence[Requirement], machine: Machine
) -> tuple[Solution, dict[str, Sequence[Package]]]:
    """Solve, lock the new environments, and solve again without what an installer refused."""
    for _ in range(LEARN_LIMIT):
        solution = _solution(world, asked)
        try:
            return solution, {**lock_all(solution, machine, world), **lock_target(solution, machine, world)}
        except Refusal:
            continue
    raise Unsatisfiable([f"after {LEARN_LIMIT} tries the installer still refused: {world.refused[-1][1]}"])


def _solution(world: World, asked: Sequence[Requirement]) -> Solution:
    """As ``solve``; where only ``--without`` stands in the way, the hint says so."""
    try:
        return solve(world, asked)
    except Unsatisfiable as error:
        left_out = [f"--without {each}" for each in world.without if f"--without leaves {each.key} out" in error.facts]
        if left_out:
            error.hint = f"leave out {' '.join(left_out)}, or fill the role with another: --use ROLE=REF"
        raise


def _check_platforms(draft: Draft, machine: Machine) -> None:
    """Raise Unsatisfiable for a workflow, or an action of it, that does not work where it would run."""
    here = machine.platform if draft.makes_programs else draft.request.target or machine.platform
    for component in (draft.workflow, *(action for _, action in draft.steps)):
        if not component.works_on(here):
            where = " and ".join(component.platforms)
            raise Unsatisfiable([f"{component.key} works on {where} only, and this is {here}"])


def _check_filled(draft: Draft, pins: Mapping[str, Pin]) -> None:
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


def _check_references(draft: Draft, parameters: Mapping[str, Mapping[str, Any]], pins: Mapping[str, Pin]) -> None:
    """Raise UsageError where a parameter was left to the model's reference on the dataset, and the model has none."""
    if not draft.request.action or not {"model", "dataset"} <= pins.keys():
        return
    for step, action in draft.steps:
        for name, fragment in action.parameters.items():
            if fragment.get("instead-of") == "reference" and parameters[step.id].get(name) is None:
                _require_reference(draft, f"{action.key} needs --{name}", name, pins["model"], pins["dataset"])


def _require_reference(draft: Draft, asker: str, name: str, model: Pin, dataset: Pin) -> None:
    component = draft.catalog.model(Reference.parse(model.reference))
    documents = [component.document["variants"][each.name] for each in component.chain(model.variant)]
    found: Any = next((each["reference"] for each in [*documents, component.document] if "reference" in each), [])
    known = [found] if isinstance(found, Mapping) else found
    if not any(each.get("dataset") == dataset.name or "none" in each for each in known):
        raise UsageError(
            f"{asker}: {model.reference} has no reference on {dataset.reference}, so nothing says what is enough",
            hint=f"give --{name} VALUE, or add it under reference: in {model.kind}/{model.name}'s component.yaml",
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
