"""cmx detect: software and data, as lines and as JSON."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cmx.cli.main import main

MARKERS = ("val2017/000000000139.jpg", "val2017/000000581781.jpg", "annotations/instances_val2017.json")


def put(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()


@pytest.fixture(autouse=True)
def a_bare_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One tool on PATH, and a folder for data."""
    tool = tmp_path / "bin" / "ninja"
    tool.parent.mkdir()
    tool.write_text("#!/bin/sh\necho 1.11.1\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", str(tool.parent))
    monkeypatch.setenv("CMX_DATA", str(tmp_path / "data"))


def detect(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, dict[str, list[dict[str, str]]]]:
    code = main(["detect", "--json", *arguments])
    document = json.loads(capsys.readouterr().out)
    assert document["ok"] == (code == 0)
    return code, document


def test_a_tool_is_found_by_its_name_with_or_without_the_kind(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("ninja", "software/ninja"):
        code, document = detect(capsys, name)
        assert code == 0
        first = document["findings"][0]
        assert (first["name"], first["version"], first["path"]) == ("ninja", "1.11.1", f"{tmp_path}/bin/ninja")


def test_a_named_path_is_looked_at_and_nothing_else(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = tmp_path / "other"
    other.write_text("#!/bin/sh\necho 1.2.3\n")
    other.chmod(0o755)
    code, document = detect(capsys, "ninja", "--path", str(other))
    assert (code, [(one["version"], one["path"]) for one in document["findings"]]) == (0, [("1.2.3", str(other))])


def test_data_on_the_machine_is_found(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    put(tmp_path / "data" / "coco", *MARKERS)
    code, document = detect(capsys, "dataset/coco-val2017")
    assert code == 0
    assert [(one["name"], one["path"]) for one in document["findings"]] == [
        ("dataset/coco-val2017", f"{tmp_path}/data/coco")
    ]


def test_half_of_a_dataset_is_not_found_and_what_is_missing_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    put(tmp_path / "data" / "coco", *MARKERS[:2])
    assert main(["detect", "dataset/coco-val2017"]) == 1
    said = capsys.readouterr().out
    assert "not found: dataset/coco-val2017" in said
    assert f"skipped dataset/coco-val2017: {tmp_path}/data/coco: {MARKERS[2]} is not in it" in said
