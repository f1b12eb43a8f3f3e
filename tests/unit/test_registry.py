"""Registries: a folder, served by Python's own http.server, and what others get out of it."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from component_files import action, dataset, model, put, put_all, workflow
from file_server import FileServer, Page, serving, serving_folder
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st
from solutions import small_archive

from cmx import api
from cmx.cli.main import main
from cmx.component_file import load
from cmx.errors import CmxError, ComponentInvalid, ComponentNotFound, HashMismatch, StoreError, Unavailable, UsageError
from cmx.reference import Reference
from cmx.registry.download import Downloaded, Read, choose, download
from cmx.registry.folder import RegistryFolder
from cmx.registry.index import Index, Release
from cmx.registry.mirror import add_registry, find_registry, update_registry
from cmx.registry.source import FolderSource, WebSource, open_source
from cmx.reporter import Reporter
from cmx.repository import Catalog
from cmx.repository.added import added
from cmx.repository.managed import home
from cmx.settings import Settings
from cmx.solution import Subject, pack

VERSIONS = ("1.0.0", "1.1.0", "1.2.0")
NET = Reference("model", "net")


@pytest.fixture(scope="module")
def archives(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Three versions of a solution."""
    folder = tmp_path_factory.mktemp("archives")
    return [small_archive(folder / version, version=version).path for version in VERSIONS]


@pytest.fixture
def zoo(tmp_path: Path, archives: list[Path]) -> RegistryFolder:
    """A registry with three versions of a solution."""
    registry = RegistryFolder.init(tmp_path / "zoo", "zoo", "For tests")
    for archive in archives:
        registry.publish_solution(archive)
    return registry


@pytest.fixture
def site(zoo: RegistryFolder) -> Iterator[FileServer]:
    """The registry on a web site."""
    with serving_folder(zoo.root) as server:
        yield server


def net(folder: Path, version: str) -> Path:
    """A component on disk: a model of a version."""
    place = put(folder, f"{version}/net/{version}", model("net", version=version)).parent
    (place / "model.onnx").write_bytes(f"network {version}".encode())
    return place


def fetched(where: str, text: str, settings: Settings, to: Path, sha256: str = "") -> Downloaded:
    source = open_source(where, settings)
    return download(choose(text, [Read(source, source.index())], sha256), to, Reporter())


def added_registry(where: str, settings: Settings) -> Catalog:
    index = find_registry(where, settings)
    assert index is not None
    add_registry(settings, where, index, set(), reporter=Reporter())
    return Catalog.default(settings)


def reply(zoo: RegistryFolder, server: FileServer) -> Page:
    """The registry's files as pages whose faults a test chooses; that of its index."""
    for path in zoo.root.rglob("*"):
        if path.is_file():
            server.pages[f"/{path.relative_to(zoo.root).as_posix()}"] = Page(path.read_bytes())
    return server.pages["/registry.json"]


# What is not for others.


@pytest.mark.parametrize("licence", ["unstated", "Proprietary"])
def test_a_model_is_published_only_under_a_licence_that_lets_others_have_it(
    zoo: RegistryFolder, tmp_path: Path, licence: str
) -> None:
    file = put(tmp_path, "net", model("net", licence=licence))
    (file.parent / "model.onnx").write_bytes(b"a network")
    with pytest.raises(UsageError) as caught:
        zoo.publish_component(load(file))
    assert caught.value.message.startswith(f"{file}: license: is not ")
    assert "model.onnx lies beside it" in caught.value.message
    assert "Apache-2.0" in caught.value.hint
    assert len(zoo.index().releases) == len(VERSIONS)
    fetched = f"{{onnx: {{source: {{pypi: net==1.0, sha256: {'a' * 64}, member: net.onnx}}}}}}"
    zoo.publish_component(load(put(tmp_path, "web", model("web", fetched, licence=licence))))  # nothing but a recipe


