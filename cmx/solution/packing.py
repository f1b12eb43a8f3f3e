"""Packing: from a workflow, a plan or a result to an archive that others can use."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from cmx.component import Component, Model, Workflow
from cmx.errors import CmxError, ComponentInvalid, UsageError
from cmx.host import Field
from cmx.own_files import own_files
from cmx.reference import Reference
from cmx.reporter import Reporter
from cmx.repository import Catalog
from cmx.repository.templates import FOLDERS
from cmx.resolver.locking import differences
from cmx.resolver.plan import Plan
from cmx.results import Result
from cmx.results.judgement import validated
from cmx.solution import data, wheels
from cmx.solution.archive import Archive, Member, write
from cmx.solution.licences import PRIVATE, own_objection, refusal, remedy
from cmx.solution.manifest import Manifest, Packed, canonical
from cmx.solution.portable import portable, target_of
from cmx.store.workspace import workspace
from cmx.worker_interface import INTERFACE

RESULT = "expected/result.json"
_HOST_FACTS = ("cpu_model", "cores", "threads", "memory", "distribution", "libc", "python", "board", "hypervisor")
_LEAST_TOLERANCE = 0.01
_LARGE = 1 << 20


@dataclass(frozen=True)
class About:
    """What a packer says of a solution; what is empty is taken from its workflow. ``network`` is why it needs one."""

    name: str = ""
    version: str = "1.0.0"
    description: str = ""
    license: str = ""
    citation: str = ""
    network: str = ""


@dataclass(frozen=True)
class Subject:
    """What is packed: a plan, and the result that came of it, if there is one."""

    plan: Plan
    result: Result | None = None

    @classmethod
    def of_result(cls, result: Result, made_from: Plan | None = None) -> Subject:
        """The result's own plan. Raises UsageError for a result that should not be expected of anybody.

        ``made_from`` is what whoever packs takes for that plan; UsageError where it pins something else.
        """
        if result.status != "ok" or not result.valid:
            why = next(iter(result.reasons), "the run failed")
            raise UsageError(f"result {result.short} is not valid: {why}", hint="pack one that others should reach")
        try:
            plan = Plan.from_document(result.plan)
        except (KeyError, TypeError) as error:
            raise UsageError(
                f"result {result.short} has no plan that can be read: {error}", hint="run again"
            ) from error
        if made_from and (other := differences(made_from, plan)):
            raise UsageError(f"result {result.short} is of another plan: {other[0]}", hint="pack its own, result.plan")
        return cls(plan, result)


def pack(
    subject: Subject,
    catalog: Catalog,
    *,
    about: About | None = None,
    tolerances: Mapping[str, float] | None = None,
    to: Path | None = None,
    size: str = "recipes",
    private: bool = False,
    over: bool = False,
    reporter: Reporter | None = None,
) -> Archive:
    """Write an archive of components, lock, and what is expected; everything else is fetched by its hash.

    Of the ``size`` with-data it holds models and datasets too, as far as their licences let others have them; those
    that lie beside their component.yaml are in every size. For machines of one's own, ``private`` takes all. Of the
    size complete it holds the wheels as well. ``to`` is a file, or a folder for a file of the solution's own name
    (default: the current folder); another archive that lies there is replaced only with ``over``. ``tolerances`` are of
    accuracies, by metric. The same subject gives the same bytes, wherever and by whomever it is packed.
    Raises UsageError for what others cannot have, ComponentNotFound and ComponentInvalid for components that are not
    what the plan was made with, StoreError where the archive cannot be written.
    """
    about, reporter = about or About(), reporter or Reporter()
    plan = portable(subject.plan)
    catalog = catalog.with_locked(plan.digests())
    components = used_components(plan, catalog)
    members: dict[str, Member] = {}
    if not private and (refused := [each for each in components if own_objection(each)]):
        raise UsageError("; ".join(map(refusal, refused)), hint=f"{remedy(refused[0])}; {PRIVATE}")
    packed = tuple(add_component(component, components, members) for component in components)
    expected = _expected(subject.result, components, tolerances or {}, catalog, members) if subject.result else None
    taken = data.collect(plan, catalog, members, private=private, reporter=reporter) if size != "recipes" else ()
    manifest = replace(_manifest(plan, about, size, components[0], packed, members), expected=expected, data=taken)
    if size != "complete":
        return _write(manifest, members, to, over)
    with workspace(catalog.settings.cache, "wheels") as folder:
        wheels.collect(plan, folder, members, catalog.settings, reporter)
        return _write(manifest, members, to, over)


def _manifest(
    plan: Plan, about: About, size: str, workflow: Component, packed: tuple[Packed, ...], members: dict[str, Member]
) -> Manifest:
    """What the solution is and is locked to; its repository's name and its lock become members."""
    name, target = about.name or workflow.name.replace(".", "-").replace("_", "-"), target_of(plan)
    members["repository/repo.yaml"] = f"schema: 1\nname: {name}\ndescription: Of a solution\n".encode()
    members[f"locks/{target}.json"] = canonical(plan.document())
    return Manifest(
        name=name,
        version=about.version,
        description=about.description or workflow.description,
        license=about.license or workflow.license,
        citation=about.citation,
        size=size,
        workflow=plan.workflow,
        inputs=plan.request.document(),
        components=packed,
        locks={target: f"locks/{target}.json"},
        network=about.network or False,
        worker=INTERFACE,
    )


