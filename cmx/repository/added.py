"""The repositories that a user added: an ordered list in ``repositories.json``."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, NamedTuple

from cmx.errors import ComponentInvalid, UsageError, nearest
from cmx.files import disk_failures, write_atomically
from cmx.settings import Settings


class Added(NamedTuple):
    """One added repository: its name in the catalog, and where it lies.

    ``kind`` is folder, git, archive or registry; the last three are managed: cmx made the folder from ``source``.
    ``ref`` is the branch or tag that was asked for ("" is the default branch), ``commit`` what was checked out last,
    ``pinned`` whether it stays there; ``digest`` is the sha256 of an archive or of a registry's index, ``tree`` that of
    what was unpacked. Of a registry whose index has to be signed ``key`` is the id of the key, ``serial`` the highest
    number of an index that was seen, and ``ref`` the name that it gives itself.
    """

    name: str
    root: Path
    kind: str = "folder"
    source: str = ""
    ref: str = ""
    commit: str = ""
    pinned: bool = False
    digest: str = ""
    tree: str = ""
    key: str = ""
    serial: int = 0

    @property
    def managed(self) -> bool:
        """Whether cmx made the folder."""
        return self.kind != "folder"


def added(settings: Settings) -> list[Added]:
    """The added repositories, in the order in which they are searched."""
    file = settings.repositories
    try:
        document = json.loads(file.read_text(encoding="utf-8"))
        return [_read(entry) for entry in document["repositories"]]
    except (FileNotFoundError, NotADirectoryError):
        return []
    except (ValueError, KeyError, TypeError, OSError) as error:
        raise ComponentInvalid(
            f"{file}: cannot be read: {error}", hint=f"delete {file} and add the repositories again with 'cmx repo add'"
        ) from error


def _read(entry: dict[str, Any]) -> Added:
    more = {key: value for key, value in entry.items() if key not in ("name", "path")}
    return Added(entry["name"], Path(entry["path"]), **more)


def find(settings: Settings, name: str) -> Added:
    """The added repository of a name. Raises UsageError for an unknown one."""
    entries = added(settings)
    found = next((entry for entry in entries if entry.name == name), None)
    if found is None:
        raise UsageError(f"no added repository {name!r}", hint=nearest(name, (entry.name for entry in entries)))
    return found


def add(settings: Settings, entry: Added, taken: set[str], prepare: Callable[[], None] = lambda: None) -> None:
    """Append a repository, after ``prepare``. Raises UsageError when its name or folder is in the catalog already."""
    with locked(settings):
        entries = added(settings)
        if not entry.managed and any(entry.root == other.root for other in entries):
            raise UsageError(f"{entry.root} is in the catalog already", hint="'cmx repo list' shows it")
        if entry.name in taken | {other.name for other in entries}:
            raise UsageError(f"a repository named {entry.name!r} is in the catalog already", hint="give --name NAME")
        prepare()
        _write(settings, [*entries, entry])


def change(settings: Settings, name: str, **changes: Any) -> Added:
    """Write down what changed about a repository. Raises UsageError for an unknown name."""
    with locked(settings):
        changed = find(settings, name)._replace(**changes)
        _write(settings, [changed if entry.name == name else entry for entry in added(settings)])
        return changed


def remove(settings: Settings, name: str) -> Added:
    """Take a repository off the list; its folder stays as it is. Raises UsageError for an unknown name."""
    with locked(settings):
        found = find(settings, name)
        _write(settings, [entry for entry in added(settings) if entry.name != name])
        return found


def locked(settings: Settings, name: str = "repositories") -> AbstractContextManager[Any]:
    """One process at a time may change the list, or the folder of the repository ``name``."""
    from filelock import FileLock

    with disk_failures(settings.locks, "making room for locks"):
        settings.locks.mkdir(parents=True, exist_ok=True)
    return FileLock(settings.locks / f"{name}.lock", timeout=30 if name == "repositories" else 600)


def _write(settings: Settings, entries: list[Added]) -> None:
    document = {"schema": 1, "repositories": [_document(entry) for entry in entries]}
    write_atomically(settings.repositories, json.dumps(document, indent=2) + "\n")


def _document(entry: Added) -> dict[str, Any]:
    document = {key: value for key, value in entry._asdict().items() if value and key not in ("name", "root")}
    if not entry.managed:
        document.pop("kind")
    return {"name": entry.name, "path": str(entry.root), **document}
