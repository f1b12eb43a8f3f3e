"""Read an archive once and check everything: hashes, schemas, names, locks, the signature, and known components.

cmx solution verify classification-1.0.0.cmx.zip

A bad or revoked signature is exit code 1; so is a component by the name of one here that is another, unless somebody
whom you trust signed it. A key that is unknown here, or no signature, is said: it is for you to judge.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from cmx.cli.answer import Answer
from cmx.cli.parser import Parser
from cmx.errors import StoreError
from cmx.files import counted, readable
from cmx.repository import Catalog

if TYPE_CHECKING:
    from cmx.signing.trust import Verdict
    from cmx.solution import Archive
    from cmx.solution.known import Impostor


def configure(parser: Parser) -> None:
    """Add the options."""
    parser.add_argument("archive", metavar="ARCHIVE", help="a .cmx.zip")


def run(arguments: argparse.Namespace) -> Answer:
    """What was verified. What is wrong is raised, with its name."""
    from cmx.solution import Archive, check, impostors, verdict

    archive = Archive.open(Path(arguments.archive))
    check(archive)
    signature, others = verdict(archive), impostors(archive, Catalog.default())
    manifest = archive.manifest
    document = {
        "file": str(archive.path),
        "files": len(manifest.files),
        "bytes": manifest.limits["bytes"],
        "digest": archive.digest,
        "signature": signature.document(),
        "impostors": [each._asdict() for each in others],
    }
    files, components = counted(len(manifest.files), "file"), counted(len(manifest.components), "component")
    held = f"{files}, {readable(manifest.limits['bytes'])}, {components}"
    lines = [f"{archive.path.name}: as its manifest says: {held}", signature.text, *map(str, others)]
    error = doubt(archive, signature, others)
    return Answer(document, "\n".join([*lines, *([f"hint: {error.hint}"] if error else [])]), error)


def doubt(archive: Archive, signature: Verdict, others: Sequence[Impostor]) -> StoreError | None:
    """Why nobody should use an archive whose hashes fit, if there is a reason."""
    if signature.word in ("bad", "revoked"):
        return StoreError(f"{archive.path.name}: {signature.text}", hint=signature.hint)
    if not others or signature.trusted:
        return None
    more = f" (and {counted(len(others) - 1, 'other component')} like it)" if len(others) > 1 else ""
    what = f"{others[0]}{more}"
    hint = "nobody whom you trust signed the archive: ask its author why, or which version of cmx it was packed with"
    return StoreError(f"{archive.path.name}: {what}", hint=hint)
