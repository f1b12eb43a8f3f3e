"""Make an archive of a workflow, a saved plan or a result.

cmx solution pack 7f3a91c2 --version 1.1.0
cmx solution pack plan.json --output ../shared
cmx solution pack 7f3a91c2 --size complete     with models, datasets and wheels: it runs where there is no network
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

from cmx.cli.answer import Answer
from cmx.cli.console import Console
from cmx.cli.parameters import pairs
from cmx.cli.parser import Parser
from cmx.cli.place import place, refuse_missing
from cmx.cli.solution_show import described
from cmx.errors import CmxError, UsageError
from cmx.repository import Catalog

if TYPE_CHECKING:
    from cmx.solution import Subject


def configure(parser: Parser) -> None:
    """Add the options."""
    parser.add_argument(
        "what", metavar="WORKFLOW|RESULT|PLAN", help="a workflow, a result's id, or a file of a plan or result"
    )
    parser.add_argument(
        "--output", metavar="PATH", help="a folder, or the archive's own name (default: NAME-VERSION.cmx.zip here)"
    )
    parser.add_argument("--replace", action="store_true", help="write over another archive that lies there")
    parser.add_argument(
        "--size",
        choices=("recipes", "with-data", "complete"),
        default="recipes",
        help="recipes fetches everything by its hash; with-data holds models and datasets, where their licences allow;"
        " complete holds the wheels too (default: recipes)",
    )
    parser.add_argument(
        "--private",
        action="store_true",
        help="pack models and datasets whatever their licences, for machines of your own: not to be given to others",
    )
    parser.add_argument("--name", default="", help="default: the workflow's")
    parser.add_argument("--version", default="1.0.0", help="of the solution; default: 1.0.0")
    parser.add_argument("--description", default="", help="default: the workflow's")
    parser.add_argument("--license", default="", help="default: the workflow's")
    parser.add_argument("--citation", default="", help="how the work is cited: a sentence, BibTeX, or a DOI")
    parser.add_argument("--network", default="", metavar="WHY", help="ask for the network while it runs, and say why")
    parser.add_argument("--sign", default="", metavar="KEY", help="sign it with one of your keys: 'cmx key list'")
    parser.add_argument(
        "--tolerance",
        action="append",
        default=[],
        metavar="METRIC=VALUE",
        help="how far an accuracy may be from the result's (default: as the model's component says)",
    )


def run(arguments: argparse.Namespace) -> Answer:
    """The archive that was made."""
    from cmx.signing.keys import Keyring
    from cmx.solution import About, pack, sign

    console = Console()
    catalog = Catalog.default()
    try:
        if arguments.sign:
            Keyring(catalog.settings).private(arguments.sign)  # first, since packing may take minutes
        tolerances = _tolerances(arguments.tolerance)
        subject = read_subject(arguments.what, catalog, console)
        about = About(
            arguments.name,
            arguments.version,
            arguments.description,
            arguments.license,
            arguments.citation,
            arguments.network,
        )
        to = place(arguments.output or "")
        archive = pack(
            subject,
            catalog,
            about=about,
            tolerances=tolerances,
            to=to,
            size=arguments.size,
            private=arguments.private,
            over=arguments.replace,
            reporter=console,
        )
        if arguments.sign:
            archive, _ = sign(archive, arguments.sign, catalog.settings)
    finally:
        console.close()
    document = {"file": str(archive.path), "digest": archive.digest, "manifest": archive.manifest.document()}
    signer = f"\nsigned by   {arguments.sign}" if arguments.sign else ""
    return Answer(
        document, f"{described(archive.manifest)}{signer}\n\n{archive.path}    cmx solution verify {archive.path}"
    )


def read_subject(what: str, catalog: Catalog, console: Console) -> Subject:
    """What a word or a file means. Raises UsageError for what is none of the three."""
    from cmx.api import resolve
    from cmx.resolver.plan import Plan
    from cmx.results import Database, Result
    from cmx.solution import Subject

    file = Path(what)
    if file.is_file():
        if _kind(file) == "result":
            return Subject.of_result(Result.read(file))
        return Subject(Plan.read(file))
    refuse_missing(
        what, "a plan or a result in a file, a result's id, or a workflow: 'cmx result list', 'cmx list workflow'"
    )
    try:
        workflow = catalog.look_up(what if "/" in what else f"workflow/{what}")
    except CmxError as unknown:
        try:
            return Subject.of_result(Database(catalog.settings).get(what))
        except UsageError as error:
            if "/" in what or error.message.startswith("result "):
                raise (unknown if "/" in what else error) from None
            raise UsageError(
                f"{what!r} is no workflow, no result and no file",
                hint=f"{unknown.hint}; 'cmx result list' shows results",
            ) from None
    if workflow.kind != "workflow":
        raise UsageError(f"{workflow.reference} is no workflow", hint="cmx list workflow")
    return Subject(resolve(catalog, workflow.reference, prefer="installed", reporter=console))


def _kind(file: Path) -> str:
    try:
        document = json.loads(file.read_text(encoding="utf-8"))
        return str(document.get("document", ""))
    except (OSError, ValueError, RecursionError, AttributeError):
        return ""


def _tolerances(given: list[str]) -> dict[str, float]:
    found = {}
    for name, text in pairs("--tolerance", given).items():
        try:
            found[name] = float(text)
        except ValueError:
            found[name] = -1.0
        if not 0 <= found[name] < float("inf"):
            raise UsageError(f"--tolerance {name}={text}: is no distance", hint=f"as in --tolerance {name}=0.02")
    return found
