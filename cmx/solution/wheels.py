"""The wheels in an archive: those of its locks and no others, each known by a hash that a lock names."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from cmx.errors import ComponentInvalid, UsageError
from cmx.install import download_wheels
from cmx.reporter import Reporter
from cmx.resolver.locking import TARGET
from cmx.resolver.plan import Plan
from cmx.settings import Settings
from cmx.solution.archive import Member
from cmx.solution.manifest import File

FOLDER = "wheels"


def collect(plan: Plan, folder: Path, members: dict[str, Member], settings: Settings, reporter: Reporter) -> None:
    """Put the wheels of a plan's environments among the members; they lie in ``folder`` meanwhile.

    Raises UsageError for software that is no Python package and has to be fetched, and what downloading raises.
    """
    tools = [pin for pin in plan.pins.values() if pin.kind == "software" and not pin.environment]
    if fetched := next((pin for pin in tools if pin.source == "installable"), None):
        raise UsageError(
            f"{fetched.reference} is fetched with {fetched.how or 'an installer'}, which an archive cannot hold",
            hint="--size with-data packs the rest; or pack a result, or a plan of --plan-only, where it was detected",
        )
    for name, environment in plan.environments.items():
        reporter.begin("pack", f"the wheels of {name}")
        target = name == TARGET
        for path in download_wheels(
            environment.packages,
            folder,
            python=".".join(environment.python.split(".")[:2]),
            settings=settings,
            platform=environment.place if target else "",
            reporter=reporter,
        ):
            members[f"{FOLDER}/{path.name}"] = path


def check_wheels(files: Iterable[File], plans: Mapping[str, Plan], size: str) -> None:
    """Raise ComponentInvalid for a wheel that no lock names, or where one is missing."""
    here = {f"sha256:{file.sha256}": file.path for file in files if file.path.startswith(f"{FOLDER}/")}
    packages = [each for plan in plans.values() for env in plan.environments.values() for each in env.packages]
    named = {digest for package in packages for digest in package.hashes}
    if stranger := next((path for digest, path in here.items() if digest not in named), ""):
        raise ComponentInvalid(f"{stranger}: no lock has its sha256", hint=_FORGED)
    missing = next((each for each in packages if not here.keys() & set(each.hashes)), None)
    if size == "complete" and missing:
        raise ComponentInvalid(f"{FOLDER}: no wheel of {missing} is there", hint=_FORGED)


_FORGED = "whoever made it changed it by hand: ask for one that 'cmx solution pack' made"
