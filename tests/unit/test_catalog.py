"""Several repositories as one catalog, and the index that spares reading what did not change."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from component_files import dataset, model, package, put, put_all, uid

from cmx.component import Dataset
from cmx.errors import ComponentInvalid, ComponentNotFound, UsageError
from cmx.reference import Reference
from cmx.repository import Catalog, Repository
from cmx.settings import Settings

PHOTOS = Reference("dataset", "photos")


def catalog(settings: Settings, *roots: Path) -> Catalog:
    return Catalog([Repository.open(root) for root in roots], settings)


def references(found: Catalog, kind: str = "") -> list[str]:
    return [entry.reference for entry in found.entries(kind)]


def change(file: Path, text: str) -> None:
    """Write a file so that its time of change is another, whatever the clock's grain."""
    before = file.stat().st_mtime_ns
    file.write_text(text, encoding="utf-8")
    os.utime(file, ns=(before + 10**9, before + 10**9))


def falsify(settings: Settings, column: str, value: str) -> None:
    """Change what the index says, so that a test sees whether it was asked."""
    with sqlite3.connect(settings.cache / "index.sqlite") as connection:
        connection.execute(f"update component set {column} = ?", [value])
    connection.close()


# Searching.


def test_components_come_by_kind_and_name_and_the_newest_first(settings: Settings, tmp_path: Path) -> None:
    for version in ("1.9.0", "1.10.0", "1.10.0rc1"):
        put(tmp_path, f"photos/{version}", dataset("photos", version=version))
    put_all(tmp_path, model("net"), dataset("audio"))
    assert references(catalog(settings, tmp_path)) == [
        "dataset/audio==1.0.0",
        "dataset/photos==1.10.0",
        "dataset/photos==1.10.0rc1",
        "dataset/photos==1.9.0",
        "model/net==1.0.0",
    ]


def test_the_newest_version_that_a_reference_admits_is_found(settings: Settings, tmp_path: Path) -> None:
    for version in ("1.9.0", "1.10.0", "2.0.0rc1"):
        put(tmp_path, f"photos/{version}", dataset("photos", version=version))
    found = catalog(settings, tmp_path)
    assert found.find(PHOTOS).version == "1.10.0"
    assert found.find(Reference("dataset", "photos", "<1.10")).version == "1.9.0"
    assert found.find(Reference("dataset", "photos", "==2.0.0rc1")).version == "2.0.0rc1"
    assert [each.version for each in found.versions(PHOTOS)] == ["1.10.0", "1.9.0"]


def test_the_newest_is_found_whatever_the_order_of_repositories(settings: Settings, tmp_path: Path) -> None:
    put_all(tmp_path / "a", dataset("photos", version="1.0.0"))
    put_all(tmp_path / "b", dataset("photos", version="1.1.0"))
    assert catalog(settings, tmp_path / "a", tmp_path / "b").find(PHOTOS).version == "1.1.0"


def test_of_one_version_in_two_repositories_the_earlier_is_used_and_the_other_named(
    settings: Settings, tmp_path: Path
) -> None:
    for name in ("a", "b"):
        put_all(tmp_path / name, dataset("photos"))
    found = catalog(settings, tmp_path / "b", tmp_path / "a")
    assert found.find(PHOTOS).file.is_relative_to(tmp_path / "b")
    hidden, used = (tmp_path / name / "datasets/photos/component.yaml" for name in ("a", "b"))
    assert [problem.message for problem in found.problems] == [f"{hidden}: dataset/photos==1.0.0 is hidden by {used}"]
    assert found.problems[0].hint == "raise its version, or rename one of the two"


def test_removing_a_repository_brings_back_what_it_hid(settings: Settings, tmp_path: Path) -> None:
    for name in ("a", "b"):
        put_all(tmp_path / name, dataset("photos"))
    Catalog.default(settings).add(tmp_path / "a")
    Catalog.default(settings).add(tmp_path / "b")
    assert len(Catalog.default(settings).problems) == 1
    Catalog.default(settings).remove("a")
    found = Catalog.default(settings)
    assert found.find(PHOTOS).file.is_relative_to(tmp_path / "b")
    assert found.problems == []


