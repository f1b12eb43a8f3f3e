"""What every component must hold, ours and everybody's: the rules behind ``cmx check``. Nothing of it is run."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cmx.component import FILE, Action, Component, Dataset, Model, SoftwareDetect, Workflow
from cmx.component_file import examine
from cmx.errors import CmxError, nearest
from cmx.reference import Reference
from cmx.repository import model_rules
from cmx.repository.catalog import Catalog, near
from cmx.repository.dataset_rules import format_faults, format_notes
from cmx.repository.query import Query
from cmx.repository.repository import REPOSITORY_FILE, Repository
from cmx.repository.source_rules import source_faults
from cmx.repository.workflow_rules import action_of, workflow_faults
from cmx.schema import invalid, read_text, validate_value
from cmx.worker_interface import every_name, offers


@dataclass(frozen=True)
class Fault:
    """One rule that a component breaks."""

    file: Path
    message: str
    hint: str = ""


def check(path: Path, catalog: Catalog) -> tuple[list[Component], list[Fault]]:
    """Check a component, or every component below a folder; returns those that load, and all faults."""
    files = [path / FILE] if (path / FILE).is_file() else list(Repository.open(path).files())
    catalog = _with_neighbours(path.resolve(), catalog)
    components: list[Component] = []
    faults: list[Fault] = []
    for file in files:
        component, wrong = examine(file)
        faults += [Fault(file, error.message, error.hint) for error in wrong]
        if component and not wrong:
            components.append(component)
            faults += _faults(component, catalog)
        elif isinstance(component, Workflow):  # its steps can be looked up one by one, whatever is wrong with others
            faults += _steps(component, catalog)
    return components, faults


def notes(path: Path, components: Sequence[Component], catalog: Catalog) -> Iterator[Fault]:
    """What breaks no rule in components that were checked below ``path``, and may be a slip all the same."""
    catalog = _with_neighbours(path.resolve(), catalog)
    for component in components:
        said = [*model_rules.notes(component.document)]
        if isinstance(component, Model):
            said += [*model_rules.unread(component, catalog), *model_rules.measured_on(component, catalog)]
        if isinstance(component, Dataset):
            said += format_notes(component.format)
        yield from (_fault(component, f"{place}: {message}", hint) for place, message, hint in said)


def _with_neighbours(path: Path, catalog: Catalog) -> Catalog:
    """The catalog, and the repository that ``path`` lies in: its components know each other before it is added."""
    root = next((folder for folder in (path, *path.parents) if (folder / REPOSITORY_FILE).is_file()), path)
    if any(repository.root.resolve() == root for repository in catalog.repositories):
        return catalog
    return Catalog([*catalog.repositories, Repository.open(root)], catalog.settings)


def _faults(component: Component, catalog: Catalog) -> Iterator[Fault]:
    yield from _path(component)
    yield from _uid(component, catalog)
    yield from _references(component, catalog)
    yield from _files(component)
    yield from _sources(component)
    try:
        own = list(component.files())
    except CmxError as error:
        # A link that leaves the folder; what lies behind it is not looked at.
        yield Fault(component.file, error.message, error.hint)
        return
    for file in own:
        if file.suffix == ".py":
            yield from _imports(file)
    if isinstance(component, Model):
        yield from _converters(component)
        yield from _claims(component, catalog)
    if isinstance(component, Dataset):
        yield from (
            _fault(component, f"{key}: {message}", hint) for key, message, hint in format_faults(component.format)
        )
    if isinstance(component, SoftwareDetect):
        yield from _aliases(component, catalog)
        yield from _defaults(component, "settings", component.settings)
        yield from _predictor(component)
    if isinstance(component, Workflow):
        yield from _steps(component, catalog)
        yield from _own_files(component, catalog)
    if isinstance(component, Action):
        yield from _partners(component)
        yield from _defaults(component, "parameters", component.parameters)
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


def _uid(component: Component, catalog: Catalog) -> Iterator[Fault]:
    for entry in catalog.query(Query(uid=component.uid)):
        if entry.key != component.key:
            yield _fault(
                component,
                f"uid {entry.uid} belongs to {entry.key} ({entry.file})",
                "give it a uid of its own: 'cmx new' makes one",
            )


def _files(component: Component) -> Iterator[Fault]:
    for name in _named_files(component):
        try:
            if not component.inside(name).exists():
                yield _fault(component, f"{name} is not there", f"put it into {component.folder}")
        except CmxError as error:
            yield Fault(component.file, error.message, error.hint)


def _named_files(component: Component) -> Iterator[str]:
    if isinstance(component, Action):
        yield component.entry.partition(":")[0]
    if isinstance(component, SoftwareDetect) and component.predictor:
        yield component.predictor
    if isinstance(component, Dataset) and "file" in component.source:
        yield str(component.source["file"])
    if isinstance(component, Model):
        for variant in component.variants.values():
            if variant.source and "file" in variant.source:
                yield str(variant.source["file"])
            if variant.conversion and not variant.conversion.recipe:
                yield variant.conversion.entry.partition(":")[0]


def _sources(component: Component) -> Iterator[Fault]:
    """What an installer needs to fetch a source is said."""
    found: dict[str, Mapping[str, Any]] = {}
    if isinstance(component, Dataset):
        found = {"source": component.source}
    if isinstance(component, Model):
        found = {f"variants.{key}.source": each.source for key, each in component.variants.items() if each.source}
    for place, source in found.items():
        for key, message, hint in source_faults(source):
            yield _fault(component, f"{place}{key}: {message}", hint)


def _references(component: Component, catalog: Catalog) -> Iterator[Fault]:
    for reference in _needed(component):
        kind = "software-detect" if reference.kind == "software" else reference.kind
        if not catalog.query(Query(kind=kind, name=reference.name)):
            hint = near(reference.name, catalog.names(kind))
            yield _fault(component, f"{reference} is in no repository of the catalog", hint)


def _needed(component: Component) -> Iterator[Reference]:
    if isinstance(component, Action):
        yield from component.own_needs.values()
    if isinstance(component, Model):
        yield from component.requires.values()
        for variant in component.variants.values():
            yield from variant.requires.values()
            if variant.conversion and variant.conversion.recipe:
                yield variant.conversion.recipe


def _imports(file: Path) -> Iterator[Fault]:
    try:
        tree = _parsed(file)
    except (SyntaxError, ValueError) as error:
        line = getattr(error, "lineno", None) or 1
        reason = getattr(error, "msg", error)
        yield Fault(file, f"{file}:{line}: not Python 3.9: {reason}", "a worker may be as old as Python 3.9")
        return
    for found in ast.walk(tree):
        for name in _imported(found):
            if name.split(".")[0] == "cmx" and not offers(name):
                yield Fault(file, f"{file}:{getattr(found, 'lineno', 1)}: imports {name}", _instead(name))


def _instead(name: str) -> str:
    """What may be imported instead."""
    if name.split(".")[:2] != ["cmx", "worker"]:
        return "a component may import cmx.worker, and nothing else of cmx"
    return f"it is not in the worker's interface, which docs/worker.md lists; {near(name, every_name())}"


def _parsed(file: Path) -> ast.Module:
    """The syntax tree. Raises SyntaxError or ValueError for what Python 3.9 could not read."""
    return ast.parse(file.read_bytes(), filename=str(file), feature_version=(3, 9))


def _imported(found: ast.AST) -> Iterator[str]:
    if isinstance(found, ast.Import):
        yield from (alias.name for alias in found.names)
    if isinstance(found, ast.ImportFrom) and not found.level:
        base = found.module or ""
        ours = base.split(".")[0] == "cmx"
        yield from ((f"{base}.{alias.name}" for alias in found.names) if ours else (base,))


def _converters(model: Model) -> Iterator[Fault]:
    """The functions that make one variant from another are there."""
    for variant in model.variants.values():
        if variant.conversion and not variant.conversion.recipe:
            for found in _function(model, variant.conversion.entry):
                if isinstance(found, Fault):
                    yield found


def _claims(model: Model, catalog: Catalog) -> Iterator[Fault]:
    """What the model says of itself fits what there is."""
    for place, message, hint in model_rules.model_faults(model, catalog):
        yield _fault(model, f"{place}: {message}", hint)


def _steps(workflow: Workflow, catalog: Catalog) -> Iterator[Fault]:
    """The actions, roles and parameters of a workflow are those there are."""
    for place, message, hint in workflow_faults(workflow, catalog):
        error = invalid(place, message, hint, source=workflow.file, text=read_text(workflow.file))
        yield Fault(workflow.file, error.message, error.hint)


def _defaults(component: Component, key: str, fragments: Mapping[str, Mapping[str, Any]]) -> Iterator[Fault]:
    """The default of a parameter or a setting is a value that it may have."""
    for name, fragment in fragments.items():
        problem = validate_value(fragment["default"], fragment) if "default" in fragment else ""
        if problem:
            yield _fault(component, f"{key}.{name}.default: {problem}", "correct the default, or what is allowed")


def _partners(action: Action) -> Iterator[Fault]:
    """What a parameter goes with is another parameter of the action, and values that this may have."""
    for name, fragment in action.parameters.items():
        yield from _goes_with(action, f"parameters.{name}.goes-with", fragment.get("goes-with", {}))
        for value, partners in fragment.get("values-go-with", {}).items():
            where = f"parameters.{name}.values-go-with.{value}"
            known = [str(each) for each in fragment.get("enum", ())]
            if value not in known:
                yield _fault(action, f"{where}: {name} has no such value", nearest(value, known))
            yield from _goes_with(action, where, partners)


def _goes_with(action: Action, where: str, partners: Mapping[str, Sequence[Any]]) -> Iterator[Fault]:
    for other, values in partners.items():
        if other not in action.parameters:
            yield _fault(action, f"{where}.{other}: there is no such parameter", nearest(other, action.parameters))
            continue
        for problem in filter(None, (validate_value(value, action.parameters[other]) for value in values)):
            yield _fault(action, f"{where}.{other}: {problem}", "name values that the other parameter may have")


def _own_files(workflow: Workflow, catalog: Catalog) -> Iterator[Fault]:
    """The files that a step names, as FILE or FILE.py:FUNCTION, are in the workflow's folder."""
    for step in workflow.steps:
        action = action_of(step, catalog)
        parameters = action.parameters if action else {}
        named = [str(v) for key, v in step.parameters.items() if parameters.get(key, {}).get("format") == "own-file"]
        for entry in (entry for text in named for entry in text.split()):
            yield from _own_file(workflow, f"steps.{step.id}", entry)


