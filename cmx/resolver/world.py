"""The solver's view of components, findings and the store: who offers what, and who needs what.

Names given to the solver are ``model/x``, ``dataset/x``, ``software/x`` (a Python package of the main environment, or
a tool), ``software/x@convert-onnx`` (a package of another environment), and ``environment/main``: the one place that
all packages of an environment come from. A place is an interpreter that was found, an environment in the store, or
"new".
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple, Protocol

from cmx.component import Component, Dataset, Model, SoftwareDetect
from cmx.errors import ComponentNotFound, nearest
from cmx.host import target_of
from cmx.reference import Reference, version_key
from cmx.repository import Catalog
from cmx.resolver.candidate import Candidate, LeftOut, Source
from cmx.resolver.provider import Provider
from cmx.resolver.requirement import Requirement
from cmx.store import Package

MAIN = "main"
CONVERT = "convert-"
"""Before the name of a variant: the environment in which it is made."""
NEW = "new"
WORKER_PYTHON = "3.9"


class Place(NamedTuple):
    """Somewhere that Python packages are: an interpreter with what is installed for it, by normalised name.

    ``name`` is what explanations call it. ``digest`` and ``lock`` are a stored environment's; ``interpreter`` is the
    path of the interpreter.
    """

    name: str
    python: str
    source: Source
    packages: Mapping[str, str]
    interpreter: str
    digest: str = ""
    lock: tuple[Package, ...] = ()


class Found(NamedTuple):
    """A tool that was detected; ``target`` is the triple or the architecture that it is for, where it has one."""

    version: str
    path: str
    target: str = ""


@dataclass(frozen=True)
class Offer:
    """A tool that could be installed: its version, and the installer's name."""

    version: str
    installer: str


class Surroundings(Protocol):
    """What the machine has and can get; everything that takes time or a network is asked through this."""

    def places(self) -> Sequence[Place]:
        """Interpreters, then stored environments, best first."""

    def tools(self, component: SoftwareDetect, path: str = "") -> Sequence[Found]:
        """Detected tools, best first; with ``path``, that one and no other."""

    def offer(self, component: SoftwareDetect, target: str = "") -> Offer | None:
        """What an installer of tools could put into the store. Raises Unavailable when it cannot be asked.

        ``target`` is another platform than this host's, that the tool must be for.
        """

    def advice(self, component: SoftwareDetect) -> str:
        """What a person would type to have a tool that cmx cannot install; "" if nobody knows."""

    def data(self, component: Component, variant: str = "") -> Sequence[str]:
        """Where a dataset, or a variant of a model, lies on this machine."""

    def versions(self, packages: Sequence[str], platform: str = "") -> Mapping[str, Sequence[str]]:
        """The versions of Python packages that could be installed, newest first. Raises Unavailable.

        ``platform`` is another target than this host (os-arch).
        """

    def held(self, source: Mapping[str, object]) -> bool:
        """Whether a source's files are in the store."""


def normalised(package: str) -> str:
    """A Python distribution's name as PEP 503 compares it."""
    return re.sub(r"[-_.]+", "-", package).lower()


def node(reference: Reference, environment: str = MAIN) -> str:
    """The solver's name of what a reference asks for."""
    at = "" if environment == MAIN or reference.kind != "software" else f"@{environment}"
    return reference.key + at


def requirement(reference: Reference, environment: str = MAIN) -> Requirement:
    """A reference as the solver's requirement."""
    variants = frozenset({reference.variant} if reference.variant else ())
    return Requirement(node(reference, environment), reference.specifier, variants)