# Solutions, from publishing to having them.


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("flow", "1.2.0"),
        ("flow==1.1", "1.1.0"),
        ("flow==1.0.*", "1.0.0"),
        ("flow>=1,<1.2", "1.1.0"),
        ("flow~=1.0", "1.2.0"),
        ("flow!=1.2.0", "1.1.0"),
        ("solution/flow<1.1", "1.0.0"),
    ],
)
def test_a_range_picks_the_newest_version_that_it_holds(
    site: FileServer, settings: Settings, tmp_path: Path, archives: list[Path], text: str, version: str
) -> None:
    done = fetched(site.url, text, settings, tmp_path)
    assert done.path == tmp_path / f"flow-{version}.cmx.zip"
    assert done.path.read_bytes() == archives[VERSIONS.index(version)].read_bytes()


def test_a_yanked_version_is_skipped_but_for_whoever_names_its_hash(
    zoo: RegistryFolder, site: FileServer, settings: Settings, tmp_path: Path
) -> None:
    yanked = zoo.yank("flow==1.2.0", "wrong\nlabels")
    assert fetched(site.url, "flow", settings, tmp_path).release.version == "1.1.0"
    for text, sha256 in (("flow==1.2.0", ""), ("flow>=1.2", yanked.sha256)):
        with pytest.raises(ComponentNotFound, match=r"solution/flow==1\.2\.0") as caught:
            fetched(site.url, text, settings, tmp_path, sha256)
        assert "1.2.0" in caught.value.message + caught.value.hint
    assert fetched(site.url, "flow==1.2.0", settings, tmp_path, yanked.sha256).release.yanked == "wrong labels"
    zoo.yank("flow==1.2.0", undo=True)
    assert choose("flow", [Read(FolderSource(zoo.root), zoo.index())])[1].version == "1.2.0"


@pytest.mark.parametrize(
    ("text", "error", "message", "hint"),
    [
        ("flwo", ComponentNotFound, "there is no solution 'flwo' in zoo", "did you mean 'flow'?"),
        ("flow>2", ComponentNotFound, "no version of flow in zoo is >2", "there is 1.2.0, 1.1.0, 1.0.0"),
        ("flow>2,<1", UsageError, "no version is both >2 and <1", "leave one of them out"),
        ("flow>=x", UsageError, "flow>=x", "ranges are written"),
        ("model/flow", UsageError, "'model/flow' is no solution", "cmx repo add"),
        ("../flow", UsageError, "unknown kind '..'", ""),
        ("flow[onnx]", UsageError, "a registry knows no variants", ""),
    ],
)
def test_what_a_registry_does_not_have_is_said(
    zoo: RegistryFolder, settings: Settings, tmp_path: Path, text: str, error: type[CmxError], message: str, hint: str
) -> None:
    with pytest.raises(error) as caught:
        fetched(str(zoo.root), text, settings, tmp_path)
    assert message in caught.value.message
    assert hint in caught.value.hint


def test_what_is_here_already_is_not_fetched_again_nor_overwritten(
    site: FileServer, settings: Settings, tmp_path: Path
) -> None:
    first = fetched(site.url, "flow", settings, tmp_path)
    count = len(site.requests)
    assert not fetched(site.url, "flow", settings, tmp_path).fetched
    assert site.paths[count:] == ["/registry.json"]
    first.path.write_text("mine")
    with pytest.raises(UsageError, match="is there already, and is another file"):
        fetched(site.url, "flow", settings, tmp_path)
    assert first.path.read_text() == "mine"
    assert fetched(site.url, "flow", settings, tmp_path / "other.zip").path.name == "other.zip"
    with pytest.raises(UsageError, match="is no folder"):
        fetched(site.url, "flow", settings, tmp_path / "nowhere" / "other.zip")