def test_a_uid_of_another_component_is_named_and_hides_neither_that_one_nor_any_other(
    settings: Settings, tmp_path: Path
) -> None:
    put_all(tmp_path, dataset("audio"), dataset("photos", of="dataset/audio"), dataset("words"))
    found = catalog(settings, tmp_path)
    assert references(found) == ["dataset/audio==1.0.0", "dataset/words==1.0.0"]
    files = {name: tmp_path / f"datasets/{name}/component.yaml" for name in ("audio", "photos")}
    message = f"{files['photos']}: uid {uid('dataset/audio')} belongs to dataset/audio ({files['audio']})"
    assert [problem.message for problem in found.problems] == [message]
    with pytest.raises(ComponentNotFound) as caught:
        found.find(PHOTOS)
    assert caught.value.message == f"dataset/photos is broken: {message}"
    assert caught.value.hint == "give it a uid of its own: 'cmx new' makes one"


def test_versions_of_one_component_share_its_uid(settings: Settings, tmp_path: Path) -> None:
    for version in ("1.0.0", "1.1.0"):
        put(tmp_path, f"photos/{version}", dataset("photos", version=version))
    found = catalog(settings, tmp_path)
    assert found.problems == []
    newest = found.by_uid(uid("dataset/photos"))
    assert newest is not None
    assert newest.version == "1.1.0"
    assert found.by_uid("a000000000000000") is None


def test_a_broken_component_never_hides_the_others(settings: Settings, tmp_path: Path) -> None:
    put_all(tmp_path, dataset("photos"))
    broken = put(tmp_path, "datasets/audio", "schema: 1\nkind: [\n")
    found = catalog(settings, tmp_path)
    assert references(found) == ["dataset/photos==1.0.0"]
    assert [problem.file for problem in found.problems] == [broken]
    with pytest.raises(ComponentNotFound, match=f"dataset/audio is broken: {broken}:"):
        found.find(Reference("dataset", "audio"))


def test_a_misspelt_name_gives_the_nearest(settings: Settings, tmp_path: Path) -> None:
    put_all(tmp_path, dataset("photos"), package("numpy"))
    found = catalog(settings, tmp_path)
    for reference, message, hint in (
        (Reference("dataset", "photo"), "there is no dataset/photo", "did you mean 'photos'?"),
        (Reference("model", "net"), "there is no model/net", "there is none"),
        (Reference("software", "numpy"), "there is no software/numpy", "did you mean 'software-detect/numpy'?"),
        (Reference("dataset", "photos", ">=2"), "no version of dataset/photos is >=2", "there is 1.0.0"),
    ):
        with pytest.raises(ComponentNotFound) as caught:
            found.find(reference)
        assert (caught.value.message, caught.value.hint) == (message, hint)


def test_entries_are_chosen_by_all_of_some_tags(settings: Settings, tmp_path: Path) -> None:
    put_all(tmp_path, dataset("photos", tags="[images, small]"), dataset("films", tags="[images]"))
    found = catalog(settings, tmp_path)
    assert [entry.name for entry in found.entries(tags=["images"])] == ["films", "photos"]
    assert [entry.name for entry in found.entries(tags=["images", "small"])] == ["photos"]
    assert found.entries("model", ["images"]) == []


def test_words_are_searched_in_name_tags_and_description(settings: Settings, tmp_path: Path) -> None:
    put_all(tmp_path, dataset("photos", tags="[images]"), dataset("films"))
    found = catalog(settings, tmp_path)
    assert [entry.name for entry in found.search(["IMAGES"])] == ["photos"]
    assert [entry.name for entry in found.search(["the dataset", "film"])] == ["films"]
    assert found.search(["nothing"]) == []


