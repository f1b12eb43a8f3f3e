"""Read an archive once and check everything: hashes, schemas, names of files, locks, and the signature.

cmx solution verify classification-1.0.0.cmx.zip

A bad or revoked signature is exit code 1. One that is unknown here, or none, is said: it is for you to judge.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from cmx.cli.answer import Answer
from cmx.cli.parser import Parser
from cmx.errors import StoreError
from cmx.files import readable


def configure(parser: Parser) -> None:
    """Add the options."""
    parser.add_argument("archive", metavar="ARCHIVE", help="a .cmx.zip")


def run(arguments: argparse.Namespace) -> Answer:
    """What was verified. What is wrong is raised, with its name."""
    from cmx.solution import Archive, check, verdict

    archive = Archive.open(Path(arguments.archive))
    check(archive)
    signature = verdict(archive)
    manifest = archive.manifest
    document = {
        "ok_files": len(manifest.files),
        "size": manifest.limits["bytes"],
        "digest": archive.digest,
        "signature": signature.document(),
    }
    held = f"{len(manifest.files)} files, {readable(manifest.limits['bytes'])}, {len(manifest.components)} components"
    lines = [f"{archive.path.name}: as its manifest says: {held}", signature.text]
    if signature.word not in ("bad", "revoked"):
        return Answer(document, "\n".join(lines))
    error = StoreError(f"{archive.path.name}: {signature.text}", hint=signature.hint)
    return Answer(document, "\n".join([*lines, f"hint: {signature.hint}"]), error)
