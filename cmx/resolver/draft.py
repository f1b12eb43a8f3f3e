"""A request with its names looked up: which steps, which roles, and who asks for what."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from cmx.component import Action, SoftwareDetect, Step, Workflow
from cmx.errors import ComponentNotFound, UsageError, nearest
from cmx.reference import Reference
from cmx.repository import Catalog
from cmx.resolver.plan import Request
from cmx.resolver.requirement import Requirement
from cmx.resolver.world import requirement


@dataclass
class Draft:
    """A request with its names looked up.

    ``paths`` are the places that the user gave for software (``--set gcc.path=…``), by role and by name; ``parameters``
    are the other parameters. ``brought`` are the roles that the value of a setting or of a parameter brings, and whose;
    ``spared`` is what to give for such a role not to be needed ("--set engine=native").
    """

    request: Request
    catalog: Catalog
    workflow: Workflow
    steps: list[tuple[Step, Action]]
    roles: dict[str, Reference] = field(default_factory=dict)
    paths: Mapping[str, str] = field(default_factory=dict)
    parameters: Mapping[str, Any] = field(default_factory=dict)
    brought: dict[str, str] = field(default_factory=dict)
    spared: dict[str, str] = field(default_factory=dict)

    @property
    def software(self) -> dict[str, SoftwareDetect]:
        """Who knows the software of each role; a role whose software nobody knows is not there."""
        found = {}
        for role, reference in self.roles.items():
            if reference.kind == "software":
                with suppress(ComponentNotFound):
                    found[role] = self.catalog.software(reference.name)
        return found

    @property
    def wanted(self) -> frozenset[str]:
        return frozenset(role for _, action in self.steps for role in action.open_roles)

    @property
    def support(self) -> frozenset[str]:
        """The workflow's roles that no action of it takes: software that its task imports, as a metric's library."""
        own = {role for role, reference in self.workflow.requires.items() if reference.kind == "software"} - self.wanted
        if not own:
            return frozenset()
        return frozenset(
            own - {role for step in self.workflow.steps for role in self.catalog.action(step.action).requires}
        )

    @property
    def unfilled(self) -> frozenset[str]:
        return self.wanted - set(self.roles)

    @property
    def makes_programs(self) -> bool:
        """Whether a step takes an emulator: then a target is its programs' platform, and Python stays the host's."""
        return any(EMULATOR in action.open_roles for _, action in self.steps)


EMULATOR = "emulator"
"""The role that runs a program for another architecture; it is filled where a target asks for it."""


def make_draft(catalog: Catalog, request: Request) -> Draft:
    """Look up a request's names. Raises UsageError or ComponentNotFound for one that is not there."""
    workflow = catalog.workflow(Reference.parse(request.workflow, kind="workflow"))
    steps = [(step, catalog.action(step.action)) for step in workflow.steps]
    steps += _implied(catalog, steps, request.action)
    draft = Draft(request, catalog, workflow, _selected(catalog, workflow, steps, request.action))
    used = draft.wanted | draft.support
    draft.roles = {role: reference for role, reference in workflow.requires.items() if role in used}
    for role, text in request.use.items():
        draft.roles[role] = _used(draft, role, text)
    if request.target and EMULATOR in draft.unfilled:
        draft.roles[EMULATOR] = Reference("software", "qemu-user")
    _split_paths(draft)
    return draft


def bring(draft: Draft, who: str, fragments: Mapping[str, Mapping[str, Any]], chosen: Mapping[str, Any]) -> None:
    """Add the roles that the chosen values of settings or parameters need; what fills one already stays.

    Raises UsageError where a value needs what fills another role, and nothing does.
    """
    for name, fragment in fragments.items():
        needs = fragment.get("requires", {}).get(str(chosen.get(name)), {})
        for role, need in needs.items():
            asker = f"{who} with {name} {chosen[name]}"
            if role not in draft.roles:
                draft.roles[role] = _reference_or_role(draft, asker, role, need)
                draft.brought[role] = asker
                others = [value for value in fragment.get("enum", ()) if not fragment["requires"].get(str(value))]
                if others:
                    draft.spared[role] = f"--set {name}={others[0]}"


def _reference_or_role(draft: Draft, asker: str, role: str, need: str) -> Reference:
    if "/" in need:
        return Reference.parse(need)
    found = draft.roles.get(need) or draft.workflow.requires.get(need)
    if found is None:
        raise UsageError(f"{asker} needs a {need}, and {draft.workflow.key} has none", hint=f"give --use {role}=NAME")
    return found


