"""The built-in software-detect components, held against what tools of several systems print (tests/cases/detect)."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from cmx.component import SoftwareDetect, load
from cmx.detect import Detector
from cmx.settings import Settings, builtin_repository

ROOT = Path(__file__).resolve().parents[2]
CASES = sorted((ROOT / "tests" / "cases" / "detect").glob("*/*.yaml"))
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


@pytest.mark.parametrize("file", CASES, ids=lambda file: f"{file.parent.name}-{file.stem}")
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


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.parent.name)
def test_a_detector_says_how_to_find_and_how_to_install(file: Path) -> None:
    component = detector(file.parent.name)
    assert bool(component.python_package) != bool(component.probe)
    if component.python_package:
        assert [(rule.with_, rule.package) for rule in component.install] == [("pip", component.python_package)]
        return
    assert component.search.executables
    assert all(re.compile(pattern) for pattern in component.search.executables)
    assert all(rule.hint and not rule.with_ for rule in component.install)
    assert list((ROOT / "tests" / "cases" / "detect" / component.name).glob("*.yaml")), "no captured output"


def test_uids_differ() -> None:
    uids = [load(file).uid for file in FILES]
    assert len(set(uids)) == len(uids) == 12


def test_only_onnxruntime_runs_onnx() -> None:
    assert [file.parent.name for file in FILES if detector(file.parent.name).formats] == ["onnxruntime"]


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
