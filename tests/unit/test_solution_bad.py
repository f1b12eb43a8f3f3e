"""Archives as nobody should make them: each is refused, in words that say what is wrong, and nothing of it is kept."""

from __future__ import annotations

import io
import json
import os
import re
import struct
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from solutions import contents, edited, forged, small_archive, small_catalog, zipped

from cmx.cli.main import main
from cmx.errors import CmxError
from cmx.repository import Catalog, Repository
from cmx.settings import Settings
from cmx.solution import Archive, check, impostors
from cmx.solution.manifest import MANIFEST, canonical

Captured = pytest.CaptureFixture[str]
LOCK = "locks/linux-x86_64.json"
MODEL = "repository/models/net/model.onnx"
YAML = "repository/models/net/component.yaml"
Forge = Callable[[Path], object]


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The bytes of an archive with which nothing is wrong."""
    return small_archive(tmp_path_factory.mktemp("making")).path.read_bytes()


@pytest.fixture
def archive(tmp_path: Path, good: bytes) -> Path:
    """A good archive, to be made a bad one; nothing else lies in its folder."""
    place = tmp_path / "received" / "flow.cmx.zip"
    place.parent.mkdir()
    place.write_bytes(good)
    return place


def refused(path: Path) -> str:
    """What is said of an archive; nobody may keep anything of it."""
    with pytest.raises(CmxError) as caught:
        check(Archive.open(path))
    assert caught.value.hint
    with pytest.raises(CmxError):
        Archive.open(path).unpack(path.parent / "out")
        check(Archive.open(path))  # what only a look at the contents tells
    assert caught.value.exit_code in (1, 2, 3)
    return caught.value.message


def cut(size: int) -> Forge:
    """Keep so many bytes; as many less than all where it is negative."""

    def forge(path: Path) -> None:
        path.write_bytes(path.read_bytes()[:size])

    return forge


def flip(place: Callable[[Path], int]) -> Forge:
    """Change one byte."""

    def forge(path: Path) -> None:
        raw = bytearray(path.read_bytes())
        raw[place(path)] ^= 1
        path.write_bytes(raw)

    return forge


def entry(path: Path, name: str) -> Any:
    return next(each for each in Archive.open(path).entries if each.name == name)


def end(path: Path) -> int:
    """Where the list of members begins."""
    return Archive.open(path).entries[-1].end


def with_members(change: Callable[[dict[str, bytes]], dict[str, bytes]]) -> Forge:
    """Write other members, under the manifest as it is."""

    def forge(path: Path) -> None:
        zipped(path, change(contents(path)))

    return forge


def rezipped(edit: Callable[[zipfile.ZipInfo], None] = lambda _: None, method: int = zipfile.ZIP_STORED) -> Forge:
    """Zip it again by Python's own module, with another member that ``edit`` makes unusual."""

    def forge(path: Path) -> None:
        members = contents(path)
        with zipfile.ZipFile(path, "w", method) as made:
            for name, data in members.items():
                info = zipfile.ZipInfo(name)
                info.external_attr = 0o100644 << 16
                info.compress_type = method
                if name == MODEL:
                    edit(info)
                made.writestr(info, data)

    return forge


def mode(bits: int) -> Callable[[zipfile.ZipInfo], None]:
    def edit(info: zipfile.ZipInfo) -> None:
        info.external_attr = bits << 16

    return edit


def hard_link(path: Path) -> None:
    """An archive of another format, with a link to what lies outside."""
    with tarfile.open(path, "w") as tar:
        info = tarfile.TarInfo("repository/repo.yaml")
        info.type, info.linkname = tarfile.LNKTYPE, "/etc/passwd"
        tar.addfile(info)


def raw_name(name: bytes) -> Forge:
    """Give the model these bytes for a name, wherever it is written in the zip."""

    def forge(path: Path) -> None:
        path.write_bytes(path.read_bytes().replace(MODEL.encode(), name.ljust(len(MODEL), b"x")))

    return forge


def with_password(path: Path) -> None:
    """Set the bit that says a member is encrypted."""
    raw = bytearray(path.read_bytes())
    struct.pack_into("<H", raw, end(path) + 8, 0x801)
    path.write_bytes(raw)


