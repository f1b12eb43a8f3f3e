"""A matrix: launches in turns, failures passed by, and nothing done twice after an interruption."""

from __future__ import annotations

import json
import os
import re
import signal
from pathlib import Path
from typing import Any

import pytest
from command_line import CommandLine, wait_until

SMALL = ("--set", "repetitions=1", "--set", "arguments=--variant blocked --size 64 --passes 2")
SLOW = ("--set", "repetitions=2", "--set", "arguments=--variant naive --size 512 --passes 2")
THREADS = ("--matrix", "threads=1,2", "--launches", "3")


@pytest.fixture
def native(fresh: CommandLine) -> CommandLine:
    """cmx as after installing it, with this machine's compilers on PATH."""
    return CommandLine(fresh.python, fresh.home, {**fresh.environ, "PATH": "/usr/bin:/bin"}, fresh.folder)


def launches(results: list[dict[str, Any]]) -> list[tuple[str, int]]:
    """(threads, launch) of every launch, in the order in which they began."""
    found = [
        (step["outcome"]["started_ns"], each["point"]["threads"], step["launch"])
        for each in results
        for step in each["result"]["steps"]
        if step["id"] == "benchmark"
    ]
    return [(threads, launch) for _, threads, launch in sorted(found)]


def test_launches_take_turns_and_one_table_has_every_point(native: CommandLine) -> None:
    answer = native("run", "benchmark", "matmul", *SMALL, *THREADS, "--json").document
    assert launches(answer["results"]) == [(threads, number) for number in (1, 2, 3) for threads in ("1", "2")]
    first, second = (each["result"] for each in answer["results"])
    assert first["matrix"] == {**second["matrix"], "point": {"threads": "1"}}
    text = native("run", "benchmark", "matmul", *SMALL, *THREADS)
    head, one, two = text.out.strip().splitlines()[:3]
    assert head.split()[:2] == ["THREADS", "LAUNCHES"]
    assert (one.split()[:2], two.split()[:2]) == (["1", "3"], ["2", "3"])
    assert one.split()[-2] == "valid" and "256/256 = 1.000" in one
    told = [line.split()[1:4] for line in text.lines("benchmark")]
    assert told == [["launch", str(number), "of"] for number in range(1, 7)]
    assert len(native.results()) == 4


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_after_an_interruption_the_same_command_runs_only_what_is_missing(native: CommandLine, number: int) -> None:
    command = ("run", "benchmark", "matmul", *SLOW, *THREADS)
    child = native.start(*command)
    wait_until(lambda: len(finished(native)) >= 2 or child.poll() is not None, 60, "two launches")
    os.killpg(child.pid, number)
    out, err = child.communicate(timeout=20)
    assert (child.returncode, out) == (130 if number == signal.SIGINT else -number, ""), err
    if number == signal.SIGINT:
        assert "launches are kept" in err and "the same command goes on from there" in err
    wait_until(lambda: not native.processes(), 10, "the end of its children")
    assert native.results() == []
    kept = finished(native)
    native("store", "gc")
    answer = native(*command, "--json")
    [there] = re.findall(r"note: going on with an interrupted matrix: (\d) launches are there", answer.err)
    assert int(there) >= 1
    results = answer.document["results"]
    assert sorted(launches(results)) == [("1", 1), ("1", 2), ("1", 3), ("2", 1), ("2", 2), ("2", 3)]
    recorded = {step["outcome"]["started_ns"] for e in results for step in e["result"]["steps"] if step["outcome"]}
    assert set(kept[: int(there)]) <= recorded
    assert len(answer.lines("benchmark")) == 6 - int(there)
    assert sorted(path.name for path in native.home.glob("runs/*")) == sorted(e["result"]["id"] for e in results)
    assert [result["status"] for result in native.results()] == ["ok", "ok"]
    assert "going on" not in native(*command).err


def finished(cmx: CommandLine) -> list[int]:
    """When each launch began that has ended, in order."""
    files = cmx.home.glob("runs/*/benchmark*/outcome.json")
    return sorted(json.loads(file.read_text(encoding="utf-8"))["started_ns"] for file in files)


def test_nobody_else_shares_a_matrix_under_way_and_it_can_be_started_over(native: CommandLine) -> None:
    command = ("run", "benchmark", "matmul", *SLOW, *THREADS)
    child = native.start(*command)
    wait_until(lambda: finished(native) or child.poll() is not None, 60, "a launch")
    assert "this matrix: another cmx" in native(*command, code=1).error
    os.killpg(child.pid, signal.SIGINT)
    child.communicate(timeout=20)
    answer = native(*command, "--fresh")
    assert "going on" not in answer.err
    assert len(answer.lines("benchmark")) == 6


def test_a_point_that_fails_is_recorded_and_passed_by(native: CommandLine) -> None:
    sizes = "arguments=--variant blocked --size 64 --passes 2,--variant nonsense"
    words = ("--set", "repetitions=1", "--matrix", sizes, "--launches", "1")
    answer = native("run", "benchmark", "matmul", *words, code=1)
    assert "failed: arguments=--variant nonsense: benchmark: " in answer.out
    statuses = {result["request"]["parameters"]["arguments"]: result["status"] for result in native.results()}
    assert statuses == {"--variant blocked --size 64 --passes 2": "ok", "--variant nonsense": "failed"}


def test_a_point_that_cannot_be_resolved_is_told_and_passed_by(native: CommandLine) -> None:
    answer = native("run", "benchmark", "matmul", *SMALL, "--matrix", "compiler=gcc,gcc==1.0", "--json", code=1)
    document = answer.document
    good, bad = document["results"]
    assert (good["result"]["status"], good["error"], bad["result"]) == ("ok", None, None)
    assert bad["point"] == {"compiler": "gcc==1.0"} and bad["error"]["type"] in ("Unsatisfiable", "Unavailable")
    session = json.loads(Path(document["session"]).read_text(encoding="utf-8"))
    assert (session["done"], session["points"][1]["error"]) == (True, bad["error"])


def test_a_matrix_of_which_no_point_can_be_resolved_is_an_error(native: CommandLine) -> None:
    answer = native("run", "benchmark", "matmul", "--matrix", "threads=none,0", code=2)
    assert answer.error.startswith("threads: ")
    assert native.results() == []


def test_a_matrix_comes_from_a_yaml_file_too(native: CommandLine) -> None:
    (native.folder / "m.yaml").write_text("threads: [1, 2]\nrepetitions: [1]\n", encoding="utf-8")
    words = SMALL[2:]
    results = native.json("run", "benchmark", "matmul", *words, "--matrix", "@m.yaml")["results"]
    launches = [[step["id"] for step in each["result"]["steps"]].count("benchmark") for each in results]
    assert launches == [6, 6], "as many as an interval needs"
    assert [each["point"] for each in results] == [{"threads": t, "repetitions": "1"} for t in ("1", "2")]
    (native.folder / "m.yaml").write_text("threads: 1\n", encoding="utf-8")
    answer = native("run", "benchmark", "matmul", "--matrix", "@m.yaml", code=2)
    assert (answer.error, answer.hint) == ("m.yaml: threads: not a list of values", "as in threads: [1, 2]")
    assert "No such file" in native("run", "benchmark", "matmul", "--matrix", "@gone.yaml", code=2).error
