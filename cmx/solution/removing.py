"""The solutions whose folders lie in cmx's home, and how one is taken away again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple

from cmx.errors import UsageError, nearest
from cmx.files import disk_failures
from cmx.settings import Settings
from cmx.solution.archive import Archive
from cmx.solution.installing import folder_of
from cmx.solution.manifest import MANIFEST
from cmx.store.workspace import workspace


class Here(NamedTuple):
    """A solution that is installed."""

    name: str
    version: str
    folder: Path

    def __str__(self) -> str:
        return f"{self.name}=={self.version}"


def installed(settings: Settings) -> list[Here]:
    """All of them, by name and version; what has no manifest that can be read is none."""
    folders = sorted(settings.solutions.iterdir()) if settings.solutions.is_dir() else []
    return [here for folder in folders if (here := _read(folder))]


def _read(folder: Path) -> Here | None:
    try:
        manifest = json.loads((folder / MANIFEST).read_bytes())
        return Here(str(manifest["name"]), str(manifest["version"]), folder)
    except (OSError, ValueError, KeyError, TypeError):
        return None


def find(settings: Settings, text: str) -> Here:
    """The one that is meant: by NAME, NAME==VERSION, the name of its folder, or the archive that it came from.

    Raises UsageError where there is none, or more than one.
    """
    here = installed(settings)
    if Path(text).is_file():
        folder = folder_of(Archive.open(Path(text)), settings)
        found = [each for each in here if each.folder == folder]
    else:
        found = [each for each in here if text in (each.name, str(each), each.folder.name)]
    if len(found) > 1:
        others = " or ".join(f"cmx solution remove {each.folder.name}" for each in found)
        raise UsageError(f"{text} is installed {len(found)} times", hint=f"say which: {others}")
    if not found:
        raise UsageError(f"no solution {text!r} is installed", hint=nearest(text, {each.name for each in here}))
    return found[0]


def take_away(solution: Here, settings: Settings) -> None:
    """Remove the folder of a solution: at once, whatever interrupts it. Raises StoreError where that cannot be."""
    with (
        disk_failures(settings.solutions, f"removing {solution}"),
        workspace(settings.solutions, solution.folder.name) as away,
    ):
        solution.folder.replace(away / "old")
