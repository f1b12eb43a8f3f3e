"""What all tests share: a cmx home of their own, and no network beyond loopback unless a test asks for it."""

from __future__ import annotations

from pathlib import Path

import pytest

from cmx.settings import Settings


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cmx home for each test."""
    folder = tmp_path / "cmx-home"
    monkeypatch.setenv("CMX_HOME", str(folder))
    return folder


@pytest.fixture
def settings(home: Path) -> Settings:
    """The settings of that home."""
    return Settings(home)
