"""Registries whose index is signed: what their keeper does, and what those who added them refuse."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from component_files import action, dataset, model, put, put_all, workflow
from file_server import serving_folder

from cmx.cli.main import main
from cmx.component_file import load
from cmx.errors import StoreError, UsageError
from cmx.registry.folder import RegistryFolder
from cmx.registry.index import FILE, Index
from cmx.registry.mirror import add_registry, find_registry, update_registry
from cmx.registry.signature import judged
from cmx.registry.source import open_source
from cmx.reporter import Reporter
from cmx.repository import Catalog
from cmx.repository.added import find
from cmx.settings import Settings
from cmx.signing.keys import Keyring


@pytest.fixture
def keeper(tmp_path: Path) -> Settings:
    """The home of whoever keeps the registry, with a key."""
    home = Settings(tmp_path / "keeper")
    Keyring(home).new("keeper")
    Keyring(home).new("second")
    return home


def net(folder: Path, version: str) -> Any:
    place = put(folder, f"{version}/net/{version}", model("net", version=version)).parent
    (place / "model.onnx").write_bytes(f"network {version}".encode())
    return load(place / "component.yaml")


@pytest.fixture
def zoo(tmp_path: Path, keeper: Settings) -> RegistryFolder:
    """A signed registry with a model."""
    RegistryFolder.init(tmp_path / "zoo", "zoo")
    registry = RegistryFolder(tmp_path / "zoo", sign="keeper", settings=keeper)
    registry.publish_component(net(tmp_path / "made", "1.0.0"))
    return registry


@pytest.fixture
def mine(settings: Settings, keeper: Settings) -> Settings:
    """The home of a user who trusts the keeper's key, and the other one."""
    for name in ("keeper", "second"):
        Keyring(settings).trust(Keyring(keeper).find(name).pem.encode(), name, source="a file")
    return settings


def add(where: Path, settings: Settings, key: str = "") -> None:
    index = find_registry(str(where), settings)
    assert index is not None
    add_registry(settings, str(where), index, set(), key=key, reporter=Reporter())


def versions(settings: Settings) -> list[str]:
    """The versions of the model that the catalog has."""
    return [each.reference for each in Catalog.default(settings).entries("model") if each.name == "net"]


def test_what_was_signed_once_stays_signed_and_each_change_has_the_next_number(
    zoo: RegistryFolder, keeper: Settings, tmp_path: Path
) -> None:
    again = RegistryFolder(zoo.root, settings=keeper)
    again.publish_component(net(tmp_path / "made", "1.1.0"))
    again.yank("net==1.0.0", "wrong")
    index = zoo.index()
    assert index.serial == 3
    found = judged(index, keeper)
    assert (found.trusted, found.signer) == (True, "keeper")
    RegistryFolder(zoo.root, sign="second", settings=keeper).yank("net==1.0.0", undo=True)
    assert judged(zoo.index(), keeper).signer == "second"


def test_a_signature_is_never_lost_silently(zoo: RegistryFolder, settings: Settings, tmp_path: Path) -> None:
    before = (zoo.root / FILE).read_bytes()
    stranger = RegistryFolder(zoo.root, settings=settings)
    with pytest.raises(UsageError, match=r"the index of zoo is signed by key \w{16}, which is none of yours") as caught:
        stranger.publish_component(net(tmp_path / "made", "1.1.0"))
    assert "--sign KEY" in caught.value.hint
    with pytest.raises(UsageError, match="there is no key 'nobody'"):
        RegistryFolder(zoo.root, sign="nobody", settings=settings).yank("net==1.0.0")
    assert (zoo.root / FILE).read_bytes() == before
    assert len([path for path in (zoo.root / "files").rglob("*") if path.is_file()]) == 1


def test_a_registry_by_a_trusted_key_has_to_be_signed_by_it_from_then_on(zoo: RegistryFolder, mine: Settings) -> None:
    add(zoo.root, mine)
    entry = find(mine, "zoo")
    assert (entry.key, entry.serial, entry.ref) == (Keyring(mine).find("keeper").id, 1, "zoo")
    zoo.yank("net==1.0.0")
    update_registry(mine, "zoo", Reporter())
    assert find(mine, "zoo").serial == 2


Change = Callable[[RegistryFolder, Settings, Path], bytes]


def unsigned(zoo: RegistryFolder, keeper: Settings, folder: Path) -> bytes:
    return zoo.index()._replace(signature=None, serial=9).encoded()


def altered(zoo: RegistryFolder, keeper: Settings, folder: Path) -> bytes:
    index = zoo.index()
    return index._replace(releases=(index.releases[0]._replace(sha256="ab" * 32),)).encoded()


def renumbered(zoo: RegistryFolder, keeper: Settings, folder: Path) -> bytes:
    return zoo.index()._replace(serial=9).encoded()


def by_another(zoo: RegistryFolder, keeper: Settings, folder: Path) -> bytes:
    RegistryFolder(zoo.root, sign="second", settings=keeper).yank("net==1.0.0")
    return (zoo.root / FILE).read_bytes()


def of_another(zoo: RegistryFolder, keeper: Settings, folder: Path) -> bytes:
    RegistryFolder.init(folder / "other", "other")
    other = RegistryFolder(folder / "other", sign="keeper", settings=keeper)
    for version in ("2.0.0", "2.1.0", "2.2.0"):
        other.publish_component(net(folder / "made", version))
    return (other.root / FILE).read_bytes()


