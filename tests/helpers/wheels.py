"""Small wheels and indexes on disk, so that real installers can be tried without a network."""

from __future__ import annotations

import base64
import hashlib
import os
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest


def make_wheel(
    folder: Path,
    name: str,
    version: str = "1.0",
    *,
    files: Mapping[str, bytes] | None = None,
    requires: Sequence[str] = (),
    tag: str = "py3-none-any",
) -> Path:
    """A wheel that installs ``files`` (by default one module named as the package)."""
    info = f"{name}-{version}.dist-info"
    needs = "".join(f"Requires-Dist: {need}\n" for need in requires)
    content = dict(files or {f"{name}.py": f"version = {version!r}\n".encode()})
    content[f"{info}/METADATA"] = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{needs}".encode()
    wheel_facts = f"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: {tag}\n"
    content[f"{info}/WHEEL"] = wheel_facts.encode()
    record = [f"{path},sha256={_record_hash(data)},{len(data)}" for path, data in content.items()]
    content[f"{info}/RECORD"] = "\n".join([*record, f"{info}/RECORD,,", ""]).encode()
    folder.mkdir(parents=True, exist_ok=True)
    wheel = folder / f"{name}-{version}-{tag}.whl"
    with zipfile.ZipFile(wheel, "w", zipfile.ZIP_STORED) as archive:
        for path, data in content.items():
            archive.writestr(zipfile.ZipInfo(path), data)  # with a fixed date: same content, same sha256
    return wheel


def make_index(folder: Path, wheels: Sequence[Path]) -> str:
    """A package index of files; returns its URL."""
    for wheel in wheels:
        page = folder / wheel.name.split("-")[0] / "index.html"
        page.parent.mkdir(parents=True, exist_ok=True)
        link = f'<a href="{wheel.as_uri()}#sha256={sha256(wheel)}">{wheel.name}</a>\n'
        page.write_text((page.read_text() if page.exists() else "<!DOCTYPE html>\n") + link)
    return folder.as_uri()


def sha256(path: Path) -> str:
    """The sha256 of a file, by the standard library alone."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def configure_pip(monkeypatch: pytest.MonkeyPatch, **options: object) -> None:
    """Let pip (and so cmx) know these options and nothing of the machine's own configuration."""
    for name in list(os.environ):
        if name.startswith(("PIP_", "UV_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    for name, value in options.items():
        monkeypatch.setenv(f"PIP_{name.upper()}", str(value))


def _record_hash(data: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