def _split_paths(draft: Draft) -> None:
    """Take ``NAME.path`` out of the parameters, where NAME is a software role or the software itself."""
    software = {**{r: n.name for _, a in draft.steps for r, n in a.own_needs.items()}, **_software_names(draft)}
    known = {*software, *software.values()}
    scoped = {key: key.removesuffix(".path") for key in draft.request.parameters if key.endswith(".path")}
    draft.paths = {
        software.get(name, name): str(draft.request.parameters[key]) for key, name in scoped.items() if name in known
    }
    taken = {key for key, name in scoped.items() if name in known}
    draft.parameters = {key: value for key, value in draft.request.parameters.items() if key not in taken}


def _software_names(draft: Draft) -> dict[str, str]:
    return {role: reference.name for role, reference in draft.roles.items() if reference.kind == "software"}


def _selected(
    catalog: Catalog, workflow: Workflow, steps: list[tuple[Step, Action]], wanted: str
) -> list[tuple[Step, Action]]:
    """The steps of an action (or the step of this id), those that check it, and everything these need, in order."""
    if not wanted:
        return steps
    name = Reference.parse(wanted, kind="action").name
    chosen = {step.id for step, action in steps if name in (step.id, action.name)}
    if not chosen:
        known = {action.name for _, action in steps} | {step.id for step, _ in steps}
        known |= {name for name in catalog.names("action") if _implied(catalog, steps, name)}
        raise UsageError(f"{workflow.key} has no step for action {name!r}", hint=nearest(name, known))
    checks = {check for step, action in steps if step.id in chosen for check in action.checked_by}
    chosen |= {step.id for step, action in steps if action.name in checks}
    for step, _ in reversed(steps):
        if step.id in chosen:
            chosen |= set(step.needs)
    return [(step, action) for step, action in steps if step.id in chosen]


def _implied(catalog: Catalog, steps: list[tuple[Step, Action]], wanted: str) -> list[tuple[Step, Action]]:
    """The step of an action that a workflow need not name, because it has one of the action ``for-steps-of``."""
    if not wanted or any(wanted in (step.id, action.name) for step, action in steps):
        return []
    with suppress(ComponentNotFound):
        action = catalog.action(Reference.parse(wanted, kind="action"))
        like = next((step for step, other in steps if other.name == action.for_steps_of), None)
        if like:
            shared = {name: value for name, value in like.parameters.items() if name in action.parameters}
            return [(Step(action.name, Reference.parse(action.reference), like.needs, shared), action)]
    return []


def _used(draft: Draft, role: str, text: str) -> Reference:
    own = {name: need for _, action in draft.steps for name, need in action.own_needs.items()}
    known = {**draft.workflow.requires, **own, **dict.fromkeys(draft.wanted)}
    if role not in known:
        raise UsageError(f"--use {role}={text}: there is no role {role!r}", hint=nearest(role, known))
    usual = known[role]
    kind = usual.kind if usual else _kind_of(draft, role)
    reference = Reference.parse(text, kind=kind)
    if reference.kind != kind:
        raise UsageError(f"--use {role}={text}: role {role!r} is a {kind}", hint=f"give --use {role}={kind}/NAME")
    return draft.catalog.canonical(reference)


def _kind_of(draft: Draft, role: str) -> str:
    return next(action.open_roles[role] for _, action in draft.steps if role in action.open_roles)


def asked(draft: Draft) -> dict[Requirement, str]:
    """What the solver is asked for, each with the words of whoever asks: the user, the workflow, its actions.

    Where the user fills a role with something of another name, the workflow's own wish for that role is gone.
    """
    askers: dict[Requirement, list[str]] = {}
    for role in draft.request.use:
        askers.setdefault(requirement(draft.roles[role]), []).append("you")
    for role, reference in draft.workflow.requires.items():
        if role in draft.wanted | draft.support and draft.roles[role].key == reference.key:
            askers.setdefault(requirement(reference), []).append(draft.workflow.key)
    if EMULATOR in draft.roles and EMULATOR not in {*draft.request.use, *draft.workflow.requires}:
        askers.setdefault(requirement(draft.roles[EMULATOR]), []).append(f"a program for {draft.request.target}")
    for role, who in draft.brought.items():
        askers.setdefault(requirement(draft.roles[role]), []).append(who)
    for _, action in draft.steps:
        for role, need in action.own_needs.items():
            if role not in draft.roles or draft.roles[role].key == need.key:
                askers.setdefault(requirement(need), []).append(action.key)
    return {need: _sentence(list(dict.fromkeys(who)), need) for need, who in askers.items()}


def _sentence(who: Sequence[str], need: Requirement) -> str:
    if "you" in who:
        return f"you asked for {need}"
    return f"{' and '.join(who)} need{'s' if len(who) == 1 else ''} {need}"
