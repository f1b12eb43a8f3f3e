"""From the solver's choices to what a plan says of them: pins, artefacts and environments."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from cmx.component import Component, Dataset, Model, SoftwareDetect, Variant
from cmx.reference import Reference
from cmx.repository import Catalog
from cmx.resolver.candidate import Candidate, Source
from cmx.resolver.draft import Draft
from cmx.resolver.plan import Pin, PlannedEnvironment
from cmx.resolver.solver import Solution
from cmx.resolver.world import CONVERT, MAIN, NEW, Place, node, root_source
from cmx.store import Package


def chosen_places(solution: Solution) -> dict[str, Place]:
    """The place chosen for each environment."""
    chosen = {name: candidate.data for name, candidate in solution.items() if name.startswith("environment/")}
    return {name.partition("/")[2]: place for name, place in chosen.items() if isinstance(place, Place)}


def members_of(solution: Solution, environment: str) -> list[Candidate]:
    """The Python packages that were chosen for an environment, by name."""
    return [
        candidate
        for name, candidate in sorted(solution.items())
        if is_package(candidate) and (name.partition("@")[2] or MAIN) == environment
    ]


def is_package(candidate: Candidate) -> bool:
    """Whether a candidate is a Python package."""
    return isinstance(candidate.data, SoftwareDetect) and bool(candidate.data.python_package)


def package_name(candidate: Candidate) -> str:
    """The normalised name of a candidate's Python package, where it is or is installed."""
    assert candidate.package
    return candidate.package


def planned_environments(solution: Solution, locks: Mapping[str, Sequence[Package]]) -> dict[str, PlannedEnvironment]:
    """What a plan says of each environment."""
    return {
        name: PlannedEnvironment(
            name,
            place.source.word,
            place.digest if place.source is Source.STORED else place.interpreter,
            place.python,
            tuple(locks[name]),
        )
        for name, place in chosen_places(solution).items()
    }


def make_pins(draft: Draft, solution: Solution) -> dict[str, Pin]:
    """A pin for each role; a package of another environment than the main one is under ``environment.name``."""
    roles = {**{role: need for _, action in draft.steps for role, need in action.own_needs.items()}, **draft.roles}
    pins = {role: _pin(draft, role, solution, node(reference)) for role, reference in roles.items()}
    for candidate in list(solution.values()):
        if isinstance(candidate.data, Model):
            brought = {r: n for r, n in candidate.data.requires.items() if r in draft.unfilled}
            brought |= _data_roles(candidate.data, candidate.variant)
            pins |= {role: _pin(draft, role, solution, node(reference)) for role, reference in brought.items()}
    for name in solution:
        plain, _, environment = name.partition("@")
        if environment:
            role = f"{environment}.{plain.partition('/')[2]}"
            pins[role] = _pin(draft, role, solution, name)
    return pins


def _data_roles(model: Model, variant: str) -> dict[str, Reference]:
    """The datasets that the conversions to a variant need, by the names of their pins."""
    return {
        f"{CONVERT}{each.name}.{role}": reference
        for each in model.chain(variant)
        for role, reference in each.requires.items()
        if reference.kind == "dataset"
    }


def _pin(draft: Draft, role: str, solution: Solution, name: str) -> Pin:
    candidate = solution[name]
    component = candidate.data
    assert isinstance(component, Component)
    kind, _, rest = name.partition("@")[0].partition("/")
    return Pin(
        role=role,
        kind=kind,
        name=rest,
        version=candidate.version,
        variant=candidate.variant,
        source=candidate.source.word,
        how=_how(candidate),
        environment=_environment_of(name, component),
        recipe=component.reference,
        digest=component.digest,
        why=solution.choices[name].why,
        others=tuple(
            f"{other.candidate.label} ({_origin(other.candidate)}): {other.why_not}"
            for other in solution.choices[name].alternatives
        ),
        artifact=artifact_of(draft.catalog, component, candidate.variant),
    )


def _origin(candidate: Candidate) -> str:
    """Where a candidate would be had from; of a converted variant, where what it is made from would be."""
    chain = list(candidate.data.chain(candidate.variant)) if isinstance(candidate.data, Model) else []
    return f"from {chain[-1].name}: {candidate.source.word}" if len(chain) > 1 else candidate.source.word


def _how(candidate: Candidate) -> str:
    component = candidate.data
    if isinstance(component, SoftwareDetect):
        return "pip" if candidate.place == NEW else candidate.place
    if candidate.source is Source.DETECTED:
        return candidate.place
    source = _artifact_source(component, candidate.variant) if isinstance(component, Model | Dataset) else {}
    return next(iter(source), "")


def _environment_of(name: str, component: Component) -> str:
    if isinstance(component, SoftwareDetect) and component.python_package:
        return name.partition("@")[2] or MAIN
    return ""


def _artifact_source(component: Component, variant: str) -> Mapping[str, Any]:
    if isinstance(component, Model):
        return root_source(component, variant)
    return component.source if isinstance(component, Dataset) else {}


def artifact_of(catalog: Catalog, component: Component, variant: str) -> dict[str, Any] | None:
    """How the files of a component are had: a source, or a conversion with all that goes into it; None for software."""
    if isinstance(component, Dataset):
        return {"source": dict(component.source)} if component.source else {"on-disk": True}
    if isinstance(component, Model):
        return _variant_artifact(catalog, component, component.variants[variant])
    return None


def _variant_artifact(catalog: Catalog, model: Model, variant: Variant) -> dict[str, Any]:
    """How a variant is had: a source, or a conversion of another variant, with everything that goes into it."""
    if variant.source is not None:
        return {"variant": variant.name, "source": dict(variant.source)}
    if variant.conversion is None:
        return {"variant": variant.name, "on-disk": True}
    environment = CONVERT + variant.name
    recipe = catalog.model(variant.conversion.recipe) if variant.conversion.recipe else model
    return {
        "variant": variant.name,
        "from": _variant_artifact(catalog, model, model.variants[variant.origin]),
        "convert": {
            "recipe": recipe.reference,
            "digest": recipe.digest,
            "entry": variant.conversion.entry,
            "with": dict(variant.conversion.arguments),
        },
        "data": {role: f"{environment}.{role}" for role, need in variant.requires.items() if need.kind == "dataset"},
        "environment": environment,
    }
