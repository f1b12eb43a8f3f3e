"""Versions that their registry yanked: they lie apart, and are found only for a lock that names them by digest."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from cmx.errors import ComponentError
from cmx.reference import COMPONENT_FILE, Reference
from cmx.repository.repository import Repository

if TYPE_CHECKING:
    from cmx.component import Component

REGISTRY = "registry"
"""The kind of a repository that mirrors a registry: ``cmx.registry`` makes and updates it."""

FOLDER = ".yanked"
"""Where the yanked versions of a mirrored registry lie, as ``kind/name/version``: the index looks into none such."""


def components(repositories: Iterable[Repository], digests: Mapping[str, str]) -> list[Component]:
    """The yanked components that are named by ``kind/name==version`` and digest."""
    from cmx.component_file import load

    found: dict[str, Component] = {}
    for place in _places(repositories, digests):
        try:
            component = load(place / COMPONENT_FILE, repository="")
        except ComponentError:
            continue
        if digests.get(component.reference) == component.digest:
            found.setdefault(component.reference, component)
    return list(found.values())


def versions(repositories: Iterable[Repository], reference: Reference) -> list[str]:
    """The yanked versions of a component."""
    inside = f"{FOLDER}/{reference.kind}/{reference.name}"
    mirrors = (repository.root / inside for repository in repositories if repository.kind == REGISTRY)
    return sorted({place.name for mirror in mirrors if mirror.is_dir() for place in mirror.iterdir()})


def _places(repositories: Iterable[Repository], digests: Mapping[str, str]) -> Iterator[Path]:
    for repository in repositories:
        if repository.kind == REGISTRY:
            for text in digests:
                reference = Reference.parse(text)
                version = reference.specifier.removeprefix("==")
                place = repository.root / FOLDER / reference.kind / reference.name / version
                if (place / COMPONENT_FILE).is_file():
                    yield place
