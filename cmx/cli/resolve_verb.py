"""Choose everything that a workflow needs on this machine, and say why. Nothing is installed or run.

cmx resolve image-classification --explain
cmx resolve image-classification --use framework=software/onnxruntime==1.20.1
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from cmx.cli.answer import Answer, table
from cmx.cli.console import Console
from cmx.cli.parameters import add_request_options, pairs, read_request, resolve
from cmx.cli.parser import Parser
from cmx.repository import Catalog
from cmx.resolver.plan import Pin, Plan, PlannedEnvironment

if TYPE_CHECKING:
    from rich.tree import Tree


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
    if explain:
        return _tree(plan)
    rows = [(role, _chosen(pin), pin.source, _from(pin)) for role, pin in plan.pins.items()]
    lines = [plan.workflow, "", table(("ROLE", "CHOSEN", "SOURCE", "FROM"), rows)]
    for environment in plan.environments.values():
        lines += ["", f"{_title(environment)}: {', '.join(map(str, environment.packages))}"]
    return "\n".join(lines)


def _chosen(pin: Pin) -> str:
    return f"{pin.reference}{f' [{pin.variant}]' if pin.variant else ''}"


def _from(pin: Pin) -> str:
    return f"{pin.how}, as {pin.made_from}" if pin.made_from else pin.how


def _title(environment: PlannedEnvironment) -> str:
    return f"environment {environment.name} ({environment.source}), Python {environment.python}"


def _tree(plan: Plan) -> str:
    """Every pin below what it is for, with why it was chosen and why the nearest others were not."""
    import shutil
    from io import StringIO

    from rich.console import Console as Terminal
    from rich.tree import Tree

    tree = Tree(plan.workflow, guide_style="none")
    for role, pin in plan.pins.items():
        if "." not in role:
            _branch(tree, role, pin)
    for environment in plan.environments.values():
        branch = tree.add(_title(environment))
        for role, pin in plan.pins.items():
            if role.startswith(f"{environment.name}."):
                _branch(branch, role.removeprefix(f"{environment.name}."), pin)
        branch.add(", ".join(map(str, environment.packages)))
    stream = StringIO()
    width = shutil.get_terminal_size((110, 24)).columns
    terminal = Terminal(file=stream, width=max(width, 60), markup=False, highlight=False, color_system=None)
    terminal.print(tree)
    return stream.getvalue().rstrip()


def _branch(tree: Tree, role: str, pin: Pin) -> None:
    branch = tree.add(f"{role}: {pin}")
    branch.add(f"because {pin.why}")
    for other in pin.others:
        branch.add(f"not {other}")
