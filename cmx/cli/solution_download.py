"""Fetch a solution from the registries that you added, or from the one that you name; nothing of it is run.

cmx solution download flow                   the newest
cmx solution download 'flow>=1,<2'           the newest of a range
cmx solution download flow==1.2.0 --registry https://HOST/zoo --output ../archives

An interrupted download goes on. A yanked version needs its --sha256. A bad or revoked signature is exit code 1.
"""

from __future__ import annotations

import argparse
import re
from pathlib import Path
from typing import TYPE_CHECKING

from cmx.cli.answer import Answer
from cmx.cli.console import Console
from cmx.cli.parser import Parser
from cmx.cli.place import place
from cmx.errors import UsageError
from cmx.files import readable
from cmx.settings import Settings

if TYPE_CHECKING:
    from cmx.registry.download import Downloaded
    from cmx.registry.source import Source
    from cmx.signing.trust import Verdict


def configure(parser: Parser) -> None:
    """Add the options."""
    parser.add_argument(
        "what", metavar="NAME", help="with a range, if any version will not do: NAME==1.2, 'NAME>=1,<2'"
    )
    parser.add_argument(
        "--registry", default="", metavar="WHERE", help="FOLDER | https://… | the name of one you added"
    )
    parser.add_argument("--output", default="", metavar="PATH", help="a folder, or the file's own name (default: here)")
    parser.add_argument("--sha256", default="", help="take only the file of this hash")


def run(arguments: argparse.Namespace) -> Answer:
    """The archive that is here now, and who signed it."""
    from cmx.cli.solution_verify import doubt
    from cmx.registry.download import Read, choose, download
    from cmx.solution import Archive, verdict

    sha256 = arguments.sha256.lower()
    if sha256 and not re.fullmatch("[0-9a-f]{64}", sha256):
        raise UsageError(f"--sha256 {arguments.sha256}: is no sha256", hint="64 hex digits")
    settings, console = Settings.from_environment(), Console()
    console.begin("download", arguments.what)
    try:
        read = [Read(each, each.index()) for each in _sources(arguments.registry, settings)]
        done = download(choose(arguments.what, read, sha256), place(arguments.output) or Path(), console)
    finally:
        console.close()
    archive = Archive.open(done.path)
    signature = verdict(archive, settings)
    document = {
        "file": str(done.path),
        "reference": done.release.reference,
        "sha256": done.release.sha256,
        "size": done.release.size,
        "registry": done.registry,
        "fetched": done.fetched,
        "yanked": done.release.yanked,
        "signature": signature.document(),
    }
    return Answer(document, _text(done, signature), doubt(archive, signature, ()))


def _text(done: Downloaded, signature: Verdict) -> str:
    release = done.release
    came = f"from {done.registry}" if done.fetched else f"was here already, as {done.registry} has it"
    lines = [f"{done.path}: {release.name} {release.version}, {readable(release.size)}, {came}"]
    if release.yanked:
        lines.append(f"it was yanked: {release.yanked}")
    lines.append(signature.text)
    if not signature.trusted and signature.hint:
        lines.append(f"hint: {signature.hint}")
    return "\n".join([*lines, "", f"cmx solution verify {done.path}"])


def _sources(where: str, settings: Settings) -> list[Source]:
    """The registry that was named, by address, folder or name; or all that were added."""
    from cmx.registry.mirror import registries
    from cmx.registry.source import open_source

    known = registries(settings)
    if where:
        named = [each.source for each in known if each.entry.name == where]
        return named or [open_source(where, settings)]
    if not known:
        raise UsageError("no registry was added", hint="cmx repo add https://HOST/PATH, or give --registry WHERE")
    return [each.source for each in known]
