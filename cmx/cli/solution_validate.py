"""Run a solution as it was packed, and hold what comes out against what its maker had.

cmx solution validate classification-1.0.0.cmx.zip
cmx solution validate classification-1.0.0.cmx.zip --launches 6     the speeds' ratio gets an interval

Accuracies have to be within their tolerances, else it is exit code 1. Speed is shown as a ratio and fails nothing:
your machine is another one.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import TYPE_CHECKING

from cmx.cli.answer import Answer, table
from cmx.cli.console import Console
from cmx.cli.parser import Parser
from cmx.cli.solution_use import add_archive, add_running, announce, opened_archive, preview_answer, running_options
from cmx.errors import RunError
from cmx.runner.options import Sampling

if TYPE_CHECKING:
    from cmx.results import Result
    from cmx.results.compare import Comparison
    from cmx.solution.running import Validation


def configure(parser: Parser) -> None:
    """Add the options."""
    add_archive(parser)
    add_running(parser)


def run(arguments: argparse.Namespace) -> Answer:
    """What was expected beside what came out."""
    from cmx import api
    from cmx.solution.contents import expected_result
    from cmx.solution.installing import install, lock_here, require_trust
    from cmx.solution.running import run_solution, validated_against

    archive, settings = opened_archive(arguments)
    options = running_options(arguments, archive, settings)
    if arguments.dry_run:
        return preview_answer(archive, lock_here(archive, arguments.platform), settings, options.isolation, runs=True)
    expected = expected_result(archive)
    if options.sampling == Sampling():  # as often as its maker measured
        options = options._replace(sampling=Sampling(int((expected.sampling or {}).get("launches", 0))))
    verdict = require_trust(archive, settings, allowed=arguments.allow_untrusted)
    console = Console()
    try:
        announce(archive, verdict, options, console)
        installed = install(archive, settings, platform=arguments.platform, offline=arguments.offline, reporter=console)
        result = run_solution(installed, installed.plan, settings, options, console)
        if result.error:
            console.note(f"recorded: cmx result show {result.short}")
            raise api.failure(result)
        found = validated_against(installed, result)
    finally:
        console.close()
    document = {"validation": found.document(), "result": result.document()}
    wrong = RunError(f"{archive.path.name} is not reproduced here: {_why(found)}", result=result.id)
    return Answer(document, validation_text(found, result), None if found.passed else wrong)


def validation_text(found: Validation, result: Result) -> str:
    """Accuracies, speed, and the lock."""
    rows = [
        [
            each.name,
            f"{each.expected:.3f}",
            "none" if each.found is None else f"{each.found:.3f}",
            f"± {each.tolerance:g}",
            "within" if each.within else "NOT within",
        ]
        for each in found.accuracies
    ]
    lines = ["", table(("ACCURACY", "EXPECTED", "HERE", "TOLERANCE", ""), rows, right=[1, 2]), ""] if rows else [""]
    lines.append(f"speed       {_speed(found)}")
    lines.append(f"lock        {'the same packages and files' if found.same_lock else 'ANOTHER than was packed'}")
    lines += [f"caution     {reason}" for reason in result.reasons]
    if found.speed:
        lines += [f"caution     {each}" for each in _cautions(found.speed)]
    return "\n".join([*lines, "", f"result {result.short}    cmx result show {result.short}"])


def _speed(found: Validation) -> str:
    if found.speed is None:
        return f"not compared: {found.why_no_speed}"
    ratio, measure = found.speed.ratio, found.speed.measure
    cost = "time per sample" if measure.name == "throughput" else measure.name
    interval = (
        f"{ratio.confidence:.1%} interval {ratio.low:.3f} to {ratio.high:.3f}"
        if ratio.low is not None and ratio.high is not None
        else "no interval: too few launches"
    )
    return f"{ratio.estimate:.3f} times the expected {cost} ({interval}); not judged"


def _cautions(speed: Comparison) -> Iterator[str]:
    if speed.ratio.low is None:
        there, here = len(speed.a.values), len(speed.b.values)
        yield f"{there} launch{'es' * (there != 1)} there and {here} here: an interval needs 5 of each"
    for where, side in (("there", speed.a), ("here", speed.b)):
        if side.noisy:
            yield f"the machine {where} was noisy"


def _why(found: Validation) -> str:
    outside = [each.name for each in found.accuracies if not each.within]
    return f"{', '.join(outside)} outside the tolerance" if outside else "other packages or files were used"