def overlapping(path: Path) -> None:
    """Let the second member begin where the first does, as zip bombs do."""
    raw = bytearray(path.read_bytes())
    first, second = (each.start() for each in list(re.finditer(b"PK\1\2", raw))[:2])
    raw[second + 42 : second + 46] = raw[first + 42 : first + 46]
    path.write_bytes(raw)


def put_between(path: Path) -> None:
    """Hide something between the members and their list, with a list that says where it now begins."""
    raw, at = path.read_bytes(), end(path)
    tail = raw[-22:-6] + struct.pack("<LH", at + 6, 0)
    path.write_bytes(raw[:at] + b"hidden" + raw[at:-22] + tail)


def manifest(**changes: Any) -> Forge:
    """Change the manifest, and nothing else."""
    return with_members(lambda members: {**members, MANIFEST: edited(members[MANIFEST], **changes)})


def manifest_text(change: Callable[[str], str]) -> Forge:
    return with_members(lambda members: {**members, MANIFEST: change(members[MANIFEST].decode()).encode()})


def member(name: str, data: bytes | None = b"", **changes: Any) -> Forge:
    """Change, add or take away a member, with hashes that fit."""
    return lambda path: forged(path, {name: data}, **changes)


def lock_changed(change: Callable[[dict[str, Any]], object]) -> Forge:
    """Change the lock, with hashes that fit."""

    def forge(path: Path) -> None:
        document = json.loads(contents(path)[LOCK])
        change(document)
        forged(path, {LOCK: canonical(document)})

    return forge


def renamed(new: str) -> Forge:
    """Give the model's file another name, in the manifest and in the list."""
    return lambda path: forged(path, {MODEL: None, new: b"a network"})


def path_in_manifest(new: str) -> Forge:
    """Let the manifest speak of a file that is not there."""

    def change(text: str) -> str:
        document = json.loads(text)
        next(each for each in document["files"] if each["path"] == MODEL)["path"] = new
        return canonical(document).decode()

    return manifest_text(change)


