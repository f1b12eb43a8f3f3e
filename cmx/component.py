"""A component: any folder with a component.yaml, read, held against its schema, and typed."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from cmx.errors import ComponentInvalid, nearest
from cmx.reference import COMPONENT_KINDS, Reference
from cmx.schema import parse_yaml, read_text, validate

FILE = "component.yaml"


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

    @cached_property
    def digest(self) -> str:
        """sha256 over the names and bytes of all files of the component.

        Raises ComponentInvalid for a symbolic link that leaves the folder.
        """
        total = hashlib.sha256()
        for path in self.files():
            total.update(path.relative_to(self.folder).as_posix().encode() + b"\0")
            total.update(hashlib.sha256(path.read_bytes()).digest())
        return total.hexdigest()

    def files(self) -> Iterator[Path]:
        """The component's own files, sorted; not caches, hidden files, or components inside."""
        for folder, folders, names in os.walk(self.folder):
            here = Path(folder)
            folders[:] = sorted(name for name in folders if not _skipped(name) and not (here / name / FILE).is_file())
            for name in (*names, *(name for name in folders if (here / name).is_symlink())):
                self.inside((here / name).relative_to(self.folder).as_posix())
            yield from sorted(here / name for name in names if not _skipped(name))

    def inside(self, relative: str) -> Path:
        """The path of one of the component's files.

        Raises ComponentInvalid when it leaves the folder, by ``..``, by being absolute or by a symbolic link.
        """
        path = self.folder / relative
        home = self.folder.resolve()
        if Path(relative).is_absolute() or not path.resolve().is_relative_to(home):
            raise ComponentInvalid(
                f"{self.file}: {relative} leads out of the component's folder",
                hint="keep every file of a component inside its folder",
            )
        return path


def _skipped(name: str) -> bool:
    return name.startswith(".") or name == "__pycache__"


@dataclass(frozen=True)
class Conversion:
    """How a variant is made from another: a function in this component, or in the one that ``recipe`` names."""

    entry: str
    recipe: Reference | None
    arguments: Mapping[str, Any]


@dataclass(frozen=True)
class Variant:
    """One form of a model: fetched from a source, or converted from another variant."""

    name: str
    source: Mapping[str, Any] | None
    origin: str
    conversion: Conversion | None
    requires: Mapping[str, Reference]


@dataclass(frozen=True)
class Model(Component):
    """A network, in one or more variants."""

    requires: Mapping[str, Reference] = field(default_factory=dict)
    variants: Mapping[str, Variant] = field(default_factory=dict)


@dataclass(frozen=True)
class Dataset(Component):
    """Samples, with their ground truth where they have one."""

    format: str = ""
    source: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Search:
    """Where to look: patterns of file names on PATH, globs of folders beyond it."""

    executables: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()


@dataclass(frozen=True)
class Probe:
    """One command and one regular expression that give a version; ``target`` is a command that prints a target."""

    run: tuple[str, ...]
    version: str
    target: tuple[str, ...] = ()


@dataclass(frozen=True)
class InstallRule:
    """One way to install: by an installer (``with_``), or a hint that is printed and never run."""

    on: str = ""
    target: str = ""
    with_: str = ""
    package: str = ""
    hint: str = ""


@dataclass(frozen=True)
class SoftwareDetect(Component):
    """Knows how to find and to install one piece of software. ``formats`` are the model variants it runs."""

    provides: tuple[str, ...] = ()
    python_package: str = ""
    formats: tuple[str, ...] = ()
    search: Search = field(default_factory=Search)
    probe: Probe | None = None
    exports: Mapping[str, str] = field(default_factory=dict)
    install: tuple[InstallRule, ...] = ()


@dataclass(frozen=True)
class Action(Component):
    """Something that can be done.

    ``requires`` maps a role to a kind, for others to fill ("dataset"; "dataset?" may stay empty), or to a reference,
    the action's own need.
    """

    entry: str = ""
    requires: Mapping[str, str] = field(default_factory=dict)
    parameters: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    checked_by: tuple[str, ...] = ()
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


@dataclass(frozen=True)
class Step:
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


def load(file: Path, *, repository: str = "") -> Component:
    """Read a component.yaml. Raises ComponentInvalid: "FILE:LINE: field: what is wrong"."""
    text = read_text(file)
    document = parse_yaml(text, file)
    check(document, file, text)
    return from_document(document, file, repository=repository)


def check(document: Mapping[str, Any], file: Path, text: str = "") -> None:
    """Hold a component's document against its kind's schema."""
    kind = document.get("kind")
    if not isinstance(kind, str) or kind not in COMPONENT_KINDS:
        said = "kind is missing" if kind is None else f"unknown kind {kind!r}"
        raise ComponentInvalid(f"{file}: {said}", hint=nearest(str(kind), COMPONENT_KINDS))
    validate(document, kind, source=file, text=text)
    component = from_document(document, file)
    _check_meaning(component)


