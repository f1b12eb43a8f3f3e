"""A component as one file: a zip of its own files that is the same bytes wherever and whenever it is made."""

from __future__ import annotations

import shutil
import zipfile
from pathlib import Path
from typing import IO

from cmx.component import Component
from cmx.component_file import load
from cmx.errors import ComponentInvalid, StoreError
from cmx.own_files import own_files
from cmx.reference import COMPONENT_FILE
from cmx.registry.index import Release

_EPOCH = (1980, 1, 1, 0, 0, 0)
_MODE = 0o100644


def pack(component: Component, stream: IO[bytes]) -> None:
    """Write a component's own files as a zip. Raises ComponentInvalid for a link that leaves its folder."""
    folder = component.folder
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_STORED) as archive:
        for path in sorted(own_files(folder)):
            entry = zipfile.ZipInfo(path.relative_to(folder).as_posix(), _EPOCH)
            entry.external_attr, entry.create_system = _MODE << 16, 3
            with path.open("rb") as source, archive.open(entry, "w") as target:
                shutil.copyfileobj(source, target, 1 << 20)


def unpack(file: Path, release: Release, folder: Path) -> Component:
    """Unpack a component below a new folder; it is the one that the index names, with the digest that it names.

    Raises StoreError for an archive that is damaged or leads out of the folder, ComponentInvalid for another component.
    """
    from cmx import archives

    folder.mkdir(parents=True)
    archives.unpack(file, folder, name=release.reference)
    hint = "whoever keeps the registry changed it by hand: 'cmx registry verify FOLDER' there says more"
    if not (folder / COMPONENT_FILE).is_file():
        raise StoreError(f"{release.reference}: its file holds no {COMPONENT_FILE}", hint=hint)
    component = load(folder / COMPONENT_FILE)
    if (component.reference, component.digest) != (release.reference, release.digest):
        here = f"{component.reference} of digest {component.digest[:12]}"
        said = f"{release.reference} of digest {release.digest[:12]}"
        raise ComponentInvalid(f"{release.reference}: its file holds {here}, and the index says {said}", hint=hint)
    return component
