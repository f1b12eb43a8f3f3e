"""``{file: labels.txt}``: a file or folder of the component itself; ``sha256`` may say what a file must be."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cmx.errors import HashMismatch
from cmx.install.sources.fetched import Fetched, Fetching
from cmx.store import Store, key_of, sha256_of


def fetch(source: Mapping[str, Any], fetching: Fetching) -> Fetched:
    """The file where it lies. Raises ComponentInvalid if it is missing or leaves the component's folder."""
    name = str(source["file"])
    root = fetching.folder.resolve()
    if Path(name).is_absolute() or ".." in Path(name).parts:
        raise fetching.invalid("file", f"{name!r} leaves the component's folder")
    path = (root / name).resolve()
    if not path.is_relative_to(root):
        raise fetching.invalid("file", f"{name!r} leads out of the component's folder, to {path}")
    if not path.exists():
        hint = f"put it into {root}, or say where it is had from: pypi, url, git"
        raise fetching.invalid("file", f"there is no {name!r} in the component's folder", hint=hint)
    return _folder(path, fetching) if path.is_dir() else _file(path, source, name)


def stored(source: Mapping[str, Any], fetching: Fetching) -> Fetched | None:
    """The same: a component's own files are always here."""
    return fetch(source, fetching)


def held(_source: Mapping[str, Any], _store: Store) -> bool:
    """Always: the file comes with the component."""
    return True


def describe(source: Mapping[str, Any]) -> str:
    """The file's name."""
    return str(source["file"])


def _file(path: Path, source: Mapping[str, Any], name: str) -> Fetched:
    found = sha256_of(path)
    if (expected := source.get("sha256")) and found != expected:
        raise HashMismatch(name, expected=str(expected), found=found)
    return Fetched(path, found, path.stat().st_size)


def _folder(path: Path, fetching: Fetching) -> Fetched:
    files = sorted(file for file in path.rglob("*") if not file.is_dir())
    for file in files:
        if not file.resolve().is_relative_to(path):
            raise fetching.invalid("file", f"{file.name!r} leads out of the component's folder, to {file.resolve()}")
    digest = key_of({file.relative_to(path).as_posix(): sha256_of(file) for file in files})
    return Fetched(path, digest, sum(file.stat().st_size for file in files))
