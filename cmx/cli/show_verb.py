"""Show one component: where it is, what it says, and its digest."""

from __future__ import annotations

import argparse

from cmx.cli.answer import Answer
from cmx.cli.parser import Parser
from cmx.repository import Catalog


def configure(parser: Parser, arguments: list[str]) -> None:
    """Add the options."""
    parser.add_argument("reference", help="kind/name, kind/name==version, a name that only one kind has, or a uid")


def run(arguments: argparse.Namespace, as_json: bool) -> Answer:
    """The component's own words, with its place."""
    component = Catalog.default().look_up(arguments.reference)
    document = {
        "reference": component.reference,
        "file": str(component.file),
        "repository": component.repository,
        "digest": component.digest,
        "component": dict(component.document),
    }
    head = f"{component.reference}   {component.repository}   {component.file}\ndigest {component.digest}\n"
    return Answer(document, head + "\n" + component.file.read_text(encoding="utf-8"))
