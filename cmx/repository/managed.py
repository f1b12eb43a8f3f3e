"""Repositories that cmx keeps in its own home: clones of git repositories, unpacked archives, mirrored registries.

Nothing is fetched unless ``add`` or ``update`` is asked for, nothing of the user's is overwritten, and nothing
outside the managed home is ever deleted.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from cmx.errors import ComponentNotFound, StoreError, UsageError
from cmx.files import disk_failures
from cmx.repository import clone
from cmx.repository.added import Added, add, change, find, locked, remove
from cmx.repository.repository import Repository
from cmx.repository.revision import head, opened
from cmx.repository.yanked import REGISTRY
from cmx.settings import Settings

_ARCHIVES = (".zip", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".tar")
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,79}")


def home(settings: Settings) -> Path:
    """Where clones and unpacked archives lie, a folder each."""
    return settings.home / "repositories"


def check_name(name: str) -> None:
    """Raise UsageError for what is no name for a repository; "" is that it gets its own."""
    if name and not _NAME.fullmatch(name):
        raise UsageError(f"{name!r} is no name for a repository", hint="use lower-case letters, digits, '.', '_', '-'")


def add_source(settings: Settings, source: str, name: str, taken: set[str]) -> Repository:
    """Add a folder, the URL of a git repository (``URL@branch``, ``@tag``, ``@commit``) or an archive.

    Raises UsageError for a name or folder that is in the catalog already, ComponentNotFound where there is nothing,
    Unavailable where git cannot fetch it, StoreError for an archive that cannot be unpacked.
    """
    check_name(name)
    if address := clone.Address.parse(source):
        return _add_clone(settings, address, name, taken)
    path = Path(source).expanduser().resolve()
    if path.name.endswith(_ARCHIVES) and path.is_file():
        return _add_archive(settings, path, name, taken)
    if not path.is_dir():
        hint = "cmx repo add FOLDER | GIT-URL[@branch|tag|commit] | FILE.zip|.tar.gz"
        raise ComponentNotFound(f"{path}: there is no such folder", hint=hint)
    if (path / "registry.json").is_file():
        raise UsageError(f"{path}: is a registry, not a folder of components", hint=f"cmx repo add {path}")
    repository = Repository.open(path, name=name)
    add(settings, Added(repository.name, path), taken)
    return repository


def _add_clone(settings: Settings, address: clone.Address, name: str, taken: set[str]) -> Repository:
    with Workspace(settings) as work:
        commit = clone.make(address, work.folder)
        name = work.name(name, address.name)
        entry = Added(name, home(settings) / name, "git", address.url, address.ref, commit, bool(address.commit))
        add(settings, entry, taken, lambda: work.keep(entry.root))
    return opened(entry)


def _add_archive(settings: Settings, archive: Path, name: str, taken: set[str]) -> Repository:
    with Workspace(settings) as work:
        digest = _unpack(archive, work.folder)
        stem = next(archive.name.removesuffix(end) for end in _ARCHIVES if archive.name.endswith(end))
        name = work.name(name, stem)
        entry = Added(name, home(settings) / name, "archive", str(archive), digest=digest, tree=tree(work.folder))
        add(settings, entry, taken, lambda: work.keep(entry.root))
    return opened(entry)


@dataclass(frozen=True)
class Updated:
    """What became of a repository: its name, and the revisions before and after."""

    name: str
    before: str
    after: str
    note: str = ""


def update(settings: Settings, name: str) -> Updated:
    """Fetch what is new of one managed repository.

    Raises StoreError when that would lose changes that the user made in it, Unavailable when it cannot be had.
    """
    with locked(settings, f"repository-{name}"):
        entry = find(settings, name)
        if entry.kind == "git":
            return _update_clone(settings, entry)
        if entry.kind == "archive":
            return _update_archive(settings, entry)
    return Updated(name, "", "", "a folder of yours: every command looks at its files")


def _update_clone(settings: Settings, entry: Added) -> Updated:
    _there(entry)
    before = head(entry.root)
    if entry.pinned:
        return Updated(entry.name, before, before, f"pinned; 'cmx repo pin {entry.name} --off' lets go")
    clone.refuse_changes(entry)
    commit = clone.advance(entry)
    change(settings, entry.name, commit=commit)
    return Updated(entry.name, before, commit)


def _update_archive(settings: Settings, entry: Added) -> Updated:
    archive = Path(entry.source)
    if not archive.is_file():
        hint = f"bring it back, or 'cmx repo remove {entry.name}'"
        raise ComponentNotFound(f"{archive}: there is no such file", hint=hint)
    _there(entry)
    if changed(entry):
        raise StoreError(
            f"repository {entry.name}: files in {entry.root} were changed; an update would lose that",
            hint=f"save what you need ('cmx copy REF NEWNAME'), then remove it and add it again: "
            f"cmx repo remove {entry.name} --yes",
        )
    with Workspace(settings) as work:
        digest = _unpack(archive, work.folder)
        if digest != entry.digest:
            Repository.open(work.folder, name=entry.name)
            unpacked = tree(work.folder)
            work.replace(entry.root)
            change(settings, entry.name, digest=digest, tree=unpacked)
    return Updated(entry.name, entry.digest, digest)


def pin(settings: Settings, name: str, commit: str, *, off: bool = False) -> Updated:
    """Keep a clone at a commit ("" is where it is), or let go of it again.

    Raises as update does, and UsageError for a repository that is no clone.
    """
    with locked(settings, f"repository-{name}"):
        entry = find(settings, name)
        if entry.kind != "git":
            raise UsageError(f"repository {name} is no git clone", hint="only those have commits to pin")
        _there(entry)
        before = head(entry.root)
        after = before
        if commit and not before.startswith(commit):
            clone.refuse_changes(entry)
            after = clone.advance(entry, commit)
        change(settings, name, pinned=not off, commit=after)
    return Updated(name, before, after, "no longer pinned" if off else "pinned")


def changed(entry: Added) -> str:
    """What the user changed in a managed repository, in words; "" if nothing, or if it has gone."""
    if not entry.root.is_dir():
        return ""
    if entry.kind == "git":
        return clone.changes(entry)
    return "files were changed" if entry.kind in ("archive", REGISTRY) and tree(entry.root) != entry.tree else ""


def take_out(settings: Settings, name: str, *, discard: bool = False) -> Added:
    """Take a repository out of the catalog; what cmx made for it is deleted, a folder of the user's is left alone.

    Raises StoreError when that would lose the user's changes, unless ``discard``.
    """
    entry = find(settings, name)
    what = "" if discard else changed(entry)
    if what:
        raise StoreError(
            f"repository {name}: {what} in {entry.root}; removing it would lose that",
            hint=f"save what you need, then: cmx repo remove {name} --yes",
        )
    remove(settings, name)
    if entry.managed:
        _delete(entry.root, home(settings))
    return entry


def _there(entry: Added) -> None:
    if not entry.root.is_dir():
        hint = f"'cmx repo remove {entry.name}', then add it again: cmx repo add {entry.source}"
        raise ComponentNotFound(f"repository {entry.name}: there is no folder {entry.root}", hint=hint)


def _unpack(archive: Path, folder: Path) -> str:
    """Unpack an archive into a folder, without a single folder that all of it lies in; its sha256."""
    from cmx.archives import unpack

    with disk_failures(folder, f"unpacking {archive.name}"), archive.open("rb") as stream:
        digest = hashlib.sha256()
        while chunk := stream.read(1 << 20):
            digest.update(chunk)
        folder.mkdir()
        unpack(archive, folder)
        found = list(folder.iterdir())
        if len(found) == 1 and found[0].is_dir() and found[0].name not in _KIND_FOLDERS:
            inner = folder.with_name(folder.name + ".inner")
            found[0].rename(inner)
            folder.rmdir()
            inner.rename(folder)
    return digest.hexdigest()


# An archive that has nothing but such a folder has no folder around it.
_KIND_FOLDERS = frozenset({"models", "datasets", "software-detect", "actions", "workflows", "components"})


def tree(root: Path) -> str:
    """sha256 over the names and bytes of all files."""
    total = hashlib.sha256()
    for folder, folders, names in os.walk(root):
        folders.sort()
        for name in sorted(names):
            path = Path(folder, name)
            total.update(f"{path.relative_to(root).as_posix()}\0".encode("utf-8", "surrogateescape"))
            total.update(hashlib.sha256(path.read_bytes()).digest())
    return total.hexdigest()


def _delete(root: Path, managed: Path) -> None:
    """Delete a folder that lies directly in the managed home; anything else is left as it is."""
    if root.is_symlink() or not root.is_dir() or root.parent.resolve() != managed.resolve():
        return
    leaving = managed / f".removing-{root.name}-{os.urandom(4).hex()}"
    root.rename(leaving)
    shutil.rmtree(leaving, ignore_errors=True)


class Workspace:
    """A folder beside the managed ones, for what is not whole yet; it goes when the block ends."""

    def __init__(self, settings: Settings) -> None:
        self._home = home(settings)
        self.folder = self._home / f".adding-{os.getpid()}-{os.urandom(4).hex()}"

    def __enter__(self) -> Workspace:
        with disk_failures(self._home, "making room for a repository"):
            self._home.mkdir(parents=True, exist_ok=True)
        return self

    def __exit__(self, *_: object) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)

    def name(self, wanted: str, otherwise: str) -> str:
        """What the repository is called: as wanted, as its repo.yaml says, or else as its source.

        Raises ComponentInvalid for a broken repo.yaml.
        """
        said = Repository.open(self.folder).name
        name = wanted or (said if said != self.folder.name else re.sub(r"[^a-z0-9._-]+", "-", otherwise.lower()))
        if not _NAME.fullmatch(name):
            raise UsageError(f"{name!r} is no name for a repository", hint="give --name NAME")
        return name

    def keep(self, root: Path) -> None:
        """Move what is whole to its place."""
        if root.exists():
            raise StoreError(f"{root} is there already, and in no catalog", hint="move it away, or give --name NAME")
        self.folder.rename(root)

    def replace(self, root: Path) -> None:
        """Put what is whole in the place of what was there."""
        old = root.with_name(f".removing-{root.name}-{os.urandom(4).hex()}")
        root.rename(old)
        self.folder.rename(root)
        shutil.rmtree(old, ignore_errors=True)