def no_envelope(zoo: RegistryFolder, keeper: Settings, folder: Path) -> bytes:
    return zoo.index()._replace(signature={"payload": "?"}).encoded()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (unsigned, "its index: unsigned: nobody vouches for it; the registry was added with key"),
        (altered, "its index: bad signature: it is on another registry.json"),
        (renumbered, "its index: bad signature: it is on another registry.json"),
        (by_another, "its index: signed by second .* the registry was added with key"),
        (of_another, "its index is that of 'other', and 'zoo' was added"),
        (no_envelope, "its index: bad signature: registry zoo: signature: "),
    ],
)
def test_an_index_that_the_key_did_not_sign_is_refused_and_nothing_changes(
    zoo: RegistryFolder, mine: Settings, keeper: Settings, tmp_path: Path, change: Change, message: str
) -> None:
    with serving_folder(zoo.root) as server:
        index = find_registry(server.url, mine)
        assert index is not None
        add_registry(mine, server.url, index, set(), reporter=Reporter())
        before = find(mine, "zoo")
        (zoo.root / FILE).write_bytes(change(zoo, keeper, tmp_path))
        for attempt in (lambda: update_registry(mine, "zoo", Reporter()), open_source(server.url, mine).index):
            with pytest.raises(StoreError, match=message) as caught:
                attempt()
            assert "ask whoever keeps it" in caught.value.hint
    assert find(mine, "zoo") == before
    assert versions(mine) == ["model/net==1.0.0"]


def test_an_older_index_than_one_that_was_seen_is_refused_wherever_it_was_seen(
    zoo: RegistryFolder, mine: Settings
) -> None:
    add(zoo.root, mine)
    old = (zoo.root / FILE).read_bytes()
    zoo.yank("net==1.0.0", "it leaks")
    assert open_source(str(zoo.root), mine).index().serial == 2  # seen by 'registry list', say
    (zoo.root / FILE).write_bytes(old)
    for attempt in (lambda: update_registry(mine, "zoo", Reporter()), open_source(str(zoo.root), mine).index):
        with pytest.raises(StoreError, match="its index is number 1, and number 2 was seen before: it is an old one"):
            attempt()


def test_a_key_that_was_revoked_vouches_for_no_index(zoo: RegistryFolder, mine: Settings) -> None:
    add(zoo.root, mine)
    Keyring(mine).revoke("keeper", "stolen")
    with pytest.raises(StoreError, match=r"signed by keeper .*, whose key was revoked on .*: stolen"):
        update_registry(mine, "zoo", Reporter())


def test_a_registry_that_has_to_be_signed_by_a_key_is_not_added_otherwise(zoo: RegistryFolder, mine: Settings) -> None:
    with pytest.raises(StoreError, match=r"the index of zoo: signed by keeper .*; it has to be signed by second"):
        add(zoo.root, mine, "second")
    with pytest.raises(UsageError, match=r"there is no key 'keeper.pem'") as caught:
        add(zoo.root, mine, "keeper.pem")
    assert "cmx key trust FILE --name WHO" in caught.value.hint
    (zoo.root / FILE).write_bytes(Index("zoo").encoded())
    with pytest.raises(StoreError, match=r"the index of zoo: unsigned: nobody vouches for it; it has to be"):
        add(zoo.root, mine, "keeper")
    assert not mine.repositories.exists()


def test_without_a_trusted_key_it_works_as_unsigned_until_the_key_is_trusted(
    zoo: RegistryFolder, settings: Settings, keeper: Settings
) -> None:
    add(zoo.root, settings)
    assert find(settings, "zoo").key == ""
    assert judged(open_source(str(zoo.root), settings).index(), settings).word == "unknown"
    Keyring(settings).trust(Keyring(keeper).find("keeper").pem.encode(), "her", source="a file")
    assert "signed by her" in update_registry(settings, "zoo", Reporter()).note
    (zoo.root / FILE).write_bytes(zoo.index()._replace(signature=None).encoded())
    with pytest.raises(StoreError, match="unsigned"):
        update_registry(settings, "zoo", Reporter())


def test_the_verbs_sign_and_show_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    root = put_all(
        tmp_path / "own", dataset("photos"), action("x", "{}"), workflow("flow", "{}", "[{id: a, action: x}]")
    )
    monkeypatch.setattr("cmx.repository.catalog.builtin_repository", lambda: root)
    monkeypatch.chdir(tmp_path)

    def cmx(*arguments: str, code: int = 0) -> str:
        assert main([*arguments]) == code
        out, err = capsys.readouterr()
        return out + err

    cmx("key", "new", "me")
    cmx("registry", "init", "zoo")
    first, second = (str(net(tmp_path / "made", version).folder) for version in ("1.0.0", "1.1.0"))
    assert "index 1: unsigned: nobody vouches for it" in cmx("registry", "publish", "zoo", first)
    assert "index: unsigned: nobody vouches for it" in cmx("repo", "add", "zoo")
    assert "index 1: unsigned" in cmx("registry", "list")
    assert "(no key)" in cmx("repo", "list")
    assert "index 2: signed by me (key " in cmx("registry", "publish", "zoo", second, "--sign", "me")
    assert "signed by me (key " in cmx("registry", "verify", "zoo")
    assert "a key of your own; from now on it has to be" in cmx("repo", "update", "zoo")
    assert json.loads(cmx("registry", "list", "zoo", "--json"))["registries"][0]["signature"]["word"] == "trusted"
    assert "(key " in cmx("repo", "list")
    cmx("repo", "remove", "zoo")
    assert "a key of your own; from now on it has to be" in cmx("repo", "add", "zoo", "--key", "me")
    (tmp_path / "zoo" / FILE).write_bytes(Index("zoo", serial=7).encoded())
    assert "its index: unsigned" in cmx("solution", "download", "flow", code=1)
    assert "own is no registry" in cmx("repo", "add", "own", "--key", "me", code=2)
