"""What two archives have that is not the same: facts, components, pins, packages, parameters, expectations.

cmx solution diff classification-1.0.0.cmx.zip classification-1.1.0.cmx.zip
"""

from __future__ import annotations

import argparse
from pathlib import Path

from cmx.cli.answer import Answer, table
from cmx.cli.parser import Parser

_WIDTH = 60


def configure(parser: Parser) -> None:
    """Add the options."""
    parser.add_argument("first", metavar="A", help="a .cmx.zip")
    parser.add_argument("second", metavar="B", help="another")


def run(arguments: argparse.Namespace) -> Answer:
    """The differences; that there are some is no error."""
    from cmx.solution import Archive, differences

    first, second = (Archive.open(Path(each)) for each in (arguments.first, arguments.second))
    found = differences(first, second)
    rows = [(each.place, _short(each.first), _short(each.second)) for each in found]
    same = "the two are the same file, but for signatures" if first.digest == second.digest else "no difference"
    text = table(("WHAT", first.path.name, second.path.name), rows) if rows else same
    return Answer({"differences": [each._asdict() for each in found], "same": first.digest == second.digest}, text)


def _short(text: str) -> str:
    return text if len(text) <= _WIDTH else text[: _WIDTH - 1] + "…"
