"""The command line in-process: answers on stdout, stories and errors on stderr, exit codes, and JSON."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from component_files import action, dataset, model, package, put, put_all, workflow

import cmx
from cmx.cli.main import VERBS, main
from cmx.settings import Settings

GOLDEN = Path(__file__).parents[1] / "cases" / "golden"
ROOT = Path(cmx.__file__).parents[1]
Captured = pytest.CaptureFixture[str]


def error_of(capsys: Captured, *arguments: str, code: int) -> list[str]:
    """The lines on stderr of a command that fails and answers nothing."""
    assert main(arguments) == code
    out, err = capsys.readouterr()
    assert out == ""
    return err.splitlines()


def answer_of(capsys: Captured, *arguments: str, code: int = 0) -> str:
    """What a command prints on stdout, with nothing on stderr."""
    assert main(arguments) == code
    out, err = capsys.readouterr()
    assert err == ""
    return out


def json_of(capsys: Captured, *arguments: str, code: int = 0) -> dict[str, Any]:
    """The one JSON object that a command prints."""
    out = answer_of(capsys, *arguments, "--json", code=code)
    assert out.endswith("\n")
    assert out.count("\n") == 1
    document: dict[str, Any] = json.loads(out)
    assert document["schema"] == 1
    assert document["ok"] is (code == 0)
    return document


@pytest.fixture
def zoo(tmp_path: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A catalog of a few small components and nothing else."""
    root = put_all(
        tmp_path / "zoo",
        dataset("photos", tags="[images, small]"),
        dataset("sounds"),
        model("net", licence="Apache-2.0", tags="[images]"),
        package("runner", formats="[onnx]"),
        action(
            "measure", "{model: model}", "parameters: {threads: {type: integer, default: 1, description: Threads}}\n"
        ),
        workflow("flow", "{model: model/net>=1}", "[{id: measure, action: measure}]"),
    )
    put(root, "photos-2", dataset("photos", version="1.1.0", tags="[images]"))
    (root / "repo.yaml").write_text("schema: 1\nname: zoo\ndescription: For tests\n")
    monkeypatch.setattr("cmx.repository.catalog.builtin_repository", lambda: root)
    return root


def golden(name: str, text: str, *paths: tuple[Path, str]) -> None:
    """Hold an output against tests/cases/golden; CMX_GOLDEN=write writes it instead."""
    for path, word in paths:
        text = text.replace(str(path), word)
    file = GOLDEN / name
    if os.environ.get("CMX_GOLDEN") == "write":
        file.parent.mkdir(exist_ok=True)
        file.write_text(text, encoding="utf-8")
    assert text == file.read_text(encoding="utf-8")


REPOSITORY_SOURCES = "cmx repo add FOLDER | GIT-URL[@branch|tag|commit] | FILE.zip|.tar.gz"


# Golden outputs.


def test_help_is_as_kept(capsys: Captured) -> None:
    golden("help.txt", answer_of(capsys, "--help"))


@pytest.mark.parametrize(
    "command",
    ["list", "list dataset", "list --tag images", "find images net", "show model/net", "repo list"],
)
def test_the_answer_is_as_kept(capsys: Captured, zoo: Path, command: str) -> None:
    name = command.replace(" ", "-").replace("/", "-").replace("---", "-")
    golden(f"{name}.txt", answer_of(capsys, *command.split()), (zoo, "ZOO"))
    document = json_of(capsys, *command.split())
    golden(f"{name}.json", json.dumps(document, indent=2) + "\n", (zoo, "ZOO"))


def test_a_broken_component_is_listed_with_its_remedy_and_the_others(capsys: Captured, zoo: Path) -> None:
    put(zoo, "datasets/words", dataset("words").replace("format:", "fromat:"))
    golden("list-broken.txt", answer_of(capsys, "list", "dataset"), (zoo, "ZOO"))
    document = json_of(capsys, "list", "dataset")
    golden("list-broken.json", json.dumps(document, indent=2) + "\n", (zoo, "ZOO"))


def test_every_kept_answer_has_a_test_that_makes_it() -> None:
    assert len(list(GOLDEN.glob("*.txt"))) == 8
    assert len(list(GOLDEN.glob("*.json"))) == 7


# Help, version, usage.


