"""What every component must hold, ours and everybody's: the rules behind ``cmx check``. Nothing of it is run."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from cmx.component import FILE, Action, Component, Dataset, Model, Workflow, load
from cmx.errors import CmxError, nearest
from cmx.reference import Reference
from cmx.repository.catalog import Catalog
from cmx.repository.repository import Repository


@dataclass(frozen=True)
class Fault:
    """One rule that a component breaks."""

    file: Path
    message: str
    hint: str = ""


def check(path: Path, catalog: Catalog) -> tuple[list[Component], list[Fault]]:
    """Check a component, or every component below a folder; returns those that load, and all faults."""
    files = [path / FILE] if (path / FILE).is_file() else [Path(e.path) for e in Repository.open(path).files()]
    components: list[Component] = []
    faults: list[Fault] = []
    for file in files:
        try:
            component = load(file)
        except CmxError as error:
            faults.append(Fault(file, error.message, error.hint))
            continue
        components.append(component)
        faults += list(_faults(component, catalog))
    return components, faults


def _faults(component: Component, catalog: Catalog) -> Iterator[Fault]:
    try:
        component.digest  # noqa: B018  (raises for a link that leaves the folder)
    except CmxError as error:
        yield Fault(component.file, error.message, error.hint)
    yield from _path(component)
    yield from _files(component)
    yield from _references(component, catalog)
    for file in sorted(component.folder.glob("*.py")):
        yield from _imports(component, file)
    if isinstance(component, Action):
        yield from _signature(component)


def _fault(component: Component, message: str, hint: str = "") -> Fault:
    return Fault(component.file, f"{component.file}: {message}", hint)


def _path(component: Component) -> Iterator[Fault]:
    folder = component.folder.resolve()
    if component.name != folder.name and (component.version, component.name) != (folder.name, folder.parent.name):
        yield _fault(
            component,
            f"the folder is called {folder.name!r}, the component {component.name!r}",
            "rename one of the two",
        )


def _files(component: Component) -> Iterator[Fault]:
    for name in _named_files(component):
        try:
            if not component.inside(name).is_file():
                yield _fault(component, f"{name} is not there", f"put it into {component.folder}")
        except CmxError as error:
            yield Fault(component.file, error.message, error.hint)


def _named_files(component: Component) -> Iterator[str]:
    if isinstance(component, Action):
        yield component.entry.partition(":")[0]
    if isinstance(component, Dataset) and "file" in component.source:
        yield str(component.source["file"])
    if isinstance(component, Model):
        for variant in component.variants.values():
            if variant.source and "file" in variant.source:
                yield str(variant.source["file"])
            if variant.conversion and not variant.conversion.recipe:
                yield variant.conversion.entry.partition(":")[0]


def _references(component: Component, catalog: Catalog) -> Iterator[Fault]:
    for reference in _needed(component):
        kind = "software-detect" if reference.kind == "software" else reference.kind
        names = {entry.name for entry in catalog.entries(kind)}
        if reference.name not in names:
            yield _fault(component, f"{reference} is in no repository of the catalog", nearest(reference.name, names))


def _needed(component: Component) -> Iterator[Reference]:
    if isinstance(component, Workflow):
        yield from component.requires.values()
        yield from (step.action for step in component.steps)
    if isinstance(component, Action):
        yield from component.own_needs.values()
    if isinstance(component, Model):
        yield from component.requires.values()
        for variant in component.variants.values():
            yield from variant.requires.values()
            if variant.conversion and variant.conversion.recipe:
                yield variant.conversion.recipe


def _imports(component: Component, file: Path) -> Iterator[Fault]:
    try:
        tree = ast.parse(file.read_bytes(), filename=str(file))
    except (SyntaxError, ValueError) as error:
        yield Fault(file, f"{file}:{getattr(error, 'lineno', 1)}: not Python: {error}", "correct the file")
        return
    for found in ast.walk(tree):
        for name in _imported(found):
            if name.split(".")[0] == "cmx" and name.split(".")[:2] != ["cmx", "worker"]:
                line = getattr(found, "lineno", 1)
                yield Fault(
                    file, f"{file}:{line}: imports {name}", "a component may import cmx.worker, and nothing else of cmx"
                )


def _imported(found: ast.AST) -> Iterator[str]:
    if isinstance(found, ast.Import):
        yield from (alias.name for alias in found.names)
    if isinstance(found, ast.ImportFrom) and not found.level:
        base = found.module or ""
        yield from ((f"{base}.{alias.name}" for alias in found.names) if base == "cmx" else (base,))


def _signature(action: Action) -> Iterator[Fault]:
    """The function's keywords are the parameters, with the same defaults."""
    name, _, function = action.entry.partition(":")
    file = action.folder / name
    if not file.is_file():
        return
    try:
        tree = ast.parse(file.read_bytes())
    except (SyntaxError, ValueError):
        return
    found = next((n for n in tree.body if isinstance(n, ast.FunctionDef) and n.name == function), None)
    if found is None:
        yield Fault(file, f"{file}: there is no function {function!r}", f"{action.file} names it as the entry")
        return
    declared = {key.replace("-", "_"): fragment.get("default") for key, fragment in action.parameters.items()}
    written = {
        argument.arg: _default(node)
        for argument, node in zip(found.args.kwonlyargs, found.args.kw_defaults, strict=True)
    }
    where = f"{file}:{found.lineno}: {function}"
    for key in sorted(declared.keys() ^ written.keys()):
        side = "takes no keyword" if key in declared else "takes a keyword that component.yaml lacks:"
        yield Fault(file, f"{where} {side} {key!r}", nearest(key, written if key in declared else declared))
    for key in sorted(declared.keys() & written.keys()):
        if written[key] is not ... and written[key] != declared[key]:
            yield Fault(
                file,
                f"{where}: default of {key!r} is {written[key]!r}, in component.yaml {declared[key]!r}",
                "make them equal",
            )


def _default(node: ast.expr | None) -> object:
    """The value of a default; ``...`` for none, or one that is not a literal."""
    if node is None:
        return ...
    try:
        value: object = ast.literal_eval(node)
    except ValueError:
        return ...
    return value