def test_a_component_comes_back_from_the_index_as_it_was_read(settings: Settings, tmp_path: Path) -> None:
    put_all(tmp_path, dataset("photos", tags="[images]"))
    first, second = (catalog(settings, tmp_path).find(PHOTOS) for _ in range(2))
    assert isinstance(second, Dataset)
    assert first == second
    assert first.document == second.document
    assert first.digest == second.digest


# Repositories.


def test_a_folder_without_repo_yaml_is_a_repository_of_its_own_name(tmp_path: Path) -> None:
    assert Repository.open(tmp_path).name == tmp_path.name


def test_a_repository_is_only_the_folders_it_names(settings: Settings, tmp_path: Path) -> None:
    put_all(tmp_path, dataset("photos"), model("net"))
    (tmp_path / "repo.yaml").write_text("schema: 1\nname: mine\nfolders: [models]\n")
    assert references(catalog(settings, tmp_path)) == ["model/net==1.0.0"]
    assert Repository.open(tmp_path).name == "mine"


def test_hidden_folders_and_those_of_other_tools_are_left_out(settings: Settings, tmp_path: Path) -> None:
    for folder in (".git/photos", "node_modules/photos", "x/site-packages/photos"):
        put(tmp_path, folder, dataset("photos"))
    assert references(catalog(settings, tmp_path)) == []


def test_a_symbolic_link_to_a_folder_is_not_followed(settings: Settings, tmp_path: Path) -> None:
    put_all(tmp_path / "real", dataset("photos"))
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "linked").symlink_to(tmp_path / "real")
    (tmp_path / "mine" / "circle").symlink_to(tmp_path / "mine")
    assert references(catalog(settings, tmp_path / "mine")) == []


def test_a_folder_whose_name_is_not_text_is_left_out(settings: Settings, tmp_path: Path) -> None:
    put(tmp_path, os.fsdecode(b"\xff"), dataset("photos"))
    put_all(tmp_path, model("net"))
    assert references(catalog(settings, tmp_path)) == ["model/net==1.0.0"]


def test_the_default_catalog_is_the_built_in_then_the_users_own_then_the_added(
    settings: Settings, tmp_path: Path
) -> None:
    put_all(settings.repository, dataset("own"))
    put_all(tmp_path / "zoo", dataset("added"))
    Catalog.default(settings).add(tmp_path / "zoo")
    found = Catalog.default(settings)
    assert [repository.name for repository in found.repositories] == ["builtin", "local", "zoo"]
    assert {"dataset/own==1.0.0", "dataset/added==1.0.0", "dataset/imagenet-photos==1.0.0"} <= set(references(found))


def test_a_repository_is_added_once(settings: Settings, tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name / "zoo").mkdir(parents=True)
    Catalog.default(settings).add(tmp_path / "one" / "zoo")
    with pytest.raises(UsageError, match="zoo is in the catalog already"):
        Catalog.default(settings).add(tmp_path / "one" / ".." / "one" / "zoo")
    with pytest.raises(UsageError, match="a repository named 'zoo' is in the catalog already") as caught:
        Catalog.default(settings).add(tmp_path / "two" / "zoo")
    assert caught.value.hint == "give --name NAME"
    with pytest.raises(UsageError, match="a repository named 'builtin' is in the catalog already"):
        Catalog.default(settings).add(tmp_path / "two" / "zoo", name="builtin")
    assert Catalog.default(settings).add(tmp_path / "two" / "zoo", name="zoo2").name == "zoo2"


def test_what_is_no_folder_is_not_added(settings: Settings, tmp_path: Path) -> None:
    with pytest.raises(ComponentNotFound, match="there is no such folder"):
        Catalog.default(settings).add(tmp_path / "nowhere")
    with pytest.raises(UsageError, match="no added repository 'nowhere'"):
        Catalog.default(settings).remove("nowhere")


def test_a_repository_that_went_away_is_a_problem_and_can_be_removed(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "zoo").mkdir()
    Catalog.default(settings).add(tmp_path / "zoo")
    (tmp_path / "zoo").rmdir()
    found = Catalog.default(settings)
    assert [problem.message for problem in found.problems] == [f"repository zoo: there is no folder {tmp_path / 'zoo'}"]
    assert "dataset/imagenet-photos==1.0.0" in references(found)
    found.remove("zoo")
    assert Catalog.default(settings).problems == []


