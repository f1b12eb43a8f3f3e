"""Add a lock for another platform to an archive, or say what cannot be had there, and what can.

cmx solution retarget matmul-1.0.0.cmx.zip --platform linux-aarch64
cmx solution retarget classification-1.0.0.cmx.zip --platform macos-aarch64 --output ../for-macs.cmx.zip

The versions that the archive has are kept where all of them can be had on the platform; what changes is listed. A
workflow that compiles gets a cross-compiler and an emulator of this machine; every other is locked for cmx running
there. The archive changes, so its signatures do not stay: sign it again.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from cmx.cli.answer import Answer
from cmx.cli.console import Console
from cmx.cli.parser import Parser
from cmx.repository import Catalog


def configure(parser: Parser) -> None:
    """Add the options."""
    parser.add_argument("archive", metavar="ARCHIVE", help="a .cmx.zip")
    parser.add_argument("--platform", required=True, metavar="OS-ARCH", help="as in linux-aarch64")
    parser.add_argument("--output", metavar="FILE", help="write it there, and leave this one as it is")
    parser.add_argument("--offline", action="store_true", help="ask no package index: only what was asked before")


def run(arguments: argparse.Namespace) -> Answer:
    """The archive with its new lock."""
    from cmx.runner import LocalMachine
    from cmx.solution import Archive, retarget

    catalog, console = Catalog.default(), Console()
    archive = Archive.open(Path(arguments.archive))
    signed = archive.signature is not None
    machine = LocalMachine(catalog.settings, offline=arguments.offline, reporter=console)
    console.begin("retarget", arguments.platform)
    try:
        to = Path(arguments.output) if arguments.output else archive.path
        done = retarget(archive, arguments.platform, catalog, machine=machine, to=to)
    finally:
        console.close()
    locks = sorted(done.archive.manifest.locks)
    document = {"file": str(to), "digest": done.archive.digest, "locks": locks, "changes": list(done.changes)}
    lines = [f"{to}: locked for {', '.join(locks)}", *(f"  {change}" for change in done.changes)]
    if signed:
        lines.append("not signed any more, as it has changed: cmx solution sign")
    return Answer(document, "\n".join(lines))
