"""Exact packages for the environments that the solver chose, and what a lock that is there already demands."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from cmx.component import SoftwareDetect
from cmx.reference import Reference
from cmx.resolver.candidate import Candidate, Source
from cmx.resolver.pinning import chosen_places, is_package, members_of, package_name
from cmx.resolver.plan import Plan, PlannedEnvironment
from cmx.resolver.requirement import Requirement
from cmx.resolver.solver import Solution
from cmx.resolver.world import MAIN, Place, Surroundings, World, normalised, requirement
from cmx.store import Package

TARGET = "target"
"""The packages for another platform than the host's, in a plan's environments."""


class Refusal(Exception):
    """An installer cannot install these requirements together; the message is its reason."""


class Machine(Surroundings, Protocol):
    """What a planner needs of the machine beside what the solver asks."""

    def lock(self, requirements: Sequence[str], python: str, platform: str = "") -> Sequence[Package]:
        """The whole closure of some packages, with hashes, for this platform or for another (os-arch).

        Raises Refusal, or Unavailable without a network.
        """

    def host(self) -> Mapping[str, Any]:
        """The host's document."""

    @property
    def platform(self) -> str:
        """The host as a target: os-arch."""


def differences(before: Plan, after: Plan) -> list[str]:
    """What two plans choose differently, one sentence each; where it comes from does not count."""
    found = []
    for role in sorted(before.pins.keys() & after.pins.keys()):
        one, other = before.pins[role], after.pins[role]
        if (one.reference, one.variant) != (other.reference, other.variant):
            found.append(f"{role}: {one.reference} and {other.reference}")
        elif one.digest != other.digest:
            found.append(f"{role}: {one.recipe} with digest {one.digest[:12]} and {other.digest[:12]}")
    for name in sorted(before.environments.keys() & after.environments.keys()):
        mine = {package.name: package.version for package in before.environments[name].packages}
        theirs = {package.name: package.version for package in after.environments[name].packages}
        names = sorted(name for name in mine.keys() & theirs.keys() if mine[name] != theirs[name])
        found += [f"environment {name}: {each} {mine[each]} and {theirs[each]}" for each in names]
    return found


def lock_target(solution: Solution, machine: Machine, world: World) -> dict[str, Sequence[Package]]:
    """The framework's own package for another target: its programs link against it; nothing there imports it."""
    framework = solution.get(world.framework) if world.target != machine.platform and not world.platform else None
    if framework is None or not is_package(framework):
        return {}
    assert isinstance(framework.data, SoftwareDetect)
    package = normalised(framework.data.distribution(world.target))
    name = f"{package}=={framework.version}"
    python = ".".join(map(str, sys.version_info[:2]))
    try:
        locked = machine.lock([name], python, world.target)
    except Refusal as refusal:
        world.refused.append((frozenset({framework}), f"{name} has no wheel for {world.target}: {refusal}"))
        raise
    return {TARGET: [each for each in locked if each.name == package]}


def lock_all(solution: Solution, machine: Machine, world: World) -> dict[str, Sequence[Package]]:
    locks: dict[str, Sequence[Package]] = {}
    for name, place in chosen_places(solution).items():
        members = members_of(solution, name)
        if place.source is Source.STORED:
            locks[name] = place.lock
        elif place.source is Source.DETECTED:
            locks[name] = [Package(package_name(member), member.version) for member in members]
        else:
            locks[name] = _lock(name, members, place, machine, world)
    return locks


def locked_requirements(plan: Plan) -> dict[Requirement, str]:
    """What a plan pins, as requirements with the words for an explanation."""
    found = {}
    for pin in plan.pins.values():
        reference = Reference(pin.kind, pin.name, f"=={pin.version}", pin.variant)
        found[requirement(reference, pin.environment or MAIN)] = f"the lock says {reference}"
    return found


def _lock(
    environment: str, members: Sequence[Candidate], place: Place, machine: Machine, world: World
) -> Sequence[Package]:
    pinned = [str(package) for package in world.locks.get(environment, ())]

    def attempt(some: Sequence[Candidate]) -> Sequence[Package]:
        wanted = [f"{package_name(member)}=={member.version}" for member in some]
        return machine.lock(pinned or wanted, place.interpreter, world.platform)

    try:
        return attempt(members)
    except Refusal as refusal:
        culprits, why = (members, str(refusal)) if pinned else _culprits(members, str(refusal), attempt)
        world.refused.append((frozenset(culprits), why))
        raise


def _culprits(
    members: Sequence[Candidate], why: str, attempt: Callable[[Sequence[Candidate]], object]
) -> tuple[Sequence[Candidate], str]:
    """A part of what was refused that is refused by itself, of which nothing can be left out, and the reason.

    Without it the solver would change one innocent package after another.
    """
    kept = list(members)
    for member in members:
        rest = [each for each in kept if each is not member]
        try:
            if rest:
                attempt(rest)
        except Refusal as refusal:
            kept, why = rest, str(refusal)
    return kept, why


def target_environment(locks: Mapping[str, Sequence[Package]], target: str) -> dict[str, PlannedEnvironment]:
    if TARGET not in locks:
        return {}
    python = ".".join(map(str, sys.version_info[:2]))
    return {TARGET: PlannedEnvironment(TARGET, Source.INSTALLABLE.word, target, python, tuple(locks[TARGET]))}