def _own_file(workflow: Workflow, where: str, entry: str) -> Iterator[Fault]:
    name, colon, _ = entry.partition(":")
    try:
        there = workflow.inside(name).is_file()
    except CmxError as error:
        yield Fault(workflow.file, error.message, error.hint)
        return
    if not there:
        yield _fault(workflow, f"{where}: {name} is not there", f"put it into {workflow.folder}")
    elif colon:
        yield from (found for found in _function(workflow, entry) if isinstance(found, Fault))


def _aliases(component: SoftwareDetect, catalog: Catalog) -> Iterator[Fault]:
    """An alias is nobody else's name or alias."""
    for alias in component.aliases:
        owner = catalog.canonical(Reference("software-detect", alias)).name
        if owner not in (alias, component.name) or (owner == alias and catalog.query(_software_named(alias))):
            yield _fault(component, f"aliases: {alias!r} means software-detect/{owner} already", "leave it out")


def _software_named(name: str) -> Query:
    return Query(kind="software-detect", name=name)


def _predictor(component: SoftwareDetect) -> Iterator[Fault]:
    """The predictor defines ``load``, and maybe ``optimise``, with the arguments that they are called with."""
    functions = {"load": ["model", "component", "settings"], "optimise": ["source", "destination", "settings"]}
    for name, expected in functions.items() if component.predictor else ():
        for found in _function(component, f"{component.predictor}:{name}"):
            if isinstance(found, Fault):
                yield from [found] if name == "load" else []
            elif [argument.arg for argument in found.args.args] != expected or found.args.kwonlyargs:
                file = component.folder / component.predictor
                yield Fault(
                    file, f"{file}:{found.lineno}: {name} takes other arguments", f"def {name}({', '.join(expected)})"
                )


