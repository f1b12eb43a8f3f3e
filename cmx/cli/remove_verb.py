"""Delete a component of yours from disk: asked for on a terminal, and only with --yes elsewhere."""

from __future__ import annotations

import argparse

from cmx.cli.answer import Answer
from cmx.cli.asking import ask_to_delete
from cmx.cli.parser import Parser
from cmx.errors import UsageError
from cmx.reference import Reference
from cmx.repository import Catalog
from cmx.repository.editing import delete


def configure(parser: Parser, arguments: list[str]) -> None:
    """Add the options."""
    parser.add_argument("reference", help="kind/name, kind/name==version, a name that only one kind has, or a uid")
    parser.add_argument("--yes", action="store_true", help="do not ask")


def run(arguments: argparse.Namespace, as_json: bool) -> Answer:
    """What was deleted."""
    catalog = Catalog.default()
    component = catalog.look_up(arguments.reference)
    versions = catalog.versions(Reference(component.kind, component.name))
    if len(versions) > 1 and "==" not in arguments.reference:
        raise UsageError(
            f"{component.key} has {len(versions)} versions",
            hint="say which: " + " or ".join(f"cmx remove {each.reference}" for each in versions),
        )
    if not arguments.yes:
        ask_to_delete(component.reference, component.folder, f"cmx remove {component.reference}")
    delete(catalog, component)
    behind = catalog.mentions(component.key) if len(versions) == 1 else []
    document = {"reference": component.reference, "folder": str(component.folder), "mentions": behind}
    lines = [f"removed {component.reference}: {component.folder}"]
    if behind:
        lines.append(f"still asked for by {', '.join(behind)}")
    return Answer(document, "\n".join(lines))
