"""A lock for another platform: what compiles runs there in an emulator, what has no wheel is explained."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from command_line import CommandLine

SYSTEM = "/usr/bin:/bin"
SMALL = "arguments=--variant blocked --size 64 --passes 2"


@pytest.mark.slow
def test_a_native_solution_is_retargeted_and_runs_in_the_emulator(workshop: CommandLine, tmp_path: Path) -> None:
    needed = ("aarch64-linux-gnu-gcc", "qemu-aarch64", "gcc")
    if missing := [name for name in needed if shutil.which(name, path=SYSTEM) is None]:
        pytest.skip(f"{', '.join(missing)}: not here; tests/install_debian_packages.py brings them")
    cmx = replace(workshop, folder=tmp_path, environ={**workshop.environ, "PATH": SYSTEM})
    cmx("solution", "pack", "matmul")
    archive = tmp_path / "matmul-1.0.0.cmx.zip"
    told = cmx.json("solution", "retarget", archive, "--platform", "linux-aarch64")
    assert told["locks"] == ["linux-aarch64", "linux-x86_64"]
    assert any(change.startswith("emulator: software/qemu-user==") for change in told["changes"])
    cmx("solution", "verify", archive)

    words = ("--platform", "linux-aarch64", "--allow-untrusted", "--no-isolation", "--json", "--", SMALL)
    result = cmx("solution", "run", "benchmark", archive, *words).document["result"]
    steps = {each["id"]: each["outcome"]["metrics"] for each in result["steps"] if each["outcome"]}
    assert result["plan"]["request"]["target"] == "linux-aarch64"
    assert steps["benchmark"]["emulated"] is True
    assert steps["validate"]["passed"] is True
    again = cmx("solution", "retarget", archive, "--platform", "linux-aarch64", code=2)
    assert again.error == "matmul-1.0.0.cmx.zip has a lock for linux-aarch64 already"


@pytest.mark.slow
def test_what_has_no_wheel_on_a_platform_is_named_with_what_has_one(workshop: CommandLine, tmp_path: Path) -> None:
    cmx = replace(workshop, folder=tmp_path)
    wanted = ("--use", "framework=tensorflow", "--prefer", "installed", "--plan-only")
    (tmp_path / "plan.json").write_text(cmx("run", "benchmark", *wanted).out, encoding="utf-8")
    version = json.loads((tmp_path / "plan.json").read_text())["pins"]["framework"]["version"]
    cmx("solution", "pack", "plan.json", "--output", "tf.cmx.zip")
    before = (tmp_path / "tf.cmx.zip").read_bytes()

    refused = cmx("solution", "retarget", "tf.cmx.zip", "--platform", "linux-aarch64", code=4)
    assert f"tensorflow-cpu=={version} has no wheel for linux-aarch64" in refused.error
    assert "no version of mlcommons-loadgen has a wheel for linux-aarch64" in refused.error
    assert f"tensorflow=={version} has one" in refused.hint
    assert "mlcommons-loadgen has wheels for linux-x86_64, macos-aarch64" in refused.hint
    assert (tmp_path / "tf.cmx.zip").read_bytes() == before

    told = cmx.json("solution", "retarget", "tf.cmx.zip", "--platform", "macos-aarch64")
    # The environment may be one that other work made, and have more to leave out.
    swapped = re.compile(r"environment main: without .*tensorflow-cpu.* with tensorflow")
    assert any(map(swapped.fullmatch, told["changes"]))
    cmx("solution", "verify", "tf.cmx.zip")