def test_the_same_version_with_other_bytes_elsewhere_is_not_chosen_silently(
    zoo: RegistryFolder, tmp_path: Path
) -> None:
    other = RegistryFolder.init(tmp_path / "other", "other")
    other.publish_solution(small_archive(tmp_path / "x", version="1.2.0", citation="another").path)
    both = [Read(FolderSource(each.root), each.index()) for each in (zoo, other)]
    with pytest.raises(UsageError, match=r"solution/flow==1\.2\.0 is not the same file in .*zoo and in .*other"):
        choose("flow", both)
    assert choose("flow<1.2", both)[1].version == "1.1.0"
    sha256 = other.index().releases[0].sha256
    assert choose("flow", both, sha256)[0].index.name == "other"


# The network.


def test_a_download_goes_on_where_it_broke_off(zoo: RegistryFolder, settings: Settings, tmp_path: Path) -> None:
    with serving() as server:
        reply(zoo, server)
        release = zoo.index().exact("flow==1.2.0")
        server.pages[f"/{release.path}"].break_after = [5000, 2000]
        done = fetched(server.url, "flow", settings, tmp_path)
    assert [each for each in server.ranges if each] == ["bytes=5000-", "bytes=7000-"]
    assert done.path.stat().st_size == release.size


def test_an_index_with_an_etag_is_read_once(zoo: RegistryFolder, settings: Settings) -> None:
    with serving() as server:
        page = reply(zoo, server)
        first = WebSource(server.url, settings).index()
        assert WebSource(server.url + "/", settings).index() == first
        assert [each["If-None-Match"] for each in server.requests] == [None, '"one"']
        zoo.yank("flow==1.2.0", "x")
        page.content, page.etag = (zoo.root / "registry.json").read_bytes(), '"two"'
        assert WebSource(server.url, settings).index().exact("flow==1.2.0").yanked == "x"


def test_an_index_without_an_etag_is_asked_for_by_its_time_of_change(
    zoo: RegistryFolder, site: FileServer, settings: Settings
) -> None:
    source = WebSource(site.url, settings)
    source.index()
    source.index()
    assert site.requests[-1]["If-Modified-Since"] is None  # it was changed within the same second: nobody can tell
    before = time.time() - 60
    os.utime(zoo.root / "registry.json", (before, before))
    source.index()
    assert source.index() == zoo.index()
    assert site.requests[-1]["If-Modified-Since"] is not None
    zoo.yank("flow==1.2.0")
    assert source.index() == zoo.index()


def test_a_damaged_copy_in_the_cache_is_read_again(zoo: RegistryFolder, settings: Settings) -> None:
    with serving() as server:
        reply(zoo, server)
        source = WebSource(server.url, settings)
        source.index()
        kept = next((settings.cache / "registries").iterdir())
        kept.write_text(kept.read_text().replace("1.2.0", "1.3.0"))
        assert source.index() == zoo.index()
        assert server.requests[-1]["If-None-Match"] is None


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda data: data[: len(data) // 2], "registry.json: not JSON"),
        (lambda data: data.replace(b"1.2.0", b"1.2.1"), "registry.json: its checksum is not that of what it holds"),
        (lambda data: data.replace(b'"schema": 1', b'"schema": 7'), "schema: 7 is newer than the 1"),
        (lambda data: data.replace(b"solution/flow", b"solution/../x"), "'solution/../x' is not valid|does not match"),
        (lambda data: b"{}", "is missing"),
        (lambda data: data.replace(b'"zoo"', b'"z\xff"'), "registry.json: not JSON"),
        (lambda data: data.replace(b"For tests", b"\\ud800"), "registry.json: not JSON"),
        (lambda data: b"[" * 100_000, "is no registry"),
        (lambda data: b"<html>", "is no registry"),
    ],
)
def test_a_damaged_index_is_one_clear_error_and_leaves_nothing(
    zoo: RegistryFolder, settings: Settings, damage: Any, message: str
) -> None:
    import re

    with serving() as server:
        page = reply(zoo, server)
        page.content = damage(page.content)
        with pytest.raises((ComponentInvalid, ComponentNotFound)) as caught:
            WebSource(server.url, settings).index()
    assert re.search(message, caught.value.message)
    assert server.url in caught.value.message
    assert caught.value.hint
    assert added(settings) == []
    assert not list(settings.cache.rglob("*.json"))