def _check_meaning(component: Component) -> None:
    """The rules that a JSON Schema cannot say."""
    if isinstance(component, Model):
        for variant in component.variants.values():
            if variant.origin and variant.origin not in component.variants:
                raise ComponentInvalid(
                    f"{component.file}: variants.{variant.name}.from: there is no variant {variant.origin!r}",
                    hint=nearest(variant.origin, component.variants),
                )
            _refuse_circle(component, variant)
    if isinstance(component, Workflow):
        _check_steps(component)


def _refuse_circle(model: Model, variant: Variant) -> None:
    seen = {variant.name}
    while variant.origin in model.variants:
        if variant.origin in seen:
            raise ComponentInvalid(
                f"{model.file}: variants.{variant.name}.from goes in a circle",
                hint="begin with a variant that has a source",
            )
        seen.add(variant.origin)
        variant = model.variants[variant.origin]


def _check_steps(workflow: Workflow) -> None:
    seen: set[str] = set()
    for step in workflow.steps:
        if step.id in seen:
            raise ComponentInvalid(
                f"{workflow.file}: steps: {step.id!r} is there twice", hint="give each step its own id"
            )
        for need in step.needs:
            if need not in seen:
                raise ComponentInvalid(
                    f"{workflow.file}: steps.{step.id}.needs: no earlier step {need!r}", hint=nearest(need, seen)
                )
        seen.add(step.id)


def from_document(document: Mapping[str, Any], file: Path, *, repository: str = "") -> Component:
    """The typed component of a document that was checked before."""
    common: dict[str, Any] = {
        "kind": document["kind"],
        "uid": document["uid"],
        "name": document["name"],
        "version": document["version"],
        "description": document["description"],
        "license": document.get("license", ""),
        "tags": tuple(document.get("tags", ())),
        "file": file,
        "document": document,
        "repository": repository,
    }
    return _BUILDERS[document["kind"]](document, common)


def _references(document: Mapping[str, Any]) -> dict[str, Reference]:
    return {role: Reference.parse(text) for role, text in document.get("requires", {}).items()}


def _model(document: Mapping[str, Any], common: dict[str, Any]) -> Model:
    variants = {name: _variant(name, body) for name, body in document["variants"].items()}
    return Model(**common, requires=_references(document), variants=variants)


def _variant(name: str, body: Mapping[str, Any]) -> Variant:
    convert = body.get("convert")
    conversion = None
    if convert:
        recipe = Reference.parse(convert["recipe"]) if "recipe" in convert else None
        conversion = Conversion(convert["entry"], recipe, convert.get("with", {}))
    return Variant(name, body.get("source"), body.get("from", ""), conversion, _references(body))


def _dataset(document: Mapping[str, Any], common: dict[str, Any]) -> Dataset:
    return Dataset(**common, format=document["format"], source=document["source"])


def _software_detect(document: Mapping[str, Any], common: dict[str, Any]) -> SoftwareDetect:
    search, probe = document.get("search", {}), document.get("probe")
    return SoftwareDetect(
        **common,
        provides=tuple(document.get("provides", ())),
        python_package=document.get("python-package", ""),
        formats=tuple(document.get("formats", ())),
        search=Search(tuple(search.get("executables", ())), tuple(search.get("paths", ()))),
        probe=Probe(tuple(probe["run"]), probe["version"], tuple(probe.get("target", ()))) if probe else None,
        exports=document.get("exports", {}),
        install=tuple(
            InstallRule(**{"with_" if key == "with" else key: value for key, value in rule.items()})
            for rule in document.get("install", ())
        ),
    )


def _action(document: Mapping[str, Any], common: dict[str, Any]) -> Action:
    return Action(
        **common,
        entry=document["entry"],
        requires=document["requires"],
        parameters=document.get("parameters", {}),
        checked_by=tuple(document.get("checked-by", ())),
        measures=document.get("measures", False),
        cached=document.get("cached", False),
    )


def _workflow(document: Mapping[str, Any], common: dict[str, Any]) -> Workflow:
    steps = tuple(
        Step(
            step["id"],
            Reference.parse(step["action"], kind="action"),
            tuple(step.get("needs", ())),
            step.get("with", {}),
        )
        for step in document["steps"]
    )
    return Workflow(**common, requires=_references(document), steps=steps)


_BUILDERS = {
    "model": _model,
    "dataset": _dataset,
    "software-detect": _software_detect,
    "action": _action,
    "workflow": _workflow,
}
