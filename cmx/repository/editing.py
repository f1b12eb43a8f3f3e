"""Copying, renaming and deleting components on disk. The index sees what became of the files; it is never told."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

from cmx.component import FILE, Component
from cmx.component_file import load
from cmx.errors import UsageError
from cmx.files import disk_failures, write_atomically
from cmx.repository.catalog import Catalog
from cmx.repository.query import Query
from cmx.repository.repository import Repository
from cmx.repository.templates import FOLDERS, name_for_yaml, new_uid


def copy(catalog: Catalog, component: Component, name: str, repository: Path) -> Component:
    """Copy a component into a repository under another name, with a uid of its own; the copy.

    Raises UsageError for a bad name, or one that is there already.
    """
    target = _free(catalog, component.kind, name, repository / FOLDERS[component.kind])
    making = target.with_name(f".{name}.{os.getpid()}")
    with disk_failures(target.parent, f"copying {component.reference}"):
        try:
            for file in component.files():
                place = making / file.relative_to(component.folder)
                place.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(file, place)
            write_atomically(making / FILE, _rewritten(component.file, name=name, uid=new_uid()))
            making.rename(target)
        finally:
            shutil.rmtree(making, ignore_errors=True)
    return load(target / FILE)


def move(catalog: Catalog, component: Component, name: str) -> Component:
    """Rename a component, all its versions in its folder, where it lies; its uid stays.

    Raises UsageError for a bad name, one that is there already, a repository that is not the user's to change, or
    where other versions lie elsewhere in the same repository.
    """
    home = _own(catalog, component)
    folder = _whole(component)
    versions = [e for e in catalog.query(Query(component.kind, component.name)) if e.repository == home.name]
    outside = [e for e in versions if not e.file.is_relative_to(folder)]
    if outside:
        raise UsageError(
            f"{component.key} is also in {outside[0].file.parent}", hint=f"put its versions below one folder: {folder}"
        )
    target = _free(catalog, component.kind, name, folder.parent)
    texts = {entry.file.relative_to(folder): _rewritten(entry.file, name=name) for entry in versions}
    with disk_failures(folder.parent, f"renaming {component.key}"):
        folder.rename(target)
        for file, text in texts.items():
            write_atomically(target / file, text)
    return load(target / component.file.relative_to(folder))


def delete(catalog: Catalog, component: Component) -> None:
    """Delete a component's folder. Raises UsageError where it is not the user's to delete, or holds others."""
    _own(catalog, component)
    folder = component.folder
    others = [path for path in folder.rglob(FILE) if path != component.file]
    if others:
        raise UsageError(f"{folder} also holds {others[0].relative_to(folder)}", hint="remove that one first")
    leaving = folder.with_name(f".removing-{folder.name}-{os.getpid()}")
    with disk_failures(folder.parent, f"removing {component.reference}"):
        folder.rename(leaving)
        shutil.rmtree(leaving)
        if folder.parent.name == component.name and not any(folder.parent.iterdir()):
            folder.parent.rmdir()  # it was the last of several versions


def _own(catalog: Catalog, component: Component) -> Repository:
    """The repository that a component lies in. Raises UsageError for one that is not the user's to change."""
    home = next(each for each in catalog.repositories if each.name == component.repository)
    if home.managed:
        what = "comes with cmx" if home.kind == "builtin" else f"belongs to the repository {home.name}, which cmx keeps"
        raise UsageError(
            f"{component.reference} {what}", hint=f"make a copy of your own: cmx copy {component.key} NEWNAME"
        )
    return home


def _whole(component: Component) -> Path:
    """The folder of a component, or the one that holds all its versions."""
    folder = component.folder
    return folder.parent if folder.name == component.version and folder.parent.name == component.name else folder


def _free(catalog: Catalog, kind: str, name: str, parent: Path) -> Path:
    """The folder that a component of this name would have. Raises UsageError for a name that cannot be had."""
    if not re.fullmatch("[a-z0-9][a-z0-9._-]{0,79}", name):
        raise UsageError(
            f"{name!r} is not a name", hint="a name is lower-case letters, digits, '.', '_', '-'; at most 80"
        )
    taken = catalog.query(Query(kind, name))
    if taken:
        raise UsageError(f"{kind}/{name} is there already: {taken[0].file}", hint="choose another name")
    if (parent / name).exists():
        raise UsageError(f"{parent / name} is there already", hint="choose another name")
    return parent / name


def _rewritten(file: Path, **values: str) -> str:
    """The text of a component.yaml with other values for top-level keys, and nothing else changed.

    Raises UsageError where they are not written on lines of their own.
    """
    text = file.read_text(encoding="utf-8")
    for key, value in values.items():
        written = name_for_yaml(value) if key == "name" else value
        text, count = re.subn(rf"(?m)^{key}:[^\n#]*?(?=\s*(?:#.*)?$)", f"{key}: {written}", text)
        if count != 1:
            raise UsageError(f"{file}: no line begins with '{key}:'", hint="write it on a line of its own")
    return text