def used_components(plan: Plan, catalog: Catalog) -> list[Component]:
    """The workflow, all its actions, and what the pins were made from: the workflow first, the others by reference.

    Raises ComponentInvalid for one that is not the one that the plan was made with.
    """
    workflow = catalog.workflow(Reference.parse(plan.workflow))
    found = {reference: _unchanged(catalog, reference, digest) for reference, digest in plan.digests().items()}
    for component in (*_neighbours(workflow, catalog), *_named_by_models(found.values(), catalog)):
        found.setdefault(component.reference, component)
    others = sorted(found.values(), key=lambda each: (each.kind, each.name, each.version))
    return [workflow, *(each for each in others if each.reference != workflow.reference)]


def _neighbours(workflow: Workflow, catalog: Catalog) -> list[Component]:
    """What a workflow needs to be read at all: every action of it, and who knows the software of its roles."""
    actions = [catalog.action(step.action) for step in workflow.steps]
    needs = [*workflow.requires.values(), *(need for action in actions for need in action.own_needs.values())]
    return [*actions, *(catalog.software(need.name) for need in needs if need.kind == "software")]


def _named_by_models(components: Iterable[Component], catalog: Catalog) -> list[Component]:
    """The datasets that models name for their labels."""
    models = [each for each in components if isinstance(each, Model)]
    needs = [need for model in models for need in model.requires.values()]
    return [catalog.find(need) for need in needs if need.kind != "software"]


def _unchanged(catalog: Catalog, reference: str, digest: str) -> Component:
    component = catalog.find(Reference.parse(reference))
    if digest and component.digest != digest:
        raise ComponentInvalid(
            f"{component.file}: {reference} has changed since the plan was made "
            f"(digest {component.digest[:12]}, then {digest[:12]})",
            hint="run or resolve again, and pack that; and raise a component's version when you change it",
        )
    return component


def add_component(component: Component, all_of_them: Iterable[Component], members: dict[str, Member]) -> Packed:
    """Put a component's files among the members."""
    several = sum(each.key == component.key for each in all_of_them) > 1
    folder = f"repository/{FOLDERS[component.kind]}/{component.name}" + (f"/{component.version}" if several else "")
    for file in own_files(component.folder):
        members[f"{folder}/{file.relative_to(component.folder).as_posix()}"] = (
            file.read_bytes() if file.stat().st_size < _LARGE else file
        )
    return Packed(component.reference, component.uid, folder, own_objection(component))


def _expected(
    result: Result,
    components: Iterable[Component],
    tolerances: Mapping[str, float],
    catalog: Catalog,
    members: dict[str, Member],
) -> dict[str, Any]:
    """What somebody else should reach, with how far from it is near enough."""
    unknown = next((name for name in tolerances if name not in result.accuracy), "")
    if unknown:
        raise UsageError(
            f"--tolerance {unknown}: result {result.short} has no accuracy of this name",
            hint=f"it has {', '.join(result.accuracy) or 'none'}",
        )
    anonymous = result.anonymous(catalog.settings.home)
    record = replace(anonymous, host=anonymous.host.anonymous())
    members[RESULT] = canonical(record.document())
    default = _tolerance(result, components)
    metrics: dict[str, Any] = {
        name: {"value": value, "tolerance": tolerances.get(name, default) if name in result.accuracy else None}
        for name, value in measured_metrics(record).items()
    }
    return {"result": RESULT, "metrics": metrics, "host": _host(record)}


def _tolerance(result: Result, components: Iterable[Component]) -> float:
    """How far an accuracy may be from the expected one: as the model's reference on this dataset says, else one answer
    more or less, where they were counted, or 0.01."""
    dataset = Reference.parse(result.pins["dataset"]).name if "dataset" in result.pins else ""
    for model in (each for each in components if isinstance(each, Model)):
        said = model.document.get("reference") or ()
        for reference in [said] if isinstance(said, Mapping) else said:
            if reference.get("dataset") == dataset and "tolerance" in reference:
                return float(reference["tolerance"])
    step = validated(result.steps)
    count = step.metrics.get("count") if step and "correct" in step.metrics else None
    return 1 / count if count else _LEAST_TOLERANCE


SPEEDS = ("throughput", "latency.p50", "latency.p90", "latency.p99")


def measured_metrics(result: Result) -> dict[str, float]:
    """The accuracies by metric, the throughput in samples per second, and latencies in ns."""
    taken = (result.throughput, *(getattr(result.latency, name) for name in ("p50", "p90", "p99")))
    speeds = dict(zip(SPEEDS, taken, strict=True))
    return {**result.accuracy, **{name: value for name, value in speeds.items() if value is not None}}


def _host(result: Result) -> dict[str, str | int | float]:
    """A few facts of the machine, for people."""
    fields = {name: result.host.fields.get(name) for name in _HOST_FACTS}
    values = {name: field.value for name, field in fields.items() if isinstance(field, Field)}
    return {
        name: value if isinstance(value, int | float | str) else json.dumps(value) for name, value in values.items()
    }


def _write(manifest: Manifest, members: Mapping[str, Member], to: Path | None, over: bool) -> Archive:
    """Write it, and read it as anybody will. Raises UsageError where something else would be lost."""
    place = to or Path()
    file = place / manifest.file_name if place.is_dir() else place

    def kept(raw: bytes) -> bytes:
        """The signature of the same archive, if that is what lies there."""
        before = _archive_at(file)
        if before and before.raw_manifest == raw:
            return before.signature or b""
        if before and not over:
            hint = "give this one a --version of its own, name another file (--output), or --replace it"
            raise UsageError(f"{file} is there already, and holds something else", hint=hint)
        return b""

    write(manifest, members, file, sign=kept)
    return Archive.open(file)


def _archive_at(file: Path) -> Archive | None:
    """The archive that lies there, if anything does. Raises UsageError for a file that is none."""
    if not file.exists():
        return None
    try:
        return Archive.open(file)
    except CmxError as error:
        raise UsageError(
            f"{file} is there already, and no archive of cmx", hint="name another file: --output"
        ) from error
