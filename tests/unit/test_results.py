"""Results: what a run leaves, and whether it may be believed."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from result_samples import COMPARABILITY, checked, make, outcome, timed, with_latencies

from cmx.errors import ComponentInvalid, UsageError, WorkerCrashed
from cmx.results import Comparability, Latency, Result, Step
from cmx.results.table import measurement
from cmx.schema import validate


def test_a_result_answers_by_attributes() -> None:
    result = make()
    assert (result.status, result.valid, result.reasons) == ("ok", True, ())
    assert result.latency.p99 == 4_000_000
    assert result.accuracy["top_1"] == 0.9
    assert result.throughput == 66.8
    assert result.scenario == "single-stream"
    assert result.noisy[0].startswith("load 2.4 on 2 cores")
    assert result.id.startswith(result.short)


def test_a_result_survives_the_way_through_its_document_and_keeps_its_schema() -> None:
    result = make()
    document = json.loads(json.dumps(result.document()))
    validate(document, "result", source="test")
    assert Result.from_document(document) == result


def test_a_failed_run_keeps_its_schema_too() -> None:
    result = make(noise=None, steps=(), error=WorkerCrashed("ended by signal 9", hint="…", output=["last line"]))
    validate(result.document(), "result", source="test")
    assert Result.from_document(result.document()) == result


def test_times_of_a_model_whose_answers_mean_nothing_stand_alone_and_say_so() -> None:
    result = make(timed(no_accuracy="constant weights"))
    assert (result.reasons, dict(result.accuracy)) == ((), {})
    headings, row = measurement(result)
    assert dict(zip(headings, row, strict=True))["ACCURACY"] == "none"


@pytest.mark.parametrize(
    ("steps", "reason"),
    [
        ((timed(),), "the answers were not checked: no validation ran"),
        ((timed(valid=False, verdict="INVALID", invalid_reasons=["too short"]), checked()), "INVALID: too short"),
        (
            (timed(), checked(passed=False, value=0.8, correct=16)),
            "the answers are not right: top_1 is 0.8 (16 of 20), at least 0.85 was expected",
        ),
        ((timed(valid=None, verdict="VALID"), checked()), "LoadGen's verdict is VALID: it gave no reason"),
        ((timed(), replace(checked(), status="failed")), "step validate failed"),
    ],
)
def test_numbers_without_proof_are_not_valid_and_the_reason_is_kept(steps: tuple[Step, ...], reason: str) -> None:
    result = make(*steps)
    assert not result.valid
    assert reason in "; ".join(result.reasons)


def test_a_benchmark_in_accuracy_mode_is_judged_by_the_step_that_knows_what_is_enough() -> None:
    assert make(timed(accuracy={"top_1": 0.9}), checked()).reasons == ()


def test_a_benchmark_in_accuracy_mode_has_no_times() -> None:
    result = make(timed(mode="accuracy", accuracy={"top_1": 0.9}), checked())
    assert (result.latency, result.throughput, result.cautions) == (Latency(), None, ())
    assert make(timed(mode="submission"), checked()).throughput == 66.8


def test_a_mode_that_takes_times_is_not_in_a_record() -> None:
    assert "mode" not in COMPARABILITY.document()
    accuracy = replace(COMPARABILITY, mode="accuracy")
    assert Comparability.from_document(accuracy.document()) == accuracy


def test_a_run_whose_numbers_are_not_valid_did_not_fail() -> None:
    assert make(timed()).status == "ok"


def test_an_action_that_takes_no_times_needs_no_validation() -> None:
    step = Step("run", "action/run==1.0.0", "ok", 5, outcome=outcome({"classes": []}))
    result = make(step)
    assert result.valid
    assert (result.throughput, result.latency, dict(result.accuracy)) == (None, Latency(), {})


def test_an_audit_that_catches_somebody_makes_a_result_invalid_and_says_why() -> None:
    found = {
        "TEST01": {"passed": True, "found": "40 answers"},
        "TEST04": {"passed": False, "found": "it keeps answers"},
    }
    result = make(Step("audit", "action/audit==1.0.0", "ok", 5, outcome=outcome({"audits": found, "passed": False})))
    assert (result.status, result.checked, result.valid, result.passed) == ("ok", True, False, False)
    assert result.reasons == ("audit TEST04: it keeps answers",)
    assert dict(result.audits) == found
    assert make().passed


def test_a_worker_that_crashed_is_a_failed_result_with_its_last_words() -> None:
    error = WorkerCrashed("the worker was ended by SIGKILL", hint="give it more memory", output=["loading", "boom"])
    step = Step("benchmark", "action/benchmark==1.0.0", "failed", 10)
    result = make(step, error=error)
    assert (result.status, result.valid) == ("failed", False)
    assert result.reasons == ("the run failed: the worker was ended by SIGKILL",)
    assert result.error is not None
    assert result.error["output"] == ["loading", "boom"]
    assert make(step).reasons == ("step benchmark failed: it left no outcome",)


def test_a_failed_step_says_why() -> None:
    failure = outcome({}, status="failed", error={"type": "out-of-memory", "message": "4 GB", "traceback": ""})
    step = Step("benchmark", "action/benchmark==1.0.0", "failed", 10, outcome=failure)
    assert make(step).reasons == ("step benchmark failed: out-of-memory: 4 GB",)


def test_offline_has_no_latencies_of_queries() -> None:
    assert make(timed(latency=None), checked()).latency.p99 is None


def test_ids_of_the_same_instant_differ() -> None:
    assert len({Result.new_id() for _ in range(1000)}) == 1000


def test_raw_latencies_become_statistics_with_bounds(tmp_path: Path) -> None:
    result = with_latencies(tmp_path, range(1, 101))
    assert list(result.latencies()) == list(range(1, 101))
    assert result.statistics is not None
    assert result.statistics["percentiles"]["p90"] == {"value": 90, "bound": 97, "needed": 44}
    assert result.cautions == (
        "p99 of 100 queries is an impression: a bound on it needs 459 queries",
        "no steady state was found: the latencies kept changing, and every query counts",
    )
    validate(result.document(), "result", source="test")


def test_damaged_latencies_make_a_result_invalid_and_lose_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "benchmark").mkdir()
    (tmp_path / "benchmark" / "latencies.npy").write_bytes(b"cut off")
    step = replace(timed(), outcome={**timed().outcome, "files": ["latencies.npy"]})
    result = make(step, checked(), folder=tmp_path)
    assert not result.valid
    assert "raw latencies cannot be read" in result.reasons[0]
    assert result.throughput == 66.8


def test_latencies_that_were_never_taken_are_a_usage_error() -> None:
    with pytest.raises(UsageError, match="no raw latencies"):
        make().latencies()


@pytest.mark.parametrize(
    "change",
    [
        {"workflow": "workflow/image-classification==1.2.1"},
        {"scenario": "offline"},
        {"batch_size": 2},
        {"threads": 2},
        {"precision": "int8"},
        {"hashes": {"model": "c" * 64, "dataset": "b" * 64}},
        {"mode": "accuracy"},
    ],
)
def test_what_did_other_work_has_another_key_and_says_what_differs(change: dict[str, Any]) -> None:
    other = replace(COMPARABILITY, **change)
    assert other.key != COMPARABILITY.key
    assert COMPARABILITY.differences(other)[0].startswith(next(iter(change)))


def test_the_key_does_not_depend_on_the_order_of_roles() -> None:
    turned = replace(COMPARABILITY, hashes=dict(reversed(COMPARABILITY.hashes.items())))
    assert turned.key == COMPARABILITY.key
    assert COMPARABILITY.differences(turned) == ()


def test_the_key_is_the_same_in_every_version_of_cmx() -> None:
    assert COMPARABILITY.key == "fc64580140cccc83"


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"status": "okay"}, "status"),
        ({"wall_ns": -1}, "wall_ns"),
        ({"files": ["../outside"]}, "files"),
        ({"files": ["/etc/passwd"]}, "files"),
        ({"products": {"model": "a/../../b"}}, "products"),
        ({"sumary": ""}, "sumary"),
    ],
)
def test_an_outcome_that_is_none_is_refused_with_its_field(change: dict[str, Any], field: str) -> None:
    validate(outcome({}), "outcome", source="outcome.json")
    with pytest.raises(ComponentInvalid, match=field):
        validate({**outcome({}), **change}, "outcome", source="outcome.json")
