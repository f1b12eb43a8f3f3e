"""The files that belong to one component, and their digest: needed without reading the component itself."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from cmx.errors import ComponentInvalid
from cmx.reference import COMPONENT_FILE


def digest(folder: Path) -> str:
    """sha256 over the names and bytes of all files of the component.

    Raises ComponentInvalid for a symbolic link that leaves the folder.
    """
    import hashlib

    total = hashlib.sha256()
    for path in own_files(folder):
        total.update(path.relative_to(folder).as_posix().encode() + b"\0")
        total.update(hashlib.sha256(path.read_bytes()).digest())
    return total.hexdigest()


def own_files(folder: Path) -> Iterator[Path]:
    """The component's own files, sorted; not caches, hidden files, or components inside."""
    for at, folders, names in os.walk(folder):
        here = Path(at)
        folders[:] = sorted(
            name for name in folders if not _skipped(name) and not (here / name / COMPONENT_FILE).is_file()
        )
        for name in (*names, *(name for name in folders if (here / name).is_symlink())):
            inside(folder, (here / name).relative_to(folder).as_posix())
        yield from sorted(here / name for name in names if not _skipped(name))


def inside(folder: Path, relative: str) -> Path:
    """The path of one of the component's files.

    Raises ComponentInvalid when it leaves the folder, by ``..``, by being absolute or by a symbolic link.
    """
    path = folder / relative
    if Path(relative).is_absolute() or not path.resolve().is_relative_to(folder.resolve()):
        raise ComponentInvalid(
            f"{folder / COMPONENT_FILE}: {relative} leads out of the component's folder",
            hint="keep every file of a component inside its folder",
        )
    return path


def _skipped(name: str) -> bool:
    return name.startswith(".") or name == "__pycache__"
