"""Check a component, a folder of them, or everything in the catalog, against schemas and rules."""

from __future__ import annotations

import argparse
from pathlib import Path

from cmx.cli.answer import Answer
from cmx.cli.parser import Parser
from cmx.component import FILE
from cmx.errors import ComponentInvalid, ComponentNotFound, UsageError
from cmx.repository import Catalog
from cmx.repository.conformance import Fault, check, notes


def configure(parser: Parser, arguments: list[str]) -> None:
    """Add the options."""
    parser.add_argument("path", nargs="?", help="a component, or any folder of them (default: all repositories)")


def run(arguments: argparse.Namespace, as_json: bool) -> Answer:
    """All faults; exit code 3 when there are any. What is no fault, but stops a model from being shared, is noted."""
    from cmx.solution.licences import PRIVATE, refusal, remedy

    catalog = Catalog.default()
    paths = [_folder(arguments.path)] if arguments.path else [each.root for each in catalog.repositories]
    count, faults, noted = 0, list[Fault](), list[Fault]()
    for path in paths:
        components, wrong = check(path, catalog)
        if arguments.path and not components and not wrong:
            hint = f"a component is a folder with a {FILE}: 'cmx new KIND NAME' makes one"
            raise ComponentNotFound(f"no component in {path}", hint=hint)
        count += len(components)
        faults += wrong
        noted += notes(path, components, catalog)
        refused = [(each, why) for each in components if (why := refusal(each))]
        noted += [Fault(each.file, why, f"to pack or publish it: {remedy(each)}; {PRIVATE}") for each, why in refused]
    document = {
        "checked": count,
        "faults": [{"file": str(f.file), "message": f.message, "hint": f.hint} for f in faults],
        "notes": [{"file": str(f.file), "message": f.message, "hint": f.hint} for f in noted],
    }
    lines = [*_lines("broken", faults), *_lines("note", noted)]
    lines.append(
        f"{count} component{'s' if count != 1 else ''} checked, {len(faults)} fault{'s' if len(faults) != 1 else ''}"
    )
    error = ComponentInvalid(faults[0].message, hint=faults[0].hint) if faults else None
    return Answer(document, "\n".join(lines), error)


def _lines(word: str, found: list[Fault]) -> list[str]:
    return [line for f in found for line in (f"{word}: {f.message}", f"hint: {f.hint}") if line != "hint: "]


def _folder(text: str) -> Path:
    path = Path(text)
    if path.is_dir():
        return path
    if path.name == FILE and path.is_file():
        return path.parent
    wrong = f"a component is a folder with a {FILE}" if path.is_file() else "there is no such file or folder"
    raise UsageError(f"{text}: {wrong}", hint="cmx check FOLDER")
