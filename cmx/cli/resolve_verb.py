"""Choose everything that a workflow needs on this machine, and say why. Nothing is installed or run.

cmx resolve image-classification --explain
cmx resolve image-classification --use framework=software/onnxruntime==1.20.1
"""

from __future__ import annotations

import argparse

from cmx.cli.answer import Answer, table
from cmx.cli.console import Console
from cmx.cli.parameters import add_request_options, pairs, read_request, resolve
from cmx.cli.parser import Parser
from cmx.repository import Catalog
from cmx.resolver.plan import Plan


def configure(parser: Parser, arguments: list[str]) -> None:
    """Add the options."""
    parser.add_argument("workflow", help="a workflow's name or reference")
    parser.add_argument("--action", default="", help="only what this action needs (default: all of the workflow's)")
    parser.add_argument("--explain", action="store_true", help="say why each was chosen")
    add_request_options(parser)


def run(arguments: argparse.Namespace, as_json: bool) -> Answer:
    """The plan."""
    console = Console()
    try:
        request = read_request(arguments, pairs("--set", arguments.set))
        plan = resolve(Catalog.default(), request, arguments, console)
    finally:
        console.close()
    return Answer({"plan": plan.document()}, _text(plan, arguments.explain))


def _text(plan: Plan, explain: bool) -> str:
    rows = [
        (role, f"{pin.reference}{f' [{pin.variant}]' if pin.variant else ''}", pin.source, pin.how)
        for role, pin in plan.pins.items()
    ]
    lines = [plan.workflow, "", table(("ROLE", "CHOSEN", "SOURCE", "FROM"), rows)]
    for environment in plan.environments.values():
        packages = ", ".join(str(package) for package in environment.packages)
        lines += ["", f"environment {environment.name} ({environment.source}), Python {environment.python}: {packages}"]
    if explain:
        lines += ["", "WHY"]
        for role, pin in plan.pins.items():
            lines += [f"  {role}: {pin.reference}", f"    because {pin.why}"]
            lines += [f"    not {other}" for other in pin.others]
    return "\n".join(lines)
