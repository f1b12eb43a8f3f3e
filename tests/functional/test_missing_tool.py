"""A tool that a workflow needs and this machine lacks: chosen, installed into the store without root, and used."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from command_line import CommandLine

from cmx.host import Host

_APT = ("apt-get", "apt-config", "dpkg", "dpkg-deb", "sh", "tar")
_EMULATOR = "qemu-ppc64le"
_TARGET = ("benchmark", "stream", "--target", "linux-ppc64le")


@pytest.fixture
def here(cmx: CommandLine, tmp_path: Path) -> CommandLine:
    """A machine with apt and an emulator of POWER on PATH, and no compiler at all."""
    if Host.detect().platform != "linux-x86_64" or shutil.which("apt-get") is None:
        pytest.skip("Debian's cross-compilers for POWER are packages for x86-64")
    folder = tmp_path / "programs"
    folder.mkdir()
    for name in (*_APT, _EMULATOR):
        found = shutil.which(name)
        if found is None:
            pytest.skip(f"{name} is not on this machine: tests/install_debian_packages.py brings it")
        (folder / name).symlink_to(found)
    return replace(cmx, environ={**cmx.environ, "PATH": str(folder)})


@pytest.mark.slow
def test_a_missing_cross_compiler_is_installed_into_the_store_and_used(here: CommandLine, tmp_path: Path) -> None:
    if shutil.which("powerpc64le-linux-gnu-gcc"):
        pytest.skip("this machine has a compiler for POWER already")
    planned = json.loads(here("run", *_TARGET, "--plan-only").out)
    pin = planned["pins"]["compiler"]
    assert (pin["name"], pin["source"], pin["how"]) == ("gcc", "installable", "apt")
    assert not list((here.home / "store").glob("tools/*")), "resolving installs nothing"

    (tmp_path / "plan.json").write_text(json.dumps(planned), encoding="utf-8")
    first = here("run", "--plan", tmp_path / "plan.json")
    assert "gcc: unpack the Debian package g++-powerpc64le-linux-gnu" in first.lines("provision")[0]
    assert "emulated: proves function, never speed" in first.out

    pin = here.json("run", *_TARGET, "--offline")["result"]["plan"]["pins"]["compiler"]
    assert pin["source"] == "detected"
    assert Path(pin["how"]).is_relative_to(here.home / "store" / "tools")
    assert Path(pin["how"].replace("-gcc", "-g++")).exists(), "the C++ compiler came along"


@pytest.mark.slow
def test_without_a_network_the_missing_tool_is_named_with_what_would_bring_it(here: CommandLine) -> None:
    answer = here("run", *_TARGET, "--offline", code=4)
    assert "software/gcc is neither on this machine nor in the store, and --offline forbids fetching it" in answer.error
