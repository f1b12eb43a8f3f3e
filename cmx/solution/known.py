"""Components of an archive that go by the name of one that is known here, and are not it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import NamedTuple

from cmx.reference import Reference
from cmx.repository import Catalog
from cmx.repository.query import Query
from cmx.solution.archive import Archive
from cmx.solution.manifest import Packed


class Impostor(NamedTuple):
    """A component of the archive, the repository here that has one of its name, and how they differ."""

    reference: str
    repository: str
    how: str

    def __str__(self) -> str:
        return f"{self.reference} is not the one of the repository {self.repository!r}: {self.how}"


def impostors(archive: Archive, catalog: Catalog) -> list[Impostor]:
    """Components with the name of one in the catalog and another uid, or its version as well and other files.

    Only the manifest is read: what ``verify`` has checked is believed. A solution's components are used for it alone,
    so an impostor harms nothing that is here; but who reads a name should know what stands behind it.
    """
    return [found for packed in archive.manifest.components if (found := _impostor(packed, archive, catalog))]


def _impostor(packed: Packed, archive: Archive, catalog: Catalog) -> Impostor | None:
    wanted = Reference.parse(packed.reference)
    known = catalog.query(Query(wanted.kind, wanted.name))
    other = next((each for each in known if each.uid != packed.uid), None)
    if other:
        return Impostor(packed.reference, other.repository, f"its uid is {packed.uid}, not {other.uid}")
    if not any(wanted.admits(each.version) for each in known):
        return None
    here = catalog.find(wanted)
    if here.digest == packed_digest(packed, archive):
        return None
    files = dict(_files(packed, archive))
    mine = {file.relative_to(here.folder).as_posix(): file for file in here.files()}
    changed = sorted(
        path
        for path in files.keys() | mine.keys()
        if path not in files or path not in mine or hashlib.sha256(mine[path].read_bytes()).hexdigest() != files[path]
    )
    return Impostor(packed.reference, here.repository, f"{', '.join(changed)} differs")


def packed_digest(packed: Packed, archive: Archive) -> str:
    """The digest that a component of the archive has, as ``cmx.own_files`` makes it, from the manifest's hashes."""
    total = hashlib.sha256()
    for path, digest in sorted(_files(packed, archive), key=lambda each: _order(each[0])):
        total.update(path.encode() + b"\0")
        total.update(bytes.fromhex(digest))
    return total.hexdigest()


def _files(packed: Packed, archive: Archive) -> Iterator[tuple[str, str]]:
    folder = f"{packed.folder}/"
    for file in archive.manifest.files:
        if file.path.startswith(folder):
            yield file.path[len(folder) :], file.sha256


def _order(path: str) -> list[tuple[bool, str]]:
    """Files of a folder come before the folders in it."""
    *folders, name = PurePosixPath(path).parts
    return [*((True, folder) for folder in folders), (False, name)]