def test_no_arguments_show_the_overview_and_are_a_usage_error(capsys: Captured) -> None:
    assert answer_of(capsys, code=2).startswith("usage: cmx VERB")


@pytest.mark.parametrize("option", ["-V", "--version"])
def test_the_version_is_printed(capsys: Captured, option: str) -> None:
    assert answer_of(capsys, option) == f"cmx {cmx.__version__}\n"


@pytest.mark.parametrize("verb", VERBS)
def test_each_verb_explains_itself(capsys: Captured, verb: str) -> None:
    text = answer_of(capsys, verb, "--help")
    assert text.startswith(f"usage: cmx {verb}")
    assert "None" not in text


@pytest.mark.parametrize("verb", VERBS)
def test_each_verb_names_an_unknown_option(capsys: Captured, verb: str) -> None:
    for given in ([verb, "--jsno"], [verb, "--jsno", "x", "y", "z"]):
        document = json.loads(answer_of(capsys, *given, "--json", code=2))
        assert document["error"]["type"] == "UsageError"
        assert document["error"]["message"].startswith(f"cmx {verb}")
        assert document["error"]["hint"]


def test_the_parameters_of_an_action_are_options(capsys: Captured, zoo: Path) -> None:
    assert "--threads" in answer_of(capsys, "run", "measure", "--help")
    assert "--threads" not in answer_of(capsys, "run", "--help")


@pytest.mark.parametrize(
    ("command", "code", "error", "hint"),
    [
        ("lsit", 2, "there is no verb 'lsit'", "did you mean 'list'? ('cmx --help' lists all)"),
        ("list --tagg x", 2, "cmx list: unknown option --tagg", "did you mean '--tag'?"),
        ("list modle", 2, "there is no kind 'modle'", "did you mean 'model'?"),
        ("list dataset x", 2, "cmx list: unexpected argument 'x'", "see cmx list --help"),
        (
            "run benchmark --offline voice-activity",
            2,
            "cmx run: unexpected argument 'voice-activity'",
            "it comes before the options; see cmx run --help",
        ),
        (
            "run --scenario offline",
            2,
            "cmx run: unknown option --scenario",
            "the action comes first, and brings its options: cmx run benchmark --scenario; see cmx run --help",
        ),
        (
            "solution run benchmark x.cmx.zip --duration 1s",
            2,
            "cmx solution run: unknown option --duration",
            "parameters of the action come after --; see cmx solution run --help",
        ),
        ("result list --framwork x", 2, "cmx result list: unknown option --framwork", "did you mean '--framework'?"),
        ("show", 2, "cmx show: the following arguments are required: reference", "see cmx show --help"),
        ("show model/nte", 3, "there is no model/nte", "did you mean 'net'?"),
        ("show nte", 3, "there is no component 'nte'", "did you mean 'net'?"),
        ("show modle/net", 2, "'modle/net': unknown kind 'modle'", "did you mean 'model'?"),
        ("show model/net>=2", 3, "no version of model/net is >=2", "there is 1.0.0"),
        ("resolve flw", 3, "there is no workflow/flw", "did you mean 'flow'?"),
        ("resolve flow --set thread=2", 2, "--set thread: no such parameter or setting", "did you mean 'threads'?"),
        ("resolve flow --set threads", 2, "--set threads: expected KEY=VALUE", "as in --set threads=value"),
        ("resolve flow --set a=1 --set a=2", 2, "--set a is given twice", "keep one of the two"),
        ("resolve flow --use modl=net", 2, "--use modl=net: there is no role 'modl'", "did you mean 'model'?"),
        ("resolve flow --action mesure", 2, "workflow/flow has no step for action 'mesure'", "did you mean 'measure'?"),
        ("new modle mine", 2, "there is no kind 'modle'", "did you mean 'model'?"),
        (
            "new model Mine",
            2,
            "'Mine' is not a name",
            "a name is lower-case letters, digits, '.', '_', '-'; at most 80",
        ),
        ("new model mine --repository biultin", 2, "there is no repository 'biultin'", "did you mean 'builtin'?"),
        ("check nowhere", 2, "nowhere: there is no such file or folder", "cmx check FOLDER"),
        ("check component.yaml", 2, "component.yaml: there is no such file or folder", "cmx check FOLDER"),
        ("repo remove zoo", 2, "no added repository 'zoo'", "there is none"),
        ("repo add nowhere", 3, "nowhere: there is no such folder", REPOSITORY_SOURCES),
        (
            "repo",
            2,
            "cmx repo: the following arguments are required: list | add | update | pin | remove",
            "see cmx repo --help",
        ),
        ("detect rnner", 3, "there is no software-detect/rnner", "did you mean 'runner'?"),
        ("detect --path /bin/ls", 2, "--path goes with one NAME", "cmx detect gcc --path /opt/gcc/bin/gcc"),
    ],
)
def test_an_error_is_two_lines_and_an_exit_code(
    capsys: Captured, zoo: Path, command: str, code: int, error: str, hint: str
) -> None:
    words = command.split()
    found = error_of(capsys, *words, code=code)
    assert [line.replace(f"{Path.cwd()}/", "") for line in found] == [f"error: {error}", f"hint: {hint}"]


