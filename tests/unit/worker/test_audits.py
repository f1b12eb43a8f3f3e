"""What the audits make of their measurements, and a process of its own for a part of an action."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

import cmx
from cmx.worker.component_code import load_module
from cmx.worker.loadgen.logs import answers, logged_answers
from cmx.worker.tasks.base import close_numbers

if TYPE_CHECKING:
    from tests.unit.worker.conftest import Worker

verdicts = load_module(Path(cmx.__file__).parent.parent / "actions" / "audit" / "verdicts.py", "action/verdicts")


def same(first: bytes, second: bytes) -> bool:
    return first == second


def test_answers_that_are_those_of_the_accuracy_run_pass() -> None:
    found = verdicts.judge_answers({0: b"a", 1: b"b"}, [(1, b"b"), (0, b"a"), (1, b"b")], same)
    assert (found.passed, found.found) == (
        True,
        "3 answers to 2 samples while measured are those of the accuracy run",
    )


@pytest.mark.parametrize(
    ("measured", "said"),
    [
        (
            [(0, b"a"), (1, b"?"), (1, b"?")],
            "2 of 3 answers while measured are not those of the accuracy run: samples 1",
        ),
        ([(7, b"a")], "1 of 1 answers while measured are not those of the accuracy run: samples 7"),
        ([], "nothing was answered while measuring"),
    ],
)
def test_other_answers_while_measured_are_caught(measured: list[tuple[int, bytes]], said: str) -> None:
    found = verdicts.judge_answers({0: b"a", 1: b"b"}, measured, same)
    assert (found.passed, found.found) == (False, said)


def rounds(*ratios: float) -> list[object]:
    return [verdicts.Pair([round(1000 * ratio)] * 5, [1000] * 5, 3) for ratio in ratios]


@pytest.mark.parametrize(
    ("ratios", "passed"),
    [
        ([1.0, 1.05, 0.9], True),
        ([1.5, 1.02, 1.3], True),  # noise: one round shows nothing
        ([1.12, 1.2, 1.11], False),
        ([90.0], False),
    ],
)
def test_only_what_every_round_shows_is_held_against_a_system(ratios: list[float], passed: bool) -> None:
    found = verdicts.judge_keeping(rounds(*ratios), 0.1)
    assert found.passed is passed
    assert found.document()["ratios"] == ratios
    assert found.found.endswith("it keeps answers") is not passed


def test_a_sample_may_be_in_the_log_of_a_measurement_several_times(tmp_path: Path) -> None:
    log = tmp_path / "mlperf_log_accuracy.json"
    log.write_text('[\n{"seq_id": 0, "qsl_idx": 4, "data": "6869"},\n{"seq_id": 1, "qsl_idx": 4, "data": "6865"}\n]\n')
    assert logged_answers(log) == [(4, b"hi"), (4, b"he")]
    assert answers(log) == {4: b"hi"}


def test_numbers_may_differ_by_what_an_order_of_additions_makes_of_them() -> None:
    first, near, far = (np.array(values, dtype="<f4").tobytes() for values in ([1, 2], [1.00001, 2], [1.1, 2]))
    assert close_numbers(first, near)
    assert not close_numbers(first, far)
    assert not close_numbers(first, first[:4])


PART = """
from cmx.worker.fresh import in_fresh_process

def work(context, *, ending):
    parameters = {"ending": ending}
    entry, reference = f"{__file__}:part", "action/try-it==1.0.0"
    return Outcome(metrics=in_fresh_process(context, entry, reference, parameters, context.output / "part"))

def part(context, *, ending):
    import os
    if ending == "crash":
        print("now it falls over")
        os._exit(3)
    if ending == "refuse":
        raise ActionError("not like this", "like that")
    return Outcome(metrics={"role": context.role("model").reference, "other": os.getppid() != os.getpid()})
"""


def run_part(worker: Worker, ending: str) -> dict[str, object]:
    role = {"reference": "model/m==1.0.0", "component": {"task": "t"}, "folder": str(worker.folder)}
    worker.job(PART, {"ending": ending}, roles={"model": role}).run()
    return worker.outcome()


def test_a_part_of_an_action_has_a_process_of_its_own_with_the_same_roles(worker: Worker) -> None:
    assert run_part(worker, "well")["metrics"] == {"role": "model/m==1.0.0", "other": True}


@pytest.mark.parametrize(
    ("ending", "message", "hint"),
    [
        ("crash", "part: its process ended with status 3: now it falls over", ""),
        ("refuse", "not like this", "like that"),
    ],
)
def test_a_part_that_fails_says_why(worker: Worker, ending: str, message: str, hint: str) -> None:
    error = run_part(worker, ending)["error"]
    assert isinstance(error, dict)
    assert (error["message"], error["hint"]) == (message, hint)
