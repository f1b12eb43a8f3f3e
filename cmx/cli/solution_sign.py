"""Vouch for an archive with one of your keys, after everything in it was verified.

cmx key new me
cmx solution sign classification-1.0.0.cmx.zip --key me

What you sign is the manifest, and so all that it lists. Signatures by others stay. The same archive and key give the
same bytes.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from cmx.cli.answer import Answer
from cmx.cli.parser import Parser
from cmx.settings import Settings


def configure(parser: Parser) -> None:
    """Add the options."""
    parser.add_argument("archive", metavar="ARCHIVE", help="a .cmx.zip")
    parser.add_argument("--key", required=True, metavar="NAME", help="one of your own: 'cmx key list'")
    parser.add_argument("--output", metavar="FILE", help="write the signed archive there, and leave this one as it is")


def run(arguments: argparse.Namespace) -> Answer:
    """Who signed what."""
    from cmx.solution import Archive, sign

    to = Path(arguments.output) if arguments.output else None
    archive, key = sign(Archive.open(Path(arguments.archive)), arguments.key, Settings.from_environment(), to)
    document = {"file": str(archive.path), "digest": archive.digest, "key": key.id, "signer": key.name}
    lines = [
        f"{archive.path}: signed by {key.name} (key {key.id[:16]})",
        f"whoever has your public key can tell: cmx key export {key.name}",
    ]
    return Answer(document, "\n".join(lines))