def test_a_server_that_fails_is_asked_again_and_then_named(zoo: RegistryFolder, settings: Settings) -> None:
    with serving() as server:
        page = reply(zoo, server)
        page.statuses, page.break_after = [503], [100]
        assert WebSource(server.url, settings).index() == zoo.index()
        page.etag, page.statuses = '"two"', [503, 503, 503]
        with pytest.raises(Unavailable, match="the server answered 503"):
            WebSource(server.url, settings).index()
        page.redirect = "http://example.org/registry.json"
        with pytest.raises(Unavailable, match="is not https"):
            WebSource(server.url, settings).index()
    with pytest.raises(Unavailable, match="Connection refused"):
        WebSource(server.url, settings).index()


@pytest.mark.parametrize(
    "where", ["http://example.org/zoo", "ftp://example.org/zoo", "https://me:secret@example.org/zoo"]
)
def test_only_https_without_a_password_is_an_address(settings: Settings, where: str) -> None:
    with pytest.raises(UsageError) as caught:
        open_source(where, settings)
    assert "secret" not in caught.value.message


def altered(data: bytes) -> bytes:
    return data.replace(b"a network", b"a netwOrk")


@pytest.mark.parametrize("damage", [altered, lambda data: data[:-100], lambda data: data + b"x"])
def test_an_altered_archive_never_gets_its_name(
    zoo: RegistryFolder, settings: Settings, tmp_path: Path, damage: Any
) -> None:
    release = zoo.index().exact("flow==1.2.0")
    data = damage((zoo.root / release.path).read_bytes())
    with serving() as server:
        reply(zoo, server)
        server.pages[f"/{release.path}"].content = data
        with pytest.raises((HashMismatch, StoreError)) as caught:
            fetched(server.url, "flow", settings, tmp_path)
    assert "solution/flow==1.2.0" in caught.value.message
    (zoo.root / release.path).write_bytes(data)
    with pytest.raises(HashMismatch):
        fetched(str(zoo.root), "flow", settings, tmp_path)
    assert not list(tmp_path.glob("*.zip")) + list(tmp_path.glob(".*.zip*"))
    faults = zoo.verify(Reporter()).faults
    assert [fault.partition(":")[0] for fault in faults] == ["solution/flow==1.2.0"]


def test_another_solution_behind_a_version_is_not_kept(
    zoo: RegistryFolder, settings: Settings, tmp_path: Path, archives: list[Path]
) -> None:
    index = zoo.index()
    old, new = index.exact("flow==1.0.0"), index.exact("flow==1.2.0")
    for forged, message in (
        (new._replace(sha256=old.sha256, size=old.size), r"its file is flow==1\.0\.0; nothing was kept"),
        (new._replace(sha256=hashlib.sha256(b"x").hexdigest(), size=1), "its file: "),
    ):
        (zoo.root / forged.path).parent.mkdir(exist_ok=True)
        if not (zoo.root / forged.path).exists():
            (zoo.root / forged.path).write_bytes(b"x")
        (zoo.root / "registry.json").write_bytes(index.replaced([forged]).encoded())
        with pytest.raises(StoreError, match=rf"solution/flow==1\.2\.0: {message}"):
            fetched(str(zoo.root), "flow", settings, tmp_path)
        assert not list(tmp_path.glob("*flow*"))
        assert len(zoo.verify(Reporter()).faults) == 1


# Publishing.


def test_a_version_is_published_once(zoo: RegistryFolder, archives: list[Path], tmp_path: Path) -> None:
    before = zoo.index()
    other = small_archive(tmp_path / "other", version="1.0.0", citation="another").path
    zoo.yank("flow==1.1.0", "x")
    for archive in (archives[0], archives[1], other):
        with pytest.raises(UsageError, match=r"was published on .*a version is published once"):
            zoo.publish_solution(archive)
    zoo.yank("flow==1.1.0", undo=True)
    assert zoo.index() == before._replace(serial=before.serial + 2)
    assert zoo.verify(Reporter()) == (3, (), ())