@dataclass
class World(Provider):
    """Answers the solver from a catalog and from what surrounds it.

    ``sentences`` say who asks for each requirement. ``wanted_roles`` are roles that steps ask for and that a pinned
    component may bring; ``model`` is the solver's name of the model that ``framework`` must be able to run.
    ``installing`` opens the door to package indexes. ``target`` is what compilers must be for; ``platform`` is what
    Python packages must be for, where that is not this host; ``host`` is what cmx runs on. ``paths`` are places that
    the user gave, by the software's name; ``prefer`` and ``without`` are the user's preference and exclusions;
    ``locks`` are the packages that each environment must have, where a lock says so.
    """

    catalog: Catalog
    surroundings: Surroundings
    sentences: Mapping[Requirement, str]
    wanted_roles: frozenset[str] = frozenset()
    model: str = ""
    framework: str = ""
    installing: bool = False
    offline: bool = False
    target: str = ""
    platform: str = ""
    host: str = ""
    paths: Mapping[str, str] = field(default_factory=dict)
    prefer: str = "detected"
    without: Sequence[Reference] = ()
    locks: Mapping[str, Sequence[Package]] = field(default_factory=dict)
    refused: list[tuple[frozenset[Candidate], str]] = field(default_factory=list)
    left_out: LeftOut = field(default_factory=LeftOut)

    def candidates(self, name: str) -> Sequence[Candidate]:
        """All ways to have a name, best first."""
        kind, _, rest = name.partition("/")
        if kind == "environment":
            return self._environments(name)
        if kind in ("model", "dataset"):
            return self._components(name)
        if kind == "software":
            plain, _, environment = rest.partition("@")
            return self._software(name, plain, environment or MAIN)
        return []

    def requirements(self, candidate: Candidate) -> Sequence[Requirement]:
        """What must be chosen too if ``candidate`` is."""
        data = candidate.data
        if isinstance(data, Model):
            return self._model_needs(data, candidate.variant)
        if isinstance(data, SoftwareDetect):
            return self._software_needs(candidate, data)
        return []

    def forbidden(self) -> Sequence[tuple[frozenset[Candidate], str]]:
        """What an installer refused before."""
        return self.refused

    def describe_request(self, requirement: Requirement) -> str:
        """Who asked for a requirement."""
        return self.sentences.get(requirement) or f"you asked for {requirement}"

    def describe_need(self, who: str, requirement: Requirement) -> str:
        """Who cannot do without a requirement, in which no environment but the main one has to be named."""
        return re.sub(rf"@{CONVERT}[a-z0-9._-]+", "", super().describe_need(who, requirement))

    def describe_only(self, name: str) -> str:
        """Whether there would be others if less had been asked for, or more had been looked at."""
        kind, _, rest = name.partition("/")
        plain = rest.partition("@")[0]
        if left_out := self.left_out.of(name):
            return f"the only one left, without {left_out}"
        detector = self._detector(plain) if kind == "software" else None
        if detector is None or self.installing or not any(rule.with_ for rule in detector.install):
            return "the only one there is"
        why = "--offline forbids asking for others" if self.offline else "no installer was asked for others"
        return f"the only one here ({why})"

    def describe_missing(self, name: str) -> str:
        """Why a name has no candidate, and the nearest that has."""
        kind, _, rest = name.partition("/")
        plain = rest.partition("@")[0]
        if any(reference.key == f"{kind}/{plain}" for reference in self.without):
            return f"--without leaves {kind}/{plain} out"
        if kind == "software" and not self._detector(plain):
            known = (entry.name for entry in self.catalog.entries("software-detect"))
            return f"no software-detect component is called {plain} ({nearest(plain, known)})"
        if kind in ("model", "dataset") and not self.catalog.versions(Reference(kind, plain)):
            known = (entry.name for entry in self.catalog.entries(kind))
            return f"there is no {name} ({nearest(plain, known)})"
        if elsewhere := self._works_elsewhere(kind, plain):
            return elsewhere
        if self.offline:
            return f"{name} is neither on this machine nor in the store, and --offline forbids fetching it"
        detector = self._detector(plain) if kind == "software" else None
        for needed in detector.requires.values() if detector else ():
            if not self.candidates(node(needed)):
                return f"{name} is not on this machine, and it needs {needed}: {self.describe_missing(node(needed))}"
        if detector and (platform := self._platform_of(detector)) != self.host:
            return f"no installer here has {name} for {platform}"
        advice = self.surroundings.advice(detector) if detector else ""
        return f"{name} is not on this machine, and no installer here offers it{advice and f' (try: {advice})'}"

    def _works_elsewhere(self, kind: str, plain: str) -> str:
        """The sentence for a component that works on other platforms only; "" for every other."""
        detector = self._detector(plain) if kind == "software" else None
        components = [detector] if detector else self.catalog.versions(Reference(kind, plain))
        if not components or any(self._works(component) for component in components):
            return ""
        where = " and ".join(dict.fromkeys(platform for each in components for platform in each.platforms))
        return f"{kind}/{plain} works on {where} only, and this is {self._platform_of(components[0])}"

    def _works(self, component: Component) -> bool:
        platform = self._platform_of(component)
        return not platform or component.works_on(platform)

    def _platform_of(self, component: Component) -> str:
        """What a component must work on: tools run on this host, packages and data go where they are for."""
        is_tool = isinstance(component, SoftwareDetect) and not component.python_package
        return self.host if is_tool else self.platform or self.host

    def _components(self, name: str) -> list[Candidate]:
        kind, _, rest = name.partition("/")
        found: list[Candidate] = []
        versions = self.catalog.versions(Reference(kind, rest))
        elsewhere = [each for each in versions if not self._works(each)]
        self.left_out.add(name, (each.version for each in elsewhere), "works on other platforms")
        for component in filter(self._works, versions):
            if isinstance(component, Model):
                for variant in component.variants.values():
                    found += self._artifacts(name, component, variant.name, root_source(component, variant.name))
            elif isinstance(component, Dataset):
                found += self._artifacts(name, component, "", component.source)
        if self.offline:
            here = [candidate for candidate in found if candidate.source is not Source.INSTALLABLE]
            self.left_out.add(name, (each.label for each in found if each not in here), "--offline")
            return here
        return found

    def _artifacts(
        self, name: str, component: Component, variant: str, source: Mapping[str, object]
    ) -> list[Candidate]:
        """What can be fetched is fetched, so that its hash is known; what cannot must be on this machine."""
        if not source:
            places = self.surroundings.data(component, variant)
            return [Candidate(name, component.version, variant, Source.DETECTED, p, component) for p in places]
        held = "file" in source or self.surroundings.held(source)
        origin = Source.STORED if held else Source.INSTALLABLE
        return [Candidate(name, component.version, variant, origin, data=component)]

    def _model_needs(self, model: Model, variant: str) -> list[Requirement]:
        needs = [requirement(r, CONVERT + v.name) for v in model.chain(variant) for r in v.requires.values()]
        brought = [requirement(r) for role, r in model.requires.items() if role in self.wanted_roles]
        return needs + [need for need in brought if need not in needs]

    def _software_needs(self, candidate: Candidate, component: SoftwareDetect) -> list[Requirement]:
        own = candidate.name.partition("@")[2] or MAIN
        needs = [requirement(reference, own) for reference in component.requires.values()]
        if candidate.place and component.python_package:
            needs.append(Requirement(f"environment/{own}", places=frozenset({candidate.place})))
        if component.formats and self.model and candidate.name == self.framework:
            needs.append(Requirement(self.model, variants=self._variants(component.formats)))
        return needs

    def _variants(self, formats: Sequence[str]) -> frozenset[str]:
        """The variants of the model that have one of the formats; the formats themselves, to name, if none has."""
        kind, _, name = self.model.partition("/")
        models = [model for model in self.catalog.versions(Reference(kind, name)) if isinstance(model, Model)]
        fit = {v.name for model in models for v in model.variants.values() if v.format in formats}
        return frozenset(fit or formats)

    def _environments(self, name: str) -> list[Candidate]:
        lock = self.locks.get(name.partition("/")[2], ())
        fit = [p for p in self._places if all(p.packages.get(each.name) == each.version for each in lock)]
        found = [Candidate(name, p.python, "", p.source, p.name, p) for p in fit]
        return [*found, *([self._new(name)] if self.installing else [])]

    def _new(self, name: str) -> Candidate:
        version = ".".join(map(str, sys.version_info[:3]))
        return Candidate(
            name, version, "", Source.INSTALLABLE, NEW, Place(NEW, version, Source.INSTALLABLE, {}, sys.executable)
        )

    def _software(self, name: str, plain: str, environment: str) -> list[Candidate]:
        component = self._detector(plain)
        if component is None or not self._works(component):
            return []
        if not component.python_package:
            return self._tools(name, component)
        packages = [normalised(each) for each in component.distributions]
        wanted = self.paths.get(plain, "")
        if wanted:
            self.left_out.add(name, ["all others"], f"{plain}.path={wanted}")
        found = [
            Candidate(name, place.packages[package], "", place.source, place.name, component, package)
            for place in self._places
            for package in [each for each in packages if each in place.packages][:1]
            if wanted in ("", place.interpreter)
        ]
        if self.installing and not wanted and any(rule.with_ == "pip" for rule in component.install):
            package = component.distribution(self.platform or self.host)
            found += [
                Candidate(name, version, "", Source.INSTALLABLE, NEW, component, normalised(package))
                for version in _local_first(component, self._versions(package))
            ]
        return self._allowed(name, found)

    def _tools(self, name: str, component: SoftwareDetect) -> list[Candidate]:
        """Detected tools that are for the target; those that are for none in particular serve every target."""
        found = self.surroundings.tools(component, self.paths.get(component.name, ""))
        if path := self.paths.get(component.name):
            self.left_out.add(name, ["all others"], f"{component.name}.path={path}")
        fit = [tool for tool in found if not tool.target or target_of(tool.target) == self.target]
        aimed = [f"{tool.version} at {tool.path}" for tool in found if tool not in fit]
        self.left_out.add(name, aimed, f"not for {self.target}")
        candidates = [Candidate(name, t.version, "", Source.DETECTED, t.path, component) for t in fit]
        return self._allowed(name, [*candidates, *self._offered(name, component)])

    def _offered(self, name: str, component: SoftwareDetect) -> list[Candidate]:
        """The tool that could be installed, once nothing that is here will do."""
        if not self.installing or component.name in self.paths:
            return []
        offer = self.surroundings.offer(component, self.target)
        return [Candidate(name, offer.version, "", Source.INSTALLABLE, offer.installer, component)] if offer else []

    def _allowed(self, name: str, candidates: Sequence[Candidate]) -> list[Candidate]:
        """The candidates that the user did not exclude, in the order that the user prefers."""
        for one in self.without:
            self.left_out.add(name, (each.label for each in candidates if _excludes(one, each)), f"--without {one}")
        kept = [each for each in candidates if not any(_excludes(one, each) for one in self.without)]
        if self.prefer == "newest":
            return sorted(kept, key=lambda each: version_key(each.version), reverse=True)
        if self.prefer == "installed":
            return sorted(kept, key=lambda each: each.source is Source.DETECTED)
        return kept

    def _versions(self, package: str) -> Sequence[str]:
        return self._index[package] if package in self._index else self._ask(package)

    def _ask(self, package: str) -> Sequence[str]:
        self._index.update(self.surroundings.versions([package], self.platform))
        return self._index[package]

    def prefetch(self, packages: Sequence[str]) -> None:
        """Ask for the versions of several packages at once: they are independent, and each is a wait."""
        self._index.update(self.surroundings.versions(packages, self.platform))

    @cached_property
    def _index(self) -> dict[str, Sequence[str]]:
        return {}

    @cached_property
    def _places(self) -> list[Place]:
        if self.platform:
            return []  # what is here is for this host
        return [p for p in self.surroundings.places() if _minor(p.python) >= _minor(WORKER_PYTHON)]

    def _detector(self, name: str) -> SoftwareDetect | None:
        try:
            return self.catalog.software(name)
        except ComponentNotFound:
            return None


def _minor(python: str) -> list[int]:
    """[3, 14] of "3.14.0rc2": what the worker's needs are counted in."""
    return [int(part) for part in python.split(".")[:2]]


def _local_first(component: SoftwareDetect, versions: Sequence[str]) -> list[str]:
    """Versions with the local part that the pip rule names ("cpu" for 2.13.0+cpu), where an index has such, first."""
    wanted = {rule.recipe.get("local-version") for rule in component.install if rule.with_ == "pip"}
    return sorted(versions, key=lambda version: version.partition("+")[2] not in wanted)


def _excludes(reference: Reference, candidate: Candidate) -> bool:
    """Whether ``--without`` of a reference leaves this candidate out."""
    plain = candidate.name.partition("@")[0]
    return plain == reference.key and (not reference.specifier or reference.admits(candidate.version))


def root_source(model: Model, variant: str) -> Mapping[str, object]:
    """The source that a variant is made from in the end; empty for one that can only be found on a machine."""
    return next((each.source for each in model.chain(variant) if each.source is not None), {})
