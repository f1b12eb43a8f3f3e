"""What other tools for reproducible benchmarks were seen to get wrong, each as a test of what cmx does instead.

The list is DECISIONS.md's, "What peers get wrong". Archives that differ each time they are packed belong to solutions.
"""

from __future__ import annotations

import io
import json
import os
import sqlite3
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import pytest
from component_files import action, component, dataset, put, put_all, workflow
from git_repository import make_repository

import cmx
from cmx.cli.main import main
from cmx.settings import Settings

ROOT = Path(cmx.__file__).parents[1]
Captured = pytest.CaptureFixture[str]


@pytest.fixture
def tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only folder on PATH. sudo, apt-get, git and whatever else asks for more than it should leave a mark."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in ("sudo", "apt-get", "apt", "dnf", "brew", "pip", "curl", "wget", "ssh"):
        script(folder / name, f"echo {name} >> {tmp_path / 'alarm'}")
    monkeypatch.setenv("PATH", str(folder))
    return folder


def script(path: Path, body: str) -> Path:
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
    return path


def said(capsys: Captured, *arguments: str, code: int = 0) -> dict[str, Any]:
    """The one JSON object of a command, which says nothing on stderr."""
    assert main([*arguments, "--json"]) == code
    out, err = capsys.readouterr()
    assert err == ""
    document: dict[str, Any] = json.loads(out)
    return document


def own(settings: Settings, *texts: str) -> Path:
    """Components of the user's own, actions with the function that they name."""
    root = put_all(settings.repository, *texts)
    for folder in (root / "actions").glob("*"):
        name = folder.name.replace("-", "_")
        (folder / "action.py").write_text(f"def {name}(context):\n    pass\n")
    return root


def detector(name: str, more: str = "", *, version: str = r"(\d+(?:\.\d+)+)") -> str:
    search = f"search: {{executables: [{name}, '{name}-[0-9.]+']}}\n"
    return component(
        "software-detect", name, f"{search}probe: {{run: ['{{path}}', --version], version: '{version}'}}\n{more}"
    )


def subprocess_of(*arguments: str, folder: Path, home: Path, **environ: str) -> subprocess.CompletedProcess[str]:
    """A program in a process of its own, in an empty folder, as a user without anything."""
    folder.mkdir(exist_ok=True)
    variables = {"HOME": str(folder), "CMX_HOME": str(home), "PYTHONPATH": str(ROOT), "PATH": "", **environ}
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env=variables,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
    )


# Solving.


def test_a_version_at_most_1_5_and_at_least_1_8_is_refused_with_three_sentences_and_two_repairs(
    settings: Settings, tools: Path, capsys: Captured
) -> None:
    """CM and MLCFlow: exit 0, and it runs with 2.0."""
    for version in ("1.4.0", "2.0.0"):
        script(tools / f"tool-{version}", f"echo tool {version}")
    own(
        settings,
        detector("tool"),
        action("old", "{tool: software/tool<=1.5}"),
        action("new", "{tool: software/tool>=1.8}"),
        workflow("both", "{}", "[{id: a, action: old}, {id: b, action: new}]"),
    )
    error = said(capsys, "resolve", "both", code=4)["error"]
    assert error["type"] == "Unsatisfiable"
    assert [fact.split(" (here:")[0] for fact in error["facts"]] == [
        "action/old needs software/tool<=1.5",
        "action/new needs software/tool>=1.8",
        "only one software/tool can be chosen",
    ]
    assert error["repairs"] == [
        "without the limit software/tool<=1.5 (then software/tool 2.0.0)",
        "without the limit software/tool>=1.8 (then software/tool 1.4.0)",
    ]


# Detection.


def test_a_tool_replaced_in_place_is_not_served_under_its_old_version(
    settings: Settings, tools: Path, capsys: Captured
) -> None:
    own(settings, detector("tool"))
    for version in ("1.0.0", "2.0.0"):
        script(tools / "new", f"echo tool {version}").replace(tools / "tool")
        assert [f["version"] for f in said(capsys, "detect", "tool")["findings"]] == [version]
    (tools / "tool").unlink()
    assert said(capsys, "detect", "tool", code=1)["findings"] == []


