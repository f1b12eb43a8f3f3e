"""Run an action of a workflow, check its answers, and record the result.

cmx run benchmark                               image-classification, as it comes
cmx run benchmark --scenario offline            an action's parameters are options
cmx run benchmark --use model=model/efficientnet-lite1
cmx run run --input photo.jpg                   name what is on a picture
cmx run audit                                   does it cheat? MLPerf's TEST01 and TEST04
cmx run benchmark --launches 6                  fresh processes: the median gets an interval
cmx run benchmark --precision 2% --time-budget 10min
cmx run benchmark --matrix threads=1,2 --matrix batch-size=1,8 --scenario offline
cmx run benchmark --plan-only > plan.json       choose and lock; cmx run --plan plan.json does it
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import TYPE_CHECKING

from cmx.cli.answer import Answer
from cmx.cli.console import Console
from cmx.cli.parameters import add_request_options, parameters, read_request, resolve
from cmx.cli.parser import Parser
from cmx.cli.result_text import matrix_text, result_text
from cmx.cli.run_words import add_named_options, check_words, refuse_without_action
from cmx.cli.sampling import add_measuring_options, read_options
from cmx.errors import RunError, UsageError
from cmx.files import counted
from cmx.repository import Catalog
from cmx.resolver.plan import Plan, Request

if TYPE_CHECKING:
    from cmx.runner import Options


def configure(parser: Parser, arguments: list[str]) -> None:
    """Add the options, and those of the action that the command line names."""
    parser.add_argument("action", nargs="?", help="benchmark | validate | audit | run | compile, or one of yours")
    parser.add_argument("workflow", nargs="?", help="default: image-classification")
    add_request_options(parser)
    parser.add_argument(
        "--matrix",
        action="append",
        default=[],
        metavar="KEY=V1,V2",
        help="run every combination, launches in turns; KEY is a parameter or a role; @FILE reads them from YAML",
    )
    parser.add_argument("--fresh", action="store_true", help="start an interrupted matrix over")
    parser.add_argument("--plan", metavar="FILE", help="carry out a saved plan instead of resolving")
    parser.add_argument("--plan-only", action="store_true", help="print the plan (JSON) and stop")
    parser.add_argument(
        "--anonymous", action="store_true", help="leave paths and the names of host and user out of the record"
    )
    add_measuring_options(parser)
    add_named_options(parser, arguments)
    if arguments and arguments[0].startswith("-"):
        refuse_without_action(parser, arguments[0])
        parser.reminder = f"the action comes first, and brings its options: cmx run benchmark {arguments[0]}"


def run(arguments: argparse.Namespace, as_json: bool) -> Answer:
    """The recorded result; exit code 1 when a step failed or the answers are wrong."""
    options = read_options(arguments)  # first, since resolving may take seconds
    console = Console()
    catalog = Catalog.default()
    try:
        if arguments.plan:
            _refuse_with_plan(arguments)
            return _carried_out(Plan.read(Path(arguments.plan)), catalog, options, console)
        request = _request(arguments, catalog)
        if arguments.matrix:
            return _matrix(request, catalog, arguments, options, console)
        plan = _resolved(request, catalog, arguments, console)
        return _plan_answer(plan) if arguments.plan_only else _carried_out(plan, catalog, options, console)
    finally:
        console.close()


def _carried_out(plan: Plan, catalog: Catalog, options: Options, console: Console) -> Answer:
    from cmx import api

    result = api.run(plan, catalog=catalog, options=options, reporter=console)
    if result.error:
        console.note(f"recorded: cmx result show {result.short}")
        raise api.failure(result)
    wrong = RunError(next(iter(result.reasons), "the answers are not right"), result=result.id)
    return Answer({"result": result.document()}, result_text(result), None if result.passed else wrong)


def _matrix(
    request: Request, catalog: Catalog, arguments: argparse.Namespace, options: Options, console: Console
) -> Answer:
    """Every point is prepared before the first launch; one that fails is recorded and passed by."""
    from cmx.runner.interleaved import run_matrix
    from cmx.runner.matrix import read_axes, requests

    if arguments.plan_only:
        raise UsageError("--plan-only makes one plan, and --matrix asks for several", hint="leave one of them out")
    done = run_matrix(
        requests(catalog, request, read_axes(arguments.matrix)),
        lambda each: _resolved(each, catalog, arguments, console),
        catalog=catalog,
        settings=catalog.settings,
        options=options,
        reporter=console,
        fresh=arguments.fresh,
    )
    documents = [
        {"point": dict(each.point), "result": each.result.document() if each.result else None, "error": each.error}
        for each in done.points
    ]
    good = [each.result is not None and each.result.status == "ok" and each.result.passed for each in done.points]
    wrong = RunError(f"{good.count(False)} of {counted(len(good), 'point')} failed, or gave wrong answers")
    document = {"results": documents, "session": str(done.session)}
    return Answer(document, matrix_text(done.points), None if all(good) else wrong)


def _request(arguments: argparse.Namespace, catalog: Catalog) -> Request:
    if not arguments.action:
        names = sorted({entry.name for entry in catalog.entries("action")})
        raise UsageError("which action?", hint=f"cmx run {'|'.join(names)} [WORKFLOW]")
    check_words(arguments, catalog)
    return read_request(arguments, parameters(arguments))


def _resolved(request: Request, catalog: Catalog, arguments: argparse.Namespace, console: Console) -> Plan:
    start = time.perf_counter_ns()
    console.begin("resolve", request.workflow)
    plan = resolve(catalog, request, arguments, console)
    console.end("resolve", _chosen(plan), (time.perf_counter_ns() - start) / 1e9)
    return plan


def _refuse_with_plan(arguments: argparse.Namespace) -> None:
    given = [
        name
        for name in ("action", "workflow", "set", "use", "matrix", "locked", "target", "without")
        if getattr(arguments, name)
    ]
    if given:
        raise UsageError(
            f"--plan says everything already, and {', '.join(given)} was given too",
            hint="cmx run --plan FILE; resolve again for anything else",
        )


def _chosen(plan: Plan) -> str:
    """The pins that a reader cares about first: the workflow's own roles."""
    own = ("model", "dataset", "framework", "compiler", "emulator")
    roles = [role for role in own if role in plan.pins]
    pins = [plan.pins[role] for role in roles]
    return "   ".join(f"{pin.reference}{f' [{pin.variant}]' if pin.variant else ''}" for pin in pins)


def _plan_answer(plan: Plan) -> Answer:
    import json

    text = json.dumps(plan.document(), indent=2, ensure_ascii=False)
    return Answer({"plan": plan.document()}, text)
