"""Run a compiled program once and hold its answers against the oracle of its workflow."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from cmx.worker import ActionError, Context, Outcome
from cmx.worker.component_code import load_entry
from cmx.worker.native import EMULATED, Check, expand, open_program, verdict

_ANSWERS = "answers.bin"


def check_program(
    context: Context,
    *,
    oracle: str,
    arguments: str = "",
    in_emulator: str = "",
    threads: int = 1,
    time_limit: float = 300,
) -> Outcome:
    """What the oracle found; answers that are wrong are a finding, not an error.

    The oracle is ``check(context, report, answers) -> list of Check``: what the program said, and the file that it
    wrote for ``--output``. Raises ActionError when the program fails or writes no file.
    """
    judge = _oracle(context, oracle)
    answers = context.output / _ANSWERS
    with open_program(context) as program:
        words = expand(f"{arguments} {in_emulator}" if program.emulated else arguments, context)
        launch = program.launch([*words, "--output", str(answers)], threads=threads, seconds=time_limit)
    launch.report.check_asked(words)
    if not answers.is_file():
        raise ActionError("the program wrote no answers", "it must write them to the file that --output names")
    checks: Sequence[Check] = judge(context, launch.report, answers)
    answers.unlink()
    metrics = {
        **verdict(checks),
        "checksum": launch.report.checksum,
        "emulated": program.emulated,
        "emulator": program.emulator,
        "build": dict(program.facts),
        "program": dict(launch.report.facts),
        "notes": [EMULATED] if program.emulated else [],
    }
    return Outcome(_summary(checks, program.emulated), metrics)


def _oracle(context: Context, entry: str) -> Callable[..., Any]:
    """The function in the workflow's folder; raises ActionError for one that is not there."""
    if context.workflow is None:
        raise ActionError("there is no workflow, so no oracle", "cmx run validate WORKFLOW")
    root = context.workflow.folder.resolve()
    file = (root / entry.partition(":")[0]).resolve()
    if root not in file.parents or not file.is_file():
        raise ActionError(f"oracle: {entry!r} is no file in {root}", "name FILE.py:FUNCTION of the workflow's folder")
    return load_entry(f"{file}:{entry.partition(':')[2]}", context.workflow.reference)


def _summary(checks: Sequence[Check], emulated: bool) -> str:
    parts = [f"{check.name.replace('_', '-')} {check.correct}/{check.count}" for check in checks]
    wrong = [f"{check.name} needs {check.at_least:.3f}" for check in checks if not check.passed]
    return ", ".join(parts) + (f": WRONG, {'; '.join(wrong)}" if wrong else "") + (", emulated" if emulated else "")