BAD: dict[str, tuple[Forge, str]] = {
    # truncated or altered, at every layer
    "empty": (cut(0), "is no archive of cmx"),
    "something else": (lambda path: path.write_text("no archive"), "is no archive of cmx"),
    "only the beginning": (cut(200), "its end is missing, or something follows it"),
    "without its last byte": (cut(-1), "its end is missing, or something follows it"),
    "something appended": (lambda path: path.write_bytes(path.read_bytes() + b"x"), "or something follows it"),
    "something before it": (lambda path: path.write_bytes(b"x" + path.read_bytes()), "do not add up to its size"),
    "something in between": (put_between, "something between its members and their list"),
    "header altered": (flip(lambda path: entry(path, MODEL).offset + 10), "has a header that differs"),
    "content altered": (flip(lambda path: entry(path, MODEL).content), "model.onnx: sha256 is [0-9a-f]{64}, and the"),
    "manifest altered": (flip(lambda path: 60), "manifest.json: its bytes are not those that were listed"),
    "list altered": (flip(lambda path: end(path) + 12), "is listed in a way that cmx does not write"),
    "date altered": (flip(lambda path: end(path) + 14), "is listed in a way that cmx does not write"),
    "end altered": (flip(lambda path: path.stat().st_size - 7), "do not add up to its size"),
    "count altered": (flip(lambda path: path.stat().st_size - 12), "its end does not match"),
    "comment announced": (flip(lambda path: path.stat().st_size - 2), "its end does not match"),
    # names that lead elsewhere, or are no files
    "zip-slip": (renamed("repository/../../evil"), r"'repository/../../evil' leads out of the archive"),
    "absolute": (renamed("/etc/evil"), "'/etc/evil' is an absolute path"),
    "a drive": (renamed("C:/evil"), "'C:/evil' is an absolute path"),
    "backslash": (renamed("repository\\..\\evil"), "leads out of the archive on Windows"),
    "a device of Windows": (renamed("repository/models/net/nul.txt"), "is no name for a file on Windows"),
    "a stream of Windows": (renamed("repository/models/net/a:b"), "is no name for a file on Windows"),
    "a control character": (renamed("repository/models/net/a\x1b[2J"), "holds characters that cannot be seen"),
    "an empty part": (renamed("repository//evil"), "has an empty part"),
    "too long": (renamed("repository/" + "x" * 300), "is longer than every system can keep"),
    "decomposed": (renamed("repository/models/net/u\u0308"), "is not in Unicode's normal form"),
    "not UTF-8": (raw_name(b"\xff\xfe"), r"the name b'\\xff\\xfex+' is not UTF-8"),
    "symbolic link": (rezipped(mode(0o120777)), "'repository/models/net/model.onnx' is a link"),
    "device file": (rezipped(mode(0o020666)), "is a device or another special file"),
    "pipe": (rezipped(mode(0o010666)), "is a device or another special file"),
    "folder": (rezipped(mode(0o040755)), "is a folder"),
    "hard link": (hard_link, "is no archive of cmx"),
    # names that are one
    "twice": (
        lambda path: zipped_twice(path),  # defined below
        "'repository/models/net/model.onnx' is there twice",
    ),
    "capitals": (
        member("repository/models/net/Model.onnx"),
        "'repository/models/net/Model.onnx' and 'repository/models/net/model.onnx' are one name on a disk",
    ),
    "capitals of a folder": (member("repository/Models/net/b"), "are one name on a disk that does not tell capitals"),
    "a file and a folder": (member("repository/models/net/model.onnx/b"), "model.onnx' is a file and a folder"),
    # sizes
    "compressed": (rezipped(method=zipfile.ZIP_DEFLATED), "is compressed, so it may unpack to any size"),
    "password": (with_password, "has a password"),
    "overlapping": (overlapping, "does not begin where the member before it ends"),
    "more files than stated": (manifest(limits={"files": 3, "bytes": 10**9}), "states 3 files of 1.0 GB at most"),
    "more bytes than stated": (manifest(limits={"files": 99, "bytes": 10}), "states 99 files of 10 bytes at most"),
    # manifests
    "newer schema": (manifest(schema=2), "manifest.json: schema: 2 is newer than the 1 that this cmx reads"),
    "no schema": (manifest(schema="one"), "manifest.json: schema: "),
    "unknown key": (manifest(naem="x"), "manifest.json: naem: unknown key 'naem'"),
    "missing key": (manifest_text(lambda text: text.replace(' "network": false,\n', "")), "'network' is missing"),
    "no name": (manifest(name="../x"), 'manifest.json: name: "../x" is not valid'),
    "no JSON": (manifest_text(lambda text: text[:-5]), "manifest.json: is not JSON"),
    "a list": (manifest_text(lambda _: "[]\n"), "manifest.json: is not a JSON object"),
    "not UTF-8 inside": (
        with_members(lambda members: {**members, MANIFEST: members[MANIFEST].replace(b"flow", b"fl\xffw")}),
        "manifest.json: is not JSON: 'utf-8' codec",
    ),
    "half a character": (
        manifest_text(lambda text: text.replace('"citation": ""', '"citation": "\\ud800"')),
        "manifest.json: is not JSON: 'utf-8' codec",
    ),
    "a text that clears the screen": (
        manifest(description="\x1b[2J"),
        r'manifest.json: description: "\\u001b\[2J" holds characters that cannot be seen',
    ),
    "a text that runs backwards": (manifest(license="MIT\u202e"), "manifest.json: license: .*cannot be seen"),
    "a key twice": (manifest_text(lambda text: text.replace("{", '{"name": "a",', 1)), "a key is there twice"),
    "no number": (manifest_text(lambda text: text.replace("66.8", "NaN")), "manifest.json: is not JSON"),
    "endless number": (manifest_text(lambda text: text.replace("66.8", "1e999")), "manifest.json: is not JSON"),
    "very long number": (manifest_text(lambda text: text.replace("66.8", "9" * 5000)), "manifest.json: is not JSON"),
    "very deep": (manifest_text(lambda _: "[" * 100_000), "manifest.json: is not JSON"),
    "rather deep": (
        manifest_text(lambda text: text.replace("{}", "[" * 300 + "]" * 300, 1)),
        "manifest.json: is not JSON: more than 64 levels deep",
    ),
    "a key that clears the screen": (manifest(**{"\x1b[2J": 1}), r"manifest.json: a key: .* cannot be seen"),
    "written otherwise": (manifest_text(lambda text: text + " "), "is not written as cmx writes it"),
    "first member is another": (with_members(lambda members: dict(sorted(members.items()))), "does not begin with"),
    "no members": (with_members(lambda _: {}), "does not begin with manifest.json"),
    "another order": (
        with_members(lambda members: {MANIFEST: members[MANIFEST], **dict(sorted(members.items(), reverse=True))}),
        "its members are not in order",
    ),
    # lists that do not agree
    "not listed": (with_members(lambda members: {**members, "repository/zzz": b""}), "the manifest does not list it"),
    "missing": (
        with_members(lambda members: {name: data for name, data in members.items() if name != MODEL}),
        "'repository/models/net/model.onnx' is missing",
    ),
    "of another size": (
        with_members(lambda members: {**members, MODEL: b"x"}),
        "is 1 bytes long, and the manifest says 9",
    ),
    "of another hash": (
        with_members(lambda members: {**members, MODEL: b"A network"}),
        "repository/models/net/model.onnx: sha256 is [0-9a-f]{64}, and the manifest says [0-9a-f]{64}",
    ),
    "a path in the manifest": (path_in_manifest("../evil"), "'../evil' is missing"),
    # contents that do not agree, with hashes that do
    "another component": (
        lambda path: forged(path, {YAML: contents(path)[YAML].replace(b"name: net", b"name: ten")}),
        "component.yaml: is model/ten==1.0.0 of uid [0-9a-f]{16}, and the manifest names model/net==1.0.0",
    ),
    "a component of another uid": (
        lambda path: forged(path, {YAML: re.sub(rb"uid: a\w+", b"uid: b" + b"0" * 15, contents(path)[YAML])}),
        "is model/net==1.0.0 of uid b0{15}, and the manifest names model/net==1.0.0 of uid a",
    ),
    "a component that is none": (member(YAML, b"schema: 1\nkind: model\n"), "component.yaml:1?:? ?.*is missing"),
    "a component that is no YAML": (member(YAML, b"\xff"), f"{YAML}:1: not UTF-8"),
    "a component taken away": (member(YAML, None), "repository/models/net: holds no component"),
    "a component changed": (member(MODEL, b"another"), "net/component.yaml: model/net==1.0.0 has digest"),
    "a component more": (
        lambda path: forged(path, {"repository/more/component.yaml": contents(path)[YAML]}),
        "and the manifest names nothing there",
    ),
    "hidden code": (member("repository/models/net/.hidden.py"), "repository/models/net/.hidden.py: belongs to no comp"),
    "stray code": (member("repository/stray.py"), "repository/stray.py: belongs to no component"),
    "no repo.yaml": (member("repository/repo.yaml", b"schema: 9\nname: x\n"), "repository/repo.yaml:1: schema: 9"),
    "data in recipes": (member("data/" + "0" * 64), "does not belong into an archive of the size 'recipes'"),
    "data of another name": (member("data/" + "0" * 64, size="with-data"), "its name is not its sha256"),
    "strange member": (member("autorun.inf"), "autorun.inf: does not belong"),
    "no plan": (member(LOCK, b"{}\n"), f"{LOCK}: schema: 'schema' is missing|{LOCK}: .*missing"),
    "plan without a machine": (lock_changed(lambda plan: plan["host"].pop("os")), f"{LOCK}: host.os: is missing"),
    "plan of another workflow": (
        lock_changed(lambda plan: plan.update(workflow="workflow/other==1.0.0")),
        f"{LOCK}: is of workflow/other==1.0.0 for linux-x86_64, not of workflow/flow==1.0.0",
    ),
    "plan for another platform": (
        lock_changed(lambda plan: plan["host"].update(architecture="s390x")),
        "is of workflow/flow==1.0.0 for linux-s390x, not of workflow/flow==1.0.0 for linux-x86_64",
    ),
    "plan with a component that is not there": (
        lock_changed(lambda plan: plan["pins"]["model"].update(recipe="model/other==1.0.0")),
        f"{LOCK}: needs model/other==1.0.0, which is not in the archive",
    ),
    "plan with an interpreter of its own": (
        lock_changed(lambda plan: plan["environments"]["main"].update(place="/tmp/evil/python")),
        f"{LOCK}: names places of the machine",
    ),
    "plan that uses an interpreter as it is": (
        lock_changed(lambda plan: plan["environments"]["main"].update(source="detected")),
        f"{LOCK}: the environment 'main' of the plan is an interpreter of this machine",
    ),
    "plan with packages without hashes": (
        lock_changed(lambda plan: plan["environments"]["main"]["packages"][0].update(hashes=[])),
        "runner 2.1 has no hash",
    ),
    "plan that reads a file here": (
        lock_changed(lambda plan: plan["steps"][0]["parameters"].update(input="/home/you/.ssh/id_rsa")),
        "steps.0.parameters.input is a path of this machine: /home/you/.ssh/id_rsa",
    ),
    "plan that clears the screen": (
        lock_changed(lambda plan: plan.update(workflow="\x1b[2J")),
        f"{LOCK}: workflow: .* holds characters that cannot be seen",
    ),
    "plan with another request": (
        lock_changed(lambda plan: plan["request"].update(seed=4)),
        f"{LOCK}: request: is not what the manifest has as inputs",
    ),
    "plan with an interpreter's name": (
        lock_changed(lambda plan: plan["environments"]["main"].update(python="reboot", place="reboot")),
        f"{LOCK}: environments.main.python: is no version of Python",
    ),
    "plan with parameters of its own": (
        lock_changed(lambda plan: plan["steps"][0]["parameters"].update(shell="sh")),
        f"{LOCK}: steps: not what the request and the components say",
    ),
    "plan that fetches something else": (
        lock_changed(lambda plan: plan["pins"]["model"]["artifact"].update(source={"url": "https://evil.example/x"})),
        f"{LOCK}: pins.model: fetches something else than model/net==1.0.0 says",
    ),
    "plan with another variant": (
        lock_changed(lambda plan: plan["pins"]["model"].update(variant="none")),
        f"{LOCK}: pins: there is no variant 'none'",
    ),
    "no record": (member("expected/result.json", b"{}\n"), "expected/result.json: .*missing"),
    "a record of no run": (
        lambda path: forged(path, {"expected/result.json": with_latency(path, "1 ms")}),
        "expected/result.json: its metrics are not those of a run",
    ),
    "a record with a text for a number": (
        lambda path: forged(path, {"expected/result.json": with_latency(path, {"p50": "\x1b[2J"})}),
        "expected/result.json: its metrics are not those of a run: one is no number",
    ),
    "a record of another workflow": (
        lambda path: forged(path, {"expected/result.json": other_record(path)}),
        "expected/result.json: is of workflow/other==1.0.0, not of workflow/flow==1.0.0",
    ),
    "an expectation that was not measured": (
        lambda path: forged(
            path,
            {},
            expected=json.loads(contents(path)[MANIFEST])["expected"]
            | {"metrics": {"top_1": {"value": 0.99, "tolerance": 0.5}}},
        ),
        "expected.metrics.top_1: is 0.99, and expected/result.json has 0.9",
    ),
}


