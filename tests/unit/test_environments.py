"""Environments and the members of wheels, built by the real uv from wheels on disk."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import processes
import pytest
from wheels import configure_pip, make_wheel, sha256

from cmx.errors import ComponentInvalid, HashMismatch, ResolutionError, StoreError, Unavailable
from cmx.install import build_environment, describe_source, fetch, find_interpreter, held, lock_packages, stored
from cmx.install.lock import format_lock
from cmx.reporter import Reporter
from cmx.settings import Settings
from cmx.store import Environment, EnvironmentStore, Interpreter, Package, Store
from cmx.store.environments import environment_digest, site_of

PHOTOS = {"data/pets/a_1.jpg": b"a", "data/pets/b_2.jpg": b"b", "data/notes.txt": b"n", "data/more/x/c_3.jpg": b"c"}


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(tmp_path / "home")


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder of wheels, and pip configured to know nothing else."""
    folder = tmp_path_factory.mktemp("wheels")
    make_wheel(folder, "upper", requires=["lower"])
    make_wheel(folder, "lower")
    make_wheel(folder, "photos", "3.0", files=PHOTOS)
    with pytest.MonkeyPatch.context() as patch:
        configure_pip(patch, no_index=1, find_links=folder)
        yield folder


@pytest.fixture(scope="module")
def lock(wheels: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Package, ...]:
    return lock_packages(["upper"], python=sys.executable, settings=Settings(tmp_path_factory.mktemp("locking")))


def build(settings: Settings, lock: tuple[Package, ...], **options: Any) -> Environment:
    return build_environment(sys.executable, lock, settings=settings, **options)


def imported(environment: Environment) -> str:
    program = "import sys, upper, lower; print(upper.version, sys.prefix)"
    command = [str(environment.python), "-I", "-c", program]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def created(environment: Environment) -> float:
    return float(json.loads((environment.folder / "cmx-environment.json").read_text())["created"])


class Notes(Reporter):
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)


def test_an_environment_holds_exactly_the_pinned_packages(settings: Settings, lock: tuple[Package, ...]) -> None:
    environment = build(settings, lock)
    assert imported(environment) == f"1.0 {environment.folder}"
    assert environment.packages == {"lower": "1.0", "upper": "1.0"}
    assert environment.lock == lock
    assert EnvironmentStore(settings).find() == (environment,)
    assert EnvironmentStore(settings).damages(environment.digest) == ()


