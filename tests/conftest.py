"""What all tests share: a cmx home of their own, and no network beyond loopback unless a test asks for it."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest

from cmx.settings import Settings


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """What takes a quarter of an hour or more is run when it is asked for."""
    if "long" not in config.option.markexpr:
        for item in items:
            if item.get_closest_marker("long"):
                item.add_marker(pytest.mark.skip(reason="takes a quarter of an hour or more: pytest -m long runs it"))


@pytest.fixture(autouse=True)
def home(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cmx home for each test."""
    folder = tmp_path / "cmx-home"
    monkeypatch.setenv("CMX_HOME", str(folder))
    # Where measurements wait for one another: not for those of whoever else uses this machine.
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path_factory.getbasetemp()))
    return folder


@pytest.fixture
def settings(home: Path) -> Settings:
    """The settings of that home."""
    return Settings(home)