def of_accuracy_mode(path: Path, **metrics: Any) -> Path:
    """The archive as if its benchmark had been in accuracy mode, packed with its times and ``metrics`` as expected."""
    record = json.loads(contents(path)["expected/result.json"])
    record["steps"][0]["outcome"]["metrics"]["mode"] = "accuracy"
    expected = json.loads(contents(path)[MANIFEST])["expected"]
    expected["metrics"] |= {name: {"value": value, "tolerance": None} for name, value in metrics.items()}
    return forged(path, {"expected/result.json": canonical(record)}, expected=expected)


def test_an_archive_that_was_packed_with_the_times_of_accuracy_mode_is_read(archive: Path) -> None:
    before = Archive.open(archive).manifest.expected
    of_accuracy_mode(archive)
    check(Archive.open(archive))
    assert Archive.open(archive).manifest.expected == before
    assert "throughput" in (before or {})["metrics"]


def test_what_accuracy_mode_did_not_score_is_not_expected_of_it(archive: Path) -> None:
    of_accuracy_mode(archive, top_9=0.9)
    assert "expected.metrics.top_9: is 0.9, and expected/result.json has None" in refused(archive)


def zipped_twice(path: Path) -> None:
    """An archive in which one name stands twice, with other bytes the second time."""
    other = MODEL.replace("net/model", "net/ledom").encode()
    raw = forged(path, {other.decode(): b"x"}).read_bytes()
    path.write_bytes(raw.replace(other, MODEL.encode()))


