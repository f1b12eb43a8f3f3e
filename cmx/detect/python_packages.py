"""Which Python packages lie in an interpreter's folders, read from their metadata; imports and runs nothing."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from cmx.detect.finding import Skipped

_HEAD = 8192
_ENDINGS = (".dist-info", ".egg-info")


class Package(NamedTuple):
    """An installed distribution: its normalised name, its version, its metadata folder (or file) and file."""

    name: str
    version: str
    folder: Path
    metadata: Path


class _Broken(Exception):
    """Metadata that must not be believed, and why."""


def normalise(name: str) -> str:
    """A distribution's name as PEP 503 compares it: lower case, runs of ``-_.`` as one dash."""
    dashed = name.replace("_", "-").replace(".", "-").lower()
    while "--" in dashed:
        dashed = dashed.replace("--", "-")
    return dashed


Looked = tuple[list[Package], list[Skipped]]
"""Distributions, and what looked like one but is broken."""


class Sites:
    """What folders of packages held when they were first looked at."""

    def __init__(self) -> None:
        self._entries: dict[Path, dict[str, list[str]]] = {}

    def packages(self, site: Path) -> Looked:
        """The distributions in one folder."""
        return _looked(site, self._claimed(site).items())

    def named(self, site: Path, name: str) -> Looked:
        """The distributions of one (normalised) name in one folder."""
        return _looked(site, [(name, self._claimed(site).get(name, []))])

    def _claimed(self, site: Path) -> dict[str, list[str]]:
        """The names of the metadata folders, by the normalised name in them."""
        if site not in self._entries:
            claimed: dict[str, list[str]] = {}
            self._entries[site] = claimed
            for entry in _listed(site):
                if entry.endswith(_ENDINGS):
                    # Dashes inside a name are written as underscores there: the first one ends the name.
                    name = normalise(entry.rpartition(".")[0].partition("-")[0])
                    claimed.setdefault(name, []).append(entry)
        return self._entries[site]


class Installed(Mapping[str, str]):
    """The distributions that an interpreter can import: normalised name → version. Metadata is read when asked for.

    Of several folders that hold a distribution the first wins, as on import.
    """

    def __init__(self, folders: Sequence[Path]) -> None:
        self._folders = folders
        self._sites = Sites()
        self._known: dict[str, str] = {}

    def __getitem__(self, name: str) -> str:
        if name not in self._known:
            found = (self._sites.named(folder, name)[0] for folder in self._folders)
            self._known[name] = next((packages[0].version for packages in found if packages), "")
        if not self._known[name]:
            raise KeyError(name)
        return self._known[name]

    def __iter__(self) -> Iterator[str]:
        names = (package.name for folder in self._folders for package in self._sites.packages(folder)[0])
        return iter(dict.fromkeys(names))

    def __len__(self) -> int:
        return sum(1 for _ in self)


def _listed(site: Path) -> list[str]:
    try:
        return sorted(os.listdir(site))  # noqa: PTH208 names only: hundreds of them
    except OSError:
        return []


def _looked(site: Path, claimed: Iterable[tuple[str, list[str]]]) -> Looked:
    found: list[Package] = []
    skipped: list[Skipped] = []
    for name, entries in claimed:
        for folder in (site / entry for entry in entries):
            try:
                found.append(_package(site, folder, name))
            except _Broken as error:
                skipped.append(Skipped(folder, str(error)))
    return found, skipped


def _package(site: Path, folder: Path, claimed: str) -> Package:
    metadata = _metadata_file(folder)
    fields = _fields(metadata)
    name, version = normalise(fields.get("name", "")), fields.get("version", "")
    if name != claimed or not version:
        raise _Broken(f"{metadata.name} names no version of {claimed}")
    _check_installed(site, folder, claimed)
    return Package(name, version, folder, metadata)


def _metadata_file(folder: Path) -> Path:
    if folder.is_file():
        return folder
    return folder / ("METADATA" if folder.suffix == ".dist-info" else "PKG-INFO")


def _fields(metadata: Path) -> dict[str, str]:
    """The name and version of a metadata file. They stand in its first lines; more is read only where they do not."""
    try:
        with metadata.open(encoding="utf-8", errors="replace") as file:
            fields = _header(file.read(_HEAD))
            return fields if fields.keys() >= {"name", "version"} else _header(metadata.read_text("utf-8", "replace"))
    except OSError as error:
        raise _Broken(f"no {metadata.name}: removed in part") from error


def _header(text: str) -> dict[str, str]:
    fields: dict[str, str] = {}
    for line in text.splitlines():
        if not line:
            break
        key, colon, value = line.partition(":")
        if colon and key.lower() in ("name", "version"):
            fields.setdefault(key.lower(), value.strip())
    return fields


def _check_installed(site: Path, folder: Path, name: str) -> None:
    """Raises _Broken when the first file that can be imported is gone, and only the metadata is left."""
    first = _first_module(folder)
    if first and not (site / first).exists():
        raise _Broken(f"{name} itself is gone ({first} is missing): removed in part")
    if first == "" and not _top_level_exists(site, folder):
        raise _Broken(f"{name} itself is gone: removed in part")


def _first_module(folder: Path) -> str | None:
    """The first file outside the metadata that RECORD lists; None when it lists none; "" when there is no RECORD."""
    try:
        with (folder / "RECORD").open(encoding="utf-8", errors="replace") as record:
            for line in record:
                path = line.rpartition(",")[0].rpartition(",")[0].strip('"')
                if path and not path.startswith((folder.name + "/", "../", "/", "__pycache__/")):
                    return path
    except OSError:
        return ""
    return None


def _top_level_exists(site: Path, folder: Path) -> bool:
    """Whether a module that ``top_level.txt`` names is there. Distributions may leave the file out: then believed."""
    try:
        names = (folder / "top_level.txt").read_text("utf-8", "replace").split()
    except OSError:
        return True
    return not names or any((site / name).exists() or _module_file(site, name) for name in names)


def _module_file(site: Path, name: str) -> bool:
    return any(entry.name.startswith(f"{name}.") and entry.suffix in (".py", ".so", ".pyd") for entry in site.iterdir())
