"""Rename a component where it lies; its uid stays, so that whoever knows it by that finds it."""

from __future__ import annotations

import argparse

from cmx.cli.answer import Answer
from cmx.cli.parser import Parser
from cmx.repository import Catalog
from cmx.repository.editing import move


def configure(parser: Parser, arguments: list[str]) -> None:
    """Add the options."""
    parser.add_argument("reference", help="kind/name, a name that only one kind has, or a uid")
    parser.add_argument("name", help="its new name")


def run(arguments: argparse.Namespace, as_json: bool) -> Answer:
    """Where it is now, and who still calls it by its old name."""
    catalog = Catalog.default()
    old = catalog.look_up(arguments.reference)
    new = move(catalog, old, arguments.name)
    behind = catalog.mentions(old.key)
    document = {"from": old.key, "reference": new.reference, "uid": new.uid, "file": str(new.file), "mentions": behind}
    lines = [f"{old.key} is {new.key} now: {new.file}"]
    if behind:
        lines.append(f"still called {old.key} by {', '.join(behind)}: change it there")
    return Answer(document, "\n".join(lines))
