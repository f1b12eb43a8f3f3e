"""A measurement in several fresh processes, through the real command line."""

from __future__ import annotations

import json
import os
import platform
import re
import subprocess
import sys
from pathlib import Path

import pytest
from command_line import ROOT, CommandLine

from cmx.schema import validate

SMALL = ("--set", "arguments=--variant blocked --size 64 --passes 2", "--set", "repetitions=2")


@pytest.fixture
def native(fresh: CommandLine) -> CommandLine:
    """cmx as after installing it, with this machine's compilers on PATH."""
    return CommandLine(fresh.python, fresh.home, {**fresh.environ, "PATH": "/usr/bin:/bin"}, fresh.folder)


def test_every_launch_is_a_fresh_process_and_all_are_recorded(native: CommandLine) -> None:
    answer = native("run", "benchmark", "matmul", *SMALL, "--launches", "6", "--json")
    result = answer.document["result"]
    validate(result, "result", source=Path("stdout"))
    launches = [step for step in result["steps"] if step["id"] == "benchmark"]
    assert [step["launch"] for step in launches] == [1, 2, 3, 4, 5, 6]
    assert len({step["outcome"]["started_ns"] for step in launches}) == 6
    assert all(step["noise"]["elapsed_ns"] > 0 for step in launches)
    statistics = result["statistics"]
    assert (statistics["measure"], statistics["latency"]["n"]) == ("latency", 6)
    medians = sorted(step["outcome"]["metrics"]["latency"]["p50"] for step in launches)
    assert statistics["latency"]["median"] == (medians[2] + medians[3]) // 2, "midway between the two in the middle"
    assert statistics["latency"]["interval"] == {"low": medians[0], "high": medians[5], "confidence": 0.96875}
    assert result["sampling"]["stopped"] == "6 launches were asked for"
    folder = native.run_folder(result)
    outcomes = [folder / name / "outcome.json" for name in ("benchmark", *(f"benchmark.{n}" for n in range(2, 7)))]
    assert [json.loads(each.read_text(encoding="utf-8")) for each in outcomes] == [s["outcome"] for s in launches]
    shown = native("result", "show", result["id"]).out
    assert "P50 INTERVAL ms" in shown and "interval: 96.9% of the median of the launches' medians" in shown


def test_one_launch_claims_no_interval(native: CommandLine) -> None:
    answer = native("run", "benchmark", "matmul", *SMALL)
    assert "INTERVAL" not in answer.out and "interval" not in answer.out
    [result] = native.results()
    assert (result["statistics"]["latency"]["n"], result["statistics"]["latency"]["interval"]) == (1, None)


def test_a_precision_and_a_time_budget_end_a_measurement(native: CommandLine) -> None:
    result = native.json("run", "benchmark", "matmul", *SMALL, "--precision", "90%")["result"]
    assert result["statistics"]["latency"]["n"] >= 6
    assert "within" in result["sampling"]["stopped"]
    launches = [step for step in result["steps"] if step["id"] == "benchmark"]
    assert all(each["took_ns"] > each["noise"]["elapsed_ns"] >= each["outcome"]["wall_ns"] for each in launches)
    result = native.json("run", "benchmark", "matmul", *SMALL, "--time-budget", "10ms")["result"]
    assert result["statistics"]["latency"]["n"] == 1
    assert result["sampling"] == {
        "launches": 1,
        "precision": None,
        "time_budget": 0.01,
        "stopped": "the time budget of 0.01 s has no room for another launch",
    }


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--launches 3 --precision 2%", "--launches 3 is too few for --precision: a 95 % interval needs 6"),
        ("--precision wide", "--precision wide: not a share over 0 and below 1"),
        ("--time-budget soon", "--time-budget soon: not a time"),
        ("--require-quiet 0", "--require-quiet 0: not a time"),
    ],
)
def test_what_cannot_be_met_is_said_before_anything_is_done(native: CommandLine, words: str, message: str) -> None:
    assert native("run", "benchmark", "matmul", *words.split(), code=2).error == message


def test_a_machine_that_others_keep_busy_is_reported_as_noisy(native: CommandLine) -> None:
    others = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(os.cpu_count() or 1)]
    try:
        result = native.json("run", "benchmark", "matmul", *SMALL[:2], "--set", "repetitions=20")["result"]
        refused = native("run", "benchmark", "matmul", *SMALL, "--require-quiet", "1s", code=1)
    finally:
        for each in others:
            each.kill()
            each.wait()
    [launch] = [step for step in result["steps"] if step["id"] == "benchmark"]
    assert any(sentence.startswith("other processes used") for sentence in launch["noise"]["noisy"])
    assert launch["before"]["other_cores"] > 0.1 * launch["before"]["cpus"]
    shown = native("result", "show", result["id"]).out
    assert "noisy before: other processes used" in shown and "noisy: " in shown
    assert refused.error.startswith("the machine did not become quiet within 1 s: ")
    assert "--require-quiet 10min" in refused.hint
    assert native.results()[-1]["status"] == "failed"


def test_energy_is_in_the_record_or_the_reason_why_not(native: CommandLine) -> None:
    result = native.json("run", "benchmark", "matmul", *SMALL)["result"]
    [launch] = [step for step in result["steps"] if step["id"] == "benchmark"]
    energy = launch["energy"]
    assert energy["domains"] or set(energy["unavailable"]) == {"rapl", "nvml"}
    shown = native("run", "benchmark", "matmul", *SMALL).out
    assert ("J A LAUNCH" in shown) == bool(energy["domains"])


def test_an_anonymous_record_has_no_path_and_no_name(native: CommandLine) -> None:
    home = native.folder / "adalovelace"
    home.mkdir()
    settings = {"HOME": str(home), "USER": "adalovelace", "LOGNAME": "adalovelace"}
    good = native("run", "benchmark", "matmul", *SMALL, "--anonymous", "--json", **settings).document["result"]
    bad = ("--set", "arguments=--variant /adalovelace/x", "--set", "repetitions=1")
    native("run", "benchmark", "matmul", *bad, "--anonymous", code=1, **settings)
    failed = native.results()[-1]
    for result in (good, failed):
        record = (native.run_folder(result) / "result.json").read_text(encoding="utf-8")
        for private in ("adalovelace", str(native.home), str(ROOT), str(native.folder), str(native.python)):
            assert private not in record
        assert not re.search(rf"\b{re.escape(platform.node())}\b", record.replace("hypervisor", ""))
        assert "hostname" not in result["host"]["fields"]
    assert "error" in failed and failed["error"]["message"]
