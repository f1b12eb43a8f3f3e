"""Write a solution in a form that needs no cmx on the machine that uses it: a new folder, or nothing.

cmx solution export classification-1.0.0.cmx.zip --format docker
cmx solution export classification-1.0.0.cmx.zip --format venv-script --output here
cmx solution export classification-1.0.0.cmx.zip --format ro-crate

docker is a Dockerfile, venv-script is reproduce.sh. Both carry the archive and this cmx along, install all of it by its
hashes, run it, and compare with what is expected. ro-crate describes every file for archives of research data.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from cmx.cli.answer import Answer
from cmx.cli.console import Console
from cmx.cli.parser import Parser


def configure(parser: Parser) -> None:
    """Add the options."""
    parser.add_argument("archive", metavar="ARCHIVE", help="a .cmx.zip")
    parser.add_argument("--format", required=True, choices=("docker", "venv-script", "ro-crate"), help="which form")
    parser.add_argument("--platform", default="", metavar="OS-ARCH", help="which lock (default: this machine's)")
    parser.add_argument("--output", metavar="FOLDER", help="default: NAME-VERSION-FORMAT here")


def run(arguments: argparse.Namespace) -> Answer:
    """The folder that was written."""
    from datetime import datetime, timezone

    from cmx.host import Host
    from cmx.settings import Settings
    from cmx.solution import Archive
    from cmx.solution.carrying import carried
    from cmx.solution.exporting import SCRIPT, export

    archive = Archive.open(Path(arguments.archive))
    manifest = archive.manifest
    folder = Path(arguments.output or f"{manifest.name}-{manifest.version}-{arguments.format}")
    platform = arguments.platform or Host.detect().platform
    today = datetime.now(timezone.utc).date().isoformat()
    settings, console, tag = Settings.from_environment(), Console(), f"{manifest.name}:{manifest.version}"
    try:
        export(
            archive,
            arguments.format,
            platform,
            folder,
            published=today,
            cmx=lambda python: carried(python, platform, settings, console),
        )
    finally:
        console.close()
    then = {
        "docker": f"docker build -t {tag} {folder} && docker run --rm --network none {tag}",
        "venv-script": f"{folder}/{SCRIPT}",
        "ro-crate": f"{folder}/ro-crate-metadata.json",
    }
    document = {"folder": str(folder), "format": arguments.format, "platform": platform}
    return Answer(document, f"written to {folder}\n\n{then[arguments.format]}")
