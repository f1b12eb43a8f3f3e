"""A solution on this machine: its folder in cmx's home, and everything installed that its lock names.

Nothing of it runs meanwhile. Its components are used from its own folder and by nobody else: a component of the same
name as one of cmx's or of the user's takes the place of none.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from cmx import __version__
from cmx.errors import RunError, StoreError, Unavailable, UsageError
from cmx.files import disk_failures
from cmx.host import Host, check_target
from cmx.install import Given
from cmx.reporter import Reporter
from cmx.repository import Catalog, Repository
from cmx.resolver.locking import TARGET
from cmx.resolver.plan import Plan
from cmx.runner.provision import Provisioner, built_environment
from cmx.settings import Settings
from cmx.signing.trust import BAD, REVOKED, Verdict
from cmx.solution import data, wheels
from cmx.solution.archive import Archive
from cmx.solution.contents import check_unpacked, lock, named
from cmx.solution.manifest import MANIFEST
from cmx.solution.signature import verdict
from cmx.store import Store
from cmx.store import lock as locked
from cmx.store.workspace import remove, workspace
from cmx.worker_interface import INTERFACE, OLDEST


@dataclass(frozen=True)
class Installed:
    """A solution whose folder is there: ``plan`` is its lock for this machine, ``catalog`` its components alone."""

    archive: Archive
    folder: Path
    plan: Plan
    catalog: Catalog
    given: Given


def install(
    archive: Archive,
    settings: Settings,
    *,
    platform: str = "",
    offline: bool = False,
    reporter: Reporter | None = None,
) -> Installed:
    """Unpack a solution and install what is missing of all that its lock names; done once, it costs a look.

    ``platform`` names another lock than this machine's: of programs that an emulator runs here.

    Two at once do it once; one that is killed leaves nothing half-made. A complete archive asks no network. Raises
    UsageError where it has no lock for this machine, StoreError for a signature that is bad or revoked, and what
    verifying, fetching and installing raise.
    """
    reporter = reporter or Reporter()
    refuse_forged(archive, settings)
    plan = lock_here(archive, platform)
    complete = archive.manifest.size == "complete"
    folder = _unpacked(archive, settings, reporter)
    installed = opened(archive, plan, folder, settings)
    with _wheels(archive, plan, settings, reporter) as place:
        Provisioner(
            plan,
            installed.catalog,
            settings,
            work=_nothing_runs,
            offline=offline or complete,
            reporter=reporter,
            given=installed.given._replace(wheels=place),
        ).obtain()
    return installed


def opened(archive: Archive, plan: Plan, folder: Path, settings: Settings) -> Installed:
    """A solution that lies, or would lie, in ``folder``."""
    catalog = Catalog([Repository.open(folder / "repository", name=archive.manifest.name)], settings)
    return Installed(archive, folder, plan, catalog, data.kept(folder, settings.locks))


def folder_of(archive: Archive, settings: Settings) -> Path:
    """Where a solution lies, or would lie, in cmx's home."""
    manifest = archive.manifest
    return settings.solutions / f"{manifest.name}-{manifest.version}-{archive.digest[:12]}"


def lock_here(archive: Archive, platform: str = "") -> Plan:
    """The lock that can be carried out on this machine: its own, or one for another target that is made here.

    With ``platform`` it is the lock for that one. Raises UsageError where there is none, or this machine is no place
    to carry it out; Unavailable where its components were written for a worker that this cmx does not have.
    """
    plan = _lock_here(archive, platform)
    check_worker(archive, plan)
    return plan


def check_worker(archive: Archive, plan: Plan) -> None:
    """Raise Unavailable where the components of an archive were written for another worker than this cmx has."""
    theirs = archive.manifest.worker
    if OLDEST <= theirs <= INTERFACE:
        return
    hint = "install a newer cmx: python -m pip install --upgrade cmx-bench"
    if theirs < OLDEST:
        hint = f"use cmx {plan.version} for it, in a virtual environment of its own; or ask its maker to pack it anew"
    mine = f"{OLDEST} to {INTERFACE}" if OLDEST < INTERFACE else str(INTERFACE)
    raise Unavailable(
        f"{archive.path.name} was made by cmx {plan.version}, for worker interface {theirs}; "
        f"this is cmx {__version__}, which has {mine}",
        hint=hint,
    )


