"""What two archives have that is not the same."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from cmx.resolver.plan import Plan
from cmx.solution.archive import Archive
from cmx.solution.contents import lock
from cmx.solution.known import packed_digest

_FACTS = ("name", "version", "description", "license", "citation", "size", "workflow", "network", "worker")


class Difference(NamedTuple):
    """One thing that differs: where it stands, and what the first and the second archive have there ("" nothing)."""

    place: str
    first: str
    second: str

    def __str__(self) -> str:
        return f"{self.place}: {self.first or 'not there'} and {self.second or 'not there'}"


def differences(first: Archive, second: Archive) -> list[Difference]:
    """From what the two solutions are to what they pin, in this order; empty where they would do the same.

    Locks are read, and so verified; nothing else is.
    """
    return [
        *_of_mappings("", _facts(first), _facts(second)),
        *_of_mappings("inputs.", _flat(first.manifest.inputs), _flat(second.manifest.inputs)),
        *_of_mappings("", _components(first), _components(second)),
        *_of_locks(first, second),
        *_of_mappings("expected.", _expected(first), _expected(second)),
    ]


def _of_mappings(place: str, one: Mapping[str, str], other: Mapping[str, str]) -> Iterator[Difference]:
    for name in [*one, *(name for name in other if name not in one)]:
        if one.get(name, "") != other.get(name, ""):
            yield Difference(f"{place}{name}", one.get(name, ""), other.get(name, ""))


def _facts(archive: Archive) -> dict[str, str]:
    return {name: str(value) if (value := getattr(archive.manifest, name)) else "" for name in _FACTS}


def _flat(document: Mapping[str, Any], before: str = "") -> dict[str, str]:
    """The values of a document under their paths."""
    found: dict[str, str] = {}
    for name, value in document.items():
        if isinstance(value, Mapping):
            found |= _flat(value, f"{before}{name}.")
        elif value not in ("", []):
            found[f"{before}{name}"] = str(value)
    return found


def _components(archive: Archive) -> dict[str, str]:
    """Version and digest of each component, by kind and name."""
    found = {}
    for packed in archive.manifest.components:
        key, _, version = packed.reference.partition("==")
        found[key] = f"{version} ({packed_digest(packed, archive)[:12]})"
    return found


def _of_locks(first: Archive, second: Archive) -> Iterator[Difference]:
    mine, theirs = first.manifest.locks, second.manifest.locks
    for target in sorted(mine.keys() | theirs.keys()):
        if target not in mine or target not in theirs:
            yield Difference(f"locks.{target}", mine.get(target, ""), theirs.get(target, ""))
        else:
            one, other = lock(first, target), lock(second, target)
            yield from _of_mappings(f"{target}: ", _pins(one), _pins(other))


def _pins(plan: Plan) -> dict[str, str]:
    """What a plan pins: roles, packages, and the parameters of its steps."""
    found = {role: f"{pin.reference}{f' [{pin.variant}]' if pin.variant else ''}" for role, pin in plan.pins.items()}
    for role, pin in plan.pins.items():
        found |= _flat(pin.settings, f"{role}.")
    for name, environment in plan.environments.items():
        found[f"{name}: python"] = environment.python
        found |= {f"{name}: {package.name}": package.version for package in environment.packages}
    for step in plan.steps:
        found |= _flat(step.parameters, f"{step.id}.")
    return found


def _expected(archive: Archive) -> dict[str, str]:
    expected = archive.manifest.expected
    if expected is None:
        return {}
    metrics = {
        name: f"{each['value']:g}" + ("" if each["tolerance"] is None else f" ± {each['tolerance']:g}")
        for name, each in expected["metrics"].items()
    }
    return {**metrics, **{f"host.{name}": str(value) for name, value in expected["host"].items()}}
