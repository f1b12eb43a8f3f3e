"""Parameters of a request: which step takes them, how text is read, and what is refused."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from cmx.component import Action, SoftwareDetect, Step
from cmx.errors import UsageError
from cmx.reference import Reference
from cmx.resolver.parameters import assign, read, require_all, settle

THREADS = {"type": "integer", "minimum": 1, "default": 1, "unit": "threads", "description": "how many threads"}
DURATION = {"type": "number", "minimum": 0, "default": 10, "unit": "s", "description": "how long it lasts"}
LIMIT = {"type": ["number", "null"], "default": None, "unit": "s", "description": "the longest it lasts"}
SCENARIO = {"enum": ["single-stream", "offline"], "default": "offline", "description": "how queries arrive"}
INPUT = {"type": "string", "format": "path", "description": "path of the picture"}


def action(name: str, **parameters: Mapping[str, Any]) -> Action:
    fragments = {key.replace("_", "-"): fragment for key, fragment in parameters.items()}
    return Action(
        "action", "a0", name, "1.0.0", "", "", (), Path("x"), {}, entry=f"action.py:{name}", parameters=fragments
    )


def step(id: str, of: Action, **fixed: Any) -> tuple[Step, Action]:
    return Step(id, Reference("action", of.name), (), fixed), of


MEASURE = action("measure", threads=THREADS, duration=DURATION, scenario=SCENARIO, batch_size=THREADS)
VALIDATE = action("validate", threads=THREADS)
STEPS = [step("first", MEASURE), step("second", MEASURE, threads=2), step("check", VALIDATE)]


def threads(given: Mapping[str, Any]) -> list[Any]:
    return [chosen["threads"] for chosen in assign(STEPS, given, complete=True).values()]


def refused(given: Mapping[str, Any], **fixed: Any) -> tuple[str, str]:
    with pytest.raises(UsageError) as caught:
        assign([step("first", MEASURE, **fixed), step("check", VALIDATE)], given, complete=True)
    return caught.value.message, caught.value.hint


def test_defaults_lie_under_what_the_step_fixes_and_under_what_the_user_gives() -> None:
    assert threads({}) == [1, 2, 1]
    assert threads({"threads": "4"}) == [4, 4, 4]


def test_a_parameter_may_be_given_for_one_step_or_for_one_action() -> None:
    assert threads({"second.threads": "4"}) == [1, 4, 1]
    assert threads({"measure.threads": "4"}) == [4, 4, 1]


@pytest.mark.parametrize("keys", [("threads", "check.threads"), ("check.threads", "threads")])
def test_what_is_given_for_one_step_wins_over_what_is_given_for_all(keys: tuple[str, str]) -> None:
    values = {"threads": "4", "check.threads": "8"}
    assert threads({key: values[key] for key in keys}) == [4, 4, 8]


def test_an_underscore_is_as_good_as_a_hyphen() -> None:
    chosen = assign(STEPS[:1], {"batch_size": "3"}, complete=True)
    assert chosen["first"]["batch-size"] == 3
    assert "batch_size" not in chosen["first"]


def test_a_parameter_goes_only_to_the_steps_that_take_it() -> None:
    chosen = assign(STEPS, {"scenario": "single-stream"}, complete=True)
    assert chosen["first"]["scenario"] == "single-stream"
    assert "scenario" not in chosen["check"]


def test_a_misspelt_parameter_gives_the_nearest() -> None:
    assert refused({"thread": "2"}) == ("--set thread: no such parameter", "did you mean 'threads'?")
    assert refused({"check.duraton": "2"}) == ("--set check.duraton: no such parameter", "known here: threads")


def test_a_misspelt_step_gives_the_nearest() -> None:
    assert refused({"frist.threads": "2"}) == ("--set frist.threads: there is no step 'frist'", "did you mean 'first'?")


def test_what_a_step_fixes_is_checked_too() -> None:
    assert refused({}, thread=2) == ("action/measure has no parameter 'thread'", "did you mean 'threads'?")
    assert refused({}, threads=0) == ("threads: 0 is less than 1", "threads: how many threads")


def test_a_parameter_without_a_default_must_be_given(tmp_path: Path) -> None:
    steps = [step("classify", action("classify", input=INPUT))]
    with pytest.raises(UsageError) as caught:
        assign(steps, {}, complete=True)
    assert caught.value.message == "action/classify needs input: path of the picture"
    assert caught.value.hint == "give --input VALUE"
    assert assign(steps, {}, complete=False) == {"classify": {}}
    (tmp_path / "x.jpg").touch()
    require_all(steps[0][1], {"input": str(tmp_path / "x.jpg")})


def test_a_file_of_a_saved_plan_that_is_gone_is_missed_before_anything_is_installed(tmp_path: Path) -> None:
    taker = action("classify", input={**INPUT, "type": ["string", "null"], "default": None})
    require_all(taker, {"input": None})
    with pytest.raises(UsageError) as caught:
        require_all(taker, {"input": str(tmp_path / "gone.jpg")})
    assert caught.value.message == f"input: there is no file {tmp_path}/gone.jpg"
    assert caught.value.hint == "bring it back, or make the plan again with one that is there: --input FILE"


@pytest.mark.parametrize(
    ("text", "fragment", "value"),
    [
        ("4", THREADS, 4),
        ("4 threads", THREADS, 4),
        ("2.5", DURATION, 2.5),
        ("10", DURATION, 10.0),
        ("200ms", DURATION, 0.2),
        ("200 ms", DURATION, 0.2),
        ("1e3us", DURATION, 1e-3),
        ("250µs", DURATION, 250e-6),
        ("2min", DURATION, 120.0),
        ("1h", DURATION, 3600.0),
        ("5s", LIMIT, 5.0),
        ("none", LIMIT, None),
        ("null", LIMIT, None),
        ("", LIMIT, None),
        ("offline", SCENARIO, "offline"),
        ("2", {"enum": [1, 2]}, 2),
        ("yes", {"type": "boolean"}, True),
        ("FALSE", {"type": "boolean"}, False),
        ("1", {"type": "boolean"}, True),
        ("off", {"type": "boolean"}, False),
        ("17", {"type": "string"}, "17"),
    ],
)
def test_text_is_read_as_its_schema_says(text: str, fragment: Mapping[str, Any], value: Any) -> None:
    found = read("x", text, fragment)
    assert found == pytest.approx(value) if isinstance(value, float) else found == value
    assert type(found) is type(value)


def test_what_is_typed_already_is_only_checked() -> None:
    assert read("threads", 4, THREADS) == 4
    assert read("limit", None, LIMIT) is None
    with pytest.raises(UsageError, match="threads: true is not of type integer"):
        read("threads", True, THREADS)


@pytest.mark.parametrize(
    ("text", "fragment", "message"),
    [
        ("two", THREADS, 'x: "two" is not of type integer'),
        ("2.5", THREADS, 'x: "2.5" is not of type integer'),
        ("0", THREADS, "x: 0 is less than 1"),
        ("2 samples", THREADS, 'x: "2 samples" is not of type integer'),
        ("-1s", DURATION, "x: -1.0 is less than 0"),
        ("5 parsecs", DURATION, 'x: "5 parsecs" is not of type number'),
        ("1.2.3s", DURATION, 'x: "1.2.3s" is not of type number'),
        ("nan", DURATION, "x: nan is not a number to work with"),
        ("inf", LIMIT, "x: inf is not a number to work with"),
        ("offlin", SCENARIO, 'x: "offlin" is not one of single-stream, offline'),
        ("maybe", {"type": "boolean"}, 'x: "maybe" is not of type boolean'),
        ("none", THREADS, 'x: "none" is not of type integer'),
    ],
)
def test_a_value_that_its_schema_refuses_is_a_usage_error(text: str, fragment: Mapping[str, Any], message: str) -> None:
    with pytest.raises(UsageError) as caught:
        read("x", text, fragment)
    assert caught.value.message == message
    assert caught.value.hint.startswith(("x", "did you mean"))


def test_the_hint_names_the_choices_or_the_unit() -> None:
    with pytest.raises(UsageError) as caught:
        read("scenario", "server", SCENARIO)
    assert caught.value.hint == "scenario is one of single-stream, offline"
    with pytest.raises(UsageError) as caught:
        read("scenario", "offlin", SCENARIO)
    assert caught.value.hint == "did you mean 'offline'?"
    with pytest.raises(UsageError) as caught:
        read("threads", "many", THREADS)
    assert caught.value.hint == "threads: how many threads"
    with pytest.raises(UsageError) as caught:
        read("duration", "long", DURATION)
    assert caught.value.hint == "duration in s: how long it lasts (or with a unit: ns, us, µs, ms, s, min, h)"


def test_a_path_means_what_it_means_to_the_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "me"))
    (tmp_path / "me").mkdir()
    for folder in (tmp_path, tmp_path / "me"):
        (folder / "photo.jpg").touch()
    assert read("input", "photo.jpg", INPUT) == str(tmp_path / "photo.jpg")
    assert read("input", "~/photo.jpg", INPUT) == str(tmp_path / "me" / "photo.jpg")
    assert read("input", None, {**INPUT, "type": ["string", "null"]}) is None


def test_a_path_that_is_not_there_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        read("input", str(tmp_path / "cat.jpg"), INPUT)
    assert caught.value.message == f"input: there is no file {tmp_path}/cat.jpg"
    assert caught.value.hint == "give one that is there: --input FILE"


def test_what_may_be_text_is_a_path_where_it_is_there_or_ends_as_pictures_do(tmp_path: Path) -> None:
    either = {**INPUT, "format": "path-or-text"}
    assert read("input", "A dog. It barks", either) == "A dog. It barks"
    assert read("input", "node.js", either) == "node.js"
    for name in ("cat.jpg", "cat", ""):
        with pytest.raises(UsageError, match=rf"there is no file .*{name}"):
            read("input", str(tmp_path / name), either)


BATCH = {"type": "integer", "default": 1, "description": "how many at a time", "goes-with": {"scenario": ["offline"]}}


def test_a_parameter_may_go_with_some_values_of_another_only() -> None:
    steps = [step("first", action("measure", scenario=SCENARIO, batch=BATCH))]
    assert assign(steps, {"batch": "1", "scenario": "single-stream"}, complete=True)["first"]["batch"] == 1
    assert assign(steps, {"batch": "4"}, complete=True)["first"]["batch"] == 4
    with pytest.raises(UsageError) as caught:
        assign(steps, {"batch": "4", "scenario": "single-stream"}, complete=True)
    assert caught.value.message == ("action/measure: batch 4 goes with scenario offline, and scenario is single-stream")
    assert caught.value.hint == "give --scenario offline, or leave out --batch"


MODE = {
    "enum": ["usual", "peak"],
    "default": "usual",
    "description": "what for",
    "values-go-with": {"peak": {"scenario": ["offline"]}},
}


def test_one_value_of_a_parameter_may_go_with_some_values_of_another_only() -> None:
    steps = [step("first", action("measure", scenario=SCENARIO, mode=MODE))]
    assert assign(steps, {"mode": "peak"}, complete=True)["first"]["mode"] == "peak"
    assert assign(steps, {"scenario": "single-stream"}, complete=True)["first"]["mode"] == "usual"
    with pytest.raises(UsageError) as caught:
        assign(steps, {"mode": "peak", "scenario": "single-stream"}, complete=True)
    assert caught.value.message == "action/measure: mode peak goes with scenario offline, and scenario is single-stream"
    assert caught.value.hint == "give --scenario offline, or leave out --mode"


LEVEL = {"enum": ["basic", "all"], "default": "all", "description": "level at which the model is optimised"}
SPINNING = {"type": "boolean", "default": False, "description": "let idle threads wait busily"}


def software(name: str, *aliases: str, **settings: Mapping[str, Any]) -> SoftwareDetect:
    named = {key.replace("_", "-"): fragment for key, fragment in settings.items()}
    common: Any = ("software-detect", "a0", name, "1.0.0", "", "", (), Path("x"), {})
    return SoftwareDetect(*common, predictor="predictor.py", settings=named, aliases=aliases)


FRAMEWORKS = {
    "framework": software("onnxruntime", "ort", level=LEVEL, spinning=SPINNING, scenario=LEVEL),
    "pillow": software("pillow"),
}


def settled(given: Mapping[str, Any]) -> tuple[Any, Any]:
    return settle(FRAMEWORKS, STEPS, given)


def test_a_framework_s_settings_have_their_defaults() -> None:
    assert settled({"threads": "2"}) == (
        {"framework": {"level": "all", "spinning": False, "scenario": "all"}},
        {"threads": "2"},
    )


@pytest.mark.parametrize("key", ["spinning", "framework.spinning", "onnxruntime.spinning", "ort.spinning"])
def test_what_no_step_takes_and_the_framework_knows_is_its_setting(key: str) -> None:
    settings, others = settled({key: "yes", "check.threads": 3})
    assert (settings["framework"]["spinning"], others) == (True, {"check.threads": 3})


def test_a_setting_that_a_step_takes_too_is_given_with_the_framework_s_name() -> None:
    settings, others = settled({"scenario": "offline", "framework.scenario": "basic"})
    assert (settings["framework"]["scenario"], others) == ("basic", {"scenario": "offline"})


@pytest.mark.parametrize("keys", [("level", "framework.level"), ("framework.level", "level")])
def test_a_setting_given_for_the_framework_wins(keys: tuple[str, str]) -> None:
    values = {key: "basic" if "." in key else "all" for key in keys}
    assert settled(values)[0]["framework"]["level"] == "basic"


@pytest.mark.parametrize(
    ("key", "message", "hint"),
    [
        ("spining", "--set spining: no such parameter or setting", "did you mean 'spinning'?"),
        ("thread", "--set thread: no such parameter or setting", "did you mean 'threads'?"),
        ("ort.levle", "--set ort.levle: software/onnxruntime has no such setting", "did you mean 'level'?"),
        (
            "check.spinning",
            "--set check.spinning: spinning is a setting of software/onnxruntime, the same in every step",
            "give --set framework.spinning=VALUE",
        ),
        ("framwork.level", "--set framwork.level: there is no step or role 'framwork'", "did you mean 'framework'?"),
    ],
)
def test_a_setting_that_there_is_not_is_an_error(key: str, message: str, hint: str) -> None:
    with pytest.raises(UsageError) as caught:
        settled({key: "all"})
    assert (caught.value.message, caught.value.hint) == (message, hint)


def test_a_setting_s_value_is_checked() -> None:
    with pytest.raises(UsageError, match='level: "most" is not one of basic, all'):
        settled({"level": "most"})
