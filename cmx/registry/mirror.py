"""A registry as one of the catalog's repositories: its components, unpacked in cmx's home, versions side by side.

Everything is fetched when the registry is added or updated, so that resolving reads nothing but files here. A version
that was yanked lies apart: the catalog finds it only for a lock that names it (``Catalog.with_locked``).
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from cmx.component_file import load
from cmx.errors import StoreError, Unavailable, UsageError
from cmx.files import disk_failures, write_atomically
from cmx.install.download import objection
from cmx.reference import COMPONENT_FILE
from cmx.registry.index import FILE, SOLUTION, Index, Release
from cmx.registry.packed import unpack
from cmx.registry.signature import judged, required
from cmx.registry.source import NotARegistry, Source, open_source
from cmx.reporter import Reporter
from cmx.repository import Repository
from cmx.repository.added import Added, add, added, change, find, locked
from cmx.repository.managed import Updated, Workspace, changed, check_name, home, tree
from cmx.repository.revision import opened
from cmx.repository.yanked import FOLDER as YANKED
from cmx.repository.yanked import REGISTRY
from cmx.settings import Settings
from cmx.signing.trust import Verdict


class Mirrored(NamedTuple):
    """A registry that is in the catalog: its entry there, and where it is read from."""

    entry: Added
    source: Source


def add_registry(
    settings: Settings, where: str, index: Index, taken: set[str], *, name: str = "", key: str = "", reporter: Reporter
) -> Repository:
    """Put a registry's components into the catalog; ``index`` is what was read there.

    Where a key that the user trusts signed it, it has to be signed by that key from now on; with ``key`` it has to be
    by the one of this name. Raises UsageError for a name or an address that is in the catalog already, StoreError where
    another key or none signed, and what reading its files raises; nothing is kept then.
    """
    check_name(name)
    signature = required(index, key, settings)
    source = open_source(where, settings)
    name = name or index.name
    before = next((each for each in added(settings) if each.kind == REGISTRY and each.source == source.where), None)
    if before:
        raise UsageError(f"{source.where} is in the catalog already, as {before.name!r}", hint="cmx repo update")
    if name in taken:
        raise UsageError(f"a repository named {name!r} is in the catalog already", hint="give --name NAME")
    with Workspace(settings) as work, disk_failures(work.folder.parent, f"adding registry {name}"):
        _fill(work.folder, index, source, None, reporter)
        entry = Added(
            name, home(settings) / name, REGISTRY, source.where, digest=_digest(index), tree=tree(work.folder)
        )
        entry = entry._replace(**_trusted(index, signature))
        add(settings, entry, taken, lambda: work.keep(entry.root))
    return opened(entry)


def find_registry(where: str, settings: Settings) -> Index | None:
    """The index of the registry at an address or in a folder; None where that is something else.

    An address that names a branch, a tag or git is not asked. Raises ComponentInvalid for a damaged index.
    """
    if "://" not in where:
        path = Path(where).expanduser()
        is_one = path.name == FILE or (path / FILE).is_file()
        return open_source(where, settings).index() if is_one else None
    if where.endswith(".git") or "@" in where or objection(where):
        return None
    try:
        return open_source(where, settings).index()
    except (NotARegistry, Unavailable):
        if where.endswith(FILE):
            raise
        return None  # perhaps git can make something of it, and it says more where it cannot


def update_registry(settings: Settings, name: str, reporter: Reporter) -> Updated:
    """Fetch what is new of a registry, and nothing where its index is still the same.

    Raises StoreError where files of it were changed here, and what reading it raises; it stays as it was then.
    """
    with locked(settings, f"repository-{name}"):
        entry = find(settings, name)
        if changed(entry):
            raise StoreError(
                f"repository {name}: files in {entry.root} were changed; an update would lose that",
                hint=f"save what you need ('cmx copy REF NEWNAME'), then: cmx repo remove {name} --yes",
            )
        source = open_source(entry.source, settings)
        index = source.index()
        now = _digest(index)
        if now != entry.digest or not entry.root.is_dir():
            with Workspace(settings) as work, disk_failures(work.folder.parent, f"updating registry {name}"):
                _fill(work.folder, index, source, entry.root, reporter)
                digest = tree(work.folder)
                work.replace(entry.root)
                change(settings, name, digest=now, tree=digest)
        signature = judged(index, settings)
        if signature.trusted and not entry.key:
            change(settings, name, **_trusted(index, signature))
            return Updated(name, entry.digest, now, f"{signature.text}; from now on it has to be")
    return Updated(name, entry.digest, now)


def _trusted(index: Index, signature: Verdict) -> dict[str, Any]:
    """What is written down of a registry whose index has to be signed from now on; nothing of another."""
    return {"key": signature.key, "serial": index.serial, "ref": index.name} if signature.trusted else {}


def registries(settings: Settings) -> list[Mirrored]:
    """The registries of the catalog, in its order."""
    return [Mirrored(e, open_source(e.source, settings)) for e in added(settings) if e.kind == REGISTRY]


def _fill(folder: Path, index: Index, source: Source, old: Path | None, reporter: Reporter) -> None:
    """Make the repository of an index; what ``old`` has already is copied from there."""
    folder.mkdir()
    head: dict[str, Any] = {"schema": 1, "name": index.name}
    if index.description:
        head["description"] = index.description
    write_atomically(folder / "repo.yaml", json.dumps(head, ensure_ascii=False) + "\n")
    releases = [each for each in index.releases if each.kind != SOLUTION]
    for number, release in enumerate(releases):
        reporter.progress(release.reference, number, len(releases))
        place = folder / _place(release)
        if not _copied(release, old, place):
            with source.file(release, reporter) as file:
                unpack(file, release, place)


def _copied(release: Release, old: Path | None, place: Path) -> bool:
    """Whether this very release was there before, yanked or not, and was copied."""
    for before in _places(release, old):
        if (before / COMPONENT_FILE).is_file() and load(before / COMPONENT_FILE).digest == release.digest:
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copytree(before, place)
            return True
    return False


def _places(release: Release, old: Path | None) -> Iterator[Path]:
    if old is not None:
        yield old / _place(release._replace(yanked=""))
        yield old / _place(release._replace(yanked="x"))


def _place(release: Release) -> str:
    inside = f"{release.kind}/{release.name}/{release.version}"
    return f"{YANKED}/{inside}" if release.yanked else inside


def _digest(index: Index) -> str:
    return hashlib.sha256(index.encoded()).hexdigest()
