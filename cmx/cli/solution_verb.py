"""Pack what reproduces a result into one archive; look at archives of others, install, run and compare them.

cmx solution pack 7f3a91c2                 a result, with what others should reach
cmx solution pack image-classification     a workflow: nothing is expected
cmx solution show classification-1.0.0.cmx.zip
cmx solution verify classification-1.0.0.cmx.zip
cmx solution init classification-1.0.0.cmx.zip         install what is missing; nothing of it runs
cmx solution run benchmark classification-1.0.0.cmx.zip
cmx solution validate classification-1.0.0.cmx.zip     run it, and compare with what its maker had
cmx solution sign classification-1.0.0.cmx.zip --key me
cmx solution retarget matmul-1.0.0.cmx.zip --platform linux-aarch64
cmx solution export classification-1.0.0.cmx.zip --format docker
cmx solution remove classification
cmx solution diff classification-1.0.0.cmx.zip classification-1.1.0.cmx.zip
"""

from __future__ import annotations

import argparse
from types import ModuleType

from cmx.cli import (
    solution_diff,
    solution_download,
    solution_export,
    solution_init,
    solution_pack,
    solution_remove,
    solution_retarget,
    solution_run,
    solution_show,
    solution_sign,
    solution_validate,
    solution_verify,
)
from cmx.cli.answer import Answer
from cmx.cli.parser import Parser
from cmx.errors import UsageError

COMMANDS: dict[str, tuple[ModuleType, str]] = {
    "pack": (solution_pack, "make an archive of a workflow, a saved plan or a result"),
    "show": (solution_show, "what an archive holds; nothing of it is run"),
    "verify": (solution_verify, "hash everything, and hold it against schemas and signature"),
    "init": (solution_init, "install what it needs and is not here; nothing of it runs"),
    "run": (solution_run, "run an action of it, behind walls"),
    "validate": (solution_validate, "run it, and compare with what its maker had"),
    "sign": (solution_sign, "vouch for an archive with one of your keys"),
    "diff": (solution_diff, "what two archives have that is not the same"),
    "retarget": (solution_retarget, "add a lock for another platform, or say what cannot be had there"),
    "export": (solution_export, "a Dockerfile or a script that runs it, or an RO-Crate"),
    "remove": (solution_remove, "take one away that was installed"),
    "download": (solution_download, "fetch an archive from a registry; nothing of it is run"),
}
"""One module each, with ``configure(parser)`` and ``run(arguments)``, and a line of help."""


def configure(parser: Parser, arguments: list[str]) -> None:
    """Add the commands. What follows "--" are settings of a solution's action, which only the archive knows."""
    if "--" in arguments:
        at = arguments.index("--")
        parser.set_defaults(settings=arguments[at + 1 :])
        del arguments[at:]
    commands = parser.add_subparsers(dest="command", required=True, parser_class=Parser, metavar="COMMAND")
    for name, (module, text) in COMMANDS.items():
        module.configure(commands.add_parser(name, help=text, description=module.__doc__))


def run(arguments: argparse.Namespace, as_json: bool) -> Answer:
    """What the command answers."""
    if hasattr(arguments, "settings") and arguments.command != "run":
        raise UsageError(f"cmx solution {arguments.command} takes no settings after --", hint="cmx solution run does")
    answer: Answer = COMMANDS[arguments.command][0].run(arguments)
    return answer
