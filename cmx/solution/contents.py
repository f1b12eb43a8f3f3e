"""Whether what lies in an archive agrees with itself: components, locks, and what is expected. Nothing of it is run."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from cmx.component import Component
from cmx.component_file import load
from cmx.errors import CmxError, ComponentInvalid, ComponentNotFound, StoreError, UsageError
from cmx.reference import Reference
from cmx.repository import Catalog, Repository
from cmx.repository.repository import REPOSITORY_FILE
from cmx.resolver.pinning import artifact_of
from cmx.resolver.plan import Plan
from cmx.resolver.planner import narrowed
from cmx.results import Result
from cmx.schema import validate
from cmx.settings import Settings
from cmx.solution import data, wheels
from cmx.solution.archive import Archive
from cmx.solution.licences import own_objection
from cmx.solution.manifest import Manifest, check_visible
from cmx.solution.packing import RESULT, SPEEDS, measured_metrics
from cmx.solution.portable import portable, target_of

_DOCUMENTS = ("repository/", "locks/", "expected/")
_PYTHON = re.compile(r"\d+\.\d+(\.\d+\w*)?")
_FORGED = "whoever made it changed it by hand: ask for one that 'cmx solution pack' made"


def check(archive: Archive) -> tuple[str, ...]:
    """Verify everything in one pass: hashes, schemas, and that components, locks and expectations agree.

    What in it is not for others, and why, whether its manifest says so or not. Raises StoreError or ComponentInvalid,
    naming the archive and the member.
    """
    with tempfile.TemporaryDirectory(prefix="cmx-") as temporary:
        folder = Path(temporary).resolve() / "archive"
        archive.unpack(folder, wanted=lambda member: member.startswith(_DOCUMENTS))
        with named(folder, archive.path.name):
            return check_unpacked(archive, folder)


def check_unpacked(archive: Archive, folder: Path) -> tuple[str, ...]:
    """The same where components, locks and expectations were unpacked, and so hashed, into ``folder``."""
    manifest = archive.manifest
    _check_members(manifest)
    components = _components(manifest, folder)
    plans = {target: lock(archive, target) for target in manifest.locks}
    with tempfile.TemporaryDirectory(prefix="cmx-") as home:
        catalog = Catalog([Repository.open(folder / "repository")], Settings(Path(home)))
        for target, plan in plans.items():
            _check_lock(manifest, target, plan, components)
            _check_steps(manifest.locks[target], plan, catalog)
    data.check_data(manifest, components, plans)
    wheels.check_wheels(manifest.files, plans, manifest.size)
    _check_expected(archive, next(iter(plans.values())))
    own = [f"{each.reference}: {why}" for each in components.values() if (why := own_objection(each))]
    return tuple(dict.fromkeys([*own, *manifest.private]))


def lock(archive: Archive, target: str) -> Plan:
    """The plan for a target. Raises UsageError where the archive has none, ComponentInvalid for what is no plan."""
    locks = archive.manifest.locks
    if target not in locks:
        raise UsageError(
            f"{archive.path.name} has no lock for {target}, but for {', '.join(sorted(locks))}",
            hint=f"cmx solution retarget {archive.path.name} --platform {target}",
        )
    source, document = f"{archive.path.name}: {locks[target]}", archive.document(locks[target])
    check_visible(document, source)
    validate(document, "plan", source=source)
    plan = Plan.from_document(document)
    missing = next((name for name in ("os", "architecture") if not isinstance(plan.host.get(name), str)), "")
    if missing:
        raise ComponentInvalid(f"{source}: host.{missing}: is missing", hint=_FORGED)
    return plan


def _check_members(manifest: Manifest) -> None:
    """Raise StoreError for members where none belong."""
    known = {*manifest.locks.values(), *([RESULT] if manifest.expected else [])}
    folders = {"recipes": (), "with-data": ("data/",), "complete": ("data/", "wheels/")}[manifest.size]
    for file in manifest.files:
        if file.path not in known and not file.path.startswith(("repository/", *folders)):
            raise StoreError(
                f"{file.path}: does not belong into an archive of the size {manifest.size!r}", hint=_FORGED
            )
        if file.path.startswith("data/") and file.path != f"data/{file.sha256}":
            raise StoreError(f"{file.path}: its name is not its sha256, {file.sha256}", hint=_FORGED)


def _components(manifest: Manifest, folder: Path) -> dict[str, Component]:
    """The components that lie in the archive, which must be those that its manifest names."""
    repository = Repository.open(folder / "repository")
    found = {}
    for file in repository.files():
        place = file.parent.relative_to(folder).as_posix()
        named = next((each for each in manifest.components if each.folder == place), None)
        component = load(file, repository=repository.name)
        if named is None or (named.reference, named.uid) != (component.reference, component.uid):
            said = f"{named.reference} of uid {named.uid}" if named else "nothing"
            here = f"{component.reference} of uid {component.uid}"
            raise ComponentInvalid(f"{file}: is {here}, and the manifest names {said} there", hint=_FORGED)
        if named.private and named.private != own_objection(component):
            raise ComponentInvalid(f"{file}: its licence does not say {named.private!r}", hint=_FORGED)
        if component.reference in found:
            raise ComponentInvalid(f"{file}: {component.reference} is there twice", hint=_FORGED)
        found[component.reference] = component
    missing = next((each for each in manifest.components if each.reference not in found), None)
    if missing or not found:
        raise ComponentInvalid(f"{missing.folder if missing else 'repository'}: holds no component", hint=_FORGED)
    own = {file for component in found.values() for file in component.files()} | {repository.root / REPOSITORY_FILE}
    for member in manifest.files:
        if member.path.startswith("repository/") and folder / member.path not in own:
            raise StoreError(f"{member.path}: belongs to no component", hint=_FORGED)
    return found


def _check_lock(manifest: Manifest, target: str, plan: Plan, components: Mapping[str, Component]) -> None:
    """Raise ComponentInvalid where a lock is for another workflow, target or component than the manifest says."""
    member = manifest.locks[target]
    if (plan.workflow, target_of(plan), member) != (manifest.workflow, target, f"locks/{target}.json"):
        said = f"{plan.workflow} for {target_of(plan)}"
        raise ComponentInvalid(f"{member}: is of {said}, not of {manifest.workflow} for {target}", hint=_FORGED)
    if {**plan.request.document(), "target": ""} != {**manifest.inputs, "target": ""}:
        raise ComponentInvalid(f"{member}: request: is not what the manifest has as inputs", hint=_FORGED)
    for reference, digest in plan.digests().items():
        component = components.get(reference)
        if component is None:
            raise ComponentInvalid(f"{member}: needs {reference}, which is not in the archive", hint=_FORGED)
        if component.digest != digest:
            here = f"{component.digest[:12]}, and {member} was made with {digest[:12]}"
            raise ComponentInvalid(f"{component.file}: {reference} has digest {here}", hint=_FORGED)
    for name, environment in plan.environments.items():
        if not _PYTHON.fullmatch(environment.python):
            raise ComponentInvalid(f"{member}: environments.{name}.python: is no version of Python", hint=_FORGED)
    try:
        clean = portable(plan)
    except UsageError as error:
        raise ComponentInvalid(f"{member}: {error.message}", hint=_FORGED) from error
    if clean != plan:
        raise ComponentInvalid(f"{member}: names places of the machine that it was made on", hint=_FORGED)


def _check_steps(member: str, plan: Plan, catalog: Catalog) -> None:
    """Raise ComponentInvalid where steps, parameters, settings or files are not what request and components say."""
    try:
        made = narrowed(plan, catalog, plan.request)
        for role, pin in plan.pins.items():
            if pin.artifact != artifact_of(catalog, catalog.find(Reference.parse(pin.recipe)), pin.variant):
                what = f"pins.{role}: fetches something else than {pin.recipe} says"
                raise ComponentInvalid(f"{member}: {what}", hint=_FORGED)
    except (ComponentNotFound, UsageError) as error:
        raise ComponentInvalid(f"{member}: {error.message}", hint=_FORGED) from error
    except KeyError as error:
        raise ComponentInvalid(f"{member}: pins: there is no variant {error}", hint=_FORGED) from error
    if made != plan:
        differing = next(name for name in ("steps", "pins", "request") if getattr(made, name) != getattr(plan, name))
        raise ComponentInvalid(f"{member}: {differing}: not what the request and the components say", hint=_FORGED)


def _check_expected(archive: Archive, plan: Plan) -> None:
    """Raise ComponentInvalid or StoreError where what is expected is not what the record says."""
    expected = archive.manifest.expected
    if expected is None:
        return
    record = expected_result(archive)
    if record.workflow != plan.workflow:
        raise ComponentInvalid(f"{RESULT}: is of {ascii(record.workflow)[1:-1]}, not of {plan.workflow}", hint=_FORGED)
    measured = measured_metrics(record)
    for name, said in expected["metrics"].items():
        if record.in_accuracy_mode and name in SPEEDS:  # packed when its times were taken for a measurement
            continue
        if measured.get(name) != said["value"]:
            raise ComponentInvalid(
                f"manifest.json: expected.metrics.{name}: is {said['value']}, and {RESULT} has {measured.get(name)}",
                hint=_FORGED,
            )


def expected_result(archive: Archive) -> Result:
    """The record that the archive came from. Raises UsageError where it has none, ComponentInvalid for what is none."""
    if archive.manifest.expected is None:
        raise UsageError(f"{archive.path.name} expects nothing", hint="it was packed from a workflow or a plan")
    document, source = archive.document(RESULT), f"{archive.path.name}: {RESULT}"
    validate(document, "result", source=source)
    try:
        record = Result.from_document(document)
        if not all(isinstance(value, int | float) for value in measured_metrics(record).values()):
            raise TypeError("one is no number")
    except (
        AttributeError,
        KeyError,
        TypeError,
        ValueError,
    ) as error:  # metrics are an action's own: no schema has them
        raise ComponentInvalid(f"{source}: its metrics are not those of a run: {error}", hint=_FORGED) from error
    if record.key != document["key"]:
        raise StoreError(f"{source}: key is {ascii(document['key'])[1:-1]}, expected {record.key}", hint=_FORGED)
    return record


@contextmanager
def named(folder: Path, name: str) -> Iterator[None]:
    """Errors name the archive and the member, not where it was unpacked for a moment."""
    try:
        yield
    except CmxError as error:
        message = error.message.replace(f"{folder}/", "").replace(str(folder), name)
        error.hint = error.hint.replace(f"{folder}/", "")
        error.message = message if message.startswith(f"{name}: ") else f"{name}: {message}"
        error.args = (error.message,)
        raise
