"""A solution on another machine: everything from the archive, with no network, behind walls."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from command_line import CommandLine, wait_until

pytestmark = pytest.mark.slow

_VALID = ("--duration", "1", "--min-query-count", "64")
_SYSTEM = "/usr/bin:/bin"


@pytest.fixture(scope="module")
def archive(workshop: CommandLine, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """image-classification as it was run here, packed with everything that it needs."""
    cmx = replace(workshop, folder=tmp_path_factory.mktemp("packing"))
    result = cmx.json("run", "benchmark", *_VALID, "--offline")["result"]
    refused = cmx("solution", "pack", result["id"], "--size", "complete", code=2)
    assert refused.error.startswith("dataset/imagenet-photos cannot be packed: its licence is not known to allow")
    packed = cmx.json("solution", "pack", result["id"], "--size", "complete", "--private")
    return cmx.folder / packed["file"]


@pytest.fixture
def elsewhere(fresh: CommandLine, tmp_path: Path) -> CommandLine:
    """cmx with an empty home, an empty cache, and no network."""
    tools = tmp_path / "tools"
    tools.mkdir()
    for name in ("bwrap", "unshare"):
        if found := shutil.which(name, path=_SYSTEM):
            (tools / name).symlink_to(found)
    closed = "http://127.0.0.1:9"
    none = {"PATH": str(tools), "UV_CACHE_DIR": str(tmp_path / "uv"), "HTTPS_PROXY": closed, "HTTP_PROXY": closed}
    unshare = shutil.which("unshare", path=_SYSTEM)
    cut = [unshare, "-rn"] if unshare else []
    if not unshare or subprocess.run([*cut, sys.executable, "-c", ""], capture_output=True).returncode:
        return replace(fresh, environ={**fresh.environ, **none})
    wrapper = tmp_path / "python"
    wrapper.write_text(f'#!/bin/sh\nexec {unshare} -rn {fresh.python} "$@"\n', encoding="utf-8")
    wrapper.chmod(0o755)
    return replace(fresh, python=wrapper, environ={**fresh.environ, **none})


def test_from_the_archive_alone_comes_the_same_accuracy_by_the_same_lock(archive: Path, elsewhere: CommandLine) -> None:
    would = elsewhere.json("solution", "run", "benchmark", archive, "--dry-run")
    assert not elsewhere.home.exists()
    assert not [each for each in would["would"] if each["what"] == "download"]
    assert {each["text"].split("==")[0] for each in would["would"] if each["what"] == "take"} >= {
        "numpy",
        "onnxruntime",
    }

    first = elsewhere("solution", "init", archive)
    assert len(first.lines("provision")) == 2 and "convert" not in first.err
    assert elsewhere("solution", "init", archive).lines("provision") == []

    refused = elsewhere("solution", "run", "benchmark", archive, code=2)
    assert refused.error.endswith("is unsigned: nobody vouches for it") and "--allow-untrusted" in refused.hint
    short = ("--allow-untrusted", "--", "--duration", "0.5", "min-query-count=5")
    ran = elsewhere("solution", "run", "benchmark", archive, *short)
    assert "18/20 = 0.900  19/20 = 0.950" in ran.out
    assert "note: isolation: bubblewrap" in ran.err or "note: isolation: unshare" in ran.err

    document = elsewhere.json("solution", "validate", archive, "--allow-untrusted")
    validation = document["validation"]
    assert (validation["passed"], validation["same_lock"]) == (True, True)
    assert {name: each["found"] for name, each in validation["accuracies"].items()} == {"top_1": 0.9, "top_5": 0.95}
    assert validation["speed"]["ratio"]["estimate"] > 0
    assert len(elsewhere.results()) == 2


def test_an_exported_script_and_dockerfile_install_run_and_compare(
    archive: Path, workshop: CommandLine, tmp_path: Path
) -> None:
    cmx = replace(workshop, folder=tmp_path)
    cmx("solution", "export", archive, "--format", "docker", "--output", "docker")
    lines = (tmp_path / "docker" / "Dockerfile").read_text(encoding="utf-8").replace(" \\\n", " ").splitlines()
    said = {line.split()[0]: line.partition(" ")[2] for line in lines if not line.startswith("#")}
    place = tmp_path / "solution"  # instead of /solution in a container
    place.mkdir()
    for name in said["COPY"].split()[:-1]:
        shutil.copy(tmp_path / "docker" / name, place)
    fresh = tmp_path / "fresh"
    subprocess.run([str(cmx.python), "-m", "venv", "--without-pip", str(fresh)], check=True)
    environ = {**cmx.variables(), "PATH": str(fresh / "bin"), "CMX_HOME": said["ENV"].partition("=")[2]}
    environ["CMX_HOME"] = environ["CMX_HOME"].replace("/solution", str(place))
    at: dict[str, Any] = {"cwd": place, "env": environ, "capture_output": True, "text": True, "check": False}
    for command in said["RUN"].split(" && "):
        done = subprocess.run(["/bin/sh", "-c", command], **at)
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    words = [*json.loads(said["ENTRYPOINT"]), *json.loads(said["CMD"])]
    ran = subprocess.run([words[0].replace("/solution", str(place)), *words[1:]], **at)
    assert ran.returncode == 0 and "top_1        0.900  0.900  ± 0.05     within" in ran.stdout, ran.stderr

    cmx("solution", "export", archive, "--format", "venv-script", "--output", "script")
    shutil.copy(tmp_path / "script" / "reproduce.sh", place)  # which the same commands have installed already
    (place / "cmx/installed").touch()
    at["env"] = {**environ, "PATH": f"{environ['PATH']}:{_SYSTEM}"}
    again = subprocess.run(["/bin/sh", "reproduce.sh", "--json"], **at)
    assert json.loads(again.stdout)["validation"]["passed"] is True, again.stderr
    only = subprocess.run(["/bin/sh", "reproduce.sh", "--install-only"], **at)
    assert (only.returncode, only.stdout) == (0, "installed; ./reproduce.sh runs it\n")


def nothing_half_made(home: Path) -> bool:
    """Whether the solution is there whole, or not at all."""
    made = (home / "solutions").glob("[a-z]*")
    return all((path / "manifest.json").is_file() and (path / "given").is_dir() for path in made)


def test_a_killed_init_leaves_nothing_half_made_and_the_next_one_is_well(archive: Path, cmx: CommandLine) -> None:
    child = cmx.start("solution", "init", archive)
    building = cmx.home / "solutions" / ".building"
    wait_until(lambda: [path for path in building.glob("*") if path.is_dir()], 60, "unpacking")
    os.killpg(child.pid, signal.SIGKILL)
    child.communicate()
    assert nothing_half_made(cmx.home)
    cmx("solution", "init", archive)
    assert nothing_half_made(cmx.home) and list((cmx.home / "solutions").glob("image-classification-*"))
    assert not [path for path in building.glob("*") if path.is_dir()]


def test_two_inits_at_once_make_one(archive: Path, cmx: CommandLine) -> None:
    children = [cmx.start("solution", "init", archive) for _ in range(2)]
    said = [child.communicate() for child in children]
    assert [child.returncode for child in children] == [0, 0], said
    assert len(list((cmx.home / "solutions").glob("image-classification-*"))) == 1
    assert cmx("store", "verify").code == 0


def test_a_full_disk_is_said_so_and_nothing_of_the_solution_stays(
    archive: Path, cmx: CommandLine, tmp_path: Path
) -> None:
    wrapper = tmp_path / "limited"  # files of 4 MB at most, as on a disk that has no more
    wrapper.write_text(f'#!/bin/sh\nulimit -f 8000\nexec {cmx.python} "$@"\n', encoding="utf-8")
    wrapper.chmod(0o755)
    answer = replace(cmx, python=wrapper)("solution", "init", archive, code=1)
    assert answer.error.startswith(f"disk full: unpacking {archive.name} in {cmx.home}")
    assert not list((cmx.home / "solutions").glob("[a-z]*"))
    assert cmx("solution", "init", archive).code == 0
