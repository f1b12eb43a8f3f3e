"""Workers that crash, hang, lie or run out of memory: each is recorded, with the last lines it printed."""

from __future__ import annotations

import re

import pytest
from command_line import SHORT, CommandLine, told
from misbehaviour import misbehaving


@pytest.mark.parametrize(
    ("how", "kind", "message", "last_line"),
    [
        ("abort", "WorkerCrashed", r"the worker crashed \(signal SIGABRT\)", "Fatal Python error: Aborted"),
        ("segfault", "WorkerCrashed", r"the worker crashed \(signal SIGSEGV\)", "Segmentation fault"),
        ("leave", "WorkerCrashed", r"the worker crashed \(exit status 0\)", "line 99"),
        ("exit", "RunError", "misbehave failed: SystemExit: 0", "misbehave"),
        ("type", "RunError", ".*misbehave==1.0.0 returned dict, expected cmx.worker.Outcome", "Outcome"),
        ("raise", "RunError", "misbehave failed: ValueError: nothing adds up", "ValueError: nothing adds up"),
        ("outside", "RunError", ".*the action names '../../../escaped', which is outside its output folder", "outside"),
        ("memory", "WorkerOutOfMemory", "the worker ran out of memory: .*", "line 99"),
    ],
)
def test_a_worker_that_goes_wrong_is_recorded_with_its_last_lines(
    cmx: CommandLine, how: str, kind: str, message: str, last_line: str
) -> None:
    misbehaving(cmx)
    answer = cmx("run", "misbehave", "misbehaving", "--how", how, "--memory-limit", "2G", "--offline", code=1)
    assert re.fullmatch(message, answer.error), answer.error
    assert any(last_line in line for line in answer.err.splitlines() if line.startswith("  | ")), answer.err
    [result] = cmx.results()
    assert (result["status"], result["valid"], result["error"]["type"]) == ("failed", False, kind)
    assert result["error"]["message"] == answer.error
    assert any(last_line in line for line in result["error"]["output"])
    assert last_line in cmx("result", "show", result["id"]).out
    assert cmx.processes() == []


def test_a_worker_that_hangs_is_ended_after_its_time(cmx: CommandLine) -> None:
    misbehaving(cmx)
    answer = cmx("run", "misbehave", "misbehaving", "--how", "hang", "--time-limit", "1.5", code=1)
    assert answer.error == "the worker was ended after 1.5 s (time limit)"
    assert answer.hint.startswith("raise it with --time-limit SECONDS; its output is in ")
    [result] = cmx.results()
    assert (result["error"]["type"], result["error"]["output"][-1]) == ("WorkerTimeout", "line 99")
    assert cmx.processes() == []


def test_what_an_action_says_on_purpose_comes_without_a_traceback(cmx: CommandLine) -> None:
    misbehaving(cmx)
    answer = cmx("run", "misbehave", "misbehaving", "--how", "tell", code=1)
    assert told(answer) == ("misbehave: the moon is full", "wait a week")
    assert "Traceback" not in answer.err
    assert cmx.results()[0]["error"]["hint"] == "wait a week"


def test_a_number_that_is_none_is_recorded_as_null(cmx: CommandLine) -> None:
    misbehaving(cmx)
    result = cmx.json("run", "misbehave", "misbehaving", "--how", "nan")["result"]
    assert result["steps"][0]["outcome"]["metrics"] == {"value": None}


def test_too_little_memory_for_the_framework_says_so_in_two_lines(cmx: CommandLine) -> None:
    answer = cmx("run", "benchmark", *SHORT, "--memory-limit", "300M", code=1)
    assert answer.error.startswith("the worker ran out of memory: ")
    assert answer.hint == "use a smaller batch, raise --memory-limit, or free some memory"
    assert cmx.results()[0]["error"]["type"] == "WorkerOutOfMemory"


def test_one_batch_too_large_for_single_stream_is_refused_with_the_remedy(cmx: CommandLine) -> None:
    assert told(cmx("run", "benchmark", "--batch-size", "2", code=2)) == (
        "action/benchmark: batch-size 2 goes with scenario offline or server or multi-stream, "
        "and scenario is single-stream",
        "give --scenario offline, or leave out --batch-size",
    )
    assert cmx.results() == [], "refused before anything was done"


def test_each_loadgen_run_has_a_process_of_its_own(cmx: CommandLine) -> None:
    result = cmx.json("run", "benchmark", *SHORT)["result"]
    folder = cmx.run_folder(result)
    for step in ("benchmark", "validate"):
        log = (folder / step / "mlperf_log_detail.txt").read_text(encoding="utf-8")
        assert log.count('"key": "loadgen_version"') == 1
    starts = {step["outcome"]["started_ns"] for step in result["steps"] if step["outcome"]}
    assert len(starts) == 2