def _lock_here(archive: Archive, platform: str) -> Plan:
    here = Host.detect().platform
    if platform:
        plan = lock(archive, check_target(platform))
        if platform != here and f"{plan.host['os']}-{plan.host['architecture']}" != here:
            raise UsageError(
                f"the lock for {platform} is for cmx on that platform, and this is {here}", hint="run it there"
            )
        return plan
    if here in archive.manifest.locks:
        return lock(archive, here)
    plans = (lock(archive, target) for target in sorted(archive.manifest.locks))
    made_here = next((plan for plan in plans if f"{plan.host['os']}-{plan.host['architecture']}" == here), None)
    return made_here or lock(archive, here)


def refuse_forged(archive: Archive, settings: Settings) -> Verdict:
    """The verdict on its signature. Raises StoreError for one that is bad or revoked."""
    found = verdict(archive, settings)
    if found.word in (BAD, REVOKED):
        raise StoreError(f"{archive.path.name}: {found.text}", hint=found.hint)
    return found


def require_trust(archive: Archive, settings: Settings, *, allowed: bool) -> Verdict:
    """The verdict on its signature. Raises UsageError unless it is trusted or the user ``allowed`` it all the same."""
    found = refuse_forged(archive, settings)
    if not found.trusted and not allowed:
        raise UsageError(
            f"{archive.path.name} is {found.text}",
            hint=f"--dry-run shows what it would do, and --allow-untrusted does it; or {found.hint}",
        )
    return found


def _nothing_runs(*_: object) -> NoReturn:
    raise RunError("a conversion was asked for while a solution is installed, when nothing may run")


def _unpacked(archive: Archive, settings: Settings, reporter: Reporter) -> Path:
    """The solution's folder, made whole or not at all; wheels stay in the archive."""
    folder = folder_of(archive, settings)
    if _is_there(archive, folder):
        return folder
    what = f"unpacking {archive.path.name}"
    with locked(settings.locks / f"solution-{archive.digest}.lock", what=what, on_wait=reporter.note):
        if _is_there(archive, folder):
            return folder
        reporter.begin("verify", archive.path.name)
        with disk_failures(settings.solutions, what), workspace(settings.solutions, folder.name) as making:
            new = making / "new"
            archive.unpack(new, wanted=lambda member: not member.startswith(f"{wheels.FOLDER}/"))
            with named(new, archive.path.name):
                check_unpacked(archive, new)
            data.settle(archive.manifest.data, new, settings.locks)
            remove(new / data.FOLDER)
            remove(new / ".building")
            if folder.exists():
                folder.replace(making / "old")
            new.replace(folder)
    return folder


def _is_there(archive: Archive, folder: Path) -> bool:
    try:
        return (folder / MANIFEST).read_bytes() == archive.raw_manifest
    except OSError:
        return False


@contextmanager
def _wheels(archive: Archive, plan: Plan, settings: Settings, reporter: Reporter) -> Iterator[Path | None]:
    """The archive's wheels as a folder, where an environment has to be built from them."""
    if archive.manifest.size != "complete" or _all_built(plan, settings):
        yield None
        return
    reporter.begin("provision", f"wheels of {archive.path.name}")
    with workspace(settings.cache, "wheels") as folder:
        archive.unpack(folder / "all", wanted=lambda member: member.startswith(f"{wheels.FOLDER}/"))
        yield folder / "all" / wheels.FOLDER


def _all_built(plan: Plan, settings: Settings) -> bool:
    own = (planned for name, planned in plan.environments.items() if name != TARGET)
    return TARGET not in plan.environments and all(built_environment(each, Store(settings)) for each in own)
