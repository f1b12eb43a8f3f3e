"""A lock for another platform, added to an archive; what cannot be had there is explained, with what can."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from cmx import __version__
from cmx.component import Model, SoftwareDetect
from cmx.errors import ComponentNotFound, ResolutionError, Unavailable, Unsatisfiable, UsageError
from cmx.host import TARGETS, check_target
from cmx.own_files import own_files
from cmx.reference import Reference
from cmx.repository import Catalog, Repository
from cmx.repository.templates import FOLDERS
from cmx.resolver.draft import make_draft
from cmx.resolver.plan import Pin, Plan, Request
from cmx.resolver.planner import make_plan
from cmx.runner import LocalMachine
from cmx.settings import Settings
from cmx.solution.archive import Archive, Member, write
from cmx.solution.contents import check, lock
from cmx.solution.manifest import Packed, canonical
from cmx.solution.packing import add_component, used_components
from cmx.solution.portable import portable


class Retargeted(NamedTuple):
    """The archive with its new lock, and what that chooses otherwise than the lock it was made from, as sentences."""

    archive: Archive
    changes: tuple[str, ...]


def retarget(archive: Archive, platform: str, here: Catalog, *, machine: LocalMachine, to: Path) -> Retargeted:
    """Write to ``to`` the same archive with one more lock, for ``platform`` (os-arch); a signature does not stay.

    The versions of the lock that is there are kept where all of them can be had. Software that only the new platform
    needs (an emulator) is taken from the catalog ``here``. Raises UsageError, Unsatisfiable with what has no candidate
    on the platform and what has, Unavailable, and what ``check`` raises.
    """
    check(archive)
    _check_wanted(archive, check_target(platform))
    before = lock(archive, min(archive.manifest.locks))
    with tempfile.TemporaryDirectory(prefix="cmx-") as temporary:
        folder = Path(temporary).resolve()
        archive.unpack(folder / "archive")
        catalog = _catalog(folder, here)
        plan = _plan(before, platform, catalog, machine)
        members: dict[str, Member] = {file.path: folder / "archive" / file.path for file in archive.manifest.files}
        components = _with_added(archive, plan, catalog, members)
        locks = {**archive.manifest.locks, platform: f"locks/{platform}.json"}
        members[locks[platform]] = canonical(plan.document())
        write(replace(archive.manifest, locks=locks, components=components), members, to)
    return Retargeted(Archive.open(to), _changes(before, plan))


def _check_wanted(archive: Archive, platform: str) -> None:
    if platform in archive.manifest.locks:
        raise UsageError(f"{archive.path.name} has a lock for {platform} already", hint="cmx solution show lists them")
    if archive.manifest.size == "complete":
        raise UsageError(
            f"{archive.path.name} holds the wheels of {', '.join(archive.manifest.locks)}, and of no other platform",
            hint="retarget an archive of recipes; 'cmx solution pack' makes one of the same result",
        )


def _catalog(folder: Path, here: Catalog) -> Catalog:
    """The archive's own components, and of the catalog here the software that the archive knows nothing of."""
    own = Repository.open(folder / "archive" / "repository")
    known = {entry.name for entry in Catalog([own], Settings(folder / "home")).entries("software-detect")}
    more = folder / "more"
    for entry in here.entries("software-detect"):
        if entry.name not in known:
            component = here.software(entry.name)
            for file in own_files(component.folder):
                place = more / FOLDERS["software-detect"] / entry.name / file.relative_to(component.folder)
                place.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(file, place)
    more.mkdir(exist_ok=True)
    (more / "repo.yaml").write_text("schema: 1\nname: more\ndescription: Software known here\n", encoding="utf-8")
    return Catalog([own, Repository.open(more)], Settings(folder / "home"))


def _plan(before: Plan, platform: str, catalog: Catalog, machine: LocalMachine) -> Plan:
    """The lock for a platform, with the versions of the one before where they can all be had."""
    asked = replace(before.request, target="" if platform == machine.platform else platform)
    programs = make_draft(catalog, asked).makes_programs
    try:
        plan = _made(replace(asked, use={**asked.use, **_same(before)}), catalog, machine, programs)
    except Unavailable:
        raise
    except (ResolutionError, UsageError):
        try:
            plan = _made(asked, catalog, machine, programs)
        except Unsatisfiable as error:
            raise _explained(error, before, platform, catalog, machine) from error
    if not programs:
        # It is for cmx on that platform, which is not told to aim elsewhere.
        system, _, architecture = platform.partition("-")
        own = {key: plan.host[key] for key in ("schema", "document", "python") if key in plan.host}
        plan = replace(plan, host={**own, "os": system, "architecture": architecture})
        asked = replace(asked, target="")
    return replace(plan, request=portable(replace(plan, request=asked)).request)


def _made(request: Request, catalog: Catalog, machine: LocalMachine, programs: bool) -> Plan:
    """A plan that others can carry out: compilers are those found here, packages are had anew, with their hashes."""
    plan = make_plan(
        catalog, replace(request, prefer="detected" if programs else "installed"), machine, version=__version__
    )
    try:
        return portable(plan)
    except UsageError:
        if not programs:
            raise
    return portable(make_plan(catalog, replace(request, prefer="installed"), machine, version=__version__))


