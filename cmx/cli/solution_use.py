"""What the verbs share that bring a solution to this machine: options, trust, walls, and what would be done."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from cmx.cli.answer import Answer
from cmx.cli.console import Console
from cmx.cli.parameters import action_options, add_action_options, add_setting_options
from cmx.cli.parser import Parser
from cmx.cli.sampling import add_measuring_options, read_options
from cmx.settings import Settings

if TYPE_CHECKING:
    from cmx.resolver.plan import Plan
    from cmx.runner import Options
    from cmx.runner.isolation import Isolation
    from cmx.signing.trust import Verdict
    from cmx.solution import Archive, Installed


def add_archive(parser: Parser) -> None:
    """The archive, and what every verb takes that installs it."""
    parser.add_argument("archive", metavar="ARCHIVE", help="a .cmx.zip")
    parser.add_argument("--platform", default="", metavar="OS-ARCH", help="take this lock: programs run in an emulator")
    parser.add_argument("--offline", action="store_true", help="use what is on this machine or in the archive")
    parser.add_argument(
        "--dry-run", action="store_true", help="list every command, download and path, and do nothing of it"
    )


def add_running(parser: Parser) -> None:
    """What the verbs take that run code of a solution."""
    parser.add_argument("--allow-untrusted", action="store_true", help="run it though nobody whom you trust signed it")
    parser.add_argument(
        "--allow-network", action="store_true", help="let it use the network while it runs, where it asks for that"
    )
    parser.add_argument(
        "--no-isolation", action="store_true", help="let it do all that you may do: read and write your files, connect"
    )
    parser.add_argument(
        "--anonymous", action="store_true", help="leave paths and the names of host and user out of the record"
    )
    add_measuring_options(parser)


def running_options(arguments: argparse.Namespace, archive: Archive, settings: Settings) -> Options:
    """How it is run, walls included. Raises UsageError, or Unavailable where nothing keeps it off the network."""
    from cmx.solution.running import walls

    found = walls(
        settings,
        archive.manifest.network,
        network=arguments.allow_network,
        isolated=not arguments.no_isolation,
    )
    return read_options(arguments)._replace(isolation=found)


def announce(archive: Archive, verdict: Verdict, options: Options | None, console: Console) -> None:
    """Who vouches for it, whose names it uses, and how it is kept to itself."""
    from cmx import __version__
    from cmx.repository import Catalog
    from cmx.solution import impostors
    from cmx.solution.installing import lock_here

    console.note(f"{archive.path.name}: {verdict.text}")
    made_with = lock_here(archive).version
    if made_with != __version__:
        console.note(f"packed by cmx {made_with}, and this is {__version__}, with the worker interface that it needs")
    for each in impostors(archive, Catalog.default()):
        console.note(str(each))
    if options is None:
        return
    console.note(f"isolation: {options.isolation or 'none: it may do all that you may do'}")
    asks = archive.manifest.network
    if asks and not (options.isolation is None or options.isolation.network):
        console.note(f"it asks for the network ({asks}) and does not get it: --allow-network")


def preview_answer(
    archive: Archive, plan: Plan, settings: Settings, isolation: Isolation | None, *, runs: bool
) -> Answer:
    """Everything that would be done, one line each."""
    from cmx.solution.installing import refuse_forged
    from cmx.solution.preview import preview

    verdict = refuse_forged(archive, settings)
    doings = preview(archive, plan, settings, isolation, runs=runs)
    document = {
        "signature": verdict.document(),
        "isolation": str(isolation) if isolation else "",
        "would": [each._asdict() for each in doings],
    }
    lines = [f"{archive.path.name}: {verdict.text}"]
    if runs:
        lines.append(f"isolation: {isolation or 'none: it may do all that you may do'}")
    workers = [each for each in doings if isolation and each.command and each.command[-1].endswith("job.json")]
    if workers:  # once: they differ in what may be written
        lines.append(f"walls: {shlex.join(workers[0].command[: workers[0].command.index('--') + 1])}")
    lines += ["", *(f"{each.what:<9} {each.text}" for each in doings)]
    return Answer(document, "\n".join(lines if doings else [*lines, "nothing: all of it is here"]))


def settings_given(words: Sequence[str], action: str, installed: Installed) -> dict[str, str]:
    """The settings after ``--``: ``--duration 5`` or ``duration=5``, of the archive's own actions and frameworks."""
    from cmx.reference import Reference

    catalog, plan = installed.catalog, installed.plan
    parser = Parser(prog="cmx solution run ACTION ARCHIVE --", add_help=False)
    for entry in sorted(catalog.entries("action"), key=lambda entry: entry.name != action):
        add_action_options(parser, catalog.action(Reference.parse(entry.reference)))
    for pin in plan.pins.values():
        if pin.kind == "software" and pin.settings:
            add_setting_options(parser, catalog.software(pin.name))
    return action_options(parser.read([_as_option(word) for word in words]))


def _as_option(word: str) -> str:
    name, equals, _ = word.partition("=")
    return f"--{word}" if equals and not word.startswith("-") and "/" not in name else word


def opened_archive(arguments: argparse.Namespace) -> tuple[Archive, Settings]:
    """The archive that a command line names, and this home."""
    from cmx.solution import Archive

    return Archive.open(Path(arguments.archive)), Settings.from_environment()
