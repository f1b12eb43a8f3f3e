"""The repositories that a user added: an ordered list in ``repositories.json``."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from cmx.errors import ComponentInvalid, UsageError, nearest
from cmx.files import disk_failures, write_atomically
from cmx.settings import Settings


@dataclass(frozen=True)
class Added:
    """One added repository: its name in the catalog, and where it lies."""

    name: str
    root: Path


def added(settings: Settings) -> list[Added]:
    """The added repositories, in the order in which they are searched."""
    file = settings.repositories
    try:
        document = json.loads(file.read_text(encoding="utf-8"))
        return [Added(entry["name"], Path(entry["path"])) for entry in document["repositories"]]
    except (FileNotFoundError, NotADirectoryError):
        return []
    except (ValueError, KeyError, TypeError, OSError) as error:
        raise ComponentInvalid(
            f"{file}: cannot be read: {error}", hint=f"delete {file} and add the repositories again with 'cmx repo add'"
        ) from error


def add(settings: Settings, entry: Added, taken: set[str]) -> None:
    """Append a repository. Raises UsageError when its name or folder is in the catalog already."""
    with _locked(settings):
        entries = added(settings)
        if any(entry.root == other.root for other in entries):
            raise UsageError(f"{entry.root} is in the catalog already", hint="'cmx repo list' shows it")
        if entry.name in taken | {other.name for other in entries}:
            raise UsageError(f"a repository named {entry.name!r} is in the catalog already", hint="give --name NAME")
        _write(settings, [*entries, entry])


def remove(settings: Settings, name: str) -> Added:
    """Take a repository off the list; its folder stays as it is. Raises UsageError for an unknown name."""
    with _locked(settings):
        entries = added(settings)
        found = next((entry for entry in entries if entry.name == name), None)
        if found is None:
            raise UsageError(f"no added repository {name!r}", hint=nearest(name, (entry.name for entry in entries)))
        _write(settings, [entry for entry in entries if entry is not found])
        return found


def _locked(settings: Settings):  # type: ignore[no-untyped-def]
    from filelock import FileLock

    with disk_failures(settings.locks, "making room for locks"):
        settings.locks.mkdir(parents=True, exist_ok=True)
    return FileLock(settings.locks / "repositories.lock", timeout=30)


def _write(settings: Settings, entries: list[Added]) -> None:
    document = {"schema": 1, "repositories": [{"name": e.name, "path": str(e.root)} for e in entries]}
    write_atomically(settings.repositories, json.dumps(document, indent=2) + "\n")