def _function(component: Component, entry: str) -> Iterator[ast.FunctionDef | Fault]:
    """The definition that ``file.py:function`` names, or what is wrong; nothing where the file cannot be read."""
    name, _, function = entry.partition(":")
    file = component.folder / name
    try:
        tree = _parsed(file)
    except (OSError, SyntaxError, ValueError):
        return
    found = next((n for n in tree.body if isinstance(n, ast.FunctionDef) and n.name == function), None)
    yield found or Fault(file, f"{file}: there is no function {function!r}", f"{component.file} names it as the entry")


def _signature(action: Action) -> Iterator[Fault]:
    """The function's keywords are the parameters, with the same defaults."""
    for found in _function(action, action.entry):
        yield from [found] if isinstance(found, Fault) else _keywords(action, found)


def _keywords(action: Action, found: ast.FunctionDef) -> Iterator[Fault]:
    file = action.folder / action.entry.partition(":")[0]
    declared = {key.replace("-", "_"): fragment.get("default") for key, fragment in action.parameters.items()}
    written = {
        argument.arg: _default(node)
        for argument, node in zip(found.args.kwonlyargs, found.args.kw_defaults, strict=True)
    }
    where = f"{file}:{found.lineno}: {found.name}"
    if found.args.kwarg:  # it hands the others on, with the defaults of component.yaml
        declared = {key: value for key, value in declared.items() if key in written}
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
