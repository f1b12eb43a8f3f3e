"""The store: content-addressed files, derived folders, locks, and what happens to them when things go wrong."""

from __future__ import annotations

import hashlib
import os
import signal
import stat
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import processes
import pytest

from cmx.errors import HashMismatch, StoreError
from cmx.files import disk_full, no_access
from cmx.settings import Settings
from cmx.store import Busy, Store, key_of, lock, sha256_of

HELLO = hashlib.sha256(b"hello").hexdigest()
KEY = key_of({"converter": "test", "input": HELLO})


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv("CMX_HOME", str(tmp_path / "home"))
    return Settings(tmp_path / "home")


@pytest.fixture
def store(settings: Settings) -> Store:
    return Store(settings)


@pytest.fixture
def hello(tmp_path: Path) -> Path:
    path = tmp_path / "hello.txt"
    path.write_bytes(b"hello")
    return path


def build_two(folder: Path) -> Mapping[str, object]:
    (folder / "sub").mkdir()
    (folder / "a.txt").write_text("first")
    (folder / "sub" / "b.txt").write_text("second")
    return {"name": "two files"}


def never(_folder: Path) -> Mapping[str, object]:
    raise AssertionError("built although it was there")


def files_below(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*") if path.is_file() and path.suffix not in (".lock", ".holder"))


def corrupt(path: Path, content: bytes = b"hellO") -> None:
    path.chmod(0o644)
    path.write_bytes(content)


def test_making_a_store_writes_nothing(settings: Settings) -> None:
    store = Store(settings)
    assert store.list() == ()
    assert store.verify().ok
    assert store.path(HELLO) is None
    assert not settings.home.exists()


def test_a_file_is_found_by_its_sha256(store: Store, hello: Path) -> None:
    stored = store.add(hello, HELLO, "greeting")
    assert stored.path == store.path(HELLO)
    assert stored.path.read_bytes() == b"hello"
    assert (stored.sha256, stored.size, stored.name) == (HELLO, 5, "greeting")


def test_a_stored_file_is_read_only(store: Store, hello: Path) -> None:
    assert stat.S_IMODE(store.add(hello).path.stat().st_mode) == 0o444


def test_a_wrong_sha256_names_file_expected_and_found_and_keeps_nothing(store: Store, hello: Path) -> None:
    with pytest.raises(HashMismatch) as caught:
        store.add(hello, "0" * 64, "greeting")
    assert (caught.value.name, caught.value.expected, caught.value.found) == ("greeting", "0" * 64, HELLO)
    assert files_below(store.folder) == []


def test_a_file_whose_bytes_changed_is_noticed_and_can_be_added_again(store: Store, hello: Path) -> None:
    corrupt(store.add(hello).path)
    assert store.path(HELLO) is None
    assert files_below(store.folder) == []
    assert store.add(hello).path.read_bytes() == b"hello"
    assert store.path(HELLO) is not None


@pytest.mark.parametrize("name", ["", "../../../etc/passwd", "ABCD", HELLO.upper()])
def test_what_is_no_sha256_is_refused(store: Store, name: str) -> None:
    with pytest.raises(StoreError, match="is not a sha256"):
        store.path(name)


def test_equal_documents_have_equal_keys() -> None:
    assert key_of({"a": 1, "b": [2]}) == key_of({"b": [2], "a": 1}) != key_of({"a": 1, "b": ["2"]})


def test_a_derived_folder_is_built_once_and_found_again(store: Store) -> None:
    built = store.derive(KEY, build_two)
    again = store.derive(KEY, never)
    assert built == again == store.artefact(KEY)
    assert [file.name for file in built.files] == ["a.txt", "sub/b.txt"]
    assert built.path("sub/b.txt").read_text() == "second"
    assert built.made_from == {"name": "two files"}
    assert built.size == 11
    with pytest.raises(KeyError):
        built.path("c.txt")


def test_files_of_a_derived_folder_are_read_only(store: Store) -> None:
    artefact = store.derive(KEY, build_two)
    assert {stat.S_IMODE(artefact.path(file.name).stat().st_mode) for file in artefact.files} == {0o444}


def change_a_file(folder: Path) -> None:
    corrupt(folder / "files" / "a.txt", b"f1rst")


def remove_a_file(folder: Path) -> None:
    (folder / "files" / "sub" / "b.txt").unlink()


def add_a_file(folder: Path) -> None:
    (folder / "files" / "c.txt").write_text("third")


def cut_the_manifest(folder: Path) -> None:
    corrupt(folder / "manifest.json", b'{"schema": 1, "ke')


@pytest.mark.parametrize("damage", [change_a_file, remove_a_file, add_a_file, cut_the_manifest])
def test_a_damaged_derived_folder_is_reported_and_built_again(store: Store, damage: object) -> None:
    artefact = store.derive(KEY, build_two)
    damage(artefact.folder.parent)  # type: ignore[operator]
    report = store.verify()
    assert [(finding.kind, finding.path.name, finding.repaired) for finding in report.findings] == [
        ("damaged", KEY, False)
    ]
    assert store.artefact(KEY) is None
    assert files_below(store.derive(KEY, build_two).folder) == ["a.txt", "b.txt"]
    assert store.verify().ok


def test_a_build_that_raises_leaves_nothing(store: Store) -> None:
    def fail(folder: Path) -> Mapping[str, object]:
        (folder / "half").write_text("half")
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        store.derive(KEY, fail)
    assert files_below(store.folder) == []
    assert store.derive(KEY, build_two).size == 11


def test_a_build_without_files_is_an_error(store: Store) -> None:
    with pytest.raises(StoreError, match="no file was made"):
        store.derive(KEY, lambda folder: {})
    assert store.artefact(KEY) is None


def test_a_build_that_leaves_a_symbolic_link_is_an_error(store: Store) -> None:
    def link(folder: Path) -> Mapping[str, object]:
        (folder / "link").symlink_to("/etc/passwd")
        return {}

    with pytest.raises(StoreError, match="link is a symbolic link"):
        store.derive(KEY, link)


@pytest.mark.parametrize("key", ["", "..", "a/b", "/etc"])
def test_what_is_no_key_is_refused(store: Store, key: str) -> None:
    with pytest.raises(StoreError, match="is not a key"):
        store.derive(key, never)


DERIVE = """
import os, sys, time
from pathlib import Path
from cmx.settings import Settings
from cmx.store import Store

home, key, log, seconds = sys.argv[1:]
def build(folder):
    with open(log, "a") as stream:
        stream.write(f"{os.getpid()}\\n")
    (folder / "half").write_text("half")
    print("building", flush=True)
    time.sleep(float(seconds))
    (folder / "half").rename(folder / "whole")
    return {"name": "whole"}
print(Store(Settings(Path(home))).derive(key, build).path("whole").read_text())
"""


def test_of_eight_processes_one_builds_and_all_use_it(store: Store, tmp_path: Path) -> None:
    log = tmp_path / "log"
    running = [processes.start(DERIVE, store.settings.home, KEY, log, 0.3) for _ in range(8)]
    answers = [processes.answer(process).split() for process in running]
    assert [words[-1] for words in answers] == ["half"] * 8
    assert len(log.read_text().split()) == 1


def test_a_builder_killed_half_way_leaves_nothing_that_is_used(store: Store, tmp_path: Path) -> None:
    process = processes.start(DERIVE, store.settings.home, KEY, tmp_path / "log", 60)
    assert process.stdout is not None
    assert process.stdout.readline() == "building\n"
    process.kill()
    process.communicate()
    assert store.artefact(KEY) is None
    assert [finding.kind for finding in store.verify().findings] == ["leftover"]
    assert store.derive(KEY, build_two).size == 11
    assert store.verify().findings == ()
    assert files_below(store.folder) == ["a.txt", "b.txt", "manifest.json"]


def test_what_a_living_process_is_building_is_no_leftover(store: Store, tmp_path: Path, hello: Path) -> None:
    process = processes.start(DERIVE, store.settings.home, KEY, tmp_path / "log", 1)
    assert process.stdout is not None
    assert process.stdout.readline() == "building\n"
    store.add(hello)  # sweeps what is left over
    assert store.gc(set()).size == 5
    assert store.verify(repair=True).findings == ()
    assert processes.answer(process) == "half"
    assert store.artefact(KEY) is not None


ADD = """
import sys
from pathlib import Path
from cmx.settings import Settings
from cmx.store import Store
store = Store(Settings(Path(sys.argv[1])))
for _ in range(20):
    assert store.add(Path(sys.argv[2]), sys.argv[3]).path.read_bytes() == b"hello"
    assert store.path(sys.argv[3]) is not None
"""


def test_several_processes_may_add_the_same_file_at_once(store: Store, hello: Path) -> None:
    running = [processes.start(ADD, store.settings.home, hello, HELLO) for _ in range(4)]
    for process in running:
        processes.answer(process)
    assert files_below(store.folder) == sorted([HELLO, f"{HELLO}.json"])


HOLD = """
import sys, time
from pathlib import Path
from cmx.store import lock
with lock(Path(sys.argv[1]), what="holding"):
    print("held", flush=True)
    time.sleep(float(sys.argv[2]))
"""


@pytest.fixture
def held(tmp_path: Path) -> Iterator[tuple[Path, subprocess.Popen[str]]]:
    path = tmp_path / "locks" / "device.lock"
    process = processes.start(HOLD, path, 60)
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    yield path, process
    process.kill()
    process.communicate()


def test_whoever_waits_for_a_lock_is_told_once_who_holds_it(held: tuple[Path, subprocess.Popen[str]]) -> None:
    path, process = held
    told: list[str] = []

    def on_wait(sentence: str) -> None:
        told.append(sentence)
        process.send_signal(signal.SIGKILL)  # which frees the lock

    with lock(path, what="measuring", on_wait=on_wait):
        assert len(told) == 1
        assert f"waiting for another cmx (process {process.pid}, since " in told[0]
        assert told[0].endswith(": holding) before measuring")


def test_a_lock_that_is_not_had_in_time_is_an_error(held: tuple[Path, subprocess.Popen[str]]) -> None:
    path, process = held
    with (
        pytest.raises(Busy, match=f"measuring: another cmx .process {process.pid}.* has not finished after 0.1 s"),
        lock(path, what="measuring", timeout=0.1),
    ):
        raise AssertionError("got a lock that another process holds")


def test_two_threads_never_hold_one_lock_together(tmp_path: Path) -> None:
    inside = 0
    most = 0

    def work() -> None:
        nonlocal inside, most
        for _ in range(5):
            with lock(tmp_path / "one.lock", what="counting"):
                inside += 1
                most = max(most, inside)
                time.sleep(0.001)
                inside -= 1

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (inside, most) == (0, 1)


def test_a_wait_without_a_known_holder_still_says_something(tmp_path: Path) -> None:
    told: list[str] = []
    path = tmp_path / "one.lock"
    with lock(path, what="counting"):
        path.with_name("one.lock.holder").write_text("not json")
        with pytest.raises(Busy), lock(path, what="counting", timeout=0.01, on_wait=told.append):
            pass
    assert told == ["waiting for another cmx before counting"]


def test_the_list_says_what_is_there(store: Store, hello: Path) -> None:
    store.add(hello, name="greeting")
    store.derive(KEY, build_two)
    assert [(entry.kind, entry.key, entry.name) for entry in store.list()] == [
        ("file", HELLO, "greeting"),
        ("derived", KEY, "two files"),
    ]
    assert store.size() >= 16


def test_verify_removes_nothing_unless_asked_to_repair(store: Store, hello: Path) -> None:
    path = store.add(hello).path
    corrupt(path)
    report = store.verify()
    assert (report.checked, report.ok, path.exists()) == (1, False, True)
    repaired = store.verify(repair=True)
    assert (repaired.ok, repaired.findings[0].repaired, path.exists()) == (True, True, False)


def test_garbage_collection_removes_what_is_neither_kept_nor_recent(store: Store, hello: Path, tmp_path: Path) -> None:
    store.add(hello)
    other = tmp_path / "other"
    other.write_bytes(b"other")
    kept = store.add(other).sha256
    store.derive(KEY, build_two)
    assert store.gc({kept}, older_than=3600).entries == ()
    planned = store.gc({kept}, dry_run=True)
    assert len(store.list()) == 3
    assert store.gc({kept}) == planned
    assert {entry.key for entry in planned.entries} == {HELLO, KEY}
    assert [entry.key for entry in store.list()] == [kept]


def test_using_a_file_keeps_it_from_garbage_collection(store: Store, hello: Path) -> None:
    store.add(hello)
    note = store.files.note(HELLO)
    os.utime(note, (1, 1))
    assert len(store.gc(set(), older_than=3600, dry_run=True).entries) == 1
    store.path(HELLO)
    assert store.gc(set(), older_than=3600).entries == ()


LIMITED = """
import resource, sys
from pathlib import Path
import filelock
from cmx.errors import StoreError
from cmx.settings import Settings
from cmx.store import Store
store = Store(Settings(Path(sys.argv[1])))
resource.setrlimit(resource.RLIMIT_FSIZE, (65536, 65536))
def build(folder):
    (folder / "big").write_bytes(bytes(200_000))
    return {}
for attempt in (lambda: store.add(Path(sys.argv[2])), lambda: store.derive("key", build)):
    try:
        attempt()
    except StoreError as error:
        print(error, "|", error.hint)
"""


def test_a_full_disk_names_the_folder_the_bytes_and_the_remedy(store: Store, tmp_path: Path) -> None:
    pytest.importorskip("resource", reason="this system has no limits on the size of files")
    (tmp_path / "big").write_bytes(bytes(200_000))
    first, second = processes.run(LIMITED, store.settings.home, tmp_path / "big").splitlines()
    assert first.startswith(f"disk full: storing big in {store.folder} (200.0 kB needed, ")
    assert second.startswith(f"disk full: making key in {store.folder} (")
    assert first.endswith("CMX_HOME=/another/folder")
    assert "cmx store gc" in second
    assert files_below(store.folder) == []


INIT = """
import sys
from cmx.cli.main import main
for folder in sys.argv[1:]:
    main(["registry", "init", folder, "--name", "mine"])
"""


def test_only_of_a_folder_in_cmx_s_home_is_it_said_that_it_may_be_elsewhere(settings: Settings, tmp_path: Path) -> None:
    theirs, ours = tmp_path / "home-of-mine", settings.store
    (tmp_path / "link").symlink_to(settings.home)
    for folder in (ours, tmp_path / "link" / "store"):
        assert no_access(folder, "writing", "x").hint.endswith("keep cmx's files elsewhere: CMX_HOME=/another/folder")
        assert "cmx store gc" in disk_full(folder, "writing").hint
    assert no_access(theirs, "writing", "x").hint == "make it writable, or name another folder"
    assert disk_full(theirs, "writing").hint == "free some space, or name another folder"


def test_a_read_only_folder_of_the_user_s_is_to_be_made_writable(tmp_path: Path) -> None:
    prefix = processes.without_privileges()
    if prefix is None:
        pytest.skip("root may write to read-only folders, and there is no setpriv here")
    (tmp_path / "sealed").mkdir(mode=0o555)
    process = processes.start(INIT, tmp_path / "sealed/registry", prefix=prefix)
    complaints = process.communicate(timeout=60)[1].splitlines()
    assert complaints[0].startswith("error: no access: ")
    assert complaints[1:] == ["hint: make it writable, or name another folder"]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "small"
    folder.mkdir()
    mounted = os.name == "posix" and os.geteuid() == 0
    if mounted:
        command = ["mount", "-t", "tmpfs", "-o", "size=200k", "tmpfs", str(folder)]
        mounted = subprocess.run(command, capture_output=True, check=False).returncode == 0
    if not mounted:
        pytest.skip("no small disk: mounting one needs root")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_disk_that_is_really_full_keeps_nothing_half_written(small_disk: Path, tmp_path: Path, hello: Path) -> None:
    (tmp_path / "big").write_bytes(bytes(400_000))
    store = Store(Settings(small_disk / "home"))
    with pytest.raises(StoreError, match=r"disk full: storing big .*400.0 kB needed, .* free"):
        store.add(tmp_path / "big")
    assert files_below(store.folder) == []
    assert store.path(store.add(hello).sha256) is not None


READ_ONLY = """
import sys
from pathlib import Path
from cmx.errors import StoreError
from cmx.settings import Settings
from cmx.store import Store
store = Store(Settings(Path(sys.argv[1])))
print(store.path(sys.argv[3]).read_text())
print(store.derive(sys.argv[4], None).size)
print(store.verify().ok)
for attempt in (lambda: store.add(Path(sys.argv[2])), lambda: store.derive("key", None)):
    try:
        attempt()
    except StoreError as error:
        print(error, "|", error.hint)
"""


def test_a_read_only_store_serves_what_it_has_and_says_why_it_takes_nothing(store: Store, hello: Path) -> None:
    prefix = processes.without_privileges()
    if prefix is None:
        pytest.skip("root may write to read-only folders, and there is no setpriv here")
    store.add(hello)
    store.derive(KEY, build_two)
    folders = [store.settings.home, *(path for path in store.settings.home.rglob("*") if path.is_dir())]
    locks = list(store.settings.locks.iterdir())
    try:
        for path in (*locks, *folders):
            path.chmod(0o555 if path.is_dir() else 0o444)
        told = processes.run(READ_ONLY, store.settings.home, hello, HELLO, KEY, prefix=prefix).splitlines()
    finally:
        for path in (*folders, *locks):
            path.chmod(0o755)
    assert told[:3] == ["hello", "11", "True"]
    assert told[3].startswith("no access: ")
    assert str(store.folder) in told[3]
    assert "no access: taking the lock for making key" in told[4]
    assert told[4].endswith("CMX_HOME=/another/folder")


def test_sha256_of_a_file_of_several_chunks_is_right(tmp_path: Path) -> None:
    content = bytes(range(256)) * 10_000
    (tmp_path / "big").write_bytes(content)
    assert sha256_of(tmp_path / "big") == hashlib.sha256(content).hexdigest()
