"""The words of ``cmx run``: the options that the named action and workflow bring, and what a wrong word may mean."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

from cmx.cli.parameters import WORKFLOW, add_action_options, add_setting_options, pairs
from cmx.cli.parser import Parser
from cmx.component import Action
from cmx.errors import CmxError, ComponentNotFound, UsageError
from cmx.reference import Reference
from cmx.repository import Catalog
from cmx.resolver.draft import Draft, make_draft
from cmx.resolver.plan import Request


def add_named_options(parser: Parser, arguments: list[str]) -> None:
    """One option for each parameter of the steps that the command line names, and each setting of their frameworks."""
    name = arguments[0] if arguments and not arguments[0].startswith("-") else ""
    if not name:
        return
    draft = _draft(arguments, name)
    for action in {each.reference: each for each in _actions(draft, name)}.values():
        add_action_options(parser, action)
    for software in draft.software.values() if draft else ():
        add_setting_options(parser, software)


def refuse_without_action(parser: Parser, option: str) -> None:
    """Raise UsageError for an option that an action brings, and which stands where the action is to be named."""
    name = option.partition("=")[0]
    if name in parser.options:
        return
    catalog = Catalog.default()
    actions = (_action(catalog, each) for each in catalog.names("action"))
    owners = [each.name for each in actions if each and name.removeprefix("--") in each.parameters]
    if owners:
        owner = "benchmark" if "benchmark" in owners else owners[0]
        hint = f"the action that brings it comes first: cmx run {owner} {option}"
        raise UsageError(f"cmx run: unknown option {name}", hint=hint)


def _draft(arguments: list[str], action: str) -> Draft | None:
    """The request with its names looked up; None where one is wrong: whoever carries the command out says what."""
    named = len(arguments) > 1 and not arguments[1].startswith("-")
    words = [
        f"{one}={two}" if one == "--use" else one for one, two in zip(arguments, [*arguments[1:], ""], strict=True)
    ]
    try:
        use = pairs("--use", (word.removeprefix("--use=") for word in words if word.startswith("--use=")))
        return make_draft(Catalog.default(), Request(arguments[1] if named else WORKFLOW, action, use=use))
    except CmxError:
        return None


def _actions(draft: Draft | None, name: str) -> Iterator[Action]:
    """The actions of the steps that will be carried out, the named one first."""
    steps = draft.steps if draft else []
    yield from (action for step, action in steps if name in (step.id, action.name))
    yield from (action for _, action in steps)
    if not steps and (action := _action(Catalog.default(), name)):
        yield action


def _action(catalog: Catalog, name: str) -> Action | None:
    try:
        return catalog.action(Reference.parse(name, kind="action"))
    except (ComponentNotFound, UsageError):
        return None


def check_words(arguments: argparse.Namespace, catalog: Catalog) -> None:
    """Raise UsageError for words in the wrong place: a workflow for an action, a file for a workflow."""
    action, workflow = arguments.action or "", arguments.workflow or ""
    workflows = catalog.names("workflow")
    if action in workflows and not workflow and not _action(catalog, action):
        hint = f"name the action first: cmx run benchmark {action}"
        raise UsageError(f"{action!r} is a workflow, no action", hint=hint)
    found = _action(catalog, action)
    if workflow and found and workflow not in workflows and (Path(workflow).suffix or Path(workflow).exists()):
        paths = [name for name, each in found.parameters.items() if each.get("format", "").startswith("path")]
        if paths:
            hint = f"a file is given by name: cmx run {action} --{paths[0]} {workflow}"
            raise UsageError(f"{workflow!r} is no workflow", hint=hint)