def test_processes_that_publish_at_once_lose_nothing_and_publish_nothing_twice(
    tmp_path: Path, archives: list[Path]
) -> None:
    registry = RegistryFolder.init(tmp_path / "zoo", "zoo")
    command = [sys.executable, "-m", "cmx", "registry", "publish", str(registry.root)]
    output = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    children = [subprocess.Popen([*command, str(each)], **output) for each in (*archives[:2], archives[0])]
    assert sorted(child.wait(120) for child in children) == [0, 0, 2]
    assert [each.version for each in registry.index().versions("solution/flow")] == ["1.1.0", "1.0.0"]
    assert registry.verify(Reporter()) == (2, (), ())


PUBLISHING = """
import pathlib, sys
from cmx.registry.folder import RegistryFolder, Release

def write(stream):
    stream.write(b"half")
    print("now", flush=True)
    pathlib.Path(sys.argv[2]).read_bytes()

registry = RegistryFolder(pathlib.Path(sys.argv[1]))
registry._publish(Release("solution", "other", "1.0.0", "", 0, ""), write)
"""


def test_a_publishing_that_was_killed_leaves_the_index_and_at_most_a_file_that_no_version_names(
    zoo: RegistryFolder, tmp_path: Path
) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)  # the copying waits for what never comes
    child = subprocess.Popen([sys.executable, "-c", PUBLISHING, zoo.root, pipe], stdout=subprocess.PIPE)
    assert child.stdout is not None
    assert child.stdout.readline() == b"now\n"
    child.kill()
    child.wait(30)
    child.stdout.close()
    assert zoo.verify(Reporter()) == (3, (), ())
    assert [path for path in (zoo.root / "files").iterdir() if path.is_file()]
    zoo.publish_solution(small_archive(tmp_path / "more", version="1.3.0").path)
    assert not [path for path in (zoo.root / "files").iterdir() if path.is_file()]


def test_what_is_no_solution_is_not_published(tmp_path: Path, archives: list[Path]) -> None:
    registry = RegistryFolder.init(tmp_path / "zoo", "zoo")
    bad = tmp_path / "bad.zip"
    bad.write_bytes(altered(archives[0].read_bytes()))
    with pytest.raises(StoreError, match=r"model\.onnx: sha256 is"):
        registry.publish_solution(bad)
    assert [path.name for path in registry.root.rglob("*") if path.is_file()] == ["registry.json"]


def test_a_component_is_the_same_bytes_wherever_it_lies(tmp_path: Path) -> None:
    made = []
    for place in ("here", "there/deeper"):
        registry = RegistryFolder.init(tmp_path / place / "zoo", "zoo")
        folder = net(tmp_path / place, "1.0.0")
        (folder / ".hidden").write_text(place)
        os.utime(folder / "model.onnx", (1, 1))
        made.append(registry.publish_component(load(folder / "component.yaml")).sha256)
    assert made[0] == made[1]


def test_a_uid_of_another_component_is_refused(tmp_path: Path) -> None:
    registry = RegistryFolder.init(tmp_path / "zoo", "zoo")
    first = load(net(tmp_path, "1.0.0") / "component.yaml")
    registry.publish_component(first)
    other = put(tmp_path, "ten/1.0.0", model("ten").replace(load(put(tmp_path, "t", model("ten"))).uid, first.uid))
    with pytest.raises(UsageError, match="belongs to model/net"):
        registry.publish_component(load(other))


