"""The wheel holds exactly what git does, and works far from any checkout."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from command_line import ROOT

from cmx.solution.carrying import package_files

BUILT_IN = ("actions", "components", "workflows", "repo.yaml")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from what git tracks."""
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout: there is no list of files to hold the wheel against")
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", str(folder), str(ROOT)]
    built = subprocess.run(command, capture_output=True, text=True, check=False)
    if built.returncode and "No matching distribution found for hatchling" in built.stderr:
        pytest.skip("no package registry can be reached to fetch hatchling")
    assert built.returncode == 0, built.stderr
    return next(folder.glob("*.whl"))


def tracked() -> set[str]:
    """The files of the wheel by git, under the names they have there: what it tracks, and would if it were added."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\n")
    there = [name for name in listed if name and (ROOT / name).exists()]
    ours = {name for name in there if name.startswith("cmx/")}
    return ours | {f"cmx/_builtin/{name}" for name in there if name.split("/")[0] in BUILT_IN}


def test_the_wheel_holds_what_git_tracks_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        held = {name for name in archive.namelist() if ".dist-info/" not in name}
    assert held == tracked()


def test_the_wheel_that_an_exported_solution_carries_holds_the_same(wheel: Path) -> None:
    assert {name for name, _ in package_files()} == tracked()
    with zipfile.ZipFile(wheel) as archive:
        assert all(archive.read(name) == path.read_bytes() for name, path in package_files())


def test_the_wheel_works_without_the_checkout(wheel: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "site")
    program = "import sys; sys.path.insert(0, sys.argv[1]); from cmx.cli.main import main; sys.exit(main(sys.argv[2:]))"
    command = [sys.executable, "-I", "-c", program, str(tmp_path / "site"), "list", "workflow"]
    listed = subprocess.run(
        command, cwd=tmp_path, capture_output=True, text=True, check=False, env={"CMX_HOME": str(tmp_path / "home")}
    )
    assert "workflow/image-classification" in listed.stdout, listed.stderr
    assert str(ROOT) not in listed.stdout
