"""What the command line makes of words in the wrong place, and how it shows a record."""

from __future__ import annotations

import json
import os
import re
import stat
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest
from component_files import action, dataset, model, package, put_all, workflow
from result_samples import PINS, checked, make, outcome, timed

from cmx.cli.facts import fact, noise
from cmx.cli.main import main
from cmx.errors import nearest
from cmx.files import counted
from cmx.host import Field, Noise, Unavailable
from cmx.results import Database, Result, Step
from cmx.results.table import listing, verdict
from cmx.settings import Settings
from cmx.store import Store, key_of
from cmx.store.device import device_folder

Captured = pytest.CaptureFixture[str]
LOOK = "parameters: {input: {type: string, format: path, description: What to look at}}\n"
SEEDED = """parameters:
  seed: {type: integer, default: 0, description: Its own}
  fast: {type: boolean, default: true, description: Whether it is fast}
"""
FLAGS = "parameters: {flags: {type: string, default: '', description: Flags}}\n"


@pytest.fixture
def zoo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two workflows, in a catalog of their own."""
    root = put_all(
        tmp_path / "zoo",
        dataset("photos"),
        model("net-1"),
        model("net-2"),
        package("runner", formats="[onnx]"),
        action("look", "{model: model}", LOOK),
        action("time", "{}", SEEDED),
        workflow("pictures", "{model: model/net-1}", "[{id: look, action: look}]"),
        workflow("clock", "{}", "[{id: build, action: build}, {id: benchmark, action: time}]"),
        action("build", "{}", FLAGS),
    )
    (root / "repo.yaml").write_text("schema: 1\nname: zoo\n", encoding="utf-8")
    monkeypatch.setattr("cmx.repository.catalog.builtin_repository", lambda: root)
    return root


def said(capsys: Captured, *words: str, code: int) -> list[str]:
    assert main(words) == code
    return capsys.readouterr().err.splitlines()


def answered(capsys: Captured, *words: str, code: int = 0) -> dict[str, Any]:
    assert main([*words, "--json"]) == code
    document: dict[str, Any] = json.loads(capsys.readouterr().out)
    return document


@pytest.mark.parametrize(
    ("command", "error", "hint"),
    [
        ("run clock", "'clock' is a workflow, no action", "name the action first: cmx run benchmark clock"),
        ("run look cat.jpg", "'cat.jpg' is no workflow", "a file is given by name: cmx run look --input cat.jpg"),
        (
            "run look pictures --use model/net-2",
            "--use model/net-2: expected KEY=VALUE",
            "as in --use model=model/net-2",
        ),
        (
            "run look pictures --use software/runner",
            "--use software/runner: expected KEY=VALUE",
            "as in --use framework=software/runner",
        ),
        (
            "result export --format json --output r.csv",
            "--format json and --output r.csv say two formats",
            "leave out --format: the file's ending says it",
        ),
    ],
)
def test_a_word_in_the_wrong_place_is_told_where_it_belongs(
    capsys: Captured, zoo: Path, command: str, error: str, hint: str
) -> None:
    assert said(capsys, *command.split(), code=2) == [f"error: {error}", f"hint: {hint}"]


def test_names_that_are_as_near_are_all_named() -> None:
    assert nearest("net", ["net-1", "net-2", "tent"]) == "did you mean 'net-1' or 'net-2'?"
    assert nearest("net-", ["net-1", "nets"]) == "did you mean 'net-1'?"


def test_help_lists_the_parameters_of_the_steps_that_the_workflow_has(capsys: Captured, zoo: Path) -> None:
    text = answered(capsys, "run", "benchmark", "clock", "--help")["help"]
    assert "parameters of action/time" in text
    assert "--fast" in text
    # The verb has an option of this name, so the action's own is asked for by the action's name.
    assert "--time.seed" in text


def test_a_parameter_with_the_name_of_an_option_is_given_with_the_actions_name(capsys: Captured, zoo: Path) -> None:
    plan = answered(capsys, "run", "time", "clock", "--time.seed", "7", "--seed", "1", "--plan-only")["plan"]
    assert (plan["steps"][-1]["parameters"]["seed"], plan["request"]["seed"]) == (7, 1)


@pytest.mark.parametrize(
    ("command", "kind", "message"),
    [
        ("find nonsense", "CmxError", "no component matches 'nonsense'"),
        ("check", "ComponentInvalid", "action.py is not there"),
    ],
)
def test_an_answer_that_is_not_ok_says_why(capsys: Captured, zoo: Path, command: str, kind: str, message: str) -> None:
    document = answered(capsys, *command.split(), code=1 if kind == "CmxError" else 3)
    assert document["ok"] is False
    assert document["error"]["type"] == kind
    assert document["error"]["message"].endswith(message)
    assert document["error"]["hint"]


def test_help_and_version_are_json_where_that_is_asked_for(capsys: Captured) -> None:
    assert answered(capsys, "--version")["version"]
    assert answered(capsys, "--help")["help"].startswith("usage: cmx VERB")
    assert answered(capsys, code=2)["error"]["message"] == "no verb is given"


# How results are shown.


def shown() -> Step:
    metrics = {"shows": "classes", "classes": [{"class": 1, "name": "cat"}], "input": "cat.jpg"}
    return Step("classify", "action/run==1.0.0", "ok", 10**8, outcome=outcome(metrics))


def test_a_verdict_says_what_was_checked_and_what_was_emulated() -> None:
    assert verdict(make()) == "valid"
    assert verdict(make(timed(), checked(passed=False))) == "invalid"
    assert verdict(make(shown())) == "unchecked"
    assert verdict(make(pins={**PINS, "emulator": "software/qemu-user==7.2"})) == "valid, emulated"
    assert listing([make(shown())])[0][-1] == "unchecked"


@pytest.mark.parametrize(
    ("status", "count"), [("ok", 3), ("valid", 1), ("invalid", 1), ("unchecked", 1), ("failed", 0)]
)
def test_results_are_listed_by_what_the_table_calls_them(settings: Settings, status: str, count: int) -> None:
    database = Database(settings)
    for result in (make(), make(timed(), checked(passed=False)), make(shown())):
        database.add(result)
    assert len(database.list(status=status)) == count
    assert len(database.list(status=status, limit=1)) == min(count, 1)


def test_a_failed_result_says_what_is_wrong_once(capsys: Captured, settings: Settings) -> None:
    error = {"type": "RunError", "message": "it broke", "traceback": "", "hint": "mend it"}
    result = make(
        Step("benchmark", "action/benchmark==1.0.0", "failed", 5, outcome=outcome({}, status="failed", error=error))
    )
    Database(settings).add(result)
    assert main(["result", "show", result.id]) == 0
    assert capsys.readouterr().out.count("it broke") == 1


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("memory", 25_325_268_992, "25.3 GB"),
        ("frequency", [2_100_000_000, 2_100_000_000], "2.10 GHz"),
        ("caches", [{"level": 1, "type": "data", "bytes": 49152, "threads": 1}], "level 1 data 49.2 kB threads 1"),
        ("numa", {"node0": "0-1"}, "0-1"),
        ("accelerators", [], "none"),
        ("cores", 2, "2"),
        ("memory_limit", "no limit", "no limit"),
    ],
)
def test_a_fact_has_the_units_that_people_read(name: str, value: Any, text: str) -> None:
    assert fact(name, Field(value, "x")) == f"{text}   (x)"
    assert fact(name, Unavailable("not there")) == "unavailable: not there"


def test_noise_has_units_too() -> None:
    result: Result = make()
    assert result.noise is not None
    found = dict(noise(result.noise.document()))
    assert (found["elapsed_ns"], found["load"]) == ("10.0 s", "2.40")
    found = dict(noise(Noise(elapsed_ns=1, cpus=2, frequency_before=2_100_000_000, steal=0.0312).document()))
    assert (found["frequency_before"], found["steal"], found["cpus"]) == ("2.10 GHz", "3.1%", "2")


def test_the_pins_of_a_result_stand_in_columns(capsys: Captured, settings: Settings) -> None:
    result = make(pins={**PINS, "convert-onnx.onnx": "software/onnx==1.23.2", "convert-saved-model.x": "software/x==1"})
    Database(settings).add(result)
    assert main(["result", "show", result.id]) == 0
    pins = capsys.readouterr().out.partition("PINS\n")[2].splitlines()[: len(result.pins)]
    assert len({re.search(r"(model|dataset|software)/", line).start() for line in pins}) == 1  # type: ignore[union-attr]


def test_what_there_is_one_of_is_not_in_the_plural(capsys: Captured, settings: Settings, tmp_path: Path) -> None:
    for number, words in ((1, "1 result"), (2, "2 results")):
        Database(settings).add(make())
        assert main(["result", "export", "--output", str(tmp_path / "x.csv")]) == 0
        assert capsys.readouterr().out.startswith(f"{words} →"), number
    assert [counted(n, "entry", "entries") for n in (0, 1, 1234)] == ["0 entries", "1 entry", "1,234 entries"]


def test_what_was_made_has_a_name_in_the_store(capsys: Captured, settings: Settings) -> None:
    def build(folder: Path) -> dict[str, Any]:
        (folder / "model.onnx").write_bytes(b"x" * 2000)
        return {"code": "a"}

    Store(settings).derive(key_of("a"), build, what="net: checkpoint → onnx")
    assert main(["store", "list"]) == 0
    line = capsys.readouterr().out.splitlines()[-1]
    assert line.endswith("net: checkpoint → onnx")
    assert " kB " in line


# Where measurements wait for one another.


def test_two_homes_measure_one_after_the_other(tmp_path: Path) -> None:
    """Whoever holds the lock of one home is seen by the other, in another process."""
    code = (
        "import sys; from pathlib import Path; from cmx.settings import Settings; from cmx.store import Store\n"
        "with Store(Settings(Path(sys.argv[1]))).device_lock('device-cpu', what='b', on_wait=sys.exit): pass\n"
    )
    environ = {**os.environ, "TMPDIR": tempfile.gettempdir(), "PYTHONPATH": os.pathsep.join(sys.path)}

    def other() -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", code, str(tmp_path / "b")]
        return subprocess.run(command, env=environ, capture_output=True, text=True, check=False, timeout=60)

    with Store(Settings(tmp_path / "a")).device_lock("device-cpu", what="a"):
        assert "waiting for another cmx" in other().stderr
    assert other().returncode == 0


def test_the_folder_where_they_wait_is_the_users_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    folder = device_folder()
    assert folder
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    folder.chmod(0o777)
    assert device_folder() is None
    folder.rmdir()
    folder.symlink_to(tmp_path)
    assert device_folder() is None