def test_verify_names_what_is_missing_and_what_nobody_names(zoo: RegistryFolder) -> None:
    (zoo.root / zoo.index().exact("flow==1.0.0").path).unlink()
    (zoo.root / "files" / "ab").mkdir(exist_ok=True)
    (zoo.root / "files" / "ab" / "left").write_text("x")
    found = zoo.verify(Reporter())
    assert (found.releases, found.unlisted) == (3, ("files/ab/left",))
    assert len(found.faults) == 1
    assert found.faults[0].startswith("solution/flow==1.0.0: files/")


def test_a_registry_is_made_in_an_empty_folder_only(tmp_path: Path) -> None:
    (tmp_path / "zoo").mkdir()
    RegistryFolder.init(tmp_path / "zoo", "zoo")
    for taken in (tmp_path / "zoo", tmp_path):
        with pytest.raises(UsageError, match=r"is a registry already|is not empty"):
            RegistryFolder.init(taken, "zoo")
    with pytest.raises(UsageError, match="is no name for a registry"):
        RegistryFolder.init(tmp_path / "other", "../zoo")
    with pytest.raises(ComponentNotFound, match="is no registry"):
        RegistryFolder(tmp_path).yank("flow==1.0.0")
    assert not (tmp_path / ".lock").exists()


@examples(max_examples=200, deadline=None)
@given(st.data())
def test_any_change_of_an_index_is_noticed(data: st.DataObject) -> None:
    release = Release("solution", "flow", "1.0.0", "ab" * 32, 5, "2026-11-22T08:00:00Z", "a flow")
    index = Index("zoo", "", (release, release._replace(version="1.1.0", yanked="x")))
    raw = index.encoded()
    place = data.draw(st.integers(0, len(raw) - 1))
    changed = raw[:place] + data.draw(st.binary(max_size=4)) + raw[place + data.draw(st.integers(0, 4)) :]
    try:
        assert Index.parse(changed, "x") == index
    except ComponentInvalid as error:
        assert error.message.startswith("x: ")


# Components: a registry in the catalog.


@pytest.fixture
def nets(tmp_path: Path) -> RegistryFolder:
    """A registry with three versions of a model."""
    registry = RegistryFolder.init(tmp_path / "nets", "nets", "Networks")
    for version in VERSIONS:
        registry.publish_component(load(net(tmp_path / "made", version) / "component.yaml"))
    return registry


