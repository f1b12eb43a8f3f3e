"""Run an action of a solution, on what its lock names and nothing else.

cmx solution run benchmark classification-1.0.0.cmx.zip
cmx solution run benchmark classification-1.0.0.cmx.zip --dry-run
cmx solution run benchmark classification-1.0.0.cmx.zip -- --threads 2 --duration 5

What is missing is installed first. Its code runs behind walls: no network, and with bubblewrap none of your files.
An archive that nobody whom you trust has signed runs only with --allow-untrusted.
"""

from __future__ import annotations

import argparse

from cmx.cli.answer import Answer
from cmx.cli.console import Console
from cmx.cli.parser import Parser
from cmx.cli.result_text import result_text
from cmx.cli.solution_use import (
    add_archive,
    add_running,
    announce,
    opened_archive,
    preview_answer,
    running_options,
    settings_given,
)
from cmx.errors import RunError


def configure(parser: Parser) -> None:
    """Add the options."""
    parser.add_argument("action", metavar="ACTION", help="benchmark | validate | run ..., as packed")
    add_archive(parser)
    add_running(parser)
    parser.reminder = "parameters of the action come after --"
    parser.epilog = "After -- come parameters of the action and settings of its framework: -- --threads 2"


def run(arguments: argparse.Namespace) -> Answer:
    """The recorded result; exit code 1 when a step failed or the answers are wrong."""
    from cmx import api
    from cmx.solution.installing import install, lock_here, require_trust
    from cmx.solution.running import plan_for, run_solution

    archive, settings = opened_archive(arguments)
    options = running_options(arguments, archive, settings)
    if arguments.dry_run:
        return preview_answer(archive, lock_here(archive, arguments.platform), settings, options.isolation, runs=True)
    verdict = require_trust(archive, settings, allowed=arguments.allow_untrusted)
    console = Console()
    try:
        announce(archive, verdict, options, console)
        installed = install(archive, settings, platform=arguments.platform, offline=arguments.offline, reporter=console)
        plan = plan_for(
            installed, arguments.action, settings_given(getattr(arguments, "settings", ()), arguments.action, installed)
        )
        result = run_solution(installed, plan, settings, options, console)
        if result.error:
            console.note(f"recorded: cmx result show {result.short}")
            raise api.failure(result)
    finally:
        console.close()
    wrong = RunError(next(iter(result.reasons), "the answers are not right"), result=result.id)
    passed = result.validation.get("passed") is not False
    return Answer({"result": result.document()}, result_text(result), None if passed else wrong)
