"""LoadGen's scenarios as a user has them, and servers that are killed, forget, repeat or are too slow."""

from __future__ import annotations

import os
import signal

import pytest
from command_line import CommandLine, told, wait_until, write_files

FEW = ("--duration", "0.3", "--min-query-count", "12", "--latency-percentile", "0.5")
SERVER = ("--scenario", "server", *FEW)

_ACTION = """
schema: 1
kind: action
uid: a1a1a1a1a1a1a1b2
name: serve
version: 1.0.0
description: A server that goes wrong in the way that it is asked to
entry: action.py:serve
runs-in: worker
measures: true
requires: {numpy: software/numpy>=1.24, loadgen: software/mlcommons-loadgen>=5.1}
parameters:
  how: {type: string, default: well, description: what to do at the fifth query}
"""
_WORKFLOW = """
schema: 1
kind: workflow
uid: b1a1a1a1a1a1a1b2
name: serving
version: 1.0.0
description: One server
requires: {}
steps:
  - {id: serve, action: serve}
"""
_CODE = '''
from cmx.worker import Context, Outcome
from cmx.worker.loadgen import Settings, open_engine


class Library:
    total = performance_count = 4

    def load(self, indices):
        """Nothing to load."""

    def unload(self, indices):
        """Nothing to unload."""


class Server:
    def __init__(self, how):
        self.how, self.asked = how, 0

    def issue(self, ids, indices, complete):
        """Answer at once, but for the fifth."""
        self.asked += 1
        times = {"drop": 0, "twice": 2}.get(self.how, 1) if self.asked == 5 else 1
        for _ in range(times):
            complete(ids)

    def flush(self):
        """Nothing is held back."""


def serve(context: Context, *, how: str = "well") -> Outcome:
    """Twenty queries."""
    settings = Settings(
        scenario="server", server_target_qps=100.0, min_duration_ms=1, max_query_count=20, answer_timeout=1.0
    )
    report = open_engine()(Server(how), Library(), settings, context.output, context.progress)
    return Outcome("went well", {"queries": report.queries}, files=report.files)
'''


@pytest.mark.parametrize(
    ("how", "message", "hint"),
    [
        (
            "drop",
            "serve: 1 of 20 samples were never answered: nothing came for 1 s",
            "the system under test dropped them, or needs longer: --set answer-timeout=10min",
        ),
        (
            "twice",
            "serve: the system under test answered a query twice, or one that it was never asked",
            "each id that issue() was given is to be completed once",
        ),
    ],
)
def test_a_server_that_forgets_or_repeats_ends_with_a_record(
    cmx: CommandLine, how: str, message: str, hint: str
) -> None:
    files = {"serve/component.yaml": _ACTION, "serve/action.py": _CODE, "serving/component.yaml": _WORKFLOW}
    write_files(cmx.home / "repository", files)
    assert told(cmx("run", "serve", "serving", "--how", how, code=1, timeout=120)) == (message, hint)
    [result] = cmx.results()
    assert (result["status"], result["valid"]) == ("failed", False)
    assert result["error"]["message"] == message
    assert cmx.processes() == []


def test_a_worker_killed_while_it_serves_ends_with_a_record(cmx: CommandLine) -> None:
    child = cmx.start("run", "benchmark", "--scenario", "server", "--target-qps", "2", "--duration", "300")
    try:
        wait_until(lambda: list(cmx.home.glob("runs/*/benchmark/mlperf_log_detail.txt")), 60, "measuring")
        os.kill(cmx.workers()["benchmark"], signal.SIGKILL)
        out, err = child.communicate(timeout=30)
    finally:
        child.kill()
    assert child.returncode == 1, out
    assert "error: the worker was killed (signal SIGKILL)" in err
    [result] = cmx.results()
    assert (result["status"], result["valid"]) == ("failed", False)
    assert "SIGKILL" in cmx("result", "show", result["id"]).out
    assert cmx.processes() == []


def test_a_server_slower_than_its_target_is_invalid_and_says_what_to_do(cmx: CommandLine) -> None:
    answer = cmx("run", "benchmark", *SERVER, "--target-qps", "300", "--target-latency", "1ms", timeout=120)
    [result] = cmx.results()
    assert (result["status"], result["valid"]) == ("ok", False)
    reason = next(each for each in result["reasons"] if "LoadGen's verdict is INVALID" in each)
    assert "the latency bound was not met" in reason or "the system is slower than target-qps" in reason
    assert f"not valid: {reason}" in answer.out


def test_a_server_is_measured_scored_and_its_logs_are_named(cmx: CommandLine) -> None:
    conf = cmx.folder / "user.conf"
    conf.write_text("*.Server.target_latency = 60000\n*.Server.min_duration = 300\n")
    asked = ("--scenario", "server", "--target-qps", "20", "--user-conf", "user.conf", "--trace", "true")
    few = ("--min-query-count", "12", "--latency-percentile", "0.5", "--mode", "submission", "--batch-size", "2")
    result = cmx.json("run", "benchmark", *asked, *few)["result"]
    metrics = next(step for step in result["steps"] if step["id"] == "benchmark")["outcome"]["metrics"]
    assert (metrics["verdict"], metrics["counts"]["top_1"]) == ("VALID", 18)
    assert (metrics["settings"]["target_latency_ns"], metrics["settings"]["min_duration_ms"]) == (60_000_000_000, 300)
    folder = cmx.run_folder(result) / "benchmark"
    shown = cmx("result", "show", result["id"]).out
    for name in ("accuracy.json", "detail.txt", "summary.txt", "trace.json"):
        assert (folder / f"mlperf_log_{name}").stat().st_size > 0
        assert f"mlperf_log_{name}" in shown
    assert "*.Server.target_qps = 20\n" in (folder / "user.conf").read_text()


def test_find_peak_ends_with_a_rate_that_a_run_confirms(cmx: CommandLine) -> None:
    search = ("--mode", "find-peak", "--target-latency", "300ms", "--find-peak-decimals", "0")
    answer = cmx("run", "benchmark", *SERVER, *search, timeout=120)
    assert "VALID" in answer.out
    assert "queries/s, confirmed by two runs, of which this is one; the search found " in answer.out
    [result] = cmx.results()
    metrics = next(step for step in result["steps"] if step["id"] == "benchmark")["outcome"]["metrics"]
    assert metrics["verdict"] == "VALID"
    assert metrics["peak"]["confirmed_qps"] == metrics["settings"]["target_qps"] < metrics["peak"]["searched_qps"]
