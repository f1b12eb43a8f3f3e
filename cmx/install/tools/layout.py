"""The shape of an installed tool: whatever folders it likes, and ``bin`` with the programs."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from cmx.errors import StoreError

BIN = "bin"


def require_programs(folder: Path, name: str) -> None:
    """Raise StoreError if an installed tool has nothing in ``bin`` that can be started."""
    if not any(programs(folder / BIN)):
        found = sorted({path.parent.relative_to(folder).as_posix() for path in programs_below(folder)})
        where = f"; programs are in {', '.join(found[:5])}" if found else ""
        raise StoreError(f"{name}: there is no program in its 'bin'{where}", hint="name the folders with 'bin: […]'")


def programs(folder: Path) -> Iterator[Path]:
    """The executable files, and links to such, of one folder, sorted."""
    if folder.is_dir():
        yield from (path for path in sorted(folder.iterdir()) if path.is_file() and os.access(path, os.X_OK))


def programs_below(folder: Path) -> Iterator[Path]:
    """The executable files anywhere below a folder."""
    return (path for path in folder.rglob("*") if path.is_file() and os.access(path, os.X_OK))


def link_programs(folder: Path, places: Sequence[Path]) -> None:
    """Make a link in ``bin`` for each program of other folders of the tool; the first of a name wins."""
    bin_folder = folder / BIN
    bin_folder.mkdir(exist_ok=True)
    for path in (path for place in places for path in programs(place)):
        link = bin_folder / path.name
        if not link.exists():
            link.symlink_to(os.path.relpath(path, bin_folder))


def lift_single_folder(folder: Path) -> None:
    """Take away a folder that holds everything else: ``cmake-3.30-linux/bin`` becomes ``bin``."""
    entries = list(folder.iterdir())
    if len(entries) != 1 or not entries[0].is_dir() or entries[0].is_symlink() or entries[0].name == BIN:
        return
    outer = entries[0].rename(folder.with_name(f"{folder.name}.lifted"))
    for entry in outer.iterdir():
        entry.rename(folder / entry.name)
    outer.rmdir()
