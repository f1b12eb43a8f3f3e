"""cmx copy, move, remove and repo, in-process: what happens to the files, and what is never touched."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from component_files import action, dataset, model, put, put_all, uid, workflow
from git_repository import make_repository

from cmx.cli.main import main
from cmx.component_file import load
from cmx.repository import Catalog
from cmx.settings import Settings

Captured = pytest.CaptureFixture[str]


class Terminal:
    """A standard stream that somebody sits at, who types one line."""

    def __init__(self, typed: str = "") -> None:
        self.typed, self.shown = typed, ""

    def isatty(self) -> bool:
        return True

    def readline(self) -> str:
        return self.typed

    def write(self, text: str) -> int:
        self.shown += text
        return len(text)

    def flush(self) -> None:
        pass


@pytest.fixture
def zoo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: Settings) -> Path:
    """A built-in repository of a workflow and what it needs, and one of the user's."""
    root = put_all(
        tmp_path / "builtin",
        dataset("photos"),
        model("net"),
        action("measure", "{model: model}"),
        workflow("flow", "{model: 'model/net>=1', data: dataset/pictures}", "[{id: measure, action: measure}]"),
    )
    monkeypatch.setattr("cmx.repository.catalog.builtin_repository", lambda: root)
    mine = put_all(tmp_path / "mine", dataset("pictures"))
    Catalog.default(settings).add(mine)
    return mine


def said(capsys: Captured, *arguments: str, code: int = 0) -> dict[str, Any]:
    assert main([*arguments, "--json"]) == code
    document: dict[str, Any] = json.loads(capsys.readouterr().out)
    return document


def refusal(capsys: Captured, *arguments: str, code: int = 2) -> tuple[str, str]:
    error = said(capsys, *arguments, code=code)["error"]
    return error["message"], error["hint"]


def test_a_copy_has_the_same_files_and_a_uid_of_its_own(
    capsys: Captured, zoo: Path, settings: Settings, tmp_path: Path
) -> None:
    folder = tmp_path / "builtin/datasets/photos"
    (folder / "files").mkdir()
    (folder / "files/one.jpg").write_bytes(b"picture")
    (folder / ".hidden").write_text("x")
    text = dataset("photos").replace("name: photos", "name: photos   # of animals")
    (folder / "component.yaml").write_text(text)
    document = said(capsys, "copy", "photos", "animals")
    copy = load(settings.repository / "datasets/animals/component.yaml")
    assert (copy.name, copy.version) == ("animals", "1.0.0")
    assert copy.uid not in ("", uid("dataset/photos"))
    assert document["uid"] == copy.uid
    assert (copy.folder / "files/one.jpg").read_bytes() == b"picture"
    assert not (copy.folder / ".hidden").exists()
    expected = text.replace("name: photos   #", "name: animals   #").replace(uid("dataset/photos"), copy.uid)
    assert copy.file.read_text() == expected
    found = Catalog.default(settings)
    assert found.problems == []
    assert {e.name for e in found.entries("dataset")} == {"photos", "pictures", "animals"}


def test_a_copy_may_go_into_another_repository(capsys: Captured, zoo: Path) -> None:
    said(capsys, "copy", "model/net", "net2", "--repository", "mine")
    assert load(zoo / "models/net2/component.yaml").name == "net2"
    assert refusal(capsys, "copy", "net", "x", "--repository", "mien") == (
        "there is no repository 'mien'",
        "did you mean 'mine'?",
    )


@pytest.mark.parametrize("verb", ["copy", "move"])
def test_a_name_that_is_taken_or_no_name_is_refused(capsys: Captured, zoo: Path, tmp_path: Path, verb: str) -> None:
    taken = tmp_path / "builtin/datasets/photos/component.yaml"
    assert refusal(capsys, verb, "pictures", "photos") == (
        f"dataset/photos is there already: {taken}",
        "choose another name",
    )
    assert refusal(capsys, verb, "pictures", "../x")[0] == "'../x' is not a name"
    assert refusal(capsys, verb, "nothing", "x", code=3)[0] == "there is no component 'nothing'"
    assert load(zoo / "datasets/pictures/component.yaml").name == "pictures"


def test_a_name_that_yaml_would_read_as_a_number_is_quoted(capsys: Captured, zoo: Path) -> None:
    said(capsys, "move", "pictures", "2024")
    assert load(zoo / "datasets/2024/component.yaml").name == "2024"


