"""Folders, git clones and archives as repositories; nothing of the user's is ever lost."""

from __future__ import annotations

import io
import json
import os
import tarfile
import zipfile
from pathlib import Path

import pytest
from component_files import dataset, put_all
from git_repository import GitRepository, make_repository

from cmx.errors import ComponentInvalid, ComponentNotFound, StoreError, Unavailable, UsageError
from cmx.reference import Reference
from cmx.repository import Catalog
from cmx.repository.added import added
from cmx.repository.clone import Address
from cmx.repository.managed import home, pin, update
from cmx.repository.revision import head
from cmx.settings import Settings

PHOTOS = Reference("dataset", "photos")
FILE = "datasets/photos/component.yaml"


def version_of(settings: Settings, reference: Reference = PHOTOS) -> str:
    return Catalog.default(settings).find(reference).version


def add(settings: Settings, source: str | Path, name: str = "") -> Path:
    return Catalog.default(settings).add(source, name=name).root


@pytest.fixture
def origin(tmp_path: Path) -> GitRepository:
    """A repository with the versions 1.0.0 (tagged), 1.1.0 (main) and 2.0.0 (the branch feature/next)."""
    repository = make_repository(tmp_path / "zoo.git")
    repository.commit({FILE: dataset("photos"), "repo.yaml": "schema: 1\nname: zoo\n"})
    repository.git("tag", "v1.0")
    repository.git("switch", "--quiet", "--create", "feature/next")
    repository.commit({FILE: dataset("photos", version="2.0.0")})
    repository.git("switch", "--quiet", "main")
    repository.commit({FILE: dataset("photos", version="1.1.0")})
    return repository


# Addresses.


@pytest.mark.parametrize(
    ("text", "url", "ref", "name"),
    [
        ("https://example.org/owner/zoo", "https://example.org/owner/zoo", "", "zoo"),
        ("https://example.org/owner/zoo.git@v1.0", "https://example.org/owner/zoo.git", "v1.0", "zoo"),
        ("https://example.org/zoo@feature/next", "https://example.org/zoo", "feature/next", "zoo"),
        ("ssh://git@example.org/owner/zoo.git@main", "ssh://git@example.org/owner/zoo.git", "main", "zoo"),
        ("git@example.org:owner/zoo.git", "git@example.org:owner/zoo.git", "", "zoo"),
        ("git@example.org:zoo.git@v1", "git@example.org:zoo.git", "v1", "zoo"),
        ("file:///srv/zoo.git@v1", "file:///srv/zoo.git", "v1", "zoo"),
        ("http://127.0.0.1:8000/zoo.git", "http://127.0.0.1:8000/zoo.git", "", "zoo"),
    ],
)
def test_an_address_may_name_a_branch_a_tag_or_a_commit(text: str, url: str, ref: str, name: str) -> None:
    found = Address.parse(text)
    assert found is not None
    assert (found.url, found.ref, found.name) == (url, ref, name)


@pytest.mark.parametrize("text", ["zoo", "/srv/zoo", "./zoo@v1", "C:\\zoo", "zoo.zip"])
def test_what_is_no_url_is_a_path(text: str) -> None:
    assert Address.parse(text) is None


@pytest.mark.parametrize(
    "text",
    [
        "http://example.org/zoo",
        "git://example.org/zoo",
        "ext::sh -c true",
        "ext://sh",
        "https://me:secret@example.org/zoo",
        "https://example.org/zoo@--upload-pack=evil",
        "https://example.org/zoo@../x",
        "https://",
    ],
)
def test_an_address_of_another_kind_or_with_a_password_is_refused(settings: Settings, text: str) -> None:
    with pytest.raises((UsageError, ComponentNotFound)) as caught:
        add(settings, text)
    assert "secret" not in caught.value.message
    assert not home(settings).exists()


# Clones.


@pytest.mark.parametrize(("ref", "version"), [("", "1.1.0"), ("@v1.0", "1.0.0"), ("@feature/next", "2.0.0")])
def test_a_git_repository_is_cloned_at_a_branch_or_a_tag(
    settings: Settings, origin: GitRepository, ref: str, version: str
) -> None:
    root = add(settings, f"{origin.url}{ref}")
    assert root == home(settings) / "zoo"
    assert version_of(settings) == version
    assert (root / ".git/shallow").is_file()


def test_a_clone_at_a_commit_is_pinned(settings: Settings, origin: GitRepository) -> None:
    first = origin.git("rev-parse", "v1.0^{commit}")
    add(settings, f"{origin.url}@{first}")
    assert (version_of(settings), added(settings)[0].pinned) == ("1.0.0", True)
    done = update(settings, "zoo")
    assert (done.before, done.after) == (first, first)


