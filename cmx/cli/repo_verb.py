"""List, add or remove component repositories. Removing one never touches its folder."""

from __future__ import annotations

import argparse
from pathlib import Path

from cmx.cli.answer import Answer, table
from cmx.cli.parser import Parser
from cmx.repository import Catalog, Repository


def configure(parser: Parser, arguments: list[str]) -> None:
    """Add the options."""
    commands = parser.add_subparsers(dest="command", required=True, parser_class=Parser, metavar="list | add | remove")
    commands.add_parser("list", help="repositories in the order in which they are searched")
    adding = commands.add_parser("add", help="add a folder of components")
    adding.add_argument("folder")
    adding.add_argument("--name", default="", help="its name in the catalog (default: what its repo.yaml says)")
    commands.add_parser("remove", help="take one out of the catalog").add_argument("name")


def run(arguments: argparse.Namespace, as_json: bool) -> Answer:
    """The catalog, or what was changed in it."""
    catalog = Catalog.default()
    if arguments.command == "add":
        repository = catalog.add(Path(arguments.folder), name=arguments.name)
        return Answer(_document(repository), f"added {repository.name}: {repository.root}")
    if arguments.command == "remove":
        removed = catalog.remove(arguments.name)
        document = {"name": removed.name, "path": str(removed.root)}
        return Answer(document, f"removed {removed.name} from the catalog; {removed.root} is left as it is")
    repositories = [_document(repository) for repository in catalog.repositories]
    rows = [(str(n), r["name"], r["path"], r["description"]) for n, r in enumerate(repositories, 1)]
    return Answer({"repositories": repositories}, table(("ORDER", "NAME", "PATH", "DESCRIPTION"), rows))


def _document(repository: Repository) -> dict[str, str]:
    return {"name": repository.name, "path": str(repository.root), "description": repository.description}
