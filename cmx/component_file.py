"""A component.yaml: read, held against its kind's schema and the rules that a schema cannot say, and typed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from cmx.component import (
    Action,
    Component,
    Conversion,
    Dataset,
    InstallRule,
    Model,
    OnDisk,
    Probe,
    Reading,
    Search,
    SoftwareDetect,
    Step,
    Variant,
    Workflow,
)
from cmx.errors import ComponentInvalid, UsageError, nearest
from cmx.reference import COMPONENT_KINDS, Reference
from cmx.schema import faults, invalid, parse_yaml, read_text, validate


def load(file: Path, *, repository: str = "") -> Component:
    """Read a component.yaml. Raises ComponentInvalid: "FILE:LINE: field: what is wrong"."""
    text = read_text(file)
    document = parse_yaml(text, file)
    return check(document, file, text, repository=repository)


def check(document: Mapping[str, Any], file: Path, text: str = "", *, repository: str = "") -> Component:
    """Hold a component's document against its kind's schema, and against the rules that a schema cannot say.

    Returns the component. Raises ComponentInvalid; ``text`` is the YAML that it was read from, for the line number.
    """
    kind = _kind(document, file, text)
    validate(document, kind, source=file, text=text)
    component = _typed(document, file, text, repository)
    for error in _invalid(component, text):
        raise error
    return component


def examine(file: Path) -> tuple[Component | None, list[ComponentInvalid]]:
    """Read a component.yaml as ``load`` does, and go on after a fault: the component, and everything that is wrong.

    Where something is, the component breaks rules that all code relies on; it is None where it cannot even be typed.
    """
    try:
        text = read_text(file)
        document = parse_yaml(text, file)
        if found := list(faults(document, _kind(document, file, text), source=file, text=text)):
            return None, found
        component = _typed(document, file, text, "")
    except ComponentInvalid as error:
        return None, [error]
    return component, list(_invalid(component, text))


def _kind(document: Mapping[str, Any], file: Path, text: str) -> str:
    kind = document.get("kind")
    if not isinstance(kind, str) or kind not in COMPONENT_KINDS:
        place: Place = ("kind",) if "kind" in document else ()
        said = f"unknown kind {kind!r}" if place else "'kind' is missing"
        raise invalid(place, said, nearest(str(kind), COMPONENT_KINDS), source=file, text=text)
    return kind


def _typed(document: Mapping[str, Any], file: Path, text: str, repository: str) -> Component:
    try:
        return from_document(document, file, repository=repository)
    except UsageError as error:
        raise invalid(_place_of(error, document), error.message, error.hint, source=file, text=text) from error


def _invalid(component: Component, text: str) -> Iterator[ComponentInvalid]:
    for path, message, hint in _faults(component):
        yield invalid(path, message, hint, source=component.file, text=text)


Place = tuple[str | int, ...]
Fault = tuple[Place, str, str]


def _place_of(error: UsageError, value: Any, path: Place = ()) -> Place:
    """Where in a document the reference stands that could not be read; its error begins with it."""
    if isinstance(value, Mapping):
        inner: Iterable[tuple[str | int, Any]] = value.items()
    else:
        inner = enumerate(value) if isinstance(value, list) else ()
    for key, each in inner:
        found = _place_of(error, each, (*path, key))
        if found:
            return found
    return path if isinstance(value, str) and error.message.startswith(repr(value)) else ()


def _faults(component: Component) -> Iterator[Fault]:
    """Where a component breaks the rules that a JSON Schema cannot say: field, what is wrong, and the remedy."""
    if isinstance(component, Model):
        for variant in component.variants.values():
            yield from _variant_faults(component, variant)
    if isinstance(component, SoftwareDetect):
        yield from _pattern_faults(component)
        yield from _framework_faults(component)
    if isinstance(component, Workflow):
        for index, step in enumerate(component.steps):
            yield from _step_faults(component, index, step)


def _pattern_faults(component: SoftwareDetect) -> Iterator[Fault]:
    from cmx.pattern import fault

    search, probe = component.search, component.probe or Probe((), "")
    patterns: list[tuple[Place, str]] = [
        (("probe", "version"), probe.version),
        (("probe", "target-name"), probe.target_name),
    ]
    patterns += [(("read", i, "version"), each.version) for i, each in enumerate(component.read)]
    patterns += [(("search", "executables", i), each) for i, each in enumerate(search.executables)]
    patterns += [(("search", "files", i), each) for i, each in enumerate(search.files)]
    for place, pattern in patterns:
        if problem := fault(pattern):
            yield place, f"{pattern!r}: {problem}", "write it so that the next letter says which part matches"


def _framework_faults(component: SoftwareDetect) -> Iterator[Fault]:
    if component.predictor and not component.formats:
        yield ("predictor",), "there are no 'formats'", "name the model variants that it runs, as in formats: [onnx]"
    if component.settings and not component.predictor:
        yield ("settings",), "there is no 'predictor'", "settings are for a framework, which has predictor: FILE.py"
    if "threads" in component.settings:
        yield ("settings", "threads"), "every action has 'threads' already", "leave it out: load() is given it"


def _variant_faults(model: Model, variant: Variant) -> Iterator[Fault]:
    for role, reference in variant.requires.items():
        if reference.kind not in ("software", "dataset"):
            wrong = f"a conversion needs software and datasets, not {reference}"
            yield ("variants", variant.name, "requires", role), wrong, "name what the function imports or reads"
    path = ("variants", variant.name, "from")
    if variant.origin and variant.origin not in model.variants:
        yield path, f"there is no variant {variant.origin!r}", nearest(variant.origin, model.variants)
    seen = {variant.name}
    while variant.origin in model.variants:
        if variant.origin in seen:
            yield path, f"the variant {variant.name!r} is made from itself", "begin with a variant that has a source"
            return
        seen.add(variant.origin)
        variant = model.variants[variant.origin]


def _step_faults(workflow: Workflow, index: int, step: Step) -> Iterator[Fault]:
    earlier = [each.id for each in workflow.steps[:index]]
    if step.id in earlier:
        yield ("steps", index, "id"), f"{step.id!r} is there twice", "give each step its own id"
    if step.action.kind != "action":
        yield ("steps", index, "action"), f"{step.action} is not an action", "name an action, as in action/benchmark"
    for need in step.needs:
        if need not in earlier:
            later = any(each.id == need for each in workflow.steps[index:])
            hint = f"move the step {need!r} above this one" if later else nearest(need, earlier)
            yield ("steps", index, "needs"), f"no earlier step {need!r}", hint


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
    return Variant(
        name,
        body.get("format", name),
        body.get("source"),
        body.get("from", ""),
        conversion,
        _references(body),
        _on_disk(body),
    )


def _on_disk(body: Mapping[str, Any]) -> OnDisk | None:
    detect = body.get("detect")
    if detect is None:
        return None
    marker = detect.get("marker", [])
    return OnDisk(tuple(detect["paths"]), tuple([marker] if isinstance(marker, str) else marker))


def _dataset(document: Mapping[str, Any], common: dict[str, Any]) -> Dataset:
    return Dataset(**common, format=document["format"], source=document.get("source", {}), detect=_on_disk(document))


def _software_detect(document: Mapping[str, Any], common: dict[str, Any]) -> SoftwareDetect:
    search, probe = document.get("search", {}), document.get("probe")
    return SoftwareDetect(
        **common,
        requires=_references(document),
        provides=tuple(document.get("provides", ())),
        python_package=document.get("python-package", ""),
        formats=tuple(document.get("formats", ())),
        predictor=document.get("predictor", ""),
        settings=document.get("settings", {}),
        aliases=tuple(document.get("aliases", ())),
        search=Search(*(tuple(search.get(key, ())) for key in ("executables", "paths", "files"))),
        probe=_probe(probe) if probe else None,
        read=tuple(Reading(each["version"], each.get("file", "")) for each in document.get("read", ())),
        exports=document.get("exports", {}),
        install=tuple(_install_rule(rule) for rule in document.get("install", ())),
    )


def _install_rule(body: Mapping[str, Any]) -> InstallRule:
    common = {key: body.get(key, "") for key in ("on", "target", "package", "hint")}
    recipe = {key: value for key, value in body.items() if key not in (*common, "with")}
    return InstallRule(**common, with_=body.get("with", ""), recipe=recipe)


def _probe(body: Mapping[str, Any]) -> Probe:
    return Probe(tuple(body["run"]), body["version"], tuple(body.get("target", ())), body.get("target-name", ""))


def _action(document: Mapping[str, Any], common: dict[str, Any]) -> Action:
    return Action(
        **common,
        entry=document["entry"],
        requires=document["requires"],
        parameters=document.get("parameters", {}),
        checked_by=tuple(document.get("checked-by", ())),
        for_steps_of=document.get("for-steps-of", ""),
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