def test_an_explicit_path_is_not_ignored_when_something_is_cached(
    settings: Settings, tools: Path, tmp_path: Path, capsys: Captured
) -> None:
    own(settings, detector("tool"))
    script(tools / "tool", "echo tool 1.0.0")
    said(capsys, "detect", "tool")
    elsewhere = script(tmp_path / "tool", "echo tool 9.0.0")
    found = said(capsys, "detect", "tool", "--path", str(elsewhere))["findings"]
    assert [(f["version"], f["path"]) for f in found] == [("9.0.0", str(elsewhere))]


def test_a_vendors_words_around_a_version_are_read(settings: Settings, tools: Path, capsys: Captured) -> None:
    """ "Debian clang version 14.0.6" was not recognised."""
    script(tools / "clang", "echo Debian clang version 14.0.6")
    found = [f for f in said(capsys, "detect", "clang")["findings"] if f["path"] == str(tools / "clang")]
    assert [(f["name"], f["version"]) for f in found] == [("clang", "14.0.6")]


def test_what_was_found_and_does_not_serve_is_named_and_not_called_missing(
    settings: Settings, tools: Path, capsys: Captured
) -> None:
    """ "gcc not found", just after 12.2.0 was skipped."""
    script(tools / "tool", "echo tool 12.2.0")
    own(
        settings,
        detector("tool"),
        action("use", "{tool: software/tool>=99}"),
        workflow("flow", "{}", "[{id: a, action: use}]"),
    )
    message = said(capsys, "resolve", "flow", code=4)["error"]["message"]
    assert "12.2.0" in message
    assert "not found" not in message


def test_a_value_is_never_carried_out_by_a_shell(
    settings: Settings, tools: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    """``$(…)`` in a value was executed by a generated script."""
    mark = tmp_path / "executed"
    folder = tmp_path / "$(touch executed);`touch executed`"
    folder.mkdir()
    script(folder / "tool", "echo tool 1.0.0")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", f"{folder}:{tools}:/usr/bin:/bin")
    own(settings, detector("tool", "exports: {CC: '$(touch executed)'}\n"))
    assert next(f["path"] for f in said(capsys, "detect", "tool")["findings"]) == str(folder / "tool")
    said(capsys, "resolve", "image-classification", "--set", f"seed=$(touch {mark})", code=2)
    said(capsys, "repo", "add", "$(touch executed)", code=3)
    said(capsys, "repo", "add", "file:///nowhere/$(touch$IFS'executed')", code=4)
    assert not mark.exists()


# The database.


@pytest.mark.parametrize(
    "damage",
    ["schema: 1\nkind: [", dataset("photos").replace("uid: a", "uid: 1"), "\0", "- a\n- b\n", "a: &x\nb: *x\n"],
    ids=["malformed", "numeric uid", "control character", "a list", "an alias"],
)
def test_one_broken_component_breaks_no_command(settings: Settings, tools: Path, capsys: Captured, damage: str) -> None:
    own(settings, dataset("films"))
    broken = put(settings.repository, "datasets/photos", damage)
    listed = said(capsys, "list", "dataset")
    assert "dataset/films==1.0.0" in [each["reference"] for each in listed["components"]]
    assert [problem["file"] for problem in listed["problems"]] == [str(broken)]
    assert said(capsys, "find", "films")["components"]
    assert said(capsys, "show", "films")["reference"] == "dataset/films==1.0.0"
    assert "is broken" in said(capsys, "show", "dataset/photos", code=3)["error"]["message"]


def test_a_numeric_uid_says_to_write_one_that_nobody_reads_as_a_number(
    settings: Settings, tools: Path, capsys: Captured
) -> None:
    for uid in ("9433362961316e77", "1234567890123456"):
        text = dataset("photos").split("uid: ")
        put(settings.repository, "datasets/photos", f"{text[0]}uid: {uid}\n{text[1].partition(chr(10))[2]}")
        (problem,) = said(capsys, "list", "dataset")["problems"]
        assert ":3: uid: " in problem["message"]
        assert uid in problem["message"]
        assert "'cmx new' makes one" in problem["hint"]


def test_a_duplicate_uid_hides_no_other_component_and_nothing_after_its_repository_is_removed(
    settings: Settings, tools: Path, tmp_path: Path, capsys: Captured
) -> None:
    first = put_all(tmp_path / "first", dataset("photos", of="shared"))
    second = put_all(tmp_path / "second", dataset("films", of="shared"), dataset("words"))
    for root in (first, second):
        said(capsys, "repo", "add", str(root))
    listed = said(capsys, "list", "dataset")
    names = {each["reference"] for each in listed["components"]}
    assert {"dataset/photos==1.0.0", "dataset/words==1.0.0"} <= names
    assert "dataset/films==1.0.0" not in names
    assert "belongs to dataset/photos" in listed["problems"][0]["message"]
    said(capsys, "repo", "remove", "first")
    listed = said(capsys, "list", "dataset")
    assert "dataset/films==1.0.0" in {each["reference"] for each in listed["components"]}
    assert listed["problems"] == []


def test_commands_at_once_index_each_component_once(settings: Settings, tmp_path: Path) -> None:
    """Two runs at once left 6 cache entries, 3 of them indexed."""
    root = put_all(tmp_path / "zoo", *(dataset(f"d-{number}") for number in range(40)))
    program = (
        "import sys; from pathlib import Path; from cmx.repository import Catalog, Repository\n"
        "from cmx.settings import Settings\n"
        "print(len(Catalog([Repository.open(Path(sys.argv[1]))], Settings.from_environment()).entries()))\n"
    )
    environ = {**os.environ, "CMX_HOME": str(settings.home), "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", program, str(root)]
    children = [subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, text=True) for _ in range(8)]
    assert [child.communicate()[0].strip() for child in children] == ["40"] * 8
    with sqlite3.connect(settings.cache / "index.sqlite") as connection:
        assert connection.execute("select count(*), count(distinct path) from component").fetchone() == (40, 40)
    connection.close()


