"""The catalog: the repositories in use, in order, and what is found in them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from cmx.errors import ComponentError, ComponentNotFound, nearest
from cmx.reference import Reference, version_key
from cmx.repository.added import Added, add, added, remove
from cmx.repository.heads import Heads
from cmx.repository.index import Entry, Index
from cmx.repository.repository import Repository
from cmx.settings import Settings, builtin_repository

if TYPE_CHECKING:  # at run time only where a component is read: 'cmx list' reads none
    from cmx.component import Action, Component, Dataset, Model, SoftwareDetect, Workflow

C = TypeVar("C", bound="Component")


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

    def __init__(
        self, repositories: Sequence[Repository], settings: Settings, problems: Sequence[Problem] = ()
    ) -> None:
        self.repositories = tuple(repositories)
        self.settings = settings
        self._problems = tuple(problems)
        self._index = Index(settings.cache / "index.sqlite")
        self._components: dict[Path, Component] = {}

    @classmethod
    def default(cls, settings: Settings | None = None) -> Catalog:
        """The built-in repository, the user's own, and those the user added.

        A repository that is gone or whose repo.yaml is broken is listed under ``problems``; the others are used.
        """
        settings = settings or Settings.from_environment()
        heads = Heads(settings.cache / "repositories.json")
        own = [Added("local", settings.repository)] if settings.repository.is_dir() else []
        repositories, problems = [Repository.open(builtin_repository(), name="builtin", heads=heads)], list[Problem]()
        for entry in [*own, *added(settings)]:
            try:
                repositories.append(_open(entry, heads))
            except ComponentError as error:
                problems.append(Problem(entry.root, error.message, error.hint))
        return cls(repositories, settings, problems)

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
        problems = list(self._problems)
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
        if len({(e.kind, e.name) for e in found}) < len(found):
            found.sort(key=lambda e: version_key(e.version), reverse=True)
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
        from cmx.component import Action

        return _typed(self.find(reference), Action)

    def dataset(self, reference: Reference) -> Dataset:
        """As find, typed."""
        from cmx.component import Dataset

        return _typed(self.find(reference), Dataset)

    def model(self, reference: Reference) -> Model:
        """As find, typed."""
        from cmx.component import Model

        return _typed(self.find(reference), Model)

    def software(self, name: str) -> SoftwareDetect:
        """The newest software-detect component of this name."""
        from cmx.component import SoftwareDetect

        return _typed(self.find(Reference("software-detect", name)), SoftwareDetect)

    def workflow(self, reference: Reference) -> Workflow:
        """As find, typed."""
        from cmx.component import Workflow

        return _typed(self.find(reference), Workflow)

    def _component(self, entry: Entry) -> Component:
        """One object for each file, which also keeps the digest it was once asked for."""
        from cmx.component import from_document

        if entry.file not in self._components:
            document = json.loads(entry.document)
            self._components[entry.file] = from_document(document, entry.file, repository=entry.repository)
        return self._components[entry.file]

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
        kind = "software-detect" if reference.kind == "software" else reference.kind
        names = {e.name for e in self.entries(kind)}
        hint = f"did you mean '{kind}/{reference.name}'?" if reference.name in names else nearest(reference.name, names)
        return ComponentNotFound(f"there is no {reference.key}", hint=hint)


def _open(entry: Added, heads: Heads) -> Repository:
    if not entry.root.is_dir():
        raise ComponentNotFound(
            f"repository {entry.name}: there is no folder {entry.root}",
            hint=f"bring it back, or 'cmx repo remove {entry.name}'",
        )
    return Repository.open(entry.root, name=entry.name, heads=heads)


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
