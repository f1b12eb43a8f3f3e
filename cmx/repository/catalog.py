"""The catalog: the repositories in use, in order, and what is found in them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TypeVar

from cmx.component import Action, Component, Dataset, Model, SoftwareDetect, Workflow, from_document
from cmx.errors import ComponentNotFound, nearest
from cmx.reference import Reference, version_key
from cmx.repository.added import Added, add, added, remove
from cmx.repository.index import Entry, Index
from cmx.repository.repository import Repository
from cmx.settings import Settings, builtin_repository

C = TypeVar("C", bound=Component)


@dataclass(frozen=True)
class Problem:
    """A component that is not used, and why. It never hides the others."""

    file: Path
    message: str
    hint: str


class Catalog:
    """Several repositories, searched in order.

    The newest version that a reference admits is found; where two repositories hold the same version, the earlier
    one's is used and the other is listed under ``problems``.
    """

    def __init__(self, repositories: Sequence[Repository], settings: Settings) -> None:
        self.repositories = tuple(repositories)
        self.settings = settings
        self._index = Index(settings.cache / "index.sqlite")

    @classmethod
    def default(cls, settings: Settings | None = None) -> Catalog:
        """The built-in repository, the user's own, and those the user added."""
        settings = settings or Settings.from_environment()
        repositories = [Repository.open(builtin_repository(), name="builtin")]
        if settings.repository.is_dir():
            repositories.append(Repository.open(settings.repository, name="local"))
        repositories += [Repository.open(entry.root, name=entry.name) for entry in added(settings)]
        return cls(repositories, settings)

    def add(self, root: Path, *, name: str = "") -> Repository:
        """Add a folder to the user's catalog.

        Raises UsageError if it is there already, ComponentNotFound if it is no folder.
        """
        root = root.expanduser().resolve()
        if not root.is_dir():
            raise ComponentNotFound(f"{root}: there is no such folder", hint="cmx repo add FOLDER")
        repository = Repository.open(root, name=name)
        add(self.settings, Added(repository.name, root), {each.name for each in self.repositories})
        return repository

    def remove(self, name: str) -> Added:
        """Take an added repository out of the catalog; its folder stays. Raises UsageError for an unknown name."""
        return remove(self.settings, name)

    @cached_property
    def _read(self) -> tuple[list[Entry], list[Problem]]:
        kept: dict[tuple[str, str, str], Entry] = {}
        owners: dict[str, Entry] = {}
        problems: list[Problem] = []
        for repository in self.repositories:
            for entry in self._index.entries(repository.name, repository.files()):
                problem = _problem(entry, kept, owners)
                if problem:
                    problems.append(problem)
                else:
                    kept[entry.kind, entry.name, entry.version] = entry
                    owners.setdefault(entry.uid, entry)
        return list(kept.values()), problems

    @property
    def problems(self) -> list[Problem]:
        """Components that are broken, or hidden by another of the same identity."""
        return self._read[1]

    def entries(self, kind: str = "", tags: Iterable[str] = ()) -> list[Entry]:
        """What there is, by kind and name, newest first; of a kind, and with all of some tags."""
        wanted = set(tags)
        found = [e for e in self._read[0] if (not kind or e.kind == kind) and wanted <= set(e.tags)]
        found.sort(key=lambda e: [-part for part in version_key(e.version).release])
        return sorted(found, key=lambda e: (e.kind, e.name))

    def search(self, words: Iterable[str]) -> list[Entry]:
        """Entries that hold every word in their kind, name, tags or description, whatever its case."""
        wanted = [word.lower() for word in words]
        return [e for e in self.entries() if all(word in _searched(e) for word in wanted)]

    def versions(self, reference: Reference) -> list[Component]:
        """Every component that the reference admits, newest first."""
        entries = [e for e in self.entries(reference.kind) if e.name == reference.name]
        return [self._component(e) for e in entries if reference.admits(e.version)]

    def find(self, reference: Reference) -> Component:
        """The newest component that the reference admits. Raises ComponentNotFound with the nearest name."""
        found = self.versions(reference)
        if found:
            return found[0]
        raise self._not_found(reference)

    def by_uid(self, uid: str) -> Component | None:
        """The newest component with this uid."""
        found = [e for e in self.entries() if e.uid == uid]
        return self._component(found[0]) if found else None

    def action(self, reference: Reference) -> Action:
        """As find, typed."""
        return _typed(self.find(reference), Action)

    def dataset(self, reference: Reference) -> Dataset:
        """As find, typed."""
        return _typed(self.find(reference), Dataset)

    def model(self, reference: Reference) -> Model:
        """As find, typed."""
        return _typed(self.find(reference), Model)

    def software(self, name: str) -> SoftwareDetect:
        """The newest software-detect component of this name."""
        return _typed(self.find(Reference("software-detect", name)), SoftwareDetect)

    def workflow(self, reference: Reference) -> Workflow:
        """As find, typed."""
        return _typed(self.find(reference), Workflow)

    def _component(self, entry: Entry) -> Component:
        return from_document(json.loads(entry.document), entry.file, repository=entry.repository)

    def _not_found(self, reference: Reference) -> ComponentNotFound:
        broken = [p for p in self.problems if p.file.parent.name == reference.name]
        if broken:
            return ComponentNotFound(f"{reference} is broken: {broken[0].message}", hint=broken[0].hint)
        there = [e.version for e in self.entries(reference.kind) if e.name == reference.name]
        if there:
            return ComponentNotFound(
                f"no version of {reference.key} is {reference.specifier or 'a release'}",
                hint=f"there is {', '.join(there)}",
            )
        names = {e.name for e in self.entries(reference.kind)}
        return ComponentNotFound(f"there is no {reference.key}", hint=nearest(reference.name, names))


def _searched(entry: Entry) -> str:
    return " ".join((entry.key, *entry.tags, entry.description)).lower()


def _problem(entry: Entry, kept: dict[tuple[str, str, str], Entry], owners: dict[str, Entry]) -> Problem | None:
    if entry.error:
        return Problem(entry.file, entry.error, entry.hint)
    first = kept.get((entry.kind, entry.name, entry.version))
    if first:
        return Problem(
            entry.file,
            f"{entry.file}: {entry.reference} is hidden by {first.file}",
            "raise its version, or rename one of the two",
        )
    owner = owners.get(entry.uid)
    if owner and owner.key != entry.key:
        return Problem(
            entry.file,
            f"{entry.file}: uid {entry.uid} belongs to {owner.key} ({owner.file})",
            "give it a uid of its own: 'cmx new' makes one",
        )
    return None


def _typed(component: Component, kind: type[C]) -> C:
    assert isinstance(component, kind), f"{component.reference} is read as {type(component).__name__}"
    return component
