"""What a workflow says, held against the actions that its steps name: their roles and their parameters."""

from __future__ import annotations

from collections.abc import Iterator

from cmx.component import Action, Step, Workflow
from cmx.errors import CmxError, nearest
from cmx.reference import Reference
from cmx.repository.catalog import Catalog, near
from cmx.repository.query import Query

Said = tuple[tuple[str | int, ...], str, str]
"""Where in the file, what is wrong, and the remedy."""


def workflow_faults(workflow: Workflow, catalog: Catalog) -> Iterator[Said]:
    """What keeps a workflow from being carried out."""
    for role, reference in workflow.requires.items():
        yield from _there(reference, ("requires", role), catalog)
    found: list[Action] = []
    for number, step in enumerate(workflow.steps):
        yield from _there(step.action, ("steps", number, "action"), catalog)
        if action := action_of(step, catalog):
            found.append(action)
            yield from _parameters(number, step, action)
    yield from _kinds(workflow, found)
    if len(found) == len(workflow.steps):
        yield from _roles(workflow, found)


def action_of(step: Step, catalog: Catalog) -> Action | None:
    """The action that a step names; None where there is none."""
    try:
        return catalog.action(step.action) if step.action.kind == "action" else None
    except CmxError:
        return None


def _there(reference: Reference, place: tuple[str | int, ...], catalog: Catalog) -> Iterator[Said]:
    kind = "software-detect" if reference.kind == "software" else reference.kind
    if not catalog.query(Query(kind=kind, name=reference.name)):
        yield place, f"{reference} is in no repository of the catalog", near(reference.name, catalog.names(kind))


def _parameters(number: int, step: Step, action: Action) -> Iterator[Said]:
    for name in step.parameters:
        if name not in action.parameters:
            place = ("steps", number, "with", name)
            yield place, f"{action.key} has no parameter {name!r}", nearest(name, action.parameters)


def _kinds(workflow: Workflow, actions: list[Action]) -> Iterator[Said]:
    """Each role is filled by what the actions that take it say it is."""
    for role, reference in workflow.requires.items():
        wanted = {action.open_roles[role]: action.key for action in actions if role in action.open_roles}
        for kind in [kind for kind in wanted if kind != reference.kind][:1]:
            yield ("requires", role), f"{reference} is no {kind}, which {wanted[kind]} takes", f"name a {kind}/NAME"


def _roles(workflow: Workflow, actions: list[Action]) -> Iterator[Said]:
    """Each role is one that a step takes; software may also be there for the task, as a metric's library."""
    taken = {role for action in actions for role in (*action.requires, *_brought(action))}
    missing = {
        role for each in actions for role in each.open_roles if role not in {*each.optional_roles, *workflow.requires}
    }
    for role, reference in workflow.requires.items():
        hint = nearest(role, missing or taken)
        if role not in taken and (reference.kind != "software" or (missing and hint.startswith("did you mean"))):
            yield ("requires", role), f"no step takes a role {role!r}", hint


def _brought(action: Action) -> Iterator[str]:
    """The roles that values of an action's parameters bring, and those by which they are filled."""
    for fragment in action.parameters.values():
        for needs in fragment.get("requires", {}).values():
            yield from (word for pair in needs.items() for word in pair)
