"""Which results ``cmx result`` means: what cannot be is refused, and what there is none of is said."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from many_results import kept, result

from cmx.cli.main import main
from cmx.results import Database
from cmx.settings import Settings

Captured = pytest.CaptureFixture[str]


@pytest.fixture
def three(settings: Settings) -> list[str]:
    """Results of 2, 2 and 10 seconds, the last on torch and of failed answers; their ids, newest first."""
    made = [
        result(parameters={"duration": 2.0, "engine": "loadgen"}, settings={"spinning": True}),
        result(parameters={"duration": 2.0, "engine": "loadgen", "batch-size": 8}),
        result(parameters={"duration": 10.0, "engine": "loadgen"}, framework="torch==2.13.0"),
    ]
    kept(Database(settings), made)
    return [each.id for each in reversed(made)]


def listed(capsys: Captured, *words: str) -> list[str]:
    """The ids that a list has."""
    assert main(["result", "list", *words, "--json"]) == 0
    return [each["id"] for each in json.loads(capsys.readouterr().out)["results"]]


@pytest.mark.parametrize(
    ("condition", "met"),
    [
        ("duration=2s", [1, 2]),
        ("duration=2", [1, 2]),
        ("duration=2000ms", [1, 2]),
        ("duration>2s", [0]),
        ("duration!=2s", [0]),
        ("duration<=1min", [0, 1, 2]),
        ("spinning=yes", [2]),
        ("batch-size=8", [1]),
        ("scenario!=offline", [0, 1, 2]),
        ("framework!=onnxruntime", [0]),
        ("target-qps!=8", [0, 1, 2]),
    ],
)
def test_a_value_is_read_in_the_unit_of_its_parameter(
    capsys: Captured, three: list[str], condition: str, met: list[int]
) -> None:
    assert listed(capsys, "--where", condition) == [three[number] for number in met]


@pytest.mark.parametrize("command", [("list",), ("export",), ("compare", "threads=1", "threads=1")])
@pytest.mark.parametrize(
    ("words", "message", "hint"),
    [
        (("--where", "batchsize=1"), "batchsize=1: no result has 'batchsize'", "did you mean 'batch-size'?"),
        (("--where", "scenario=offlin"), 'scenario=offlin: scenario: "offlin" is not one of', "did you mean 'offline'"),
        (("--where", "scenario!=offlin"), "scenario!=offlin: scenario:", "did you mean 'offline'?"),
        (("--where", "engine=natve"), 'engine=natve: engine: "natve" is not one of', "did you mean 'native'?"),
        (("--where", "status=faild"), "status=faild: status is one of ok, failed", "did you mean 'failed'?"),
        (("--where", "status=valid"), "status=valid: status is one of ok, failed, as a", "write --status valid, which"),
        (("--where", "valid=maybe"), "valid=maybe: valid is one of true, false", "known here: false, true"),
        (("--where", "duration=long"), 'duration=long: duration: "long" is not of type number', "duration in s"),
        (("--where", "framework=torhc"), "framework=torhc: there is no software 'torhc'", "did you mean 'torch'?"),
        (("--where", "created<yesterday"), "created<yesterday: created is a time, and 'yesterday'", "write a day or a"),
        (("--where", "cpu>3"), "cpu>3: cpu is a text, and has no order", "write cpu=TEXT, where * stands for"),
        (("--where", "workflow=matmull"), "workflow=matmull: there is no workflow", "did you mean 'matmul'?"),
    ],
)
def test_what_no_result_can_have_is_refused_with_the_nearest(
    capsys: Captured, three: list[str], command: tuple[str, ...], words: tuple[str, str], message: str, hint: str
) -> None:
    assert main(["result", *command, *words]) == 2
    told = capsys.readouterr().err.splitlines()
    assert told[0].startswith(f"error: {message}")
    assert told[1].startswith(f"hint: {hint}")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--scenario", "offlin"), "scenario=offlin: scenario:"),
        (("--framework", "torhc"), "framework=torhc: there is no software 'torhc'"),
        (("--model", "efficientnet-lite9"), "model=efficientnet-lite9: there is no model"),
        (("--action", "benchmrk"), "action=benchmrk: there is no action"),
        (("--workflow", "x-classification", "--where", "batch-size=8"), "workflow=x-classification: there is no"),
        (("--scenario", "offline", "--where", "nosuch=2"), "nosuch=2: no result has 'nosuch'"),
    ],
)
def test_a_misspelt_filter_is_refused(capsys: Captured, three: list[str], words: tuple[str, ...], message: str) -> None:
    assert main(["result", "list", *words]) == 2
    assert capsys.readouterr().err.startswith(f"error: {message}")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--scenario", "offline"), "no result meets scenario=offline: results have single-stream"),
        (("--status", "failed"), "no result meets status=failed: results have ok"),
        (
            ("--framework", "litert", "--where", "batch-size=1"),
            "no result meets framework=ai-edge-litert: results have onnxruntime==1.31.1, torch==2.13.0",
        ),
        (("--where", "duration=3s"), "no result meets duration=3: results have 2, 10"),
        (("--where", "target=armv7"), "no result meets target=armv7: none has any target"),
        (("--where", "target-qps=3"), "no result meets target-qps=3: none has any target-qps"),
        (
            ("--framework", "torch", "--where", "batch-size=8"),
            "no result meets all of this, though some meet each: framework=torch (1), batch-size=8 (1)",
        ),
    ],
)
def test_a_filter_that_nothing_meets_says_what_there_is(
    capsys: Captured, three: list[str], words: tuple[str, ...], said: str
) -> None:
    assert main(["result", "list", *words]) == 0
    assert capsys.readouterr().out.splitlines()[0] == said


def test_no_empty_value_and_no_list_of_times_is_said_of_what_there_is(capsys: Captured, settings: Settings) -> None:
    made = [
        result(work={"precision": "float32"}, created="2026-11-20T09:05:00.000Z"),
        result(work={"precision": ""}, created="2026-01-01T00:00:59.000Z"),
    ]
    kept(Database(settings), made)
    for words, said in (
        ("precision=f32", "precision=f32: results have float32"),
        ("created=2025", "created=2025: results are of 2026-01-01 00:00 to 2026-11-20 09:05 UTC"),
    ):
        assert main(["result", "list", "--where", words]) == 0
        assert capsys.readouterr().out.splitlines()[0] == f"no result meets {said}"


def test_a_home_without_results_says_so(capsys: Captured, settings: Settings, tmp_path: Path) -> None:
    for words in ((), ("--scenario", "offline"), ("--where", "duration=2s")):
        assert main(["result", "list", *words]) == 0
        assert capsys.readouterr().out == "there is no result yet: 'cmx run benchmark' makes one\n"


def test_a_name_that_only_results_have_any_more_is_found(capsys: Captured, settings: Settings) -> None:
    gone = result(framework="gone==1.0", parameters={"duration": 2.0, "old-parameter": "x"})
    kept(Database(settings), [gone])
    assert listed(capsys, "--where", "framework=gone", "--where", "old-parameter=x") == [gone.id]


@pytest.mark.parametrize("command", ["list", "export", "plot"])
@pytest.mark.parametrize("number", ["0", "-1"])
def test_a_limit_below_one_is_refused(capsys: Captured, three: list[str], command: str, number: str) -> None:
    assert main(["result", command, "--limit", number]) == 2
    assert capsys.readouterr().err.startswith(f"error: --limit {number}: at least one is needed\nhint: ")


def test_a_limit_leaves_the_newest(capsys: Captured, three: list[str]) -> None:
    assert listed(capsys, "--limit", "2") == three[:2]
    assert listed(capsys, "--limit", "1", "--where", "duration=2") == three[1:2]