# Manners.


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["show", "model/nothing"], 3),
        (["show", "a0000000000000ff"], 3),
        (["find", "nothing-like-this"], 1),
        (["detect", "no-such-tool"], 3),
        (["resolve", "no-such-workflow"], 3),
        (["run", "benchmark", "no-such-workflow"], 3),
        (["remove", "model/nothing", "--yes"], 3),
        (["repo", "remove", "nothing"], 2),
        (["no-such-verb"], 2),
    ],
)
def test_what_is_not_found_never_exits_0(tools: Path, capsys: Captured, arguments: list[str], code: int) -> None:
    assert main(arguments) == code
    out, err = capsys.readouterr()
    assert (out + err).strip()


@pytest.mark.parametrize(
    "arguments", [["list"], ["show", "benchmark"], ["repo", "list"], ["show", "no/thing"], ["huh"]]
)
def test_json_is_one_object_on_stdout_and_nothing_is_on_stderr(tmp_path: Path, arguments: list[str]) -> None:
    done = subprocess_of("-m", "cmx", *arguments, "--json", folder=tmp_path / "user", home=tmp_path / "home")
    assert done.stderr == ""
    assert done.stdout.count("\n") == 1
    assert json.loads(done.stdout)["ok"] is (done.returncode == 0)


def test_nobody_is_asked_on_a_closed_stdin(settings: Settings, tmp_path: Path) -> None:
    own(settings, dataset("photos"))
    command = ["-c", "import os, sys; os.close(0); from cmx.cli.main import entry; entry()", "remove", "photos"]
    done = subprocess_of(*command, folder=tmp_path / "user", home=settings.home)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.splitlines()[-1] == "hint: cmx remove dataset/photos==1.0.0 --yes"
    assert (settings.repository / "datasets/photos").is_dir()


