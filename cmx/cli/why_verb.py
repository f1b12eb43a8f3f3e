"""Say what needs a component, a piece of software or a Python package, and why this one was chosen.

cmx why software/numpy
cmx why protobuf                    a package that nobody asked for by name
cmx why model/efficientnet-lite0 image-classification
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

from cmx.cli.answer import Answer
from cmx.cli.console import Console
from cmx.cli.parameters import add_request_options, pairs, read_request, resolve
from cmx.cli.parser import Parser
from cmx.errors import ComponentNotFound, nearest
from cmx.reference import KINDS, Reference
from cmx.repository import Catalog
from cmx.resolver.plan import Pin, Plan
from cmx.settings import Settings


def configure(parser: Parser, arguments: list[str]) -> None:
    """Add the options."""
    parser.add_argument("reference", help="kind/name, or the name of a Python package")
    parser.add_argument("workflow", nargs="?", default="", help="default: image-classification")
    parser.add_argument("--action", default="", help="only for what this action needs")
    add_request_options(parser)


def run(arguments: argparse.Namespace, as_json: bool) -> Answer:
    """Every pin that it is, with the reasons; and the packages that need it, where it is installed."""
    console = Console()
    catalog = Catalog.default()
    try:
        plan = resolve(catalog, read_request(arguments, pairs("--set", arguments.set)), arguments, console)
    finally:
        console.close()
    name = arguments.reference
    pins = [pin for pin in plan.pins.values() if name in (pin.name, f"{pin.kind}/{pin.name}", pin.role)]
    needed = list(_packages(plan, name.rpartition("/")[2], catalog.settings))
    if not pins and not needed:
        raise _nothing(plan, name)
    document = {
        "pins": [
            {"role": pin.role, "reference": pin.reference, "why": pin.why, "others": list(pin.others)} for pin in pins
        ],
        "packages": needed,
    }
    lines = [line for pin in pins for line in _pin_lines(pin)]
    lines += [f"{each['package']} is in environment {each['environment']}: {each['why']}" for each in needed]
    return Answer(document, "\n".join(lines))


def _pin_lines(pin: Pin) -> list[str]:
    return [
        f"{pin.role}: {pin}",
        *(f"  {reason}" for reason in pin.why.split("; ")),
        *(f"  not {o}" for o in pin.others),
    ]


def _packages(plan: Plan, name: str, settings: Settings) -> Iterator[dict[str, str]]:
    for environment in plan.environments.values():
        for package in environment.packages:
            if package.name == name:
                askers = _askers(settings, environment.place, name) if environment.source == "stored" else []
                why = f"{', '.join(askers)} need{'s' if len(askers) == 1 else ''} it" if askers else "it is in the lock"
                yield {"package": str(package), "environment": environment.name, "why": why}


def _askers(settings: Settings, digest: str, name: str) -> list[str]:
    """The installed packages whose metadata require a package, by the markers of this machine."""
    from importlib.metadata import distributions

    from packaging.requirements import InvalidRequirement, Requirement

    from cmx.resolver.world import normalised

    found = []
    for site in (settings.environments / digest).glob("lib/python*/site-packages"):
        for distribution in distributions(path=[str(Path(site))]):
            for text in distribution.requires or ():
                try:
                    requirement = Requirement(text)
                except InvalidRequirement:
                    continue
                wanted = not requirement.marker or requirement.marker.evaluate({"extra": ""})
                if normalised(requirement.name) == name and wanted:
                    found.append(f"{distribution.metadata['Name']} {distribution.version}")
    return sorted(set(found))


def _nothing(plan: Plan, name: str) -> ComponentNotFound:
    known = {f"{pin.kind}/{pin.name}" for pin in plan.pins.values()}
    known |= {package.name for environment in plan.environments.values() for package in environment.packages}
    if "/" in name:
        Reference.parse(name)
    kind = name.partition("/")[0]
    hint = nearest(name, known) if "/" not in name or kind in KINDS else f"kinds are {', '.join(KINDS)}"
    return ComponentNotFound(f"nothing in the plan of {plan.workflow} is called {name!r}", hint=hint)
