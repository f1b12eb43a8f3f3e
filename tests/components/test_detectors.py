"""The built-in software-detect components, held against what tools of several systems print (tests/cases/detect).

A case is what an executable prints ({output, version}), or files of a system ({tree, found}); its first line says
where it is from.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from fake_tools import interpreter

from cmx.component import SoftwareDetect
from cmx.component_file import load
from cmx.detect import Detector
from cmx.host.targets import target_of
from cmx.pattern import fault
from cmx.settings import Settings, builtin_repository

ROOT = Path(__file__).resolve().parents[2]
CASES = sorted((ROOT / "tests" / "cases" / "detect").glob("*/*.yaml"))
PRINTED = [file for file in CASES if "tree:" not in file.read_text(encoding="utf-8")]
LAID_OUT = [file for file in CASES if file not in PRINTED]
FILES = sorted((builtin_repository() / "components" / "software-detect").glob("*/component.yaml"))


def detector(name: str) -> SoftwareDetect:
    component = load(next(file for file in FILES if file.parent.name == name))
    assert isinstance(component, SoftwareDetect)
    return component


def fake(path: Path, case: dict[str, Any]) -> None:
    """An executable that prints what the real one does, for a version and for a target."""
    texts = path.with_suffix(".version.txt"), path.with_suffix(".target.txt")
    texts[0].write_text(case["output"])
    texts[1].write_text(case.get("target", "") + "\n")
    path.write_text(f'#!/bin/sh\ncase $1 in -dumpmachine) cat "{texts[1]}";; *) cat "{texts[0]}";; esac\n')
    path.chmod(0o755)


def lay_out(root: Path, tree: dict[str, Any]) -> None:
    """Files with their contents, and links."""
    for name, content in tree.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, dict):
            path.symlink_to(content["link"])
        else:
            path.write_text(content, encoding="utf-8")


def named(file: Path) -> str:
    return f"{file.parent.name}-{file.stem}"


@pytest.mark.parametrize("file", PRINTED, ids=named)
def test_what_a_tool_prints_is_understood(tmp_path: Path, file: Path) -> None:
    case = yaml.safe_load(file.read_text(encoding="utf-8"))
    (tmp_path / "bin").mkdir()
    path = tmp_path / "bin" / case.get("executable", file.parent.name)
    fake(path, case)
    detect = Detector(Settings(tmp_path / "cmx"), {"PATH": f"{path.parent}:/usr/bin:/bin", "HOME": str(tmp_path)})
    detection = detect.detect(detector(file.parent.name))
    found = [(one.version, one.target) for one in detection.findings if one.path == path]
    skipped = [one.reason for one in detection.skipped if one.path == path]
    if case["version"] is None:
        assert found == []
        assert skipped[0].startswith("printed no version: ")
    else:
        assert found == [(case["version"], case.get("target", ""))]


@pytest.mark.parametrize("file", LAID_OUT, ids=named)
def test_files_of_a_system_are_understood(tmp_path: Path, file: Path) -> None:
    case = yaml.safe_load(file.read_text(encoding="utf-8"))
    lay_out(tmp_path, case["tree"])
    folders = [str(tmp_path / folder) for folder in case.get("path", [])]
    if "python" in case:
        prefix = tmp_path / case.get("prefix", "usr")
        interpreter(tmp_path / "python" / "python3", tmp_path / case["python"], prefix=str(prefix))
        folders.append(str(tmp_path / "python"))
    environ = {name: str(tmp_path / value) for name, value in case.get("environ", {}).items()}
    environ |= {"PATH": ":".join(folders), "HOME": str(tmp_path / "home")}
    nobody = tmp_path / "nobody" / "python3"
    detect = Detector(Settings(tmp_path / "cmx"), environ, interpreter=nobody, folder=tmp_path, root=tmp_path)
    detection = detect.detect(detector(file.parent.name))
    found = {below(tmp_path, one.path): one.version for one in detection.findings}
    assert found == case["found"]
    assert [below(tmp_path, one.path) for one in detection.skipped] == case.get("skipped", [])


def below(root: Path, path: Path) -> str:
    """A path below the root; a folder that is there under two names (lib64, /lib on a merged system) by its first."""
    return str(path.relative_to(root))


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.parent.name)
def test_a_detector_says_how_to_find_and_how_to_install(file: Path) -> None:
    component = detector(file.parent.name)
    assert bool(component.python_package) != bool(component.probe or component.read)
    if component.python_package:
        everywhere = [(rule.with_, rule.package) for rule in component.install if not rule.target]
        assert everywhere[0] == ("pip", component.python_package)
        assert {how for how, _ in everywhere} == {"pip"}
        return
    assert bool(component.search.executables) == bool(component.probe)
    assert bool(component.search.files) == bool(component.read)
    assert component.install


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.parent.name)
def test_a_detector_has_cases(file: Path) -> None:
    assert len([case for case in CASES if case.parent.name == file.parent.name]) >= 2


def test_a_case_of_files_says_where_it_is_from() -> None:
    beginnings = ("# Captured", "# Quoted from public material", "# Known form")
    assert [file for file in LAID_OUT if not file.read_text(encoding="utf-8").startswith(beginnings)] == []


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.parent.name)
def test_no_pattern_of_a_detector_can_take_for_ever(file: Path) -> None:
    component = detector(file.parent.name)
    patterns = [*component.search.executables, *component.search.files, *(each.version for each in component.read)]
    patterns += [component.probe.version, component.probe.target_name] if component.probe else []
    assert {pattern: fault(pattern) for pattern in patterns if fault(pattern)} == {}


def test_targets_of_compilers_and_emulators_are_ones_that_cmx_knows() -> None:
    said = {case["target"] for file in PRINTED if "target" in (case := yaml.safe_load(file.read_text("utf-8")))}
    assert {target_of(target) for target in said} >= {
        "linux-aarch64",
        "linux-armhf",
        "linux-riscv64",
        "linux-x86_64",
        "windows-x86_64",
    }
    assert {"aarch64", "arm", "riscv64"} <= said


def test_uids_differ() -> None:
    uids = [load(file).uid for file in FILES]
    assert len(set(uids)) == len(uids) >= 40


def test_what_runs_models_is_a_framework_with_a_predictor() -> None:
    frameworks = {file.parent.name: detector(file.parent.name) for file in FILES}
    running = {name: each for name, each in frameworks.items() if each.formats}
    assert running.keys() == {name for name, each in frameworks.items() if each.predictor}
    assert all("framework" in each.provides for each in running.values())
    assert {name for name, each in running.items() if "onnx" in each.formats} == {"onnxruntime", "openvino"}


@pytest.mark.parametrize(
    ("name", "matching"),
    [
        (
            "gcc",
            [
                "gcc",
                "gcc-12",
                "gcc14",
                "aarch64-linux-gnu-gcc",
                "arm-none-eabi-gcc-13.2",
                "x86_64-w64-mingw32-gcc-posix",
            ],
        ),
        ("clang", ["clang", "clang-14", "clang19"]),
        ("python", ["python", "python3", "python3.12", "python3.13t"]),
    ],
)
def test_names_of_the_tool_match_and_those_of_its_neighbours_do_not(name: str, matching: list[str]) -> None:
    patterns = detector(name).search.executables
    neighbours = [
        "c99-gcc",
        "gcc-ar",
        "gcc-ar-12",
        "gcc-nm",
        "x86_64-linux-gnu-gcc-ranlib-12",
        "clang++",
        "clang-format",
        "clang-format-14",
        "clangd",
        "python3-config",
        "python3.11-config",
        "pythonw",
        "ipython3",
        "g++",
    ]
    names = matching + neighbours
    assert [one for one in names if any(re.fullmatch(pattern, one) for pattern in patterns)] == matching