def test_nothing_is_pulled_unasked_and_all_of_it_when_asked(settings: Settings, origin: GitRepository) -> None:
    add(settings, origin.url)
    origin.commit({FILE: dataset("photos", version="1.2.0"), "datasets/films/component.yaml": dataset("films")})
    assert version_of(settings) == "1.1.0"
    done = update(settings, "zoo")
    assert done.after == origin.git("rev-parse", "HEAD")
    assert version_of(settings) == "1.2.0"
    assert version_of(settings, Reference("dataset", "films")) == "1.0.0"
    assert update(settings, "zoo").before == done.after


def test_an_update_follows_a_branch_that_was_written_anew(settings: Settings, origin: GitRepository) -> None:
    add(settings, origin.url)
    origin.git("reset", "--quiet", "--hard", "v1.0")
    origin.commit({FILE: dataset("photos", version="1.0.1")})
    update(settings, "zoo")
    assert version_of(settings) == "1.0.1"


def test_a_pull_by_hand_is_seen_by_the_next_command(settings: Settings, origin: GitRepository) -> None:
    root = add(settings, origin.url)
    assert version_of(settings) == "1.1.0"
    origin.commit({FILE: dataset("photos", version="1.2.0"), "datasets/films/component.yaml": dataset("films")})
    GitRepository(root).git("pull", "--quiet")
    assert [e.reference for e in Catalog.default(settings).entries("dataset") if e.repository == "zoo"] == [
        "dataset/films==1.0.0",
        "dataset/photos==1.2.0",
    ]
    assert update(settings, "zoo").after == head(root)


def test_changes_of_the_users_are_never_lost(settings: Settings, origin: GitRepository) -> None:
    root = add(settings, origin.url)
    origin.commit({FILE: dataset("photos", version="1.2.0")})
    (root / FILE).write_text(dataset("photos", version="7.0.0"))
    (root / "notes.txt").write_text("mine")
    for refused in (lambda: update(settings, "zoo"), lambda: pin(settings, "zoo", "v1.0")):
        with pytest.raises(StoreError) as caught:
            refused()
        assert f"repository zoo: changes of yours ({FILE}, notes.txt) in {root}" in caught.value.message
        assert "stash --include-untracked" in caught.value.hint
    with pytest.raises(StoreError, match="removing it would lose that") as caught:
        Catalog.default(settings).remove("zoo")
    assert caught.value.hint == "save what you need, then: cmx repo remove zoo --yes"
    assert (root / "notes.txt").read_text() == "mine"
    assert version_of(settings) == "7.0.0"


def test_commits_of_the_users_are_never_lost(settings: Settings, origin: GitRepository) -> None:
    root = add(settings, origin.url)
    mine = GitRepository(root).commit({FILE: dataset("photos", version="7.0.0")})
    origin.commit({FILE: dataset("photos", version="1.2.0")})
    with pytest.raises(StoreError, match=f"commits of yours \\({mine[:12]}\\)"):
        update(settings, "zoo")
    with pytest.raises(StoreError, match="commits of yours"):
        Catalog.default(settings).remove("zoo")
    assert (head(root), version_of(settings)) == (mine, "7.0.0")
    Catalog.default(settings).remove("zoo", discard=True)
    assert not root.exists()


def test_a_clone_is_pinned_to_a_commit_and_let_go(settings: Settings, origin: GitRepository) -> None:
    root = add(settings, origin.url)
    first = origin.git("rev-parse", "v1.0^{commit}")
    assert pin(settings, "zoo", first).after == first
    assert version_of(settings) == "1.0.0"
    assert "pinned" in update(settings, "zoo").note
    assert head(root) == first
    pin(settings, "zoo", "", off=True)
    update(settings, "zoo")
    assert version_of(settings) == "1.1.0"


def test_a_pin_to_a_commit_that_does_not_exist_changes_nothing(settings: Settings, origin: GitRepository) -> None:
    root = add(settings, origin.url)
    before = head(root)
    with pytest.raises(Unavailable, match="cannot be had"):
        pin(settings, "zoo", "0" * 40)
    assert (head(root), added(settings)[0].pinned) == (before, False)


