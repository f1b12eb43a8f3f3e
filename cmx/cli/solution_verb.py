"""Pack what reproduces a result into one archive, and look at archives, verify or compare them.

cmx solution pack 7f3a91c2                 a result, with what others should reach
cmx solution pack image-classification     a workflow: nothing is expected
cmx solution show classification-1.0.0.cmx.zip
cmx solution verify classification-1.0.0.cmx.zip
cmx solution sign classification-1.0.0.cmx.zip --key me
cmx solution diff classification-1.0.0.cmx.zip classification-1.1.0.cmx.zip
"""

from __future__ import annotations

import argparse
from types import ModuleType

from cmx.cli import solution_diff, solution_download, solution_pack, solution_show, solution_sign, solution_verify
from cmx.cli.answer import Answer
from cmx.cli.parser import Parser

COMMANDS: dict[str, tuple[ModuleType, str]] = {
    "pack": (solution_pack, "make an archive of a workflow, a saved plan or a result"),
    "show": (solution_show, "what an archive holds; nothing of it is run"),
    "verify": (solution_verify, "hash everything, and hold it against schemas and signature"),
    "sign": (solution_sign, "vouch for an archive with one of your keys"),
    "diff": (solution_diff, "what two archives have that is not the same"),
    "download": (solution_download, "fetch an archive from a registry; nothing of it is run"),
}
"""One module each, with ``configure(parser)`` and ``run(arguments)``, and a line of help."""


def configure(parser: Parser, arguments: list[str]) -> None:
    """Add the commands."""
    commands = parser.add_subparsers(dest="command", required=True, parser_class=Parser, metavar="COMMAND")
    for name, (module, text) in COMMANDS.items():
        module.configure(commands.add_parser(name, help=text, description=module.__doc__))


def run(arguments: argparse.Namespace, as_json: bool) -> Answer:
    """What the command answers."""
    answer: Answer = COMMANDS[arguments.command][0].run(arguments)
    return answer
