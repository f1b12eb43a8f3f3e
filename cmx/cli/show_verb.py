"""Show one component: where it is, what it says, and its digest."""

from __future__ import annotations

import argparse

from cmx.cli.answer import Answer
from cmx.cli.parser import Parser
from cmx.own_files import digest
from cmx.repository import Catalog


def configure(parser: Parser, arguments: list[str]) -> None:
    """Add the options."""
    parser.add_argument("reference", help="kind/name, kind/name==version, a name that only one kind has, or a uid")


def run(arguments: argparse.Namespace, as_json: bool) -> Answer:
    """The component's own words, with its place."""
    catalog = Catalog.default()
    entry = catalog.entry(arguments.reference)
    hashed = digest(entry.file.parent)
    document = {
        "reference": entry.reference,
        "file": str(entry.file),
        "repository": entry.repository,
        "digest": hashed,
        "component": catalog.document(entry),
    }
    head = f"{entry.reference}   {entry.repository}   {entry.file}\ndigest {hashed}\n"
    return Answer(document, head + "\n" + entry.file.read_text(encoding="utf-8"))
