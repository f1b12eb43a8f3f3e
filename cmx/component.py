"""A component: any folder with a component.yaml, typed. ``cmx.component_file`` reads it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

from cmx import own_files
from cmx.reference import COMPONENT_FILE, Reference

FILE = COMPONENT_FILE


@dataclass(frozen=True)
class Component:
    """What every component has. ``document`` is the whole component.yaml; ``repository`` is the name of its home."""

    kind: str
    uid: str
    name: str
    version: str
    description: str
    license: str
    tags: tuple[str, ...]
    file: Path
    document: Mapping[str, Any] = field(repr=False, compare=False)
    repository: str = ""

    @property
    def folder(self) -> Path:
        """The folder that the component is."""
        return self.file.parent

    @property
    def key(self) -> str:
        """``kind/name``."""
        return f"{self.kind}/{self.name}"

    @property
    def reference(self) -> str:
        """The exact reference, ``kind/name==version``."""
        return f"{self.key}=={self.version}"

    @property
    def platforms(self) -> tuple[str, ...]:
        """Where it works, as in ("linux", "macos-aarch64"); empty for everywhere."""
        return tuple(self.document.get("platforms", ()))

    def works_on(self, platform: str) -> bool:
        """Whether it works on a platform (os-arch)."""
        return not self.platforms or platform in self.platforms or platform.partition("-")[0] in self.platforms

    @cached_property
    def digest(self) -> str:
        """sha256 over the names and bytes of all files of the component.

        Raises ComponentInvalid for a symbolic link that leaves the folder.
        """
        return own_files.digest(self.folder)

    def files(self) -> Iterator[Path]:
        """The component's own files, sorted; not caches, hidden files, or components inside."""
        return own_files.own_files(self.folder)

    def inside(self, relative: str) -> Path:
        """The path of one of the component's files.

        Raises ComponentInvalid when it leaves the folder, by ``..``, by being absolute or by a symbolic link.
        """
        return own_files.inside(self.folder, relative)


class Conversion(NamedTuple):
    """How a variant is made from another: a function in this component, or in the one that ``recipe`` names."""

    entry: str
    recipe: Reference | None
    arguments: Mapping[str, Any]


class OnDisk(NamedTuple):
    """Data that somebody put on the machine: globs of where it may lie, and files that must be inside."""

    paths: tuple[str, ...]
    markers: tuple[str, ...] = ()


class Variant(NamedTuple):
    """One form of a model: fetched from a source, converted from another variant, or found on the machine.

    ``format`` is what frameworks know it by. ``requires`` is what its conversion needs: software and datasets.
    """

    name: str
    format: str
    source: Mapping[str, Any] | None
    origin: str
    conversion: Conversion | None
    requires: Mapping[str, Reference]
    detect: OnDisk | None = None


@dataclass(frozen=True)
class Model(Component):
    """A network, in one or more variants."""

    requires: Mapping[str, Reference] = field(default_factory=dict)
    variants: Mapping[str, Variant] = field(default_factory=dict)

    def chain(self, variant: str) -> Iterator[Variant]:
        """A variant, what it is made from, what that is made from, and so on."""
        while variant:
            yield self.variants[variant]
            variant = self.variants[variant].origin


@dataclass(frozen=True)
class Dataset(Component):
    """Samples, with their ground truth where they have one; ``source`` is empty for one that can only be found."""

    format: str = ""
    source: Mapping[str, Any] = field(default_factory=dict)
    detect: OnDisk | None = None


class Search(NamedTuple):
    """Where to look: patterns of file names on PATH, globs of folders beyond it.

    ``files`` are patterns of files that are never started (libraries, headers); they are looked for in ``paths`` only.
    """

    executables: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()
    files: tuple[str, ...] = ()


class Probe(NamedTuple):
    """One command and one regular expression that give a version.

    ``target`` is a command that prints a target; ``target_name`` an expression that reads it off the file's name.
    """

    run: tuple[str, ...]
    version: str
    target: tuple[str, ...] = ()
    target_name: str = ""


