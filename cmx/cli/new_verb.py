"""Make a new component from a template, in your own repository or in the one you name."""

from __future__ import annotations

import argparse
from pathlib import Path

from cmx.cli.answer import Answer
from cmx.cli.parser import Parser
from cmx.errors import UsageError, nearest
from cmx.reference import COMPONENT_KINDS
from cmx.repository import Catalog
from cmx.repository.templates import create
from cmx.settings import Settings


def configure(parser: Parser, arguments: list[str]) -> None:
    """Add the options."""
    parser.add_argument("kind", help=" | ".join(COMPONENT_KINDS))
    parser.add_argument("name", help="lower-case letters, digits, '.', '_' and '-'")
    parser.add_argument("--repository", default="", metavar="NAME", help="one from 'cmx repo list' (default: your own)")


def run(arguments: argparse.Namespace, as_json: bool) -> Answer:
    """The new component.yaml."""
    file = create(_folder(arguments.repository), arguments.kind, arguments.name)
    licence = ", its license too (what is unstated is not shared)" if arguments.kind in ("model", "dataset") else ""
    return Answer({"file": str(file)}, f"{file}\nedit it{licence}, then: cmx check {file.parent}")


def _folder(name: str) -> Path:
    settings = Settings.from_environment()
    if not name:
        return settings.repository
    known = {repository.name: repository.root for repository in Catalog.default(settings).repositories}
    if name not in known:
        raise UsageError(f"there is no repository {name!r}", hint=nearest(name, known))
    return known[name]
