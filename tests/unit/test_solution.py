"""Packing solutions, and reading them as anybody may."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest
from solutions import contents, small_archive, small_catalog, small_plan, small_result

import cmx
from cmx.cli.main import main
from cmx.errors import ComponentInvalid, StoreError, UsageError
from cmx.repository import Catalog, Repository
from cmx.resolver.plan import Plan
from cmx.settings import Settings
from cmx.solution import Archive, Subject, check, differences, pack
from cmx.solution.archive import write_signed
from cmx.solution.contents import expected_result, lock
from cmx.store import Package

Captured = pytest.CaptureFixture[str]


def test_what_was_packed_verifies_and_says_what_it_is(tmp_path: Path) -> None:
    archive = small_archive(tmp_path, citation="doi:10.1000/1")
    check(archive)
    manifest = archive.manifest
    assert (manifest.name, manifest.version, manifest.size) == ("flow", "1.0.0", "recipes")
    assert manifest.citation == "doi:10.1000/1"
    assert [each.reference for each in manifest.components] == [
        "workflow/flow==1.0.0",
        "action/benchmark==1.0.0",
        "dataset/photos==1.0.0",
        "model/net==1.0.0",
        "software-detect/runner==1.0.0",
    ]
    assert manifest.network is False


def test_what_is_expected_is_what_the_record_says_with_tolerances(tmp_path: Path) -> None:
    archive = small_archive(tmp_path)
    assert archive.manifest.expected is not None
    metrics = archive.manifest.expected["metrics"]
    assert metrics["top_1"] == {"value": 0.9, "tolerance": 0.05}
    assert metrics["throughput"] == {"value": 66.8, "tolerance": None}
    assert archive.manifest.expected["host"] == {"cpu_model": "Cortex-A72"}
    assert expected_result(archive).accuracy == {"top_1": 0.9, "top_5": 0.95}


def test_the_lock_is_the_plan_without_the_machine_that_it_was_made_on(tmp_path: Path) -> None:
    archive = small_archive(tmp_path)
    plan = lock(archive, "linux-x86_64")
    assert plan.environments["main"].place == "3.11"
    assert plan.environments["main"].packages[0].hashes == ("sha256:" + "0" * 64,)
    assert set(plan.host) == {"schema", "document", "os", "architecture", "libc", "python"}
    assert {pin.why for pin in plan.pins.values()} == {""}


def test_its_components_are_a_repository_of_their_own(tmp_path: Path) -> None:
    archive = small_archive(tmp_path)
    archive.unpack(tmp_path / "out")
    catalog = Catalog([Repository.open(tmp_path / "out/repository")], Settings(tmp_path / "elsewhere"))
    assert catalog.problems == []
    assert [entry.reference for entry in catalog.entries()] == sorted(
        each.reference for each in archive.manifest.components
    )
    assert Plan.read(tmp_path / "out/locks/linux-x86_64.json") == lock(archive, "linux-x86_64")


def test_every_zip_program_can_read_it(tmp_path: Path) -> None:
    archive = small_archive(tmp_path)
    with zipfile.ZipFile(archive.path) as opened:
        assert opened.testzip() is None
        assert {name: opened.read(name) for name in opened.namelist()} == contents(archive.path)


def test_a_signature_is_the_last_member_and_changes_nothing_before_it(tmp_path: Path) -> None:
    archive = small_archive(tmp_path)
    signed = tmp_path / "signed.cmx.zip"
    write_signed(archive, b'{"payload": ""}', signed)
    again = Archive.open(signed)
    check(again)
    assert again.signature == b'{"payload": ""}'
    assert again.digest == archive.digest
    write_signed(again, b"", signed)
    assert signed.read_bytes() == archive.path.read_bytes()


PACK = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from solutions import small_archive
small_archive(Path(sys.argv[2]))
"""


def test_packing_twice_on_two_paths_under_two_names_gives_identical_bytes(tmp_path: Path) -> None:
    archives = []
    for user in ("alice", "bob"):
        home = tmp_path / f"home of {user}"
        home.mkdir()
        environment = {**os.environ, "HOME": str(home), "USER": user, "LOGNAME": user, "TZ": "UTC"}
        subprocess.run(
            [sys.executable, "-c", PACK, str(Path(__file__).parents[1] / "helpers"), str(home)],
            env=environment,
            cwd=home,
            check=True,
        )
        archives.append((home / "flow.cmx.zip").read_bytes())
    assert archives[0] == archives[1]
    assert b"alice" not in archives[0]


