"""What repo.yaml says is kept, and read again when it may say something else."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from cmx.repository.heads import Heads


class Reader:
    """Counts how often it reads."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self, file: Path) -> dict[str, Any]:
        self.count += 1
        return {"name": file.read_text()}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "repo.yaml"
    path.write_text("one")
    return path


def test_an_unchanged_file_is_read_once(tmp_path: Path, file: Path) -> None:
    read, cache = Reader(), tmp_path / "cache" / "heads.json"
    assert [Heads(cache).document(file, read) for _ in range(3)] == [{"name": "one"}] * 3
    assert read.count == 1


def test_a_changed_file_is_read_again(tmp_path: Path, file: Path) -> None:
    read, heads = Reader(), Heads(tmp_path / "heads.json")
    heads.document(file, read)
    file.write_text("two")
    os.utime(file, ns=(1, 1))
    assert heads.document(file, read) == {"name": "two"}


@pytest.mark.parametrize("content", ["", "[]", "{", '{"PATH": []}', '{"PATH": {"stamp": "STAMP"}}'])
def test_a_damaged_cache_is_as_good_as_none(tmp_path: Path, file: Path, content: str) -> None:
    cache = tmp_path / "heads.json"
    cache.write_text(content.replace("PATH", str(file)))
    assert Heads(cache).document(file, Reader()) == {"name": "one"}


def test_a_cache_that_cannot_be_written_is_done_without(tmp_path: Path, file: Path) -> None:
    assert Heads(file / "heads.json").document(file, Reader()) == {"name": "one"}


def test_what_the_reader_refuses_is_not_kept(tmp_path: Path, file: Path) -> None:
    def refuse(_: Path) -> dict[str, Any]:
        raise ValueError("broken")

    cache = tmp_path / "heads.json"
    with pytest.raises(ValueError, match="broken"):
        Heads(cache).document(file, refuse)
    assert not cache.exists()