class Reading(NamedTuple):
    """An expression that finds a version in a file beside the one found ("" reads the path of that one)."""

    version: str
    file: str = ""


class InstallRule(NamedTuple):
    """One way to install: by an installer (``with_``), or a hint that is printed and never run.

    ``recipe`` is what else the rule says, for its installer: ``url``, ``sha256``, ``commit``, ``build`` …
    """

    on: str = ""
    target: str = ""
    with_: str = ""
    package: str = ""
    hint: str = ""
    recipe: Mapping[str, Any] = {}


@dataclass(frozen=True)
class SoftwareDetect(Component):
    """Knows how to find and to install one piece of software.

    ``formats`` are the model variants it runs; ``requires`` is what it cannot be used without, or only with some
    versions of, as the solver should know before an installer says so. A framework has a ``predictor``, the file that
    runs models with it, and ``settings`` that it alone knows, each a schema fragment as an action's parameters are.
    ``aliases`` are other names of it.
    """

    requires: Mapping[str, Reference] = field(default_factory=dict)
    provides: tuple[str, ...] = ()
    python_package: str = ""
    formats: tuple[str, ...] = ()
    predictor: str = ""
    settings: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    aliases: tuple[str, ...] = ()
    search: Search = field(default_factory=Search)
    probe: Probe | None = None
    read: tuple[Reading, ...] = ()
    exports: Mapping[str, str] = field(default_factory=dict)
    install: tuple[InstallRule, ...] = ()

    @property
    def distributions(self) -> tuple[str, ...]:
        """Every name under which its Python package is installed: ``python-package``, and those of rules with pip."""
        names = (self.python_package, *(rule.package for rule in self.install if rule.with_ == "pip"))
        return tuple(dict.fromkeys(name for name in names if name))

    def distribution(self, platform: str) -> str:
        """The name under which pip installs it on a platform (os-arch): that of the rule for it, else of any rule."""
        rules = {rule.target: rule.package for rule in reversed(self.install) if rule.with_ == "pip"}
        return rules.get(platform) or rules.get("") or self.python_package

    @property
    def is_for_a_target(self) -> bool:
        """Whether each finding is for one platform, as a compiler's is; other tools serve every target."""
        return self.probe is not None and bool(self.probe.target or self.probe.target_name)


@dataclass(frozen=True)
class Action(Component):
    """Something that can be done.

    ``requires`` maps a role to a kind, for others to fill ("dataset"; "dataset?" may stay empty), or to a reference,
    the action's own need. Where a workflow has a step of the action ``for_steps_of`` it has one of this action, too.
    """

    entry: str = ""
    requires: Mapping[str, str] = field(default_factory=dict)
    parameters: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    checked_by: tuple[str, ...] = ()
    for_steps_of: str = ""
    measures: bool = False
    cached: bool = False

    @property
    def open_roles(self) -> Mapping[str, str]:
        """The roles that somebody else fills, with their kinds."""
        return {role: need.removesuffix("?") for role, need in self.requires.items() if "/" not in need}

    @property
    def optional_roles(self) -> frozenset[str]:
        """Those of the open roles that may stay empty."""
        return frozenset(role for role, need in self.requires.items() if need.endswith("?"))

    @property
    def own_needs(self) -> Mapping[str, Reference]:
        """The roles that the action fills itself."""
        return {role: Reference.parse(need) for role, need in self.requires.items() if "/" in need}


class Step(NamedTuple):
    """One step of a workflow: an action with fixed parameters, after the steps it needs."""

    id: str
    action: Reference
    needs: tuple[str, ...]
    parameters: Mapping[str, Any]


@dataclass(frozen=True)
class Workflow(Component):
    """Roles, and the steps that use them."""

    requires: Mapping[str, Reference] = field(default_factory=dict)
    steps: tuple[Step, ...] = ()
