"""Show one component: where it is, what it says, and its digest."""

from __future__ import annotations

import argparse

from cmx.cli.answer import Answer
from cmx.cli.parser import Parser
from cmx.component import Component
from cmx.errors import ComponentNotFound, nearest
from cmx.reference import COMPONENT_KINDS, Reference
from cmx.repository import Catalog


def configure(parser: Parser, arguments: list[str]) -> None:
    """Add the options."""
    parser.add_argument("reference", help="kind/name, kind/name==version, a name that only one kind has, or a uid")


def run(arguments: argparse.Namespace, as_json: bool) -> Answer:
    """The component's own words, with its place."""
    component = look_up(Catalog.default(), arguments.reference)
    document = {
        "reference": component.reference,
        "file": str(component.file),
        "repository": component.repository,
        "digest": component.digest,
        "component": dict(component.document),
    }
    head = f"{component.reference}   {component.repository}   {component.file}\ndigest {component.digest}\n"
    return Answer(document, head + "\n" + component.file.read_text(encoding="utf-8"))


def look_up(catalog: Catalog, text: str) -> Component:
    """The component that a user means. Raises ComponentNotFound, or UsageError for what is no reference."""
    if "/" in text:
        return catalog.find(Reference.parse(text))
    by_uid = catalog.by_uid(text)
    if by_uid:
        return by_uid
    kinds = [kind for kind in COMPONENT_KINDS if any(e.name == _name(text, kind) for e in catalog.entries(kind))]
    if not kinds:
        raise ComponentNotFound(
            f"there is no component {text!r}", hint=nearest(text, {e.name for e in catalog.entries()})
        )
    if len(kinds) > 1:
        raise ComponentNotFound(f"{text!r} may be several", hint=" or ".join(f"{kind}/{text}" for kind in kinds))
    return catalog.find(Reference.parse(text, kind=kinds[0]))


def _name(text: str, kind: str) -> str:
    return Reference.parse(text, kind=kind).name