def _same(before: Plan) -> dict[str, str]:
    """What a lock chose for the roles of its workflow, as ``--use`` takes it; tools are those of the new platform."""
    kept = {}
    for role, pin in before.pins.items():
        if "." not in role and (pin.kind in ("model", "dataset") or pin.environment == "main"):
            variant = f"[{pin.variant}]" if pin.variant else ""
            kept[role] = f"{pin.kind}/{pin.name}{variant}=={pin.version}"
    return kept


def _with_added(archive: Archive, plan: Plan, catalog: Catalog, members: dict[str, Member]) -> tuple[Packed, ...]:
    """The components of the archive, and those that the new lock needs beside them."""
    there = archive.manifest.components
    known = {each.reference for each in there}
    components = used_components(plan, catalog)
    added = [add_component(each, components, members) for each in components if each.reference not in known]
    return (*there, *added)


def _changes(before: Plan, after: Plan) -> tuple[str, ...]:
    """What is chosen otherwise, package by package."""
    found = []
    for role, pin in after.pins.items():
        old = before.pins.get(role)
        if old is None:
            found.append(f"{role}: {pin.reference}, which only this platform needs")
        elif (old.reference, old.variant) != (pin.reference, pin.variant):
            found.append(f"{role}: {pin.reference}, and not {old.reference}")
    for name in after.environments.keys() & before.environments.keys():
        one, other = ({each.name: each.version for each in p.environments[name].packages} for p in (before, after))
        gone, came = sorted(one.keys() - other.keys()), sorted(other.keys() - one.keys())
        if gone or came:
            without = f" without {', '.join(gone)}" if gone else ""
            found.append(f"environment {name}:{without}{' with ' if came else ''}{', '.join(came)}")
    return tuple(found)


def _explained(
    error: Unsatisfiable, before: Plan, platform: str, catalog: Catalog, machine: LocalMachine
) -> Unsatisfiable:
    """The same proof with each package that has no wheel on the platform, and what has one."""
    facts: list[str] = []
    repairs: list[str] = []
    for pin in before.pins.values():
        software = _software(pin, catalog)
        if software is None:
            continue
        there = software.distribution(platform)
        offered = machine.versions([there], platform)[there]
        was = f"{software.distribution(_platform(before))}=={pin.version}"
        if not offered:
            facts.append(f"no version of {there} has a wheel for {platform}")
            repairs += _instead(pin, before, platform, catalog, machine)
        elif (there, pin.version) != tuple(was.split("==")) or pin.version not in offered:
            facts.append(f"{was} has no wheel for {platform}")
            repairs.append(f"{there}=={pin.version if pin.version in offered else offered[0]} has one")
    if not facts:
        return error
    needed = [fact for fact in error.facts if " need" in fact]
    better = Unsatisfiable(dict.fromkeys([*facts, *needed]), dict.fromkeys(repairs))
    better.hint = f"what there is: {'; '.join(better.repairs)}"
    return better


def _instead(pin: Pin, before: Plan, platform: str, catalog: Catalog, machine: LocalMachine) -> Iterator[str]:
    """What could take the place of software that has no wheel on a platform: another framework, another platform."""
    if pin.role == "framework":
        for name, version in _frameworks(before, platform, catalog, machine):
            yield f"pack it with --use framework={name} ({version} has a wheel there)"
    package = catalog.software(pin.name).python_package
    offered = [each for each in TARGETS if each != platform and machine.versions([package], each)[package]]
    if offered:
        yield f"{package} has wheels for {', '.join(offered)}"
    steps = [step.id for step in before.steps if pin.role in catalog.action(Reference.parse(step.action)).own_needs]
    if steps and len(steps) < len(before.steps):
        yield f"pack a plan without {' and '.join(steps)}, which need {pin.name}"


def _frameworks(before: Plan, platform: str, catalog: Catalog, machine: LocalMachine) -> Iterator[tuple[str, str]]:
    """Frameworks that run a form of the model, and their newest version that has a wheel on the platform."""
    pin = before.pins.get("model")
    model = catalog.find(Reference.parse(pin.recipe)) if pin else None
    forms = {variant.format for variant in model.variants.values()} if isinstance(model, Model) else set()
    for entry in catalog.entries("software-detect"):
        software = catalog.software(entry.name)
        if software.python_package and forms & set(software.formats):
            package = software.distribution(platform)
            if offered := machine.versions([package], platform)[package]:
                yield software.name, offered[0]


def _software(pin: Pin, catalog: Catalog) -> SoftwareDetect | None:
    if pin.kind != "software" or not pin.environment:
        return None
    try:
        return catalog.software(pin.name)
    except ComponentNotFound:
        return None


def _platform(plan: Plan) -> str:
    return f"{plan.host['os']}-{plan.host['architecture']}"
