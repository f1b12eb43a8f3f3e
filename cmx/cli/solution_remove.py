"""Take a solution away that was installed: asked for on a terminal, and only with --yes elsewhere.

cmx solution remove classification
cmx solution remove classification==1.0.0 --yes

Its folder in cmx's home goes. Environments and files stay in the store, since others may use them too: 'cmx store gc'
removes what was not used for a while. Archives and results stay.
"""

from __future__ import annotations

import argparse

from cmx.cli.answer import Answer
from cmx.cli.asking import ask_to_delete
from cmx.cli.parser import Parser
from cmx.files import readable
from cmx.settings import Settings


def configure(parser: Parser) -> None:
    """Add the options."""
    parser.add_argument("name", metavar="NAME", help="NAME, NAME==VERSION, or the archive it was installed from")
    parser.add_argument("--yes", action="store_true", help="do not ask")


def run(arguments: argparse.Namespace) -> Answer:
    """What was removed."""
    from cmx.solution.removing import find, take_away

    settings = Settings.from_environment()
    found = find(settings, arguments.name)
    if not arguments.yes:
        ask_to_delete(str(found), found.folder, f"cmx solution remove {arguments.name}")
    size = sum(each.lstat().st_size for each in found.folder.rglob("*") if each.is_file())
    take_away(found, settings)
    document = {"name": found.name, "version": found.version, "folder": str(found.folder), "size": size}
    return Answer(document, f"removed {found}: {found.folder} ({readable(size)})")