def with_latency(path: Path, latency: Any) -> bytes:
    """The record, with something else for the latencies of its benchmark."""
    record = json.loads(contents(path)["expected/result.json"])
    record["statistics"] = None
    record["steps"][0]["outcome"]["metrics"]["latency"] = latency
    return canonical(record)


def other_record(path: Path) -> bytes:
    """The record, of a workflow of another name, with the key that it then has."""
    from dataclasses import replace

    from cmx.results import Result

    result = Result.from_document(json.loads(contents(path)["expected/result.json"]))
    comparability = replace(result.comparability, workflow="workflow/other==1.0.0")
    return canonical(replace(result, workflow="workflow/other==1.0.0", comparability=comparability).document())


@pytest.mark.parametrize("name", BAD)
def test_a_bad_archive_is_refused_in_words(archive: Path, name: str) -> None:
    forge, words = BAD[name]
    forge(archive)
    message = refused(archive)
    assert re.search(words, message), message
    assert message.startswith(("flow.cmx.zip: ", str(archive)))
    assert str(archive.parent) not in message
    left = {each.name for each in archive.parent.iterdir()}
    assert left <= {"flow.cmx.zip", "out"}


def test_an_archive_that_is_not_there_or_no_file_is_a_usage_error(tmp_path: Path, capsys: Captured) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path, what in (
        (tmp_path / "none.cmx.zip", "No such file"),
        (tmp_path, "is no file"),
        (tmp_path / "pipe", "is no file"),
    ):
        assert main(["solution", "verify", str(path)]) == 2
        assert f"error: {path}: {what}" in capsys.readouterr().err


