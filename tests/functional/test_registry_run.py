"""From a registry on a web site to a result: three versions are published, downloaded, trusted and run."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from component_files import action, put_all, workflow
from file_server import FileServer, serving_folder

from cmx.cli.main import main

SAY = """from cmx.worker import Outcome


def say(context):
    return Outcome(metrics={"says": "this is VERSION"})
"""
VERSIONS = ("1.0.0", "1.1.0", "2.0.0")
Run = Callable[..., dict[str, Any]]


@pytest.fixture
def cmx(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """cmx in a folder of its own: the JSON of an answer, whose exit code is as expected."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str | Path, code: int = 0) -> dict[str, Any]:
        found = main([*map(str, arguments), "--json"])
        out, err = capsys.readouterr()
        assert found == code, out + err
        document: dict[str, Any] = json.loads(out)
        return document

    return run


def publish(cmx: Run, registry: Path, folder: Path, version: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Publish a solution that says its own version, signed by its maker."""
    root = put_all(folder, action("say", "{}"), workflow("greeting", "{}", "[{id: say, action: say}]"))
    (root / "actions/say/action.py").write_text(SAY.replace("VERSION", version))
    with monkeypatch.context() as patch:
        patch.setattr("cmx.repository.catalog.builtin_repository", lambda: root)
        packed = cmx("solution", "pack", "greeting", "--version", version, "--sign", "maker", "--output", folder)
    assert cmx("registry", "publish", registry, packed["file"])["published"][0]["version"] == version


def say(cmx: Run, archive: str, *options: str, code: int = 0) -> str:
    done = cmx("solution", "run", "say", archive, "--no-isolation", *options, code=code)
    return str(done["result"]["steps"][0]["outcome"]["metrics"]["says"] if done["ok"] else done["error"]["message"])


def test_three_versions_are_published_downloaded_and_run(
    cmx: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry = tmp_path / "zoo"
    cmx("key", "new", "maker")
    cmx("key", "export", "maker", "--output", "maker.pem")
    cmx("registry", "init", registry)
    for version in VERSIONS:
        publish(cmx, registry, tmp_path / version, version, monkeypatch)
    cmx("registry", "yank", registry, "greeting==1.1.0", "--reason", "says too much")
    monkeypatch.setenv("CMX_HOME", str(tmp_path / "another-machine"))
    monkeypatch.setattr(
        "cmx.repository.catalog.builtin_repository", lambda: put_all(tmp_path / "empty", action("x", "{}"))
    )
    with serving_folder(registry) as server:
        _use(cmx, server)


def _use(cmx: Run, server: FileServer) -> None:
    """What somebody else does with it."""
    cmx("repo", "add", server.url)
    got = {text: cmx("solution", "download", text) for text in ("greeting", "greeting<2", "greeting==2.0.0")}
    assert [each["file"] for each in got.values()] == [
        "greeting-2.0.0.cmx.zip",
        "greeting-1.0.0.cmx.zip",  # 1.1.0 is yanked
        "greeting-2.0.0.cmx.zip",
    ]
    assert got["greeting"]["signature"]["word"] == "unknown"
    assert "is signed by a key that is unknown here" in say(cmx, "greeting-2.0.0.cmx.zip", code=2)
    assert say(cmx, "greeting-1.0.0.cmx.zip", "--allow-untrusted") == "this is 1.0.0"
    cmx("key", "trust", "maker.pem")
    assert say(cmx, "greeting-2.0.0.cmx.zip") == "this is 2.0.0"
    yanked = next(
        release
        for release in cmx("registry", "list")["registries"][0]["releases"]
        if release["reference"] == "solution/greeting==1.1.0"
    )
    assert "was yanked: says too much" in cmx("solution", "download", "greeting==1.1.0", code=3)["error"]["message"]
    cmx("solution", "download", "greeting==1.1.0", "--sha256", yanked["sha256"])
    assert say(cmx, "greeting-1.1.0.cmx.zip") == "this is 1.1.0"
    cmx("key", "revoke", "maker", "--reason", "stolen")
    assert say(cmx, "greeting-2.0.0.cmx.zip", "--allow-untrusted", code=1).endswith("stolen")
