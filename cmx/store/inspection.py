"""What the store holds, whether it is still what it was, and what may go."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from cmx.store.derived import Derived, intact
from cmx.store.environments import MANIFEST, read_manifest
from cmx.store.locks import Busy, lock
from cmx.store.workspace import leftovers, sweep

if TYPE_CHECKING:
    from cmx.store.store import Store


class Entry(NamedTuple):
    """One thing that the store holds. ``key`` is a sha256, the key of a derived folder, or a digest.

    ``size`` is in bytes as files report them (environments share theirs with the installer's cache by hard
    links); ``used`` is the time of last use, in seconds since 1970.
    """

    kind: str  # "file", "derived", "tool", "environment"
    key: str
    name: str
    size: int
    used: float
    path: Path


class Finding(NamedTuple):
    """Something wrong in the store: damaged, or left half-built by a process that died."""

    kind: str  # "damaged", "leftover"
    path: Path
    why: str
    repaired: bool


class Verification(NamedTuple):
    """What verifying found: how many entries were checked, how many bytes they have, and what is wrong."""

    checked: int
    size: int
    findings: tuple[Finding, ...]

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong that was not repaired."""
        return all(finding.repaired for finding in self.findings)


class Removed(NamedTuple):
    """What garbage collection took away."""

    entries: tuple[Entry, ...]

    @property
    def size(self) -> int:
        """Bytes of everything removed; environments may free less, since they share files."""
        return sum(entry.size for entry in self.entries)


def entries(store: Store) -> Iterator[Entry]:
    """Everything the store holds, damaged or not: files, derived folders, tools, environments."""
    for sha256 in store.files.all():
        path = store.files.location(sha256)
        used = _used(store.files.note(sha256), path)
        yield Entry("file", sha256, store.files.name(sha256), path.stat().st_size, used, path)
    for kind, folders in _folders(store).items():
        for key in folders.all():
            path = folders.location(key)
            artefact = folders.read(key)
            name = str(artefact.made_from.get("name") or artefact.what) if artefact else ""
            yield Entry(kind, key, name, _folder_size(path), _used(path / "manifest.json", path), path)
    for digest in store.environments.all():
        path = store.environments.location(digest)
        yield Entry("environment", digest, _packages(path), _folder_size(path), _used(path / MANIFEST, path), path)


def verify(store: Store, *, repair: bool = False) -> Verification:
    """Hash everything. With ``repair``, what is damaged or left over is removed, to be made again when needed."""
    checked = tuple(entries(store))
    findings = [finding for entry in checked if (finding := _verify(store, entry, repair)) is not None]
    for parent in (store.folder, store.environments.folder):
        found = leftovers(parent)
        if repair and found:
            sweep(parent)
        findings += [Finding("leftover", path, "left by a process that died", repair) for path in found]
    return Verification(len(checked), sum(entry.size for entry in checked), tuple(findings))


def collect(store: Store, keep: set[str], *, older_than: float = 0.0, dry_run: bool = False) -> Removed:
    """Remove what is not in ``keep`` (keys) and was not used for ``older_than`` seconds.

    What another process is building or removing right now is left alone.
    """
    before = time.time() - older_than
    removed = []
    for entry in tuple(entries(store)):
        if entry.key not in keep and entry.used <= before and (dry_run or _discard(store, entry)):
            removed.append(entry)
    if not dry_run:
        sweep(store.folder)
        sweep(store.environments.folder)
    return Removed(tuple(removed))


def _verify(store: Store, entry: Entry, repair: bool) -> Finding | None:
    why = _damage(store, entry)
    if not why:
        return None
    return Finding("damaged", entry.path, why, repair and _discard(store, entry))


def _damage(store: Store, entry: Entry) -> str:
    if entry.kind == "file":
        return "" if store.files.intact(entry.key) else "its bytes have another sha256 than its name"
    if folders := _folders(store).get(entry.kind):
        artefact = folders.read(entry.key)
        if artefact is None:
            return "its manifest cannot be read"
        return "" if intact(artefact) else "its files are not those of its manifest"
    return "; ".join(store.environments.damages(entry.key)[:3])


def _discard(store: Store, entry: Entry) -> bool:
    remove, held = _remover(store, entry)
    try:
        with held:
            remove(entry.key)
    except Busy:
        return False
    return True


def _remover(store: Store, entry: Entry) -> tuple[Callable[[str], None], AbstractContextManager[None]]:
    what = f"removing {entry.key[:12]}"
    if entry.kind == "file":
        return store.files.discard, store.files.locked(entry.key, timeout=0)
    if folders := _folders(store).get(entry.kind):
        return folders.discard, lock(folders.lock_file(entry.key), what=what, timeout=0)
    return store.environments.discard, lock(store.environments.lock_file(entry.key), what=what, timeout=0)


def _folders(store: Store) -> dict[str, Derived]:
    return {"derived": store.derived, "tool": store.tools}


def _used(mark: Path, otherwise: Path) -> float:
    try:
        return mark.stat().st_mtime
    except OSError:
        return otherwise.stat().st_mtime


def _packages(folder: Path) -> str:
    manifest = read_manifest(folder) or {}
    return ", ".join(f"{entry['name']} {entry['version']}" for entry in manifest.get("packages", ()))


def _folder_size(folder: Path) -> int:
    return sum(path.lstat().st_size for path in folder.rglob("*") if path.is_symlink() or not path.is_dir())
