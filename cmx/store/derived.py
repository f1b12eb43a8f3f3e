"""Folders made from other things (a dataset's members, a converted model, a tool), each under the key of what went in.

``store/derived/<key>/files/`` holds the files and ``manifest.json`` beside it the sha256 and size of each. Files are
read-only; what was executable stays so. Tools lie in ``store/tools/``, and may have symbolic links inside.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from cmx.errors import StoreError
from cmx.files import disk_failures
from cmx.store.files import mark_used
from cmx.store.hashing import sha256_of
from cmx.store.locks import lock
from cmx.store.workspace import workspace

SCHEMA = 1
_KEY = re.compile(r"[0-9a-z][0-9a-z._-]{0,127}")

Build = Callable[[Path], Mapping[str, Any]]
OnWait = Callable[[str], None]


class ArtefactFile(NamedTuple):
    """One file of an artefact; ``name`` is relative to the artefact's folder, with forward slashes."""

    name: str
    sha256: str
    size: int


class Artefact(NamedTuple):
    """A derived folder whose files were verified when this was made. ``links`` are names and where they lead.

    ``what`` says what it is, for people.
    """

    key: str
    folder: Path
    files: tuple[ArtefactFile, ...]
    made_from: Mapping[str, Any]
    links: tuple[tuple[str, str], ...] = ()
    what: str = ""

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(file.size for file in self.files)

    def path(self, name: str) -> Path:
        """The file ``name``. Raises KeyError if the artefact has no such file."""
        if not any(file.name == name for file in self.files):
            raise KeyError(name)
        return self.folder / name


class Derived:
    """The derived folders below one store; ``links`` says whether they may have symbolic links inside."""

    def __init__(self, store: Path, locks: Path, name: str = "derived", *, links: bool = False) -> None:
        self.store = store
        self.folder = store / name
        self._name = name
        self._locks = locks
        self._links = links

    def find(self, key: str) -> Artefact | None:
        """The artefact of this key, every file hashed now; None if it is missing or not what it was."""
        artefact = self.read(key)
        if artefact is None or not intact(artefact):
            return None
        mark_used(self.location(key) / "manifest.json")
        return artefact

    def derive(self, key: str, build: Build, *, what: str = "", on_wait: OnWait | None = None) -> Artefact:
        """The artefact of this key, built by ``build`` if there is none, or if it was damaged.

        ``build`` gets an empty folder, puts files there, and returns what they were made from (JSON values).
        One process builds while others wait, then use the same files. If ``build`` raises, or its process is
        killed, nothing is kept. Raises StoreError for a full disk, a folder that cannot be written to, or a
        build that leaves no files, or symbolic links that may not be there.
        """
        if (artefact := self.find(key)) is not None:
            return artefact
        what = what or f"making {key[:12]}"
        with lock(self.lock_file(key), what=what, on_wait=on_wait):
            if (artefact := self.find(key)) is not None:
                return artefact
            with disk_failures(self.store, what), workspace(self.store, f"{self._name}-{key[:12]}") as folder:
                self._retire(key, folder)
                return self._build(key, folder / "new", build, what)

    def read(self, key: str) -> Artefact | None:
        """The artefact as its manifest describes it, without looking at the files."""
        folder = self.location(key)
        try:
            manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
            if manifest["schema"] != SCHEMA or manifest["key"] != key:
                return None
            files = tuple(ArtefactFile(str(name), str(sha256), int(size)) for name, sha256, size in manifest["files"])
            links = tuple((str(name), str(to)) for name, to in manifest.get("links", ()))
            what = str(manifest.get("what", ""))
            return Artefact(key, folder / "files", files, dict(manifest["made_from"]), links, what)
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def location(self, key: str) -> Path:
        """Where the artefact of this key lies or would lie. Raises StoreError for what is no key."""
        if not _KEY.fullmatch(key):
            raise StoreError(f"{key!r} is not a key of the store", hint="take the key from cmx.store.key_of")
        return self.folder / key

    def lock_file(self, key: str) -> Path:
        """The lock that whoever builds or removes this artefact holds."""
        return self._locks / f"{self._name}-{key}.lock"

    def all(self) -> Iterator[str]:
        """The keys of everything here, sorted, damaged or not."""
        if self.folder.is_dir():
            yield from sorted(path.name for path in self.folder.iterdir() if _KEY.fullmatch(path.name))

    def discard(self, key: str) -> None:
        """Remove an artefact at once, for everybody; its bytes go after. Hold ``lock_file`` meanwhile."""
        with disk_failures(self.store, f"removing {key}"), workspace(self.store, "removed") as folder:
            self._retire(key, folder)

    def _retire(self, key: str, folder: Path) -> None:
        if (location := self.location(key)).exists():
            location.replace(folder / "old")

    def _build(self, key: str, folder: Path, build: Build, what: str) -> Artefact:
        content = folder / "files"
        content.mkdir(parents=True)
        made_from = dict(build(content))
        links = _sealed_links(content, what, allowed=self._links)
        files = _seal(content, what)
        manifest = {
            "schema": SCHEMA,
            "key": key,
            "what": what,
            "created": time.time(),
            "made_from": made_from,
            "files": [[file.name, file.sha256, file.size] for file in files],
            **({"links": links} if links else {}),
        }
        (folder / "manifest.json").write_text(json.dumps(manifest, indent=1), encoding="utf-8")
        target = self.location(key)
        target.parent.mkdir(parents=True, exist_ok=True)
        folder.replace(target)
        return Artefact(key, target / "files", files, made_from, links, what)


def intact(artefact: Artefact) -> bool:
    """Whether the folder holds exactly the artefact's files and links, each with its bytes."""
    try:
        present = {path.relative_to(artefact.folder).as_posix() for path in _entries(artefact.folder)}
        if present != {file.name for file in artefact.files} | {name for name, _ in artefact.links}:
            return False
        if not all((artefact.folder / name).readlink().as_posix() == to for name, to in artefact.links):
            return False
        return all(
            (path := artefact.folder / file.name).stat().st_size == file.size and sha256_of(path) == file.sha256
            for file in artefact.files
        )
    except OSError:
        return False


def _sealed_links(content: Path, what: str, *, allowed: bool) -> tuple[tuple[str, str], ...]:
    links = []
    for path in sorted(path for path in _entries(content) if path.is_symlink()):
        name, to = path.relative_to(content).as_posix(), path.readlink()
        if not allowed:
            raise StoreError(f"{what}: {name} is a symbolic link; the store keeps files only")
        if to.is_absolute() or not path.resolve().is_relative_to(content.resolve()):
            raise StoreError(f"{what}: {name} is a symbolic link that leads out of the folder, to {to}")
        links.append((name, to.as_posix()))
    return tuple(links)


def _seal(content: Path, what: str) -> tuple[ArtefactFile, ...]:
    files = []
    for path in sorted(path for path in _entries(content) if not path.is_symlink()):
        path.chmod(0o555 if path.stat().st_mode & 0o100 else 0o444)
        files.append(ArtefactFile(path.relative_to(content).as_posix(), sha256_of(path), path.stat().st_size))
    if not files:
        raise StoreError(f"{what}: no file was made")
    return tuple(files)


def _entries(folder: Path) -> Iterator[Path]:
    return (path for path in folder.rglob("*") if path.is_symlink() or not path.is_dir())
