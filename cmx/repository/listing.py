"""What lies in a repository's folders: the path and the stamp of every component.yaml, as text that can be compared.

A line is ``PATH<NUL>MTIME:SIZE:INODE``, the path being the folder of a component.yaml, relative to the repository.
Two listings are equal as text exactly where no file was added, changed or taken away, so 100,000 files that did not
change cost one comparison beyond looking at each.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from cmx.reference import COMPONENT_FILE
from cmx.settings import SCHEMA_FOLDER

FORMAT = 2
_NEVER = frozenset({"node_modules", "__pycache__", "site-packages"})
_GONE = "gone"
# Files that are written twice within one tick of the system's clock may have the same time of change.
_TICK_NS = 20_000_000


def listing(root: Path, folders: Iterable[str] = ()) -> list[str]:
    """A line for each component.yaml below ``root``, or below ``folders`` of it, in the order of the file system.

    Symbolic links to folders are not followed; hidden folders, those of other tools and those whose name is not text
    are left out.
    """
    lines: list[str] = []
    for folder in dict.fromkeys(folders) or ("",):
        _walk(str(root / folder), len(str(root)) + 1, lines)
    return lines


def _walk(folder: str, skipped: int, lines: list[str]) -> None:
    """Append a line for each file; ``skipped`` is how much of a path the root and its slash are."""
    waiting, stat, scan = [folder], os.stat, os.scandir
    while waiting:
        path = waiting.pop()
        try:
            entries = scan(path)
        except OSError:
            continue
        with entries:
            for entry in entries:
                name = entry.name
                if name == COMPONENT_FILE:
                    try:
                        seen = stat(entry.path)
                        lines.append(f"{path[skipped:]}\0{seen.st_mtime_ns}:{seen.st_size}:{seen.st_ino}")
                    except OSError:
                        lines.append(f"{path[skipped:]}\0{_GONE}")
                elif entry.is_dir(follow_symlinks=False) and not _ignored(name):
                    waiting.append(entry.path)


def _ignored(name: str) -> bool:
    return name[0] == "." or name in _NEVER or not (name.isascii() or name.isprintable())


def files(root: Path, folders: Iterable[str] = ()) -> Iterator[Path]:
    """Every component.yaml, in a stable order."""
    places = (line.partition("\0")[0] for line in listing(root, folders))
    for place in sorted(places, key=lambda place: place.split("/")):
        yield root / place / COMPONENT_FILE


def stamp(status: os.stat_result) -> str:
    """Changes when a file does."""
    return f"{status.st_mtime_ns}:{status.st_size}:{status.st_ino}"


def stamp_of(file: Path | str) -> str:
    """The stamp of a file as it is now."""
    try:
        return stamp(os.stat(file))  # noqa: PTH116  (as quick as it can be)
    except OSError:
        return _GONE


def rules() -> str:
    """Changes when cmx does: what was valid for one version of the schemas is read again for another."""
    global _RULES
    if not _RULES:
        _RULES = f"{FORMAT}:{max(entry.stat().st_mtime_ns for entry in os.scandir(SCHEMA_FOLDER))}"
    return _RULES


_RULES = ""


def settle(stamps: Iterable[str]) -> None:
    """Wait until a file that is written from now on gets a time of change that is none of these."""
    newest = max((int(each.partition(":")[0]) for each in stamps if each != _GONE), default=0)
    if 0 <= time.time_ns() - newest < _TICK_NS:
        time.sleep(_TICK_NS / 1e9)