def test_a_repository_whose_repo_yaml_breaks_is_a_problem_and_can_be_removed(
    settings: Settings, tmp_path: Path
) -> None:
    put_all(tmp_path / "zoo", dataset("photos"))
    Catalog.default(settings).add(tmp_path / "zoo")
    file = tmp_path / "zoo" / "repo.yaml"
    file.write_text("schema: 1\nname: zoo\nfodlers: [a]\n")
    found = Catalog.default(settings)
    assert [(p.message, p.hint) for p in found.problems] == [
        (f"{file}:3: fodlers: unknown key 'fodlers'", "did you mean 'folders'?")
    ]
    assert "dataset/imagenet-photos==1.0.0" in references(found)
    found.remove("zoo")
    assert Catalog.default(settings).problems == []


@pytest.mark.parametrize("text", ["name: mine\n", "schema: 1\n", "description: Mine\n"])
def test_a_repo_yaml_that_lacks_a_line_is_told_both(tmp_path: Path, text: str) -> None:
    (tmp_path / "repo.yaml").write_text(text)
    with pytest.raises(ComponentInvalid, match=" is missing") as caught:
        Repository.open(tmp_path)
    assert caught.value.hint == "a repo.yaml has at least the two lines 'schema: 1' and 'name: my-components'"


def test_a_repo_yaml_that_leads_out_is_refused(tmp_path: Path) -> None:
    (tmp_path / "repo.yaml").write_text("schema: 1\nname: mine\nfolders: [../elsewhere]\n")
    with pytest.raises(ComponentInvalid, match=r'repo.yaml:3: folders.0: "../elsewhere" is not valid'):
        Repository.open(tmp_path)


def test_a_damaged_list_of_repositories_says_what_to_do(settings: Settings) -> None:
    settings.home.mkdir()
    settings.repositories.write_text("[]")
    with pytest.raises(ComponentInvalid) as caught:
        Catalog.default(settings)
    assert str(settings.repositories) in caught.value.message
    assert "cmx repo add" in caught.value.hint


# The index.


def test_an_unchanged_file_is_not_read_again(settings: Settings, tmp_path: Path) -> None:
    put_all(tmp_path, dataset("photos"))
    catalog(settings, tmp_path).entries()
    falsify(settings, "description", "from the index")
    assert catalog(settings, tmp_path).entries()[0].description == "from the index"


def test_an_unchanged_broken_file_is_not_read_again(settings: Settings, tmp_path: Path) -> None:
    put(tmp_path, "photos", "[")
    catalog(settings, tmp_path).entries()
    falsify(settings, "error", "from the index")
    assert [problem.message for problem in catalog(settings, tmp_path).problems] == ["from the index"]


def test_a_changed_file_is_read_again_and_the_others_are_not(settings: Settings, tmp_path: Path) -> None:
    put_all(tmp_path, dataset("audio"), dataset("photos"))
    catalog(settings, tmp_path).entries()
    falsify(settings, "description", "from the index")
    change(tmp_path / "datasets/photos/component.yaml", dataset("photos", version="1.1.0"))
    found = catalog(settings, tmp_path).entries()
    assert [(entry.version, entry.description) for entry in found] == [
        ("1.0.0", "from the index"),
        ("1.1.0", "The dataset photos"),
    ]


def test_added_and_deleted_files_are_noticed(settings: Settings, tmp_path: Path) -> None:
    put_all(tmp_path, dataset("photos"))
    assert references(catalog(settings, tmp_path)) == ["dataset/photos==1.0.0"]
    put_all(tmp_path, model("net"))
    assert references(catalog(settings, tmp_path)) == ["dataset/photos==1.0.0", "model/net==1.0.0"]
    (tmp_path / "datasets/photos/component.yaml").unlink()
    assert references(catalog(settings, tmp_path)) == ["model/net==1.0.0"]


