"""Install what a solution needs and this machine lacks. Nothing of the solution runs.

cmx solution init classification-1.0.0.cmx.zip
cmx solution init classification-1.0.0.cmx.zip --dry-run     what it would fetch and write

Components stay in a folder of the solution's own in cmx's home; a complete archive needs no network.
"""

from __future__ import annotations

import argparse

from cmx.cli.answer import Answer
from cmx.cli.console import Console
from cmx.cli.parser import Parser
from cmx.cli.solution_use import add_archive, announce, opened_archive, preview_answer
from cmx.cli.solution_verify import doubt
from cmx.repository import Catalog


def configure(parser: Parser) -> None:
    """Add the options."""
    add_archive(parser)
    parser.add_argument(
        "--allow-untrusted",
        action="store_true",
        help="install it though components of it are not those of the same name here, and nobody you trust signed it",
    )


def run(arguments: argparse.Namespace) -> Answer:
    """Where it lies."""
    from cmx.solution import impostors
    from cmx.solution.installing import install, lock_here, refuse_forged

    archive, settings = opened_archive(arguments)
    plan = lock_here(archive, arguments.platform)
    if arguments.dry_run:
        return preview_answer(archive, plan, settings, None, runs=False)
    console = Console()
    try:
        verdict = refuse_forged(archive, settings)
        wrong = doubt(archive, verdict, impostors(archive, Catalog.default(settings)))
        if wrong and not arguments.allow_untrusted:
            wrong.hint += "; --allow-untrusted installs it all the same"
            raise wrong
        announce(archive, verdict, None, console)
        installed = install(archive, settings, platform=arguments.platform, offline=arguments.offline, reporter=console)
    finally:
        console.close()
    action = installed.plan.request.action or "benchmark"
    allow = "" if verdict.trusted else " --allow-untrusted"
    text = f"installed in {installed.folder}\n\ncmx solution run {action} {arguments.archive}{allow}"
    return Answer({"folder": str(installed.folder), "digest": archive.digest}, text)
