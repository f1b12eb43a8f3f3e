"""Run an action of a workflow, check its answers, and record the result.

cmx run benchmark                               image-classification, as it comes
cmx run benchmark --scenario offline            an action's parameters are options
cmx run benchmark --use model=model/efficientnet-lite1
cmx run run --input photo.jpg                   name what is on a picture
cmx run benchmark --plan-only > plan.json       choose and lock; cmx run --plan plan.json does it
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from cmx.cli.answer import Answer
from cmx.cli.console import Console
from cmx.cli.parameters import add_action_options, add_request_options, pairs, parameters
from cmx.cli.parser import Parser
from cmx.cli.result_text import result_text
from cmx.component import Action
from cmx.errors import ComponentNotFound, UsageError, nearest
from cmx.reference import Reference
from cmx.repository import Catalog
from cmx.resolver.plan import Plan

_BYTES = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "ki": 2**10, "mi": 2**20, "gi": 2**30}


def configure(parser: Parser, arguments: list[str]) -> None:
    """Add the options, and those of the action that the command line names."""
    parser.add_argument("action", nargs="?", help="benchmark | validate | run | compile, or one of yours")
    parser.add_argument("workflow", nargs="?", help="default: image-classification")
    add_request_options(parser)
    parser.add_argument("--plan", metavar="FILE", help="carry out a saved plan instead of resolving")
    parser.add_argument("--plan-only", action="store_true", help="print the plan (JSON) and stop")
    parser.add_argument(
        "--time-limit", type=float, metavar="S", help="seconds that a step may take beyond its duration"
    )
    parser.add_argument("--memory-limit", metavar="BYTES", help="of a worker, as in 4G or 512Mi (default: none)")
    parser.add_argument("--anonymous", action="store_true", help="leave this machine's name out of the record")
    action = _named_action(arguments)
    if action:
        add_action_options(parser, action)


def _named_action(arguments: list[str]) -> Action | None:
    """The action that the command line names first; None when it names none that there is."""
    name = arguments[0] if arguments and not arguments[0].startswith("-") else ""
    if not name:
        return None
    try:
        return Catalog.default().action(Reference.parse(name, kind="action"))
    except (ComponentNotFound, UsageError):
        return None


def run(arguments: argparse.Namespace, as_json: bool) -> Answer:
    """The recorded result; exit code 1 when a step failed or the answers are wrong."""
    from cmx import api
    from cmx.runner import Options

    limits = {} if arguments.time_limit is None else {"time_limit": arguments.time_limit}
    memory = _bytes(arguments.memory_limit) if arguments.memory_limit else None
    options = Options(**limits, memory_limit=memory, offline=arguments.offline, anonymous=arguments.anonymous)
    console = Console()
    catalog = Catalog.default()
    try:
        plan = _plan(arguments, catalog, console)
        if arguments.plan_only:
            return _plan_answer(plan, as_json)
        result = api.run(plan, catalog=catalog, options=options, reporter=console)
    finally:
        console.close()
    if result.error:
        raise api.failure(result)
    failed = result.validation.get("passed") is False
    return Answer({"result": result.document()}, result_text(result), exit_code=1 if failed else 0)


def _plan(arguments: argparse.Namespace, catalog: Catalog, console: Console) -> Plan:
    from cmx import api

    if arguments.plan:
        _refuse_with_plan(arguments)
        return Plan.read(Path(arguments.plan))
    if not arguments.action:
        names = sorted({entry.name for entry in catalog.entries("action")})
        raise UsageError("which action?", hint=f"cmx run {'|'.join(names)} [WORKFLOW]")
    _known_action(catalog, arguments.action)
    start = time.perf_counter_ns()
    console.begin("resolve", arguments.workflow or "image-classification")
    plan = api.resolve(
        catalog,
        arguments.workflow or api.WORKFLOW,
        action=arguments.action,
        parameters=parameters(arguments),
        use=pairs("--use", arguments.use),
        seed=arguments.seed,
        offline=arguments.offline,
        reporter=console,
    )
    console.end("resolve", _chosen(plan), (time.perf_counter_ns() - start) / 1e9)
    return plan


def _known_action(catalog: Catalog, name: str) -> None:
    names = {entry.name for entry in catalog.entries("action")}
    reference = Reference.parse(name, kind="action")
    if reference.name not in names:
        raise UsageError(f"there is no action {name!r}", hint=nearest(reference.name, names))


def _refuse_with_plan(arguments: argparse.Namespace) -> None:
    given = [name for name in ("action", "workflow", "set", "use") if getattr(arguments, name)]
    if given:
        raise UsageError(
            f"--plan says everything already, and {', '.join(given)} was given too",
            hint="cmx run --plan FILE; resolve again for anything else",
        )


def _chosen(plan: Plan) -> str:
    """The pins that a reader cares about first: the workflow's own roles."""
    roles = [role for role in ("model", "dataset", "framework") if role in plan.pins]
    pins = [plan.pins[role] for role in roles]
    return "   ".join(f"{pin.reference}{f' [{pin.variant}]' if pin.variant else ''}" for pin in pins)


def _plan_answer(plan: Plan, as_json: bool) -> Answer:
    import json

    text = json.dumps(plan.document(), indent=2, ensure_ascii=False)
    return Answer({"plan": plan.document()}, text)


def _bytes(text: str) -> int:
    import re

    match = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)\s*([kmg]?i?)b?", text.strip().lower())
    if not match or match[2] not in _BYTES:
        raise UsageError(f"--memory-limit {text}: not a size", hint="as in 4G, 512Mi or 1000000000")
    return int(float(match[1]) * _BYTES[match[2]])