def test_an_environment_is_built_once_and_then_needs_neither_uv_nor_a_network(
    settings: Settings, lock: tuple[Package, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    first = build(settings, lock)
    monkeypatch.setattr("cmx.install.uv.find_uv", lambda: "/no/uv")
    second = build(settings, lock, offline=True)
    assert second == first
    assert created(second) == created(first)


def test_an_environment_may_be_moved_with_its_home(settings: Settings, lock: tuple[Package, ...]) -> None:
    environment = build(settings, lock)
    moved = Settings(settings.home.with_name("moved"))
    settings.home.rename(moved.home)
    (found,) = EnvironmentStore(moved).find()
    assert found.digest == environment.digest
    assert imported(found) == f"1.0 {found.folder}"


def test_the_digest_depends_on_python_and_packages_and_not_on_their_order() -> None:
    python = Interpreter(Path("/usr/bin/python3"), "3.11.2", "cpython", "linux-x86_64 cpython-311")
    packages = [Package("a", "1", ("sha256:x", "sha256:y")), Package("b-b", "2", ("sha256:z",))]
    digest = environment_digest(python, packages)
    same = [Package("B_b", "2", ("sha256:z",)), Package("a", "1", ("sha256:y", "sha256:x"))]
    other_patch = Interpreter(Path("/opt/python"), "3.11.9", "cpython", "linux-x86_64 cpython-311")
    other_minor = Interpreter(Path("/opt/python"), "3.12.1", "cpython", "linux-x86_64 cpython-311")
    assert environment_digest(other_patch, same) == digest
    assert environment_digest(other_minor, packages) != digest
    assert environment_digest(python, packages[:1]) != digest
    assert environment_digest(python, [Package("a", "1", ("sha256:x",)), packages[1]]) != digest


def lose_the_interpreter(environment: Environment) -> None:
    environment.python.unlink()


def change_the_interpreter(environment: Environment) -> None:
    environment.python.unlink()
    environment.python.symlink_to("/bin/sh")


def lose_a_package(environment: Environment) -> None:
    (site_of(environment.folder) / "lower-1.0.dist-info" / "RECORD").unlink()


def cut_the_manifest(environment: Environment) -> None:
    path = environment.folder / "cmx-environment.json"
    path.write_text(path.read_text()[:100])


DAMAGES = [lose_the_interpreter, change_the_interpreter, lose_a_package, cut_the_manifest]


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_broken_environment_is_not_used_and_is_built_again(
    settings: Settings, lock: tuple[Package, ...], damage: Any
) -> None:
    environment = build(settings, lock)
    damage(environment)
    assert EnvironmentStore(settings).find() == ()
    assert [finding.kind for finding in Store(settings).verify().findings] == ["damaged"]
    assert imported(build(settings, lock)) == f"1.0 {environment.folder}"
    assert Store(settings).verify().ok


def test_a_changed_file_is_found_and_repaired_though_uv_shares_it_with_its_cache(
    settings: Settings, lock: tuple[Package, ...]
) -> None:
    environment = build(settings, lock)
    with (site_of(environment.folder) / "upper.py").open("r+") as stream:
        stream.write("version = '6.6'")
    report = Store(settings).verify(repair=True)
    assert [finding.why for finding in report.findings] == ["upper: upper.py is not as installed"]
    assert EnvironmentStore(settings).find() == ()
    reporter = Notes()
    assert imported(build(settings, lock, reporter=reporter)) == f"1.0 {environment.folder}"
    assert all("upper are damaged in uv's cache" in note for note in reporter.notes)
    assert Store(settings).verify().ok


def test_a_wheel_with_another_hash_than_the_lock_says_is_refused(
    settings: Settings, lock: tuple[Package, ...], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    make_wheel(tmp_path / "changed", "lower")
    wheel = make_wheel(tmp_path / "changed", "upper", files={"upper.py": b"version = 'changed'\n"})
    configure_pip(monkeypatch, no_index=1, find_links=tmp_path / "changed")
    with pytest.raises(HashMismatch) as caught:
        build(settings, lock)
    assert caught.value.name == "upper==1.0"
    assert caught.value.found == sha256(wheel)
    assert f"sha256:{caught.value.expected}" in lock[1].hashes
    assert list(EnvironmentStore(settings).all()) == []
    assert Store(settings).verify().findings == ()


def test_an_environment_that_lacks_a_package_is_not_kept(settings: Settings, lock: tuple[Package, ...]) -> None:
    interpreter = find_interpreter(sys.executable, settings)

    def forget(folder: Path) -> str:
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
        return "nobody"

    with pytest.raises(StoreError, match=r"lower==1.0 is not in the environment"):
        EnvironmentStore(settings).obtain(interpreter, lock, forget)
    assert list(EnvironmentStore(settings).all()) == []


def test_without_an_index_the_error_lists_all_packages(
    settings: Settings, lock: tuple[Package, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    configure_pip(monkeypatch, index_url="http://127.0.0.1:9/simple", retries=0)
    with pytest.raises(Unavailable) as caught:
        build(settings, lock)
    assert caught.value.missing == ("lower==1.0", "upper==1.0")
    assert "no package index answered" in str(caught.value)


def test_a_python_that_is_not_there_cannot_be_had(settings: Settings, tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="is not a Python that runs"):
        find_interpreter(str(tmp_path / "python"), settings)
    with pytest.raises(Unavailable, match=r"finding Python 3.99"):
        find_interpreter("3.99", settings)


BUILD = """
import sys, time
from pathlib import Path
from cmx.install import build_environment
from cmx.install import environment as module
from cmx.install.lock import parse_lock
from cmx.settings import Settings

home, log, seconds, lock = sys.argv[1:]
settings = Settings(Path(home))
lock = tuple(parse_lock(lock))
install = module._install
def counted(*arguments):
    with open(log, "a") as stream:
        stream.write("built\\n")
    print("building", flush=True)
    time.sleep(float(seconds))
    install(*arguments)
module._install = counted
print(build_environment(sys.executable, lock, settings=settings).digest)
"""


def test_of_eight_processes_one_builds_the_environment(
    settings: Settings, lock: tuple[Package, ...], tmp_path: Path
) -> None:
    running = [processes.start(BUILD, settings.home, tmp_path / "log", 0.5, format_lock(lock)) for _ in range(8)]
    digests = {processes.answer(process).split()[-1] for process in running}
    assert (tmp_path / "log").read_text() == "built\n"
    assert [environment.digest for environment in EnvironmentStore(settings).find()] == [*digests]


def test_an_environment_whose_builder_was_killed_is_never_used(
    settings: Settings, lock: tuple[Package, ...], tmp_path: Path
) -> None:
    process = processes.start(BUILD, settings.home, tmp_path / "log", 60, format_lock(lock))
    assert process.stdout is not None
    assert process.stdout.readline() == "building\n"
    process.kill()
    process.communicate()
    assert EnvironmentStore(settings).find() == ()
    assert [finding.kind for finding in Store(settings).verify().findings] == ["leftover"]
    assert imported(build(settings, lock)).startswith("1.0 ")
    assert Store(settings).verify().findings == ()


LOCK = """
import sys
from pathlib import Path
from cmx.install import lock_packages
from cmx.settings import Settings
try:
    lock_packages(["upper"], python=sys.executable, settings=Settings(Path(sys.argv[1])))
except KeyboardInterrupt:
    print("interrupted")
"""


def test_an_interrupt_ends_uv_as_well(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as index:
        index.settimeout(30)
        configure_pip(monkeypatch, index_url=f"http://127.0.0.1:{index.getsockname()[1]}/simple")
        process = processes.start(LOCK, settings.home)
        connection, _ = index.accept()
        with connection:
            connection.settimeout(30)
            assert connection.recv(4096).startswith(b"GET /simple/upper")
            os.kill(process.pid, signal.SIGINT)  # only the controller, not its child
            assert processes.answer(process) == "interrupted"
            assert connection.recv(4096) == b""  # uv is gone


@pytest.fixture
def photos(wheels: Path) -> dict[str, Any]:
    return {"pypi": "photos==3.0", "sha256": sha256(wheels / "photos-3.0-py3-none-any.whl")}


def names(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def test_members_of_a_wheel_become_a_folder_without_what_is_common(
    settings: Settings, photos: dict[str, Any], tmp_path: Path
) -> None:
    store = Store(settings)
    source = {**photos, "members": "data/pets/*.jpg"}
    assert not held(source, store=store)
    assert stored(source, store=store, folder=tmp_path) is None
    fetched = fetch(source, store=store, folder=tmp_path)
    assert names(fetched.path) == ["a_1.jpg", "b_2.jpg"]
    assert fetched.size == 2
    assert held(source, store=store)
    assert stored(source, store=store, folder=tmp_path) == fetched
    assert describe_source(source) == "photos==3.0 (data/pets/*.jpg)"
    everything = fetch({**photos, "members": "data/**/*.jpg"}, store=store, folder=tmp_path)
    assert names(everything.path) == ["more/x/c_3.jpg", "pets/a_1.jpg", "pets/b_2.jpg"]


def test_data_in_a_wheel_for_another_machine_can_be_had(settings: Settings, wheels: Path, tmp_path: Path) -> None:
    wheel = make_wheel(wheels, "abroad", files={"abroad/pairs.tsv": b"p"}, tag="cp39-cp39-win_amd64")
    source = {"pypi": "abroad==1.0", "sha256": sha256(wheel), "member": "abroad/pairs.tsv"}
    with pytest.raises(ResolutionError):
        fetch(source, store=Store(settings), folder=tmp_path)
    windows = {**source, "wheel": {"python": "3.9", "platform": "x86_64-pc-windows-msvc"}}
    assert fetch(windows, store=Store(settings), folder=tmp_path).path.read_bytes() == b"p"


@pytest.mark.parametrize("checked", [True, False])
def test_one_member_of_a_wheel_becomes_a_file(
    settings: Settings, photos: dict[str, Any], tmp_path: Path, checked: bool
) -> None:
    store = Store(settings)
    source = {**photos, "member": "data/notes.txt"}
    if checked:
        source["member-sha256"] = "1b16b1df538ba12dc3f97edbb85caa7050d46c148134290feba80f8236c83db9"
    fetched = fetch(source, store=store, folder=tmp_path)
    assert fetched.path.read_bytes() == b"n"
    assert fetched.digest == "1b16b1df538ba12dc3f97edbb85caa7050d46c148134290feba80f8236c83db9"
    assert fetch(source, store=store, folder=tmp_path, offline=True) == fetched
    assert held(source, store=store)


def test_a_damaged_member_is_noticed_and_fetched_again(
    settings: Settings, photos: dict[str, Any], tmp_path: Path
) -> None:
    store = Store(settings)
    source = {**photos, "members": "data/pets/*.jpg"}
    path = fetch(source, store=store, folder=tmp_path).path / "a_1.jpg"
    path.chmod(0o644)
    path.write_bytes(b"?")
    assert stored(source, store=store, folder=tmp_path) is None
    assert (fetch(source, store=store, folder=tmp_path).path / "a_1.jpg").read_bytes() == b"a"


def test_a_damaged_cache_of_the_installer_is_noticed_and_cleaned(
    settings: Settings, photos: dict[str, Any], tmp_path: Path
) -> None:
    store = Store(settings)
    fetch({**photos, "member": "data/notes.txt"}, store=store, folder=tmp_path)
    (cached,) = (settings.cache / "uv").rglob("data/pets/a_1.jpg")
    cached.write_bytes(b"?")
    reporter = Notes()
    fetched = fetch({**photos, "members": "data/pets/*"}, store=store, folder=tmp_path, reporter=reporter)
    assert (fetched.path / "a_1.jpg").read_bytes() == b"a"
    assert reporter.notes == ["uv's cached copy of photos==3.0 is damaged; fetching it again"]


def test_a_wheel_with_another_sha256_than_its_recipe_says_is_refused(
    settings: Settings, photos: dict[str, Any], tmp_path: Path
) -> None:
    store = Store(settings)
    with pytest.raises(HashMismatch) as caught:
        fetch({**photos, "sha256": "0" * 64, "member": "data/notes.txt"}, store=store, folder=tmp_path)
    assert (caught.value.name, caught.value.found) == ("photos==3.0", photos["sha256"])
    assert store.list() == ()


def test_a_member_with_another_sha256_than_its_recipe_says_is_refused(
    settings: Settings, photos: dict[str, Any], tmp_path: Path
) -> None:
    store = Store(settings)
    source = {**photos, "member": "data/notes.txt", "member-sha256": "0" * 64}
    with pytest.raises(HashMismatch, match=r"data/notes.txt of photos==3.0: sha256 is 1b16"):
        fetch(source, store=store, folder=tmp_path)
    assert store.list() == ()


def test_a_member_that_is_not_there_names_the_nearest(
    settings: Settings, photos: dict[str, Any], tmp_path: Path
) -> None:
    with pytest.raises(ComponentInvalid, match=r"source.member: photos==3.0 has no 'data/note.txt'") as caught:
        fetch({**photos, "member": "data/note.txt"}, store=Store(settings), folder=tmp_path)
    assert caught.value.hint.startswith("nearest: data/notes.txt")


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"member": "../../etc/passwd"}, "member"),
        ({"member": "/etc/passwd"}, "member"),
        ({"members": ["data/*", "../*"]}, "member"),
        ({"pypi": "photos>=3"}, "pypi"),
        ({"pypi": "photos==3.0 --index-url=x"}, "pypi"),
        ({"sha256": "123"}, "sha256"),
        ({"member": "a", "members": "b"}, "member"),
        ({}, "member"),
    ],
)
def test_a_source_that_is_wrong_names_the_field(
    settings: Settings, photos: dict[str, Any], tmp_path: Path, change: dict[str, Any], field: str
) -> None:
    with pytest.raises(ComponentInvalid, match=rf"component.yaml: source.{field}: "):
        fetch({**photos, **change}, store=Store(settings), folder=tmp_path)


def test_an_unknown_kind_of_source_names_the_nearest(settings: Settings, tmp_path: Path) -> None:
    with pytest.raises(ComponentInvalid, match="'pypy' is not a kind of source") as caught:
        fetch({"pypy": "x==1"}, store=Store(settings), folder=tmp_path)
    assert caught.value.hint == "did you mean 'pypi'?"


def test_offline_what_is_not_in_the_store_cannot_be_had(
    settings: Settings, photos: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    configure_pip(monkeypatch)
    with pytest.raises(Unavailable, match=r"fetching photos==3\.0: without the network") as caught:
        fetch({**photos, "member": "data/notes.txt"}, store=Store(settings), folder=tmp_path, offline=True)
    assert caught.value.missing == ("photos==3.0",)


FETCH = """
import json, sys
from pathlib import Path
from cmx.install import fetch
from cmx.install import uv as module
from cmx.settings import Settings
from cmx.store import Store
home, log, source = sys.argv[1:]
find = module.find_uv
def counted():
    with open(log, "a") as stream:
        stream.write("uv\\n")
    return find()
module.find_uv = counted
print(fetch(json.loads(source), store=Store(Settings(Path(home))), folder=Path(".")).digest)
"""


def test_two_processes_fetch_the_same_files_once(settings: Settings, photos: dict[str, Any], tmp_path: Path) -> None:
    source = json.dumps({**photos, "members": "data/pets/*.jpg"})
    running = [processes.start(FETCH, settings.home, tmp_path / "log", source) for _ in range(2)]
    assert len({processes.answer(process) for process in running}) == 1
    assert (tmp_path / "log").read_text() == "uv\n"


@pytest.fixture
def component(tmp_path: Path) -> Path:
    folder = tmp_path / "component"
    (folder / "data").mkdir(parents=True)
    (folder / "labels.txt").write_text("cat\ndog\n")
    (folder / "data" / "x.bin").write_bytes(b"x")
    return folder


def test_a_file_of_the_component_is_used_where_it_lies(settings: Settings, component: Path) -> None:
    store = Store(settings)
    fetched = fetch({"file": "labels.txt"}, store=store, folder=component)
    assert fetched.path == component / "labels.txt"
    assert fetched.digest == sha256(component / "labels.txt")
    assert fetch({"file": "data"}, store=store, folder=component).size == 1
    assert held({"file": "labels.txt"}, store=store)
    assert not settings.home.exists()


def test_a_file_of_the_component_must_have_the_sha256_that_is_given(settings: Settings, component: Path) -> None:
    with pytest.raises(HashMismatch, match=r"labels\.txt"):
        fetch({"file": "labels.txt", "sha256": "0" * 64}, store=Store(settings), folder=component)


@pytest.mark.parametrize("name", ["../secret", "data/../../secret", "/etc/passwd", "link", "linked", "missing.txt"])
def test_a_file_outside_the_component_is_refused(settings: Settings, component: Path, name: str) -> None:
    secret = component.parent / "secret"
    secret.write_text("secret")
    (component / "link").symlink_to(secret)
    (component / "linked").mkdir()
    (component / "linked" / "inside").symlink_to(secret)
    with pytest.raises(ComponentInvalid, match=r"component.yaml: source.file: "):
        fetch({"file": name}, store=Store(settings), folder=component)
