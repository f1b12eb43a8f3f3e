"""A plan as a lock for anybody: the same pins, packages and steps, and nothing of the machine that it was made on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from cmx.errors import UsageError
from cmx.resolver.plan import Pin, Plan, PlannedEnvironment
from cmx.results.anonymity import Scrubber

_HOST = ("schema", "document", "os", "architecture", "libc", "python")
_AGAIN = "make the plan again with --prefer installed, and pack that"


def portable(plan: Plan) -> Plan:
    """The plan without paths, reasons and the facts of its host; environments are made anew wherever it is carried out.

    Raises UsageError for what somebody else cannot have: packages without hashes, data from this machine's disk,
    parameters that name a path.
    """
    clean = replace(
        plan,
        request=replace(plan.request, parameters=_without_places(plan)),
        host={name: plan.host[name] for name in _HOST if name in plan.host},
        pins={role: _pin(pin) for role, pin in plan.pins.items()},
        environments={name: _environment(each) for name, each in plan.environments.items()},
    )
    _refuse_paths(clean)
    return clean


def target_of(plan: Plan) -> str:
    """The platform that a plan is for: os-arch."""
    return plan.request.target or f"{plan.host['os']}-{plan.host['architecture']}"


def _without_places(plan: Plan) -> dict[str, Any]:
    """The request's parameters, but for where software lies here (``gcc.path``)."""
    software = {name for role, pin in plan.pins.items() if pin.kind == "software" for name in (role, pin.name)}
    given = plan.request.parameters.items()
    return {key: value for key, value in given if not (key.endswith(".path") and key[: -len(".path")] in software)}


def _pin(pin: Pin) -> Pin:
    """A pin without the reasons for it. A package and files are had anew; a tool of the system is looked for."""
    if pin.artifact is not None and "on-disk" in pin.artifact:
        raise UsageError(
            f"{pin.reference} lies on this machine's disk, and its component names no source for others",
            hint="add a source: to its component, or use another: --use",
        )
    tool = pin.source == "detected" and not pin.environment and pin.kind == "software"
    source = "detected" if tool else "installable"
    how = "" if tool else "pip" if pin.environment else pin.how
    return replace(pin, source=source, how=how, why="", others=())


def _environment(planned: PlannedEnvironment) -> PlannedEnvironment:
    bare = next((package for package in planned.packages if not package.hashes), None)
    if planned.source == "detected" or bare:
        what = f"{bare.name} {bare.version} has no hash" if bare else "its packages have no hashes"
        raise UsageError(
            f"the environment {planned.name!r} of the plan is an interpreter of this machine: {what}", hint=_AGAIN
        )
    return replace(planned, source="installable", place=planned.place if planned.name == "target" else _minor(planned))


def _minor(planned: PlannedEnvironment) -> str:
    return ".".join(planned.python.split(".")[:2])


def _refuse_paths(plan: Plan) -> None:
    """Raise UsageError where what the user set, or a step's parameter, is a path of this machine."""
    document = plan.document()
    for part in ("request", "steps", "pins"):
        clean = Scrubber((), ()).document({part: document[part]})
        for place, value in _differences(document[part], clean[part], part):
            raise UsageError(
                f"{place} is a path of this machine: {value}",
                hint="an archive takes no files of yours along: leave it out, or make it a component",
            )


def _differences(one: Any, other: Any, place: str) -> Iterator[tuple[str, str]]:
    if isinstance(one, Mapping):
        for key, value in one.items():
            if key not in other:
                yield f"{place}.{key}", str(key)
            else:
                yield from _differences(value, other[key], f"{place}.{key}")
    elif isinstance(one, list):
        for index, (value, clean) in enumerate(zip(one, other, strict=True)):
            yield from _differences(value, clean, f"{place}.{index}")
    elif one != other:
        yield place, str(one)
