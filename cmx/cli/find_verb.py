"""Find components that have all of some words, or words that begin so, in kind, name, tags or description."""

from __future__ import annotations

import argparse

from cmx.cli.answer import Answer
from cmx.cli.list_verb import listing
from cmx.cli.parser import Parser
from cmx.errors import CmxError
from cmx.reference import COMPONENT_KINDS
from cmx.repository import Catalog


def configure(parser: Parser, arguments: list[str]) -> None:
    """Add the options."""
    parser.add_argument("words", nargs="+", help="words to look for, whatever their case")
    parser.add_argument("--kind", default="", choices=["", *COMPONENT_KINDS], metavar="KIND", help="only of this kind")
    parser.add_argument("--tag", action="append", default=[], help="only with this tag, as in 'cmx list'")


def run(arguments: argparse.Namespace, as_json: bool) -> Answer:
    """Matching components; exit code 1 when there is none."""
    answer = listing(Catalog.default().search(arguments.words, arguments.kind, arguments.tag), ())
    if answer.document["components"]:
        return answer
    words = " ".join(arguments.words)
    return answer._replace(error=CmxError(f"no component matches {words!r}", hint="cmx list shows all there are"))