def test_a_component_that_was_broken_and_is_mended_is_used(settings: Settings, tmp_path: Path) -> None:
    file = put(tmp_path, "photos", "[")
    assert len(catalog(settings, tmp_path).problems) == 1
    change(file, dataset("photos"))
    found = catalog(settings, tmp_path)
    assert (references(found), found.problems) == (["dataset/photos==1.0.0"], [])


@pytest.mark.parametrize("damage", [b"", b"not a database, and long enough to be read as one" * 200, None])
def test_a_damaged_index_is_made_anew(settings: Settings, tmp_path: Path, damage: bytes | None) -> None:
    put_all(tmp_path, *(dataset(f"photos-{number}") for number in range(40)))
    expected = references(catalog(settings, tmp_path))
    file = settings.cache / "index.sqlite"
    content = file.read_bytes()
    file.write_bytes(content[:4096] + os.urandom(len(content) - 4096) if damage is None else damage)
    assert references(catalog(settings, tmp_path)) == expected
    assert references(catalog(settings, tmp_path)) == expected
    with sqlite3.connect(file) as connection:
        assert connection.execute("select count(*) from component").fetchone() == (40,)
    connection.close()


@pytest.mark.parametrize("obstacle", ["a file for a home", "a folder for an index"])
def test_a_home_that_cannot_be_written_does_not_hinder_reading(
    settings: Settings, tmp_path: Path, obstacle: str
) -> None:
    if obstacle == "a file for a home":
        settings.home.write_text("in the way")
    else:
        (settings.cache / "index.sqlite").mkdir(parents=True)
    put_all(tmp_path, dataset("photos"))
    assert references(catalog(settings, tmp_path)) == ["dataset/photos==1.0.0"]
    assert "dataset/imagenet-photos==1.0.0" in references(Catalog.default(settings))


def test_an_index_that_somebody_keeps_locked_is_done_without_and_not_removed(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_all(tmp_path, dataset("photos"))
    catalog(settings, tmp_path).entries()
    falsify(settings, "description", "from the index")
    connect = sqlite3.connect
    monkeypatch.setattr(sqlite3, "connect", lambda *given, **_: connect(given[0], timeout=0, isolation_level=None))
    holder = connect(settings.cache / "index.sqlite", isolation_level=None)
    holder.execute("begin exclusive")
    assert catalog(settings, tmp_path).entries()[0].description == "The dataset photos"
    holder.execute("rollback")
    holder.close()
    assert catalog(settings, tmp_path).entries()[0].description == "from the index"


def test_many_processes_may_build_one_index(settings: Settings, tmp_path: Path) -> None:
    put_all(tmp_path, *(dataset(f"photos-{number}") for number in range(30)))
    program = (
        "import sys; from pathlib import Path; from cmx.repository import Catalog, Repository\n"
        "from cmx.settings import Settings\n"
        "home, root = map(Path, sys.argv[1:])\n"
        "print(len(Catalog([Repository.open(root)], Settings(home)).entries()))\n"
    )
    command = [sys.executable, "-c", program, str(settings.home), str(tmp_path)]
    children = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(6)]
    assert [child.communicate()[0].strip() for child in children] == ["30"] * 6
    assert len(references(catalog(settings, tmp_path))) == 30


def test_many_processes_may_add_repositories(settings: Settings, tmp_path: Path) -> None:
    names = [f"zoo-{number}" for number in range(6)]
    for name in names:
        (tmp_path / name).mkdir()
    program = (
        "import sys; from pathlib import Path; from cmx.repository import Catalog\n"
        "from cmx.settings import Settings\n"
        "Catalog.default(Settings(Path(sys.argv[1]))).add(Path(sys.argv[2]))\n"
    )
    command = [sys.executable, "-c", program, str(settings.home)]
    children = [subprocess.Popen([*command, str(tmp_path / name)]) for name in names]
    assert [child.wait() for child in children] == [0] * 6
    listed = json.loads(settings.repositories.read_text())["repositories"]
    assert sorted(each["name"] for each in listed) == names