def test_nothing_is_installed_system_wide_and_no_program_of_that_kind_is_started(
    settings: Settings, tools: Path, tmp_path: Path, capsys: Captured
) -> None:
    """``sudo apt-get`` unasked."""
    own(
        settings,
        detector("tool", "install: [{hint: sudo apt-get install tool}]\n"),
        action("use", "{tool: software/tool}"),
        workflow("flow", "{}", "[{id: a, action: use}]"),
    )
    said(capsys, "detect", "tool", code=1)
    error = said(capsys, "resolve", "flow", code=4)["error"]
    missing = "software/tool is not on this machine, and no installer here offers it (try: sudo apt-get install tool)"
    assert missing in error["facts"], "told, not done"
    assert main(["run", "use", "flow"]) == 4
    assert not (tmp_path / "alarm").exists()


def test_no_repository_is_cloned_or_pulled_unasked(
    settings: Settings, tmp_path: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    origin = make_repository(tmp_path / "origin")
    origin.commit({"datasets/photos/component.yaml": dataset("photos")})
    said(capsys, "repo", "add", origin.url)
    folder = tmp_path / "bin"
    folder.mkdir()
    script(folder / "git", f"echo git >> {tmp_path / 'alarm'}; exit 1")
    monkeypatch.setenv("PATH", str(folder))
    origin_now = {"datasets/photos/component.yaml": dataset("photos", version="2.0.0")}
    (origin.folder / "datasets/photos/component.yaml").write_text(*origin_now.values())
    for arguments in (["list"], ["show", "photos"], ["repo", "list"], ["check"], ["resolve", "nothing"]):
        main([*arguments, "--json"])
    out = capsys.readouterr().out
    assert "dataset/photos==1.0.0" in out
    assert "dataset/photos==2.0.0" not in out
    assert not (tmp_path / "alarm").exists()


@pytest.mark.parametrize(
    "command",
    [["-c", "import cmx"], ["-m", "cmx", "--help"], ["-m", "cmx", "list"], ["-m", "cmx", "show", "nothing"]],
    ids=["import", "help", "list", "an error"],
)
def test_neither_the_home_folder_nor_the_current_one_is_written_to(tmp_path: Path, command: list[str]) -> None:
    user = tmp_path / "user"
    subprocess_of(*command, folder=user, home=tmp_path / "home")
    assert list(user.iterdir()) == []


def test_importing_cmx_writes_nothing_at_all(tmp_path: Path) -> None:
    done = subprocess_of("-c", "import cmx; cmx.Catalog; cmx.Result", folder=tmp_path / "user", home=tmp_path / "home")
    assert (done.returncode, done.stderr) == (0, "")
    assert not (tmp_path / "home").exists()


@pytest.mark.parametrize("name", ["../evil", "a/../../evil", "/evil", "a/b/../../../evil", "..\\evil", "C:/evil"])
def test_an_archive_leads_nowhere_wherever_its_dots_are(
    settings: Settings, tmp_path: Path, capsys: Captured, name: str
) -> None:
    """Extraction checked only a leading ".."."""
    archives = tmp_path / "a.zip", tmp_path / "a.tar.gz"
    with zipfile.ZipFile(archives[0], "w") as zipped:
        zipped.writestr("datasets/photos/component.yaml", dataset("photos"))
        zipped.writestr(name, "x")
    with tarfile.open(archives[1], "w:gz") as tarred:
        info = tarfile.TarInfo(name)
        info.size = 1
        tarred.addfile(info, io.BytesIO(b"x"))
    for archive in archives:
        error = said(capsys, "repo", "add", str(archive), code=1)["error"]
        assert "leads out of the archive; nothing of it was kept" in error["message"]
    assert not list(tmp_path.rglob("*evil*"))
    assert not list(settings.home.rglob("component.yaml"))


def test_results_of_the_same_second_have_folders_of_their_own(settings: Settings) -> None:
    """Experiments that were started in the same second shared a folder and recorded nothing."""
    from cmx.results import Database, Result

    database = Database(settings)
    assert len({database.folder(Result.new_id()) for _ in range(200)}) == 200