def test_a_move_keeps_the_uid_and_names_who_still_uses_the_old_name(capsys: Captured, zoo: Path) -> None:
    document = said(capsys, "move", "pictures", "images")
    moved = load(zoo / "datasets/images/component.yaml")
    assert (moved.uid, document["uid"]) == (uid("dataset/pictures"), uid("dataset/pictures"))
    assert document["mentions"] == ["workflow/flow==1.0.0"]
    assert not (zoo / "datasets/pictures").exists()
    assert said(capsys, "show", uid("dataset/pictures"))["reference"] == "dataset/images==1.0.0"


def test_a_move_takes_all_versions_along(capsys: Captured, zoo: Path) -> None:
    for version in ("1.0.0", "1.1.0"):
        put(zoo, f"datasets/films/{version}", dataset("films", version=version))
    said(capsys, "move", "dataset/films", "movies")
    assert [load(zoo / f"datasets/movies/{v}/component.yaml").name for v in ("1.0.0", "1.1.0")] == ["movies"] * 2
    assert not (zoo / "datasets/films").exists()


def test_a_move_is_refused_where_a_version_would_keep_the_old_name(capsys: Captured, zoo: Path) -> None:
    put(zoo, "elsewhere", dataset("pictures", version="2.0.0"))
    message, _ = refusal(capsys, "move", "dataset/pictures", "images")
    assert message.startswith("dataset/pictures is also in ")
    assert {e.name for e in Catalog.default().entries("dataset")} == {"photos", "pictures"}


def test_a_component_that_is_one_line_of_yaml_is_not_rewritten(capsys: Captured, zoo: Path) -> None:
    text = "{" + ", ".join(dataset("line").strip().splitlines()) + "}"
    put(zoo, "datasets/line", text)
    message, hint = refusal(capsys, "move", "line", "other")
    assert message.endswith("line/component.yaml: no line begins with 'name:'")
    assert hint == "write it on a line of its own"
    assert (zoo / "datasets/line/component.yaml").read_text() == text


def test_a_removal_needs_yes_where_nobody_can_be_asked(capsys: Captured, zoo: Path) -> None:
    message, hint = refusal(capsys, "remove", "pictures")
    assert message == "nobody can be asked whether dataset/pictures==1.0.0 may be deleted"
    assert hint == "cmx remove dataset/pictures==1.0.0 --yes"
    assert (zoo / "datasets/pictures").is_dir()
    assert said(capsys, "remove", "pictures", "--yes")["mentions"] == ["workflow/flow==1.0.0"]
    assert not (zoo / "datasets/pictures").exists()
    assert list((zoo / "datasets").iterdir()) == []


@pytest.mark.parametrize(("typed", "code", "stays"), [("y\n", 0, False), ("\n", 130, True), ("", 130, True)])
def test_a_removal_asks_on_a_terminal(
    zoo: Path, monkeypatch: pytest.MonkeyPatch, typed: str, code: int, stays: bool
) -> None:
    shown = Terminal()
    monkeypatch.setattr(sys, "stdin", Terminal(typed))
    monkeypatch.setattr(sys, "stderr", shown)
    assert main(["remove", "pictures"]) == code
    assert f"delete {zoo / 'datasets/pictures'} (dataset/pictures==1.0.0)? [y/N]" in shown.shown
    assert (zoo / "datasets/pictures").exists() is stays


def test_of_several_versions_one_must_be_named_and_only_that_goes(capsys: Captured, zoo: Path) -> None:
    for version in ("1.0.0", "1.1.0"):
        put(zoo, f"datasets/films/{version}", dataset("films", version=version))
    message, hint = refusal(capsys, "remove", "films", "--yes")
    assert message == "dataset/films has 2 versions"
    assert "cmx remove dataset/films==1.1.0" in hint
    said(capsys, "remove", "dataset/films==1.1.0", "--yes")
    assert [path.name for path in (zoo / "datasets/films").iterdir()] == ["1.0.0"]
    said(capsys, "remove", "films", "--yes")
    assert not (zoo / "datasets/films").exists()


def test_a_folder_that_holds_another_component_is_not_removed(capsys: Captured, zoo: Path) -> None:
    put(zoo, "datasets/pictures/inner", dataset("inner"))
    message, _ = refusal(capsys, "remove", "dataset/pictures", "--yes")
    assert message.endswith("datasets/pictures also holds inner/component.yaml")
    assert (zoo / "datasets/pictures/component.yaml").is_file()