def test_a_home_that_is_a_file_is_refused(capsys: Captured, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("CMX_HOME", str(tmp_path / "file"))
    found = error_of(capsys, "list", code=2)
    assert found[0] == f"error: CMX_HOME: {tmp_path / 'file'} is a file"
    monkeypatch.setenv("CMX_HOME", str(tmp_path / "file" / "home"))
    assert error_of(capsys, "doctor", code=2) == found


@pytest.mark.parametrize(("word", "owner"), [("--input", "run"), ("--duration=1", "benchmark")])
def test_an_option_in_the_place_of_its_action_is_told_which_that_is(capsys: Captured, word: str, owner: str) -> None:
    found = error_of(capsys, "run", word, code=2)
    assert found[1] == f"hint: the action that brings it comes first: cmx run {owner} {word}"


def test_an_action_given_as_a_verb_is_told_what_runs_it(capsys: Captured) -> None:
    found = error_of(capsys, "benchmark", "image-classification", code=2)
    assert found[1] == "hint: did you mean 'cmx run benchmark'? ('cmx --help' lists all)"


def test_an_error_in_json_is_one_object_with_type_message_and_hint(capsys: Captured, zoo: Path) -> None:
    document = json_of(capsys, "show", "model/nte", code=3)
    assert document["error"] == {
        "type": "ComponentNotFound",
        "message": "there is no model/nte",
        "hint": "did you mean 'net'?",
    }


def test_a_traceback_is_shown_only_when_asked_for(capsys: Captured, zoo: Path) -> None:
    assert main(["show", "model/nte", "--debug"]) == 3
    assert "Traceback" in capsys.readouterr().err
    assert main(["show", "model/nte"]) == 3
    assert "Traceback" not in capsys.readouterr().err


def test_options_of_every_verb_may_stand_before_it(capsys: Captured, zoo: Path) -> None:
    assert json.loads(answer_of(capsys, "--json", "list")) == json_of(capsys, "list")


def test_what_nobody_foresaw_is_two_lines_too(capsys: Captured, zoo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pathlib.Path.read_text", lambda *_, **__: 1 // 0)
    assert error_of(capsys, "show", "model/net", code=1) == [
        "error: ZeroDivisionError: integer division or modulo by zero",
        "hint: a fault of cmx: report it with what --debug prints",
    ]


def test_ctrl_c_is_exit_code_130(capsys: Captured, zoo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object, **__: object) -> str:
        raise KeyboardInterrupt

    monkeypatch.setattr("pathlib.Path.read_text", interrupt)
    assert error_of(capsys, "show", "model/net", code=130) == ["error: interrupted"]


# Verbs.


def test_a_kind_may_be_written_in_the_plural(capsys: Captured, zoo: Path) -> None:
    assert answer_of(capsys, "list", "datasets") == answer_of(capsys, "list", "dataset")


def test_finding_nothing_is_exit_code_1(capsys: Captured, zoo: Path) -> None:
    assert answer_of(capsys, "find", "nonsense", code=1) == "no component matches\n"
    assert json_of(capsys, "find", "nonsense", code=1)["components"] == []


def test_a_component_is_shown_by_name_version_or_uid(capsys: Captured, zoo: Path) -> None:
    by_reference = json_of(capsys, "show", "dataset/photos==1.0.0")
    assert by_reference["file"] == str(zoo / "datasets/photos/component.yaml")
    assert by_reference["component"]["tags"] == ["images", "small"]
    newest = json_of(capsys, "show", "photos")
    assert newest["reference"] == "dataset/photos==1.1.0"
    assert json_of(capsys, "show", newest["component"]["uid"]) == newest


def test_a_name_that_several_kinds_have_is_asked_back(capsys: Captured, zoo: Path) -> None:
    put_all(zoo, model("photos"))
    assert error_of(capsys, "show", "photos", code=3) == [
        "error: 'photos' may be several",
        "hint: dataset/photos or model/photos",
    ]


def test_a_new_component_is_listed_and_checked(capsys: Captured, zoo: Path, settings: Settings) -> None:
    file = Path(json_of(capsys, "new", "workflow", "mine")["file"])
    assert file == settings.repository / "workflows" / "mine" / "component.yaml"
    assert "workflow/mine" in answer_of(capsys, "list", "workflow")
    text = answer_of(capsys, "new", "software-detect", "tool")
    folder = settings.repository / "software-detect" / "tool"
    assert text == f"{folder / 'component.yaml'}\nedit it, then: cmx check {folder}\n"
    assert answer_of(capsys, "check", str(folder)) == "1 component checked, 0 faults\n"
    assert answer_of(capsys, "check", str(folder / "component.yaml")) == "1 component checked, 0 faults\n"
    assert error_of(capsys, "new", "workflow", "mine", code=2)[0].endswith("mine is there already")


def test_a_new_component_may_go_into_another_repository(capsys: Captured, zoo: Path, tmp_path: Path) -> None:
    (tmp_path / "shed").mkdir()
    main(["repo", "add", str(tmp_path / "shed")])
    capsys.readouterr()
    file = json_of(capsys, "new", "model", "mine", "--repository", "shed")["file"]
    assert file == str(tmp_path / "shed/models/mine/component.yaml")


def test_checking_names_each_fault_and_is_exit_code_3(capsys: Captured, zoo: Path) -> None:
    put(zoo, "datasets/words", "schema: [")
    text = answer_of(capsys, "check", str(zoo / "datasets"), code=3)
    assert text.splitlines()[-1] == "2 components checked, 3 faults"
    assert f"broken: {zoo}/datasets/photos/component.yaml: files is not there" in text
    document = json_of(capsys, "check", str(zoo / "datasets"), code=3)
    assert document["checked"] == 2
    assert [Path(fault["file"]).parent.name for fault in document["faults"]] == ["photos", "sounds", "words"]
    assert set(document["faults"][0]) == {"file", "message", "hint"}


def test_checking_what_is_no_component_is_an_error(capsys: Captured, zoo: Path) -> None:
    empty, other = zoo / "empty", zoo / "net.onnx"
    empty.mkdir()
    other.write_text("")
    gone = empty / "component.yaml"
    assert error_of(capsys, "check", str(gone), code=2)[0] == f"error: {gone}: there is no such file or folder"
    assert error_of(capsys, "check", str(other), code=2)[0].endswith("a component is a folder with a component.yaml")
    assert error_of(capsys, "check", str(empty), code=3)[0] == f"error: no component in {empty}"


def test_checking_notes_a_model_that_could_not_be_packed(capsys: Captured, zoo: Path, settings: Settings) -> None:
    text = answer_of(capsys, "new", "model", "mine")
    assert "edit it, its license too (what is unstated is not shared), then: cmx check" in text
    file = settings.repository / "models/mine/component.yaml"
    folder = file.parent
    (folder / "model.onnx").write_bytes(b"a network")
    text = file.read_text(encoding="utf-8").replace("requires: {labels: dataset/imagenet-1k-classes}", "")
    text = text.replace("imagenet-photos", "photos")
    file.write_text(text, encoding="utf-8")
    document = json_of(capsys, "check", str(folder))
    assert (document["checked"], document["faults"]) == (1, [])
    [note] = document["notes"]
    assert note["message"].startswith(f"{file}: license: is not stated, and model.onnx lies beside it")
    assert answer_of(capsys, "check", str(folder)).startswith("note: ")
    file.write_text(text.replace("license: unstated", "license: MIT"), encoding="utf-8")
    assert answer_of(capsys, "check", str(folder)) == "1 component checked, 0 faults\n"


def test_a_repository_is_added_listed_and_removed(capsys: Captured, zoo: Path, tmp_path: Path) -> None:
    put_all(tmp_path / "shed", dataset("words"))
    added = json_of(capsys, "repo", "add", str(tmp_path / "shed"), "--name", "mine")
    place = {"order": 2, "name": "mine", "kind": "folder", "path": str(tmp_path / "shed"), "source": "", "revision": ""}
    counts = {"components": 1, "problems": 0, "description": ""}
    assert added == {"schema": 1, "ok": True, **place, **counts}
    assert [each["name"] for each in json_of(capsys, "repo", "list")["repositories"]] == ["builtin", "mine"]
    assert "dataset/words" in answer_of(capsys, "list")
    removed = answer_of(capsys, "repo", "remove", "mine")
    assert removed == f"removed mine from the catalog; {tmp_path / 'shed'} is left as it is\n"
    assert "dataset/words" not in answer_of(capsys, "list")
    assert (tmp_path / "shed/datasets/words/component.yaml").is_file()


def test_detecting_what_is_not_there_is_exit_code_1(capsys: Captured, zoo: Path) -> None:
    text = "search: {executables: [no-such-tool-at-all]}\nprobe: {run: ['{path}', --version], version: '(.*)'}\n"
    put(zoo, "tool", dataset("tool").replace("dataset", "software-detect").split("format:")[0] + text)
    assert answer_of(capsys, "detect", "tool", code=1).splitlines()[:1] == ["nothing found"]
    document = json_of(capsys, "detect", "tool", code=1)
    assert document["findings"] == []


def test_detecting_shows_version_and_path(capsys: Captured, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tool = tmp_path / "bin" / "git"
    tool.parent.mkdir()
    tool.write_text("#!/bin/sh\necho git version 2.39.5\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", str(tool.parent))
    found = json_of(capsys, "detect", "git", "--path", str(tool))["findings"]
    assert [(each["version"], each["path"]) for each in found] == [("2.39.5", str(tool))]
    assert str(tool) in answer_of(capsys, "detect", "git")


def test_the_doctor_looks_at_everything(capsys: Captured, zoo: Path) -> None:
    document = json.loads(_printed(capsys, main(["doctor", "--json"])))
    assert [check["name"] for check in document["checks"]] == ["command", "home", "disk", "uv", "loadgen", "components"]
    assert all(isinstance(check["ok"], bool) and check["text"] for check in document["checks"])


def test_the_doctor_finds_a_broken_component(capsys: Captured, zoo: Path) -> None:
    put(zoo, "broken", "[")
    assert main(["doctor"]) == 1
    line = next(line for line in capsys.readouterr().out.splitlines() if line.startswith("components"))
    assert line.split()[:4] == ["components", "PROBLEM", "1", "broken"]


def _printed(capsys: Captured, code: int) -> str:
    assert code in (0, 1)
    return capsys.readouterr().out


# Resolving without a network: everything lies in the store or is not there.


def test_resolving_offline_says_what_is_missing_and_is_exit_code_4(capsys: Captured) -> None:
    document = json_of(capsys, "resolve", "image-classification", "--offline", "--without", "onnxruntime", code=4)
    assert document["error"]["type"] in ("Unsatisfiable", "Unavailable")
    assert "--offline forbids fetching it" in document["error"]["message"]


def test_a_workflow_that_needs_no_framework_is_resolved(capsys: Captured, zoo: Path) -> None:
    text = answer_of(capsys, "resolve", "flow", "--offline")
    assert text.splitlines()[0] == "workflow/flow==1.0.0"
    assert "model/net==1.0.0 [onnx]" in text
    assert "because" in answer_of(capsys, "resolve", "flow", "--offline", "--explain")
    plan = json_of(capsys, "resolve", "flow", "--offline", "--set", "threads=2")["plan"]
    assert plan["pins"]["model"]["source"] == "stored"
    assert plan["steps"][0]["parameters"] == {"threads": 2}


# JSON in, JSON out.


def test_access_lists_finds_and_shows(capsys: Captured, zoo: Path) -> None:
    def access(**request: Any) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(answer_of(capsys, "access", json.dumps(request)))
        assert (found.pop("schema"), found.pop("ok")) == (1, True)
        assert cmx.access(request) == {"schema": 1, "ok": True, **found}
        return found

    assert [each["reference"] for each in access(action="list", kind="model")["components"]] == ["model/net==1.0.0"]
    assert len(access(action="list", tags=["images"])["components"]) == 3
    assert [each["reference"] for each in access(action="find", words="sounds")["components"]] == [
        "dataset/sounds==1.0.0"
    ]
    assert access(action="show", component="model/net")["component"]["license"] == "Apache-2.0"
    assert access(action="result")["results"] == []


@pytest.mark.parametrize(
    ("request_", "code", "message", "hint"),
    [
        ("{", 2, "the request is not JSON: ", 'as in {"action": "benchmark"}'),
        ("[]", 2, "the request is not a JSON object", 'as in {"action": "benchmark"}'),
        ("{}", 2, "the request has no 'action'", 'as in {"action": "benchmark"}'),
        ('{"action": "list", "knd": "model"}', 2, "unknown key 'knd'", "did you mean 'kind'?"),
        ('{"action": "list", "kind": "modle"}', 2, "there is no kind 'modle'", "did you mean 'model'?"),
        ('{"action": "list", "tags": "a"}', 2, "'tags' is not a list: 'a'", 'as in {"tags": ["mobile"]}'),
        ('{"action": "measure", "workflw": "flow"}', 2, "unknown key 'workflw'", "did you mean 'workflow'?"),
        ('{"action": "measure", "workflow": "flow", "set": 1}', 2, "'set' is not an object", 'as in {"set": '),
        ('{"action": "measure", "workflow": "flow", "seed": true}', 2, "'seed' is not a whole number: True", "as in"),
        ('{"action": "measure", "workflow": "flw"}', 3, "there is no workflow/flw", "did you mean 'flow'?"),
        ("@nowhere.json", 2, "nowhere.json: No such file or directory", "cmx access @FILE"),
    ],
)
def test_a_bad_request_is_one_json_object(
    capsys: Captured, zoo: Path, request_: str, code: int, message: str, hint: str
) -> None:
    document = json.loads(answer_of(capsys, "access", request_, code=code))
    assert (document["schema"], document["ok"]) == (1, False)
    assert document["error"]["message"].startswith(message)
    assert document["error"]["hint"].startswith(hint)


def test_a_request_may_come_from_a_file_or_from_standard_input(
    capsys: Captured, zoo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = '{"action": "list"}'
    (tmp_path / "request.json").write_text(request)
    monkeypatch.setattr(sys, "stdin", io.StringIO(request))
    answers = [answer_of(capsys, "access", each) for each in (request, f"@{tmp_path}/request.json", "-")]
    assert answers[0] == answers[1] == answers[2]
    monkeypatch.setattr(sys, "stdin", None)
    assert main(["access", "-"]) == 2


# As a process.


def cmx_process(*arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "cmx", *arguments], text=True, cwd=ROOT, timeout=60, **options)


def test_a_reader_that_leaves_early_is_no_error() -> None:
    command = f'"{sys.executable}" -m cmx list --json | head -c 1; "{sys.executable}" -m cmx --help | true'
    done = subprocess.run(["/bin/sh", "-c", command], capture_output=True, text=True, cwd=ROOT)
    assert (done.stdout, done.stderr) == ("{", "")


def test_a_closed_stdin_is_no_hindrance() -> None:
    done = cmx_process("list", "workflow", capture_output=True, stdin=subprocess.DEVNULL)
    assert (done.returncode, done.stderr) == (0, "")
    command = ["/bin/sh", "-c", f'exec "{sys.executable}" -m cmx list workflow <&-']
    assert subprocess.run(command, capture_output=True, text=True, cwd=ROOT).stdout == done.stdout


def test_nothing_is_written_into_the_working_folder(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    folder = tmp_path / "here"
    folder.mkdir()
    subprocess.run([sys.executable, "-m", "cmx", "list"], cwd=folder, env=environment, capture_output=True, check=True)
    assert list(folder.iterdir()) == []
