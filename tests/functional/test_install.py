"""The real package registry, through pip and uv. Skipped, with the reason, where it cannot be reached."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from cmx.errors import ComponentInvalid, HashMismatch, Unavailable
from cmx.install import Refused, available_versions, build_environment, fetch, lock_packages, stored
from cmx.settings import Settings
from cmx.store import EnvironmentStore, Store

FOOLBOX = "11049d515d38e765e206a73ace9cc648b81a0d6d1da9ad9057e149ee117989cb"
PHOTOS: dict[str, Any] = {"pypi": "foolbox==3.3.4", "sha256": FOOLBOX, "members": "foolbox/data/imagenet_*.jpg"}


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """One home for the tests that only read: what one fetches, the next finds."""
    settings = Settings(tmp_path_factory.mktemp("shared") / "home")
    try:
        versions = available_versions("foolbox", settings=settings)
    except Unavailable as error:
        pytest.skip(f"the package registry cannot be reached: {error}")
    if "3.3.4" not in versions:
        pytest.skip(f"the package registry here has no foolbox 3.3.4, only {versions[:3]}")
    return settings


def test_photos_are_fetched_once_and_then_served_offline(shared: Settings, tmp_path: Path) -> None:
    store = Store(shared)
    fetched = fetch(PHOTOS, store=store, folder=tmp_path)
    photos = sorted(path.name for path in fetched.path.iterdir())
    assert (len(photos), photos[0]) == (20, "imagenet_00_243.jpg")
    assert (fetched.path / photos[0]).read_bytes()[:3] == b"\xff\xd8\xff"
    assert fetch(PHOTOS, store=store, folder=tmp_path, offline=True) == fetched
    assert [entry.kind for entry in store.list()] == ["derived"]


def test_a_corrupted_photo_is_noticed_and_fetched_again(shared: Settings, tmp_path: Path) -> None:
    store = Store(shared)
    photo = fetch(PHOTOS, store=store, folder=tmp_path).path / "imagenet_00_243.jpg"
    content = photo.read_bytes()
    photo.chmod(0o644)
    photo.write_bytes(content[:-1] + b"?")
    assert stored(PHOTOS, store=store, folder=tmp_path) is None
    fetch(PHOTOS, store=store, folder=tmp_path)
    assert photo.read_bytes() == content


def test_a_changed_recipe_names_file_expected_and_found(shared: Settings, tmp_path: Path) -> None:
    changed = FOOLBOX[:-1] + "c"
    before = Store(shared).list()
    with pytest.raises(HashMismatch) as caught:
        fetch({**PHOTOS, "sha256": changed}, store=Store(shared), folder=tmp_path)
    assert (caught.value.name, caught.value.expected, caught.value.found) == ("foolbox==3.3.4", changed, FOOLBOX)
    assert Store(shared).list() == before


def test_a_misspelt_member_names_the_nearest(shared: Settings, tmp_path: Path) -> None:
    source = {"pypi": "foolbox==3.3.4", "sha256": FOOLBOX, "member": "foolbox/data/imagenet_00_24.jpg"}
    with pytest.raises(ComponentInvalid, match=r"foolbox==3\.3\.4 has no") as caught:
        fetch(source, store=Store(shared), folder=tmp_path)
    assert "foolbox/data/imagenet_00_243.jpg" in caught.value.hint


def test_numpy_is_locked_installed_verified_and_found_again(shared: Settings) -> None:
    lock = lock_packages(["numpy>=1.24"], python=sys.executable, settings=shared)
    assert [package.name for package in lock] == ["numpy"]
    environment = build_environment(sys.executable, lock, settings=shared)
    program = "import json, numpy, sys; print(json.dumps([numpy.__version__, sys.prefix]))"
    answer = subprocess.run([str(environment.python), "-I", "-c", program], capture_output=True, check=True)
    assert json.loads(answer.stdout) == [lock[0].version, str(environment.folder)]
    assert EnvironmentStore(shared).damages(environment.digest) == ()
    assert build_environment(sys.executable, lock, settings=shared, offline=True) == environment


def test_what_does_not_exist_or_fit_is_refused_with_the_reason(shared: Settings) -> None:
    with pytest.raises(Refused, match=r"no version of foolbox==99"):
        lock_packages(["foolbox==99"], python=sys.executable, settings=shared)
    with pytest.raises(Refused, match=r"onnx"):
        lock_packages(["onnx==1.16.2", "numpy<1.20"], python=sys.executable, settings=shared)


def test_versions_are_those_of_the_registry_newest_first(shared: Settings) -> None:
    versions = available_versions("foolbox", settings=shared)
    assert versions.index("3.3.4") < versions.index("3.3.3")
    assert available_versions("a-package-that-nobody-made-for-cmx", settings=shared) == ()


def test_without_a_network_the_error_lists_what_cannot_be_had(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    monkeypatch.setenv("PIP_RETRIES", "0")
    settings = Settings(tmp_path / "home")
    try:
        with pytest.raises(Unavailable) as caught:
            fetch(PHOTOS, store=Store(settings), folder=tmp_path)
    finally:
        assert caught.value.missing == ("foolbox==3.3.4",)
    assert caught.value.exit_code == 4
    assert Store(settings).list() == ()