def test_a_component_that_changed_since_is_not_packed(tmp_path: Path) -> None:
    catalog = small_catalog(tmp_path)
    subject = Subject(small_plan(catalog))
    (tmp_path / "zoo/models/net/model.onnx").write_bytes(b"another network")
    with pytest.raises(ComponentInvalid, match=r"model/net==1.0.0 has changed since the plan was made"):
        pack(subject, Catalog(catalog.repositories, catalog.settings), to=tmp_path)
    assert not list(tmp_path.glob("*.zip"))


def test_an_invalid_result_is_not_packed(tmp_path: Path) -> None:
    catalog = small_catalog(tmp_path)
    with pytest.raises(UsageError, match="result 7f3a91c2 is not valid"):
        Subject.of_result(small_result(catalog, error=StoreError("no")))


def test_the_verbs_pack_show_and_verify(tmp_path: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    catalog = small_catalog(tmp_path)
    monkeypatch.setattr("cmx.repository.catalog.builtin_repository", lambda: tmp_path / "zoo")
    plan = tmp_path / "plan.json"
    plan.write_text(json.dumps(small_plan(catalog).document()))
    assert main(["solution", "pack", str(plan), "--output", f"{plan}/"]) == 2
    assert "plan.json/: File exists" in capsys.readouterr().err
    assert main(["solution", "pack", str(plan), "--output", f"{tmp_path}/new/"]) == 0
    assert "expected    nothing: it was packed without a result" in capsys.readouterr().out
    archive = str(tmp_path / "new" / "flow-1.0.0.cmx.zip")
    assert main(["solution", "show", archive]) == 0
    assert "unsigned: nobody vouches for it" in capsys.readouterr().out
    assert main(["solution", "verify", archive, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["signature"]["word"] == "unsigned"


def test_diff_names_what_two_archives_pin_and_expect_differently(tmp_path: Path, capsys: Captured) -> None:
    one = small_archive(tmp_path / "one")
    catalog = small_catalog(tmp_path / "other")
    (tmp_path / "other/zoo/models/net/model.onnx").write_bytes(b"another network")
    plan = small_plan(catalog)
    newer = replace(plan.pins["framework"], version="2.2")
    wheel = replace(plan.environments["main"], packages=(Package("runner", "2.2", ("sha256:" + "1" * 64,)),))
    changed = replace(plan, pins={**plan.pins, "framework": newer}, environments={"main": wheel})
    result = small_result(catalog, plan=changed.document())
    other = pack(Subject.of_result(result), catalog, tolerances={"top_1": 0.1}, to=tmp_path / "other.cmx.zip")
    assert [str(each).split(": ")[0] for each in differences(one, one)] == []
    found = {each.place: (each.first, each.second) for each in differences(one, other)}
    assert found.keys() == {"model/net", "linux-x86_64: framework", "linux-x86_64: main: runner", "expected.top_1"}
    assert found["linux-x86_64: main: runner"] == ("2.1", "2.2")
    assert found["expected.top_1"] == ("0.9 ± 0.05", "0.9 ± 0.1")
    assert main(["solution", "diff", str(one.path), str(other.path)]) == 0
    assert "software/runner==2.1  software/runner==2.2" in capsys.readouterr().out
    assert main(["solution", "diff", str(one.path), str(one.path)]) == 0
    assert capsys.readouterr().out == "the two are the same file, but for signatures\n"


def test_python_packs_opens_and_verifies(tmp_path: Path) -> None:
    catalog = small_catalog(tmp_path)
    plan, result = small_plan(catalog), small_result(catalog)
    packed = cmx.Solution.pack(plan, result, to=tmp_path / "flow.cmx.zip", catalog=catalog, version="2.0.0")
    solution = cmx.Solution.open(packed.path)
    assert solution.verify().word == "unsigned"
    assert repr(solution) == "<Solution flow 2.0.0 of flow.cmx.zip>"
    with pytest.raises(UsageError, match="a solution has no 'licence'") as caught:
        cmx.Solution.pack(plan, catalog=catalog, licence="MIT")
    assert caught.value.hint == "did you mean 'license'?"
    other = replace(plan, pins={**plan.pins, "framework": replace(plan.pins["framework"], version="2.2")})
    with pytest.raises(UsageError, match="result 7f3a91c2 is of another plan: framework"):
        cmx.Solution.pack(other, result, catalog=catalog)


def test_large_files_beside_a_component_come_along(tmp_path: Path) -> None:
    catalog = small_catalog(tmp_path)
    (tmp_path / "zoo/models/net/model.onnx").write_bytes(os.urandom(2_000_000))
    archive = pack(Subject(small_plan(catalog)), catalog, to=tmp_path)
    check(archive)
    network = archive.read("repository/models/net/model.onnx")
    assert network == (tmp_path / "zoo/models/net/model.onnx").read_bytes()
