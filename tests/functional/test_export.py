"""The commands of an exported Dockerfile, run one by one in a fresh virtual environment, in place of a container."""

from __future__ import annotations

import re
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from command_line import CommandLine


@pytest.mark.slow
def test_a_dockerfile_s_commands_install_what_the_lock_says(workshop: CommandLine, tmp_path: Path) -> None:
    cmx = replace(workshop, folder=tmp_path)
    cmx("solution", "pack", "image-classification")
    archive = tmp_path / "image-classification-1.0.0.cmx.zip"
    cmx("solution", "export", archive, "--format", "docker", "--output", "docker")
    text = (tmp_path / "docker" / "Dockerfile").read_text(encoding="utf-8")
    run = re.search(r"^RUN (.*?)\nCOPY", text, re.DOTALL | re.MULTILINE)
    assert run

    fresh = tmp_path / "fresh"
    subprocess.run([str(cmx.python), "-m", "venv", str(fresh)], check=True)
    environ = {**cmx.variables(), "PATH": f"{fresh / 'bin'}:/usr/bin:/bin"}
    for command in run[1].split(" \\\n && "):
        done = subprocess.run(
            ["/bin/sh", "-c", command], cwd=tmp_path / "docker", env=environ, capture_output=True, text=True
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"

    locked = (tmp_path / "docker" / "requirements" / "main.txt").read_text(encoding="utf-8")
    wanted = {line.split(" ")[0].lower() for line in locked.splitlines()}
    python = tmp_path / "docker" / "environments" / "main" / "bin" / "python"
    listed = subprocess.run([str(python), "-m", "pip", "freeze"], capture_output=True, text=True, check=True)
    assert set(listed.stdout.lower().replace("_", "-").split()) == wanted
    assert len(list((tmp_path / "docker" / "data" / "dataset").rglob("imagenet_*.jpg"))) == 20
    assert list((tmp_path / "docker" / "data" / "model").rglob("*.pth"))
