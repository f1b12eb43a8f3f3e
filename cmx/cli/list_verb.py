"""List components: of a kind, with all of some tags, for a platform."""

from __future__ import annotations

import argparse
from collections.abc import Iterable

from cmx.cli.answer import Answer, table
from cmx.cli.parser import Parser
from cmx.errors import UsageError, nearest
from cmx.reference import COMPONENT_KINDS
from cmx.repository import Catalog, Entry, Problem


def configure(parser: Parser, arguments: list[str]) -> None:
    """Add the options."""
    parser.add_argument("kind", nargs="?", default="", help=" | ".join(COMPONENT_KINDS))
    parser.add_argument(
        "--tag",
        action="append",
        default=[],
        help="only with this tag, or _VARIANT; --tag=-TAG for only without it; may be given several times",
    )
    parser.add_argument("--platform", default="", help="only what works on linux, macos, windows …")


def run(arguments: argparse.Namespace, as_json: bool) -> Answer:
    """Components, and those that are broken."""
    kind = arguments.kind.removesuffix("s") if arguments.kind not in COMPONENT_KINDS else arguments.kind
    if kind and kind not in COMPONENT_KINDS:
        raise UsageError(f"there is no kind {arguments.kind!r}", hint=nearest(arguments.kind, COMPONENT_KINDS))
    catalog = Catalog.default()
    return listing(catalog.entries(kind, arguments.tag, platform=arguments.platform), catalog.problems)


def listing(entries: Iterable[Entry], problems: Iterable[Problem]) -> Answer:
    """Entries as a table; what is broken is named below it."""
    found, broken = list(entries), list(problems)
    document = {
        "components": [
            {
                "reference": entry.reference,
                "uid": entry.uid,
                "repository": entry.repository,
                "tags": list(entry.tags),
                "description": entry.description,
            }
            for entry in found
        ],
        "problems": [{"file": str(p.file), "message": p.message, "hint": p.hint} for p in broken],
    }
    rows = [(entry.key, entry.version, entry.repository, entry.description) for entry in found]
    lines = [table(("COMPONENT", "VERSION", "REPOSITORY", "DESCRIPTION"), rows)] if rows else ["no component matches"]
    for problem in broken[:_SHOWN]:
        lines += ["", f"broken: {problem.message}", f"hint: {problem.hint}"]
    if len(broken) > _SHOWN:
        lines += ["", f"and {len(broken) - _SHOWN} more: 'cmx list --json' names all"]
    return Answer(document, "\n".join(lines))


_SHOWN = 20