@pytest.fixture
def flow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A built-in repository of a workflow that takes the model."""
    root = put_all(
        tmp_path / "builtin",
        dataset("photos"),
        action("measure", "{model: model}"),
        workflow("flow", "{model: model/net>=1}", "[{id: measure, action: measure}]"),
    )
    monkeypatch.setattr("cmx.repository.catalog.builtin_repository", lambda: root)


def test_versions_of_a_registry_join_the_catalog_side_by_side(nets: RegistryFolder, settings: Settings) -> None:
    with serving_folder(nets.root) as server:
        catalog = added_registry(server.url, settings)
        assert [each.version for each in catalog.versions(NET)] == ["1.2.0", "1.1.0", "1.0.0"]
        assert catalog.find(Reference.parse("model/net<1.2")).version == "1.1.0"
        entry = added(settings)[0]
        assert (entry.name, entry.kind, entry.source, entry.root) == (
            "nets",
            "registry",
            server.url,
            home(settings) / "nets",
        )
        with pytest.raises(UsageError, match="is in the catalog already, as 'nets'"):
            added_registry(server.url, settings)


def test_nothing_is_pulled_unasked_and_only_what_is_new_when_asked(
    nets: RegistryFolder, settings: Settings, tmp_path: Path
) -> None:
    with serving_folder(nets.root) as server:
        added_registry(server.url, settings)
        new = nets.publish_component(load(net(tmp_path / "made", "1.3.0") / "component.yaml"))
        server.paths.clear()
        assert Catalog.default(settings).find(NET).version == "1.2.0"
        assert server.paths == []
        done = update_registry(settings, "nets", Reporter())
        assert server.paths == ["/registry.json", f"/{new.path}"]
        assert done.before != done.after
        assert Catalog.default(settings).find(NET).version == "1.3.0"
        assert update_registry(settings, "nets", Reporter()).before == done.after


def test_a_yanked_version_is_used_by_a_lock_that_names_it_and_by_nothing_else(
    nets: RegistryFolder, settings: Settings, flow: None
) -> None:
    catalog = added_registry(str(nets.root), settings)
    plan = api.resolve(catalog, "workflow/flow", offline=True)
    assert plan.pins["model"].version == "1.2.0"
    nets.yank("model/net==1.2.0", "wrong labels")
    assert Catalog.default(settings).find(NET).version == "1.2.0"  # nobody asked for an update yet
    update_registry(settings, "nets", Reporter())
    catalog = Catalog.default(settings)
    assert api.resolve(catalog, "workflow/flow", offline=True).pins["model"].version == "1.1.0"
    with pytest.raises(ComponentNotFound) as caught:
        catalog.find(Reference.parse("model/net==1.2.0"))
    assert caught.value.hint == "there is 1.1.0, 1.0.0; 1.2.0 was yanked: only a lock that names it uses it"
    again = api.resolve(catalog, "workflow/flow", offline=True, locked=plan)
    assert (again.pins["model"].version, again.pins["model"].digest) == ("1.2.0", plan.pins["model"].digest)
    replayed = catalog.with_locked(plan.digests())
    assert replayed.find(Reference.parse("model/net==1.2.0")).digest == plan.pins["model"].digest
    assert replayed.find(NET).version == "1.1.0"
    packed = pack(Subject(plan), catalog, to=settings.home)
    assert "model/net==1.2.0" in [each.reference for each in packed.manifest.components]
    other = catalog.with_locked({"model/net==1.2.0": "0" * 64})
    with pytest.raises(ComponentNotFound):
        other.find(Reference.parse("model/net==1.2.0"))
    nets.yank("model/net==1.2.0", undo=True)
    update_registry(settings, "nets", Reporter())
    assert Catalog.default(settings).find(NET).version == "1.2.0"


def test_changes_of_the_users_in_a_registrys_copy_are_never_lost(nets: RegistryFolder, settings: Settings) -> None:
    catalog = added_registry(str(nets.root), settings)
    file = catalog.find(NET).folder / "model.onnx"
    file.write_text("mine")
    nets.yank("model/net==1.0.0", "x")
    with pytest.raises(StoreError, match="an update would lose that"):
        update_registry(settings, "nets", Reporter())
    with pytest.raises(StoreError, match="removing it would lose that"):
        Catalog.default(settings).remove("nets")
    assert file.read_text() == "mine"
    Catalog.default(settings).remove("nets", discard=True)
    assert list(home(settings).iterdir()) == []


def forge(nets: RegistryFolder, files: dict[str, bytes]) -> None:
    """Put another file behind a version, with an index that fits it."""
    path = nets.root / "forged"
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    release = nets.index().exact("model/net==1.2.0")
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    changed = release._replace(sha256=sha256, size=path.stat().st_size)
    (nets.root / changed.path).parent.mkdir(exist_ok=True)
    path.rename(nets.root / changed.path)
    (nets.root / "registry.json").write_bytes(nets.index().replaced([changed]).encoded())


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"../../evil": b"x"}, "leads out of the archive"),
        ({"/etc/evil": b"x"}, "leads out of the archive"),
        ({"readme": b"x"}, r"model/net==1\.2\.0: its file holds no component\.yaml"),
        ({"component.yaml": b"schema: 1\n"}, "is missing"),
        ({"component.yaml": model("ten", version="1.2.0").encode()}, r"its file holds model/ten==1\.2\.0"),
        ({"component.yaml": model("net", version="1.2.0").encode()}, r"its file holds model/net==1\.2\.0 of digest"),
    ],
)
def test_a_forged_component_is_one_error_and_leaves_nothing(
    nets: RegistryFolder, settings: Settings, tmp_path: Path, files: dict[str, bytes], message: str
) -> None:
    forge(nets, files)
    with pytest.raises(CmxError, match=message):
        added_registry(str(nets.root), settings)
    assert (added(settings), list(home(settings).iterdir())) == ([], [])
    assert not list(tmp_path.rglob("evil"))
    assert len(nets.verify(Reporter()).faults) == 1


def test_what_is_no_registry_is_left_to_git_and_folders(settings: Settings, tmp_path: Path) -> None:
    put_all(tmp_path / "plain", dataset("photos"))
    assert find_registry(str(tmp_path / "plain"), settings) is None
    for where in (
        "https://example.org/zoo.git",
        "https://example.org/zoo@v1",
        "git@example.org:zoo",
        "http://example.org/",
    ):
        assert find_registry(where, settings) is None
    with serving() as server:
        assert find_registry(f"{server.url}/zoo", settings) is None
        with pytest.raises(ComponentNotFound, match="is no registry"):
            find_registry(f"{server.url}/zoo/registry.json", settings)
        server.pages["/zoo/registry.json"] = Page(b'{"schema": 1')
        with pytest.raises(ComponentInvalid, match="not JSON"):
            find_registry(f"{server.url}/zoo", settings)


def test_a_registrys_folder_is_not_taken_for_one_of_components(nets: RegistryFolder, settings: Settings) -> None:
    with pytest.raises(UsageError, match="is a registry, not a folder of components"):
        Catalog.default(settings).add(nets.root)


# The verbs.


def test_registries_by_the_command_line(
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    archives: list[Path],
    monkeypatch: pytest.MonkeyPatch,
    flow: None,
) -> None:
    def cmx(*arguments: str, code: int = 0) -> dict[str, Any]:
        assert main([*arguments, "--json"]) == code
        document: dict[str, Any] = json.loads(capsys.readouterr().out)
        return document

    monkeypatch.chdir(tmp_path)
    assert cmx("registry", "init", "zoo")["name"] == "zoo"
    done = cmx("registry", "publish", "zoo", *map(str, archives), str(net(tmp_path, "1.0.0")), "dataset/photos", code=2)
    assert [each["reference"] for each in done["published"]] == [
        *(f"solution/flow=={version}" for version in VERSIONS),
        "model/net==1.0.0",
    ]
    assert "files is not there" in done["error"]["message"]
    assert (
        "a version is published once" in cmx("registry", "publish", "zoo", str(archives[0]), code=2)["error"]["message"]
    )
    assert cmx("registry", "yank", "zoo", "flow==1.2.0", "--reason", "wrong labels")["yanked"] == "wrong labels"
    assert cmx("registry", "verify", "zoo")["releases"] == 4
    assert "is an address" in cmx("registry", "verify", "https://example.org/zoo", code=2)["error"]["message"]
    assert "no registry was added" in cmx("solution", "download", "flow", code=2)["error"]["message"]
    assert cmx("repo", "add", "zoo")["kind"] == "registry"
    got = cmx("solution", "download", "flow")
    assert (got["file"], got["registry"], got["signature"]["word"]) == ("flow-1.1.0.cmx.zip", "zoo", "unsigned")
    assert cmx("solution", "show", "flow-1.1.0.cmx.zip")["manifest"]["version"] == "1.1.0"
    assert cmx("show", "model/net")["reference"] == "model/net==1.0.0"
    assert [each["name"] for each in cmx("registry", "list")["registries"]] == ["zoo"]
    assert cmx("repo", "update", "zoo")["updated"][0]["name"] == "zoo"
    (tmp_path / "zoo" / "registry.json").write_text("{")
    for command in (["registry", "verify", "zoo"], ["repo", "update", "zoo"], ["solution", "download", "flow"]):
        assert "registry.json: not JSON" in cmx(*command, code=3)["error"]["message"]
    assert cmx("show", "model/net")["reference"] == "model/net==1.0.0"