def test_what_comes_in_a_wheel_or_a_clone_is_neither_moved_nor_removed(
    capsys: Captured, zoo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shipped = tmp_path / "site-packages/cmx/_builtin"
    shipped.parent.mkdir(parents=True)
    (tmp_path / "builtin").rename(shipped)
    (shipped / "repo.yaml").write_text("schema: 1\nname: builtin\n")
    monkeypatch.setattr("cmx.repository.catalog.builtin_repository", lambda: shipped)
    origin = make_repository(tmp_path / "origin")
    origin.commit({"datasets/cloned/component.yaml": dataset("cloned")})
    said(capsys, "repo", "add", origin.url)
    for arguments in (["move", "photos", "x"], ["remove", "photos", "--yes"]):
        message, hint = refusal(capsys, *arguments)
        assert message == "dataset/photos==1.0.0 comes with cmx"
        assert hint == "make a copy of your own: cmx copy dataset/photos NEWNAME"
    for arguments in (["move", "cloned", "x"], ["remove", "cloned", "--yes"]):
        assert "belongs to the repository origin, which cmx keeps" in refusal(capsys, *arguments)[0]
    assert "not yours to write into" in refusal(capsys, "copy", "photos", "x", "--repository", "origin")[0]
    assert said(capsys, "copy", "cloned", "mine-now")["reference"] == "dataset/mine-now==1.0.0"


# cmx repo.


def test_the_list_of_repositories_shows_order_kind_revision_and_counts(
    capsys: Captured, zoo: Path, tmp_path: Path
) -> None:
    origin = make_repository(tmp_path / "origin")
    commit = origin.commit({"datasets/photos/component.yaml": dataset("photos"), "x/component.yaml": "["})
    added = said(capsys, "repo", "add", origin.url)
    assert (added["order"], added["components"], added["problems"]) == (3, 0, 2)
    listed = said(capsys, "repo", "list")["repositories"]
    shown = [(e["order"], e["name"], e["kind"], e["revision"], e["components"], e["problems"]) for e in listed]
    assert shown == [(1, "builtin", "builtin", "", 4, 0), (2, "mine", "folder", "", 1, 0), (3, *shown[2][1:])]
    assert shown[2][1:] == ("origin", "git", commit[:12], 0, 2)
    assert main(["repo", "list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["ORDER", "NAME", "KIND", "REVISION", "COMPONENTS", "PROBLEMS", "WHERE"]
    assert lines[3].split()[:6] == ["3", "origin", "git", commit[:12], "0", "2"]


def test_updating_all_goes_on_after_one_that_cannot_be_updated(capsys: Captured, zoo: Path, tmp_path: Path) -> None:
    for name in ("one", "two"):
        origin = make_repository(tmp_path / name)
        origin.commit({f"datasets/{name}/component.yaml": dataset(name)})
        root = Path(said(capsys, "repo", "add", origin.url)["path"])
        origin.commit({f"datasets/{name}/component.yaml": dataset(name, version="1.1.0")})
        if name == "one":
            (root / "notes").write_text("mine")
    document = said(capsys, "repo", "update", code=1)
    assert [each["name"] for each in document["failed"]] == ["one"]
    assert [each["name"] for each in document["updated"]] == ["two"]
    assert said(capsys, "show", "two")["reference"] == "dataset/two==1.1.0"
    assert "changes of yours (notes)" in refusal(capsys, "repo", "update", "one", code=1)[0]


def test_a_pin_and_its_end_are_shown(capsys: Captured, zoo: Path, tmp_path: Path) -> None:
    origin = make_repository(tmp_path / "origin")
    commit = origin.commit({"datasets/x/component.yaml": dataset("x")})
    said(capsys, "repo", "add", origin.url)
    assert said(capsys, "repo", "pin", "origin")["after"] == commit
    assert said(capsys, "repo", "list")["repositories"][2]["revision"] == f"{commit[:12]} (pinned)"
    assert said(capsys, "repo", "pin", "origin", "--off")["pinned"] is False
    assert refusal(capsys, "repo", "pin", "origin", commit, "--off")[0] == "cmx repo pin: a commit and --off"
    assert said(capsys, "repo", "remove", "origin")["deleted"] is True


def test_only_twenty_broken_components_are_spelt_out(capsys: Captured, zoo: Path) -> None:
    for number in range(25):
        put(zoo, f"datasets/broken-{number}", "[")
    assert main(["list"]) == 0
    out = capsys.readouterr().out
    assert out.count("broken: ") == 20
    assert "and 5 more: 'cmx list --json' names all" in out
    assert len(said(capsys, "list")["problems"]) == 25