def test_a_component_of_ours_replaced_by_one_with_the_same_name_is_named(
    tmp_path: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = small_archive(tmp_path).path
    ours = small_catalog(tmp_path / "ours")
    monkeypatch.setattr("cmx.repository.catalog.builtin_repository", lambda: tmp_path / "ours/zoo")
    assert impostors(Archive.open(path), ours) == []
    (tmp_path / "ours/zoo/actions/benchmark/action.py").write_text("def benchmark(context): ...\n")
    assert main(["solution", "verify", str(path)]) == 1
    out, _ = capsys.readouterr()
    named = "action/benchmark==1.0.0 is not the one of the repository 'builtin': action.py differs"
    assert named in out
    assert main(["solution", "init", str(path), "--platform", "linux-x86_64"]) == 1
    told = capsys.readouterr().err.splitlines()
    assert told[0] == f"error: flow.cmx.zip: {named}"
    assert told[1].endswith("--allow-untrusted installs it all the same")
    (tmp_path / "ours/zoo/models/net/component.yaml").write_text(
        re.sub("uid: a", "uid: b", (tmp_path / "ours/zoo/models/net/component.yaml").read_text())
    )
    found = impostors(Archive.open(path), Catalog([Repository.open(tmp_path / "ours/zoo")], Settings(tmp_path / "h")))
    assert [each.reference for each in found] == ["action/benchmark==1.0.0", "model/net==1.0.0"]
    assert "its uid is a" in found[1].how


def test_no_line_of_a_text_passes_for_another_fact(
    tmp_path: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cmx.repository.catalog.builtin_repository", lambda: tmp_path / "zoo")
    made = small_archive(tmp_path, citation="a book\nsignature   trusted", description="good\nsignature   trusted")
    assert main(["solution", "show", str(made.path)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line for line in lines if line.startswith("signature")] == ["signature   unsigned: nobody vouches for it"]


def test_a_full_list_of_members_is_not_read(archive: Path) -> None:
    raw = io.BytesIO()
    raw.write(b"PK\3\4")
    raw.truncate((65 << 20) + 4)
    raw.seek(0, os.SEEK_END)
    raw.write(struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 9, 9, 65 << 20, 4, 0))
    archive.write_bytes(raw.getvalue())
    assert re.search("its list of members is 68157440 bytes long", refused(archive))


def test_an_archive_that_cannot_be_written_leaves_nothing(tmp_path: Path) -> None:
    made = small_archive(tmp_path / "making")
    (tmp_path / "file").write_text("")
    with pytest.raises(CmxError, match="there already"):
        made.unpack(tmp_path / "file")
    assert [each.name for each in tmp_path.iterdir() if each.name.startswith(".")] == []
