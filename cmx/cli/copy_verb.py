"""Copy a component under another name, with a uid of its own, into your own repository or the one you name."""

from __future__ import annotations

import argparse
from pathlib import Path

from cmx.cli.answer import Answer
from cmx.cli.parser import Parser
from cmx.errors import UsageError, nearest
from cmx.repository import Catalog
from cmx.repository.editing import copy


def configure(parser: Parser, arguments: list[str]) -> None:
    """Add the options."""
    parser.add_argument("reference", help="kind/name, a name that only one kind has, or a uid")
    parser.add_argument("name", help="of the copy")
    parser.add_argument("--repository", default="", metavar="NAME", help="one from 'cmx repo list' (default: your own)")


def run(arguments: argparse.Namespace, as_json: bool) -> Answer:
    """The copy."""
    catalog = Catalog.default()
    original = catalog.look_up(arguments.reference)
    made = copy(catalog, original, arguments.name, _folder(catalog, arguments.repository))
    document = {"reference": made.reference, "uid": made.uid, "file": str(made.file), "from": original.reference}
    return Answer(document, f"{made.reference} (uid {made.uid}), a copy of {original.reference}: {made.file}")


def _folder(catalog: Catalog, name: str) -> Path:
    if not name:
        return catalog.settings.repository
    found = next((each for each in catalog.repositories if each.name == name), None)
    if found is None:
        known = [each.name for each in catalog.repositories]
        raise UsageError(f"there is no repository {name!r}", hint=nearest(name, known))
    if found.managed:
        raise UsageError(f"{name} is kept by cmx, and is not yours to write into", hint="leave out --repository")
    return found.root
