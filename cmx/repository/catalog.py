"""The catalog: the repositories in use, in order, and what is found in them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from cmx.errors import CmxError, ComponentError, ComponentNotFound, UsageError, nearest
from cmx.reference import COMPONENT_KINDS, Reference, admits, contradiction, version_key
from cmx.repository import yanked
from cmx.repository.added import Added, added
from cmx.repository.heads import Heads
from cmx.repository.index import Entry, Index
from cmx.repository.listing import stamp_of
from cmx.repository.query import Query
from cmx.repository.repository import REPOSITORY_FILE, Repository
from cmx.repository.revision import opened
from cmx.settings import Settings, builtin_repository

if TYPE_CHECKING:  # at run time only where a component is read: 'cmx list' reads none
    from cmx.component import Action, Component, Dataset, Model, SoftwareDetect, Workflow

C = TypeVar("C", bound="Component")


class Problem(NamedTuple):
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
        self._index = Index(settings.cache / "index.sqlite", self.repositories)
        self._components: dict[Path, tuple[str, Component]] = {}
        self._locked: list[Component] = []

    @classmethod
    def default(cls, settings: Settings | None = None) -> Catalog:
        """The built-in repository, the user's own, and those the user added.

        A repository that is gone or whose repo.yaml is broken is listed under ``problems``; the others are used.
        """
        settings = settings or Settings.from_environment()
        heads = Heads(settings.cache / "repositories.json")
        own = [Added("local", settings.repository)] if settings.repository.is_dir() else []
        repositories, problems = [_builtin(builtin_repository(), heads)], list[Problem]()
        for entry in [*own, *added(settings)]:
            try:
                repositories.append(_open(entry, heads))
            except ComponentError as error:
                problems.append(Problem(entry.root, error.message, error.hint))
        return cls(repositories, settings, problems)

    def with_locked(self, digests: Mapping[str, str]) -> Catalog:
        """This catalog, and those yanked versions that a lock names, by ``kind/name==version`` and digest.

        What a repository of the catalog still offers is found there.
        """
        if all(each.kind != yanked.REGISTRY for each in self.repositories):
            return self
        named = {text: digest for text, digest in digests.items() if text}
        missing = {text: digest for text, digest in named.items() if not self._admitted(Reference.parse(text))}
        catalog = Catalog(self.repositories, self.settings, self._problems)
        catalog._locked = yanked.components(self.repositories, missing)
        return catalog if catalog._locked else self

    def add(self, source: Path | str, *, name: str = "") -> Repository:
        """Add a folder, the URL of a git repository (``URL@branch``, ``@tag``, ``@commit``), or an archive.

        Raises UsageError if it is there already, ComponentNotFound for what is none of these, Unavailable where it
        cannot be fetched, StoreError where it cannot be kept.
        """
        from cmx.repository.managed import add_source

        return add_source(self.settings, str(source), name, {each.name for each in self.repositories})

    def remove(self, name: str, *, discard: bool = False) -> Added:
        """Take an added repository out of the catalog.

        A folder of the user's stays; what cmx made is deleted, but changes of the user's in it only if ``discard``
        (StoreError). Raises UsageError for an unknown name.
        """
        from cmx.repository.managed import take_out

        removed = take_out(self.settings, name, discard=discard)
        self._index.forget(removed.root)
        return removed

    @property
    def problems(self) -> list[Problem]:
        """Components that are broken, or hidden by another of the same identity."""
        return [*self._problems, *(Problem(e.file, e.error, e.hint) for e in self._index.problems())]

    def counts(self, repository: Repository) -> tuple[int, int]:
        """How many components of one of the repositories are used, and how many are broken or hidden."""
        return self._index.count(repository)

    def names(self, kind: str = "") -> list[str]:
        """The names of all components, or those of a kind, sorted."""
        return self._index.names(kind)

    def entries(self, kind: str = "", tags: Iterable[str] = (), *, platform: str = "") -> list[Entry]:
        """What there is, by kind and name, newest first; of a kind, and with all of some tags.

        A tag ``-name`` excludes, and ``_name`` is a variant of a model; a component that names no platform works
        on all.
        """
        return self.query(Query(kind=kind, tags=tuple(tags), platform=platform))

    def search(self, words: Iterable[str], kind: str = "", tags: Iterable[str] = ()) -> list[Entry]:
        """Entries that hold every word, or one that begins so, in their kind, name, tags or description."""
        return self.query(Query(kind=kind, tags=tuple(tags), words=tuple(words)))

    def query(self, query: Query) -> list[Entry]:
        """Everything that a query asks for, by kind and name, newest first."""
        found = self._index.entries(query)
        if len({(e.kind, e.name) for e in found}) < len(found):
            found.sort(key=lambda e: version_key(e.version), reverse=True)
            found.sort(key=lambda e: (e.kind, e.name))
        return found

    def versions(self, reference: Reference) -> list[Component]:
        """Every component that the reference admits, newest first."""
        found = [self._component(entry) for entry in self._admitted(reference)]
        if locked := self._admitted_by_lock(reference):
            return sorted([*found, *locked], key=lambda each: version_key(each.version), reverse=True)
        return found

    def find(self, reference: Reference) -> Component:
        """The newest component that the reference admits. Raises ComponentNotFound with the nearest name."""
        try:
            return self._component(self._newest(reference))
        except ComponentNotFound:
            if locked := self._admitted_by_lock(reference):
                return locked[0]
            raise

    def canonical(self, reference: Reference) -> Reference:
        """A reference to software by its own name, where it was made by one of its aliases."""
        if reference.kind not in _SOFTWARE or self.query(Query(kind="software-detect", name=reference.name)):
            return reference
        holders = [e for e in self._index.mentions([f'"{reference.name}']) if e.kind == "software-detect"]
        named = [e.name for e in holders if reference.name in self.document(e).get("aliases", ())]
        return reference._replace(name=named[0]) if named else reference

    def _newest(self, reference: Reference) -> Entry:
        found = self._admitted(reference) or self._admitted(self.canonical(reference))
        if found:
            return found[0]
        raise self._not_found(reference)

    def _admitted(self, reference: Reference) -> list[Entry]:
        found = self._looked_at(Query(kind=reference.kind, name=reference.name))
        return [entry for entry in found if reference.admits(entry.version)]

    def _admitted_by_lock(self, reference: Reference) -> list[Component]:
        return [c for c in self._locked if c.key == reference.key and reference.admits(c.version)]

    def look_up(self, text: str) -> Component:
        """The component that a user means: ``kind/name``, with a range, a name that only one kind has, or a uid.

        Raises ComponentNotFound, or UsageError for what is no reference.
        """
        return self._component(self.entry(text))

    def entry(self, text: str) -> Entry:
        """As look_up, what the index knows of it."""
        if "/" in text:
            reference = Reference.parse(text)
            # The version of software is not the component's; without one, what is meant is who knows it.
            known = reference.kind == "software" and not reference.specifier
            return self._newest(reference._replace(kind="software-detect") if known else reference)
        if by_uid := self._looked_at(Query(uid=text)):
            return by_uid[0]
        name = Reference.parse(text, kind=COMPONENT_KINDS[0]).name
        kinds = list(dict.fromkeys(entry.kind for entry in self.query(Query(name=name))))
        if not kinds:
            raise ComponentNotFound(f"there is no component {text!r}", hint=near(text, self.names()))
        if len(kinds) > 1:
            raise ComponentNotFound(f"{text!r} may be several", hint=" or ".join(f"{kind}/{text}" for kind in kinds))
        return self._newest(Reference.parse(text, kind=kinds[0]))

    def document(self, entry: Entry) -> dict[str, Any]:
        """The whole component.yaml."""
        document: dict[str, Any] = json.loads(self._index.document(entry))
        return document

    def mentions(self, key: str) -> list[str]:
        """The components that ask for ``kind/name``, as their files have it."""
        kind, _, name = key.partition("/")
        short = {"software-detect": f'"software/{name}', "action": f'"action": "{name}'}
        texts = [f'"{key}', *([short[kind]] if kind in short else [])]
        return [entry.reference for entry in self._index.mentions(texts) if entry.key != key]

    def by_uid(self, uid: str) -> Component | None:
        """The newest component with this uid."""
        found = self._looked_at(Query(uid=uid))
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
        """The newest software-detect component of this name, or of this alias."""
        from cmx.component import SoftwareDetect

        return _typed(self.find(Reference("software-detect", name)), SoftwareDetect)

    def newest(self, kind: str) -> list[Component]:
        """The newest release of each component of a kind, by name: one question to the index for all."""
        found: dict[str, Entry] = {}
        for entry in self._looked_at(Query(kind=kind)):
            if admits("", entry.version):
                found.setdefault(entry.name, entry)
        return [self._component(entry) for entry in found.values()]

    def workflow(self, reference: Reference) -> Workflow:
        """As find, typed."""
        from cmx.component import Workflow

        return _typed(self.find(reference), Workflow)

    def _looked_at(self, query: Query) -> list[Entry]:
        """What a query asks for, each file being what it was when it was read: a last look before it is used."""
        found = self.query(query)
        stale = next((e for e in found if not self._index.is_current(e)), None)
        if stale:
            self._index.look_again(stale.repository)
            found = self.query(query)
        return found

    def _component(self, entry: Entry) -> Component:
        """One object for each reading of a file, which also keeps the digest it was once asked for."""
        from cmx.component_file import from_document

        text = self._index.document(entry)
        known = self._components.get(entry.file)
        if known is None or known[0] != text:
            component = from_document(json.loads(text), entry.file, repository=entry.repository)
            known = self._components[entry.file] = (text, component)
        return known[1]

    def _yanked(self, reference: Reference) -> list[str]:
        """A sentence on the versions that the reference admits and that were yanked; none where there is none."""
        found = [each for each in yanked.versions(self.repositories, reference) if reference.admits(each)]
        return [f"{', '.join(found)} was yanked: only a lock that names it uses it"] if found else []

    def _not_found(self, reference: Reference) -> CmxError:
        broken = [p for p in self.problems if reference.name in (p.file.parent.name, p.file.parent.parent.name)]
        there = [e.version for e in self.query(Query(kind=reference.kind, name=reference.name))]
        if pair := contradiction(reference.specifier):
            return UsageError(f"{reference}: no version is both {pair[0]} and {pair[1]}", hint="leave one of them out")
        if broken:
            return ComponentNotFound(f"{reference} is broken: {broken[0].message}", hint=broken[0].hint)
        if said := [*([f"there is {', '.join(there)}"] if there else []), *self._yanked(reference)]:
            return ComponentNotFound(
                f"no version of {reference.key} is {reference.specifier or 'a release'}", hint="; ".join(said)
            )
        kind = "software-detect" if reference.kind == "software" else reference.kind
        names = self.names(kind)
        hint = f"did you mean '{kind}/{reference.name}'?" if reference.name in names else near(reference.name, names)
        return ComponentNotFound(f"there is no {reference.key}", hint=hint)


def _builtin(root: Path, heads: Heads) -> Repository:
    """What comes with cmx: in a wheel nobody writes into it, so that its repo.yaml stands for all."""
    shipped = root.name == "_builtin"
    revision = stamp_of(root / REPOSITORY_FILE) if shipped else ""
    return Repository.open(root, name="builtin", heads=heads, revision=revision, kind="builtin")


def _open(entry: Added, heads: Heads) -> Repository:
    if not entry.root.is_dir():
        raise ComponentNotFound(
            f"repository {entry.name}: there is no folder {entry.root}",
            hint=f"bring it back, or 'cmx repo remove {entry.name}'",
        )
    return opened(entry, heads)


def near(name: str, names: list[str]) -> str:
    """A sentence for a misspelt name, in time also where there are 100,000 to compare with."""
    if len(names) <= _ALL_COMPARED:
        return nearest(name, names)
    alike = [each for each in names if each[:2] == name[:2] or each[-3:] == name[-3:]][:_ALL_COMPARED]
    hint = nearest(name, alike)
    return hint if hint.startswith("did you mean") else f"'cmx find {name}' looks for it"


_ALL_COMPARED = 1000
_SOFTWARE = ("software", "software-detect")


def _typed(component: Component, kind: type[C]) -> C:
    assert isinstance(component, kind), f"{component.reference} is read as {type(component).__name__}"
    return component