def test_removing_a_clone_deletes_it_and_brings_back_what_it_hid(
    settings: Settings, origin: GitRepository, tmp_path: Path
) -> None:
    root = add(settings, origin.url)
    add(settings, put_all(tmp_path / "mine", dataset("photos", version="1.1.0")))
    assert Catalog.default(settings).find(PHOTOS).repository == "zoo"
    assert len(Catalog.default(settings).problems) == 1
    assert Catalog.default(settings).remove("zoo").managed
    found = Catalog.default(settings)
    assert (found.find(PHOTOS).repository, found.problems) == ("mine", [])
    assert not root.exists()
    assert list(home(settings).iterdir()) == []


def test_a_repository_starts_nothing(settings: Settings, origin: GitRepository, tmp_path: Path) -> None:
    trap, caught = tmp_path / "trap", tmp_path / "caught"
    trap.write_text(f"#!/bin/sh\ntouch {caught}\n")
    trap.chmod(0o755)
    templates = tmp_path / "template" / "hooks"
    templates.mkdir(parents=True)
    for hook in ("post-checkout", "post-merge", "reference-transaction"):
        (templates / hook).symlink_to(trap)
    configuration = tmp_path / "gitconfig"
    configuration.write_text(f"[init]\n templateDir = {templates.parent}\n[core]\n hooksPath = {templates}\n")
    origin.commit({".gitmodules": f"[submodule 'x']\n path = x\n url = {origin.url}\n", "link": "x"})
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GIT_CONFIG_GLOBAL", str(configuration))
        root = add(settings, origin.url)
        origin.commit({FILE: dataset("photos", version="1.2.0")})
        update(settings, "zoo")
    assert version_of(settings) == "1.2.0"
    assert not caught.exists()
    assert not (root / "x").exists()


