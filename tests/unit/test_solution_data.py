"""What of models, datasets and wheels may lie in an archive, and what is said of data that was put there by hand."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from component_files import dataset, put
from solutions import forged, small_archive, small_catalog, small_plan

from cmx.component_file import load
from cmx.errors import ComponentInvalid, UsageError
from cmx.reference import Reference
from cmx.registry.folder import RegistryFolder
from cmx.repository import Catalog
from cmx.resolver.plan import Plan
from cmx.solution import Archive, Subject, check, pack
from cmx.solution.data import kept, settle
from cmx.solution.licences import objection, own_objection
from cmx.store import Store, key_of

SOURCE = {"pypi": "pictures==1.0", "sha256": "a" * 64, "members": "pictures/*.jpg"}


def catalog_with_licence(folder: Path, licence: str) -> Catalog:
    """The small catalog, whose photos come from a package under a licence."""
    catalog = small_catalog(folder)
    file = folder / "zoo/datasets/photos/component.yaml"
    text = file.read_text(encoding="utf-8").replace("{file: files}", str(SOURCE).replace("'", '"'))
    file.write_text(text.replace("license: MIT", f"license: {licence!r}"), encoding="utf-8")
    return Catalog(catalog.repositories, catalog.settings)


def plan_of_the_package(catalog: Catalog) -> Plan:
    """The small plan, with photos that are fetched."""
    plan = small_plan(catalog)
    return replace(plan, pins={**plan.pins, "dataset": replace(plan.pins["dataset"], artifact={"source": SOURCE})})


def stored(catalog: Catalog) -> None:
    """Put into the store what that package holds."""

    def build(folder: Path) -> dict[str, Any]:
        (folder / "one.jpg").write_bytes(b"one")
        (folder / "two.jpg").write_bytes(b"two")
        return {}

    key = key_of({"source": "pypi", "sha256": SOURCE["sha256"], "members": [SOURCE["members"]]})
    Store(catalog.settings).derive(key, build)


FREE = ["MIT", "Apache-2.0", "CC-BY-4.0 AND BSD-3-Clause", "Proprietary OR MIT", "mit", "apache-2.0 or Proprietary"]
FREE += ["GPL-3.0-only", "GPL-2.0-or-later", "AGPL-3.0-only", "LGPL-2.1+", "EPL-2.0", "MPL-2.0", "CC-BY-ND-4.0"]
FREE += ["(Proprietary OR MIT) AND ISC", "((MIT))", "GPL-3.0-or-later WITH GCC-exception-3.1 AND MIT"]
NOT_FREE = [
    "the photos' own",
    "MIT AND Proprietary",
    "free for research",
    "MIT package",
    "(MIT OR ISC) AND Proprietary",
]
NOT_FREE += [
    "CC-BY-NC-4.0",
    "BUSL-1.1",
    "(MIT",
    "MIT)",
    "MIT OR",
    "MIT AND",
    "MIT WITH",
    f"{'(' * 5000}MIT{')' * 5000}",
    "()",
    "MIT ISC",
    "LicenseRef-MIT",
]


@pytest.mark.parametrize("licence", FREE)
def test_what_may_be_passed_on_is(tmp_path: Path, licence: str) -> None:
    component = catalog_with_licence(tmp_path, licence).find(Reference.parse("dataset/photos"))
    assert objection(component) == ""


@pytest.mark.parametrize("licence", NOT_FREE)
def test_what_may_not_is_refused_with_what_its_licence_says(tmp_path: Path, licence: str) -> None:
    catalog = catalog_with_licence(tmp_path, licence)
    with pytest.raises(UsageError) as caught:
        pack(Subject(plan_of_the_package(catalog)), catalog, to=tmp_path / "x.cmx.zip", size="with-data")
    assert caught.value.message == (
        f"dataset/photos cannot be packed: its licence is not known to allow passing it on: {licence!r}"
    )
    assert "--private" in caught.value.hint
    assert not (tmp_path / "x.cmx.zip").exists()


def catalog_with_own_model(folder: Path, licence: str) -> Catalog:
    """The small catalog, whose model lies beside its component.yaml under a licence; "" for none."""
    catalog = small_catalog(folder)
    file = folder / "zoo/models/net/component.yaml"
    line = f"license: {licence}\n" if licence else ""
    file.write_text(file.read_text(encoding="utf-8").replace("license: Apache-2.0\n", line), encoding="utf-8")
    return Catalog(catalog.repositories, catalog.settings)


@pytest.mark.parametrize(
    ("licence", "said"),
    [("", "is not stated"), ("unstated", "is not stated"), ("my own", "is not known to allow passing it on: 'my own'")],
)
def test_a_model_of_the_users_own_is_not_packed_without_a_licence_for_it(
    tmp_path: Path, licence: str, said: str
) -> None:
    catalog = catalog_with_own_model(tmp_path, licence)
    with pytest.raises(UsageError) as caught:
        pack(Subject(small_plan(catalog)), catalog, to=tmp_path / "x.cmx.zip")
    file = tmp_path / "zoo/models/net/component.yaml"
    assert caught.value.message == (
        f"{file}: license: {said}, and model.onnx lies beside it, so that it would be passed on"
    )
    assert caught.value.hint.endswith("; --private packs it for machines of your own")
    assert caught.value.hint.startswith(
        "cmx passes on" if licence == "my own" else "write there the licence that it has"
    )
    assert not (tmp_path / "x.cmx.zip").exists()


def test_what_is_one_part_of_a_dataset_has_to_state_some_licence(tmp_path: Path) -> None:
    file = put(tmp_path, "pictures", dataset("pictures", licence="the photos' own"))
    parts = f"{{parts: [{{file: labels.json}}, {{pypi: pictures==1, sha256: {'a' * 64}}}]}}"
    text = file.read_text(encoding="utf-8").replace("{file: files}", parts)
    file.write_text(text, encoding="utf-8")
    assert own_objection(load(file)) == ""
    file.write_text(text.replace("license: the photos' own\n", ""), encoding="utf-8")
    assert own_objection(load(file)) == "its component names no licence"


def test_a_model_of_ones_own_is_packed_for_oneself_and_no_registry_takes_it(tmp_path: Path) -> None:
    catalog = catalog_with_own_model(tmp_path, "")
    archive = pack(Subject(small_plan(catalog)), catalog, to=tmp_path, private=True)
    assert archive.manifest.private == ("model/net==1.0.0: its component names no licence",)
    assert check(archive) == archive.manifest.private
    registry = RegistryFolder.init(tmp_path / "registry", "shared")
    silent = [{**each, "private": ""} for each in archive.manifest.document()["components"]]
    for components in ({}, {"components": silent}):
        forged(archive.path, {}, **components)
        with pytest.raises(UsageError, match=r"is not for others: model/net==1.0.0: its component names no licence"):
            registry.publish_solution(archive.path)


def test_a_reason_to_keep_an_archive_that_its_licences_do_not_give_was_put_there_by_hand(tmp_path: Path) -> None:
    archive = small_archive(tmp_path)
    components = [{**each, "private": "because"} for each in archive.manifest.document()["components"]]
    forged(archive.path, {}, components=components)
    with pytest.raises(ComponentInvalid, match=r"its licence does not say 'because'"):
        check(Archive.open(archive.path))


def with_data(folder: Path, licence: str = "MIT") -> Archive:
    """An archive with the bytes of that package."""
    catalog = catalog_with_licence(folder, licence)
    stored(catalog)
    plan = plan_of_the_package(catalog)
    return pack(Subject(plan), catalog, to=folder / "flow.cmx.zip", size="with-data", private=licence != "MIT")


def test_data_is_packed_from_the_store_by_its_sha256_and_verifies(tmp_path: Path) -> None:
    archive = with_data(tmp_path)
    check(archive)
    [datum] = archive.manifest.data
    assert datum.files == {f"{name}.jpg": hashlib.sha256(name.encode()).hexdigest() for name in ("one", "two")}
    assert [archive.read(f"data/{sha256}") for sha256 in datum.files.values()] == [b"one", b"two"]
    assert (datum.component, datum.license, datum.private) == ("dataset/photos==1.0.0", "MIT", "")
    assert archive.manifest.private == ()


def test_an_archive_for_oneself_says_that_it_is_not_for_others(tmp_path: Path) -> None:
    archive = with_data(tmp_path, "free for research")
    [private] = archive.manifest.private
    assert private.startswith("dataset/photos==1.0.0: its licence is not known to allow passing it on")
    registry = RegistryFolder.init(tmp_path / "registry", "shared")
    with pytest.raises(UsageError, match=r"flow.cmx.zip is not for others: dataset/photos==1.0.0: its licence"):
        registry.publish_solution(archive.path)


def test_what_was_brought_along_is_used_under_its_names_and_hashed(tmp_path: Path) -> None:
    archive = with_data(tmp_path)
    archive.unpack(tmp_path / "there")
    settle(archive.manifest.data, tmp_path / "there", tmp_path / "locks")
    from cmx.install import fetch

    elsewhere, brought = Store(archive_home(tmp_path)), kept(tmp_path / "there", tmp_path / "locks")
    fetched = fetch(SOURCE, store=elsewhere, folder=tmp_path, offline=True, given=brought)
    assert {path.name: path.read_bytes() for path in fetched.path.iterdir()} == {"one.jpg": b"one", "two.jpg": b"two"}
    assert elsewhere.list() == ()  # it is no proof of what the package holds, so that nobody else gets it
    (fetched.path / "one.jpg").chmod(0o644)
    (fetched.path / "one.jpg").write_bytes(b"two")
    assert brought.fetched(SOURCE) is None


def archive_home(folder: Path) -> Any:
    """Another home."""
    from cmx.settings import Settings

    return Settings(folder / "another-home")


Change = Callable[[dict[str, Any]], dict[str, Any]]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda datum: {**datum, "files": {"../../one.jpg": "0" * 64}}, "'../../one.jpg' leads out of the archive"),
        (lambda datum: {**datum, "files": {"/etc/one.jpg": "0" * 64}}, "'/etc/one.jpg' is an absolute path"),
        (lambda datum: {**datum, "files": {"a.jpg": "0" * 64, "A.jpg": "0" * 64}}, "one name on a disk"),
        (
            lambda datum: {**datum, "files": {"a.jpg": "0" * 64}},
            "is either missing, or nothing that the manifest names",
        ),
        (lambda datum: {**datum, "single": True}, "a single file is one file"),
        (lambda datum: {**datum, "license": "CC0-1.0"}, "license: is 'CC0-1.0', and its component says 'MIT'"),
        (lambda datum: {**datum, "private": "because"}, "private: is 'because', and its licence says ''"),
        (
            lambda datum: {**datum, "source": {"pypi": "others==1"}},
            "dataset/photos==1.0.0 for linux-x86_64 is not there",
        ),
    ],
)
def test_data_that_was_changed_by_hand_is_named(tmp_path: Path, change: Change, message: str) -> None:
    archive = with_data(tmp_path)
    [datum] = archive.manifest.document()["data"]
    forged(archive.path, {}, data=[change(datum)])
    with pytest.raises(ComponentInvalid) as caught:
        check(Archive.open(archive.path))
    assert message in caught.value.message and caught.value.message.startswith("flow.cmx.zip: ")


def test_a_wheel_that_no_lock_names_is_named(tmp_path: Path) -> None:
    archive = small_archive(tmp_path)
    forged(archive.path, {"wheels/evil-1.0-py3-none-any.whl": b"evil"}, size="complete")
    with pytest.raises(ComponentInvalid, match=r"wheels/evil-1.0-py3-none-any.whl: no lock has its sha256"):
        check(Archive.open(archive.path))


def test_a_complete_archive_has_a_wheel_of_every_package(tmp_path: Path) -> None:
    archive = small_archive(tmp_path)
    forged(archive.path, {}, size="complete")
    with pytest.raises(ComponentInvalid, match=r"wheels: no wheel of runner==2.1 is there"):
        check(Archive.open(archive.path))