def test_a_link_in_a_repository_leads_nowhere(settings: Settings, origin: GitRepository, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("password: 12345\n")
    (origin.folder / "datasets/evil").mkdir()
    (origin.folder / "datasets/evil/component.yaml").symlink_to(secret)
    origin.commit({"readme": "x"})
    root = add(settings, origin.url)
    assert not (root / "datasets/evil/component.yaml").is_symlink()
    assert all("12345" not in problem.message for problem in Catalog.default(settings).problems)


@pytest.mark.parametrize("source", ["file:///nowhere/at/all", "ORIGIN@no-such-branch", f"ORIGIN@{'0' * 40}"])
def test_what_cannot_be_cloned_leaves_nothing(settings: Settings, origin: GitRepository, source: str) -> None:
    with pytest.raises(Unavailable, match="cannot be had"):
        add(settings, source.replace("ORIGIN", origin.url))
    assert (added(settings), list(home(settings).iterdir())) == ([], [])


def test_a_repository_with_a_broken_repo_yaml_is_not_added(settings: Settings, origin: GitRepository) -> None:
    origin.commit({"repo.yaml": "schema: 1\nname: zoo\nfodlers: [a]\n"})
    with pytest.raises(ComponentInvalid, match="unknown key 'fodlers'"):
        add(settings, origin.url)
    assert (added(settings), list(home(settings).iterdir())) == ([], [])


def test_a_name_is_given_once(settings: Settings, origin: GitRepository) -> None:
    add(settings, origin.url)
    with pytest.raises(UsageError, match="a repository named 'zoo' is in the catalog already"):
        add(settings, origin.url)
    assert add(settings, f"{origin.url}@v1.0", "zoo-1").name == "zoo-1"
    with pytest.raises(UsageError, match="is no name for a repository"):
        add(settings, origin.url, "../zoo")


def test_a_clone_whose_folder_went_away_says_what_to_do(settings: Settings, origin: GitRepository) -> None:
    root = add(settings, origin.url)
    root.rename(root.with_name("elsewhere"))
    for refused in (lambda: update(settings, "zoo"), lambda: pin(settings, "zoo", "")):
        with pytest.raises(ComponentNotFound, match="there is no folder") as caught:
            refused()
        assert f"cmx repo add {origin.url}" in caught.value.hint
    assert "zoo" in Catalog.default(settings).problems[0].message
    Catalog.default(settings).remove("zoo")
    assert added(settings) == []


def test_removing_never_deletes_what_lies_outside_the_managed_home(settings: Settings, tmp_path: Path) -> None:
    """Even where the list of repositories was changed by hand."""
    precious = put_all(tmp_path / "precious", dataset("photos"))
    home(settings).mkdir(parents=True)
    (home(settings) / "link").symlink_to(precious)
    for path in (precious, home(settings) / "link", home(settings), home(settings) / ".." / ".." / "precious"):
        entry = {"name": "zoo", "path": str(path), "kind": "archive", "source": "x", "digest": "y"}
        settings.repositories.write_text(json.dumps({"schema": 1, "repositories": [entry]}))
        Catalog.default(settings).remove("zoo", discard=True)
        assert (precious / FILE).is_file()
        assert home(settings).is_dir()


# Archives.


def zipped(path: Path, files: dict[str, str]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return path


def tarred(path: Path, files: dict[str, str]) -> Path:
    with tarfile.open(path, "w:gz") as archive:
        for name, text in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(text.encode())
            archive.addfile(info, io.BytesIO(text.encode()))
    return path


@pytest.mark.parametrize("around", ["", "zoo-1.0/"])
@pytest.mark.parametrize("make", [zipped, tarred])
def test_an_archive_is_unpacked_with_or_without_a_folder_around_it(
    settings: Settings, tmp_path: Path, make: object, around: str
) -> None:
    path = tmp_path / ("My Zoo.zip" if make is zipped else "My Zoo.tar.gz")
    make(path, {f"{around}{FILE}": dataset("photos")})  # type: ignore[operator]
    root = add(settings, path)
    assert root == home(settings) / "my-zoo"
    assert (root / FILE).is_file()
    assert version_of(settings) == "1.0.0"


def test_an_archive_that_changed_is_unpacked_anew_when_asked(settings: Settings, tmp_path: Path) -> None:
    archive = zipped(tmp_path / "zoo.zip", {FILE: dataset("photos"), "datasets/films/component.yaml": dataset("films")})
    add(settings, archive)
    zipped(archive, {FILE: dataset("photos", version="1.1.0")})
    assert version_of(settings) == "1.0.0"
    done = update(settings, "zoo")
    assert done.before != done.after
    assert [e.reference for e in Catalog.default(settings).entries("dataset") if e.repository == "zoo"] == [
        "dataset/photos==1.1.0"
    ]
    assert update(settings, "zoo").before == done.after


def test_changes_in_an_unpacked_archive_are_never_lost(settings: Settings, tmp_path: Path) -> None:
    archive = zipped(tmp_path / "zoo.zip", {FILE: dataset("photos")})
    root = add(settings, archive)
    (root / FILE).write_text(dataset("photos", version="7.0.0"))
    zipped(archive, {FILE: dataset("photos", version="1.1.0")})
    with pytest.raises(StoreError, match="an update would lose that"):
        update(settings, "zoo")
    with pytest.raises(StoreError, match="removing it would lose that"):
        Catalog.default(settings).remove("zoo")
    assert version_of(settings) == "7.0.0"


@pytest.mark.parametrize("name", ["../evil/component.yaml", "/tmp/evil", "a/../../evil"])
def test_an_archive_that_leads_out_of_itself_is_refused(settings: Settings, tmp_path: Path, name: str) -> None:
    for make, end in ((zipped, "zip"), (tarred, "tar.gz")):
        with pytest.raises(StoreError, match="leads out of the archive"):
            add(settings, make(tmp_path / f"zoo.{end}", {FILE: dataset("photos"), name: "x"}))
    assert (added(settings), list(home(settings).iterdir())) == ([], [])
    assert not (tmp_path / "evil").exists()


def test_a_damaged_archive_leaves_nothing(settings: Settings, tmp_path: Path) -> None:
    for name in ("zoo.zip", "zoo.tar.gz"):
        (tmp_path / name).write_bytes(os.urandom(500))
        with pytest.raises(StoreError):
            add(settings, tmp_path / name)
    assert (added(settings), list(home(settings).iterdir())) == ([], [])


def test_an_archive_that_went_away_says_so_and_what_was_unpacked_stays(settings: Settings, tmp_path: Path) -> None:
    archive = zipped(tmp_path / "zoo.zip", {FILE: dataset("photos")})
    add(settings, archive)
    archive.unlink()
    with pytest.raises(ComponentNotFound, match="there is no such file"):
        update(settings, "zoo")
    assert version_of(settings) == "1.0.0"


def test_a_folder_of_the_users_has_nothing_to_update_or_to_pin(settings: Settings, tmp_path: Path) -> None:
    add(settings, put_all(tmp_path / "zoo", dataset("photos")))
    assert "every command looks at its files" in update(settings, "zoo").note
    with pytest.raises(UsageError, match="repository zoo is no git clone"):
        pin(settings, "zoo", "")
    with pytest.raises(UsageError, match="no added repository 'zo'") as caught:
        update(settings, "zo")
    assert caught.value.hint == "did you mean 'zoo'?"
