"""Running a solution that is installed, behind walls, and holding what came of it against what its maker had."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from cmx.errors import UsageError
from cmx.reporter import Reporter
from cmx.resolver.plan import Plan
from cmx.resolver.planner import narrowed
from cmx.results import Result
from cmx.results.compare import Comparison, compare
from cmx.runner import Options, run_plan
from cmx.runner.isolation import Isolation, isolation, require_walls
from cmx.settings import Settings
from cmx.solution.contents import expected_result
from cmx.solution.installing import Installed

_ROUNDING = 1e-9


@dataclass(frozen=True)
class Accuracy:
    """One accuracy: what its maker had, what came out here (None: nothing did), and how far apart they may be."""

    name: str
    expected: float
    found: float | None
    tolerance: float

    @property
    def within(self) -> bool:
        """Whether it is near enough."""
        return self.found is not None and abs(self.found - self.expected) <= self.tolerance + _ROUNDING


@dataclass(frozen=True)
class Validation:
    """What a run here says of the maker's result. ``speed`` is a ratio, or ``why_no_speed`` says why there is none."""

    accuracies: tuple[Accuracy, ...]
    speed: Comparison | None
    why_no_speed: str
    same_lock: bool

    @property
    def passed(self) -> bool:
        """Whether every accuracy is within its tolerance, by the very packages and files; speed has no part in it."""
        return self.same_lock and all(each.within for each in self.accuracies)

    def document(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "passed": self.passed,
            "same_lock": self.same_lock,
            "accuracies": {
                each.name: {
                    "expected": each.expected,
                    "found": each.found,
                    "tolerance": each.tolerance,
                    "within": each.within,
                }
                for each in self.accuracies
            },
            "speed": self.speed.document() if self.speed else None,
            "why_no_speed": self.why_no_speed,
        }


def walls(installed_in: Settings, asks: str | bool, *, network: bool, isolated: bool) -> Isolation | None:
    """The walls around a solution that ``asks`` for the network, or does not; None where the user wants none.

    Raises UsageError where the user grants what it does not ask for, Unavailable where nothing here cuts it off.
    """
    if network and not asks:
        raise UsageError("--allow-network: the solution asks for no network", hint="leave it out")
    if not isolated:
        return None
    return require_walls(isolation(installed_in.home, network=network))


def plan_for(installed: Installed, action: str, parameters: Mapping[str, Any]) -> Plan:
    """The lock, or what it pins for another action or other parameters. Raises UsageError where it has no pin."""
    plan = installed.plan
    before = plan.request
    if action in ("", before.action) and not parameters:
        return plan
    merged = {**before.parameters, **parameters} if action in ("", before.action) else dict(parameters)
    request = replace(before, action=action or before.action, parameters=merged)
    try:
        return narrowed(plan, installed.catalog, request)
    except UsageError as error:
        if error.hint == "resolve again":
            error.hint = f"the archive was packed for: {before.action or 'all of the workflow'}"
        raise


def run_solution(
    installed: Installed, plan: Plan, settings: Settings, options: Options, reporter: Reporter | None = None
) -> Result:
    """Carry out a plan of an installed solution, and record it. Raises as ``run_plan``."""
    given = installed.given
    if options.isolation:
        own = (path for path in _files_of_the_user(installed.plan, plan))
        options = options._replace(isolation=options.isolation.showing(installed.folder, *own))
    options = options._replace(given=given, offline=True)
    return run_plan(plan, catalog=installed.catalog, settings=settings, options=options, reporter=reporter)


def validated_against(installed: Installed, result: Result) -> Validation:
    """A result of this machine beside the one that the archive expects. Raises UsageError where it expects none."""
    archive = installed.archive
    expected = expected_result(archive)
    metrics = (archive.manifest.expected or {})["metrics"]
    accuracies = tuple(
        Accuracy(name, said["value"], result.accuracy.get(name), said["tolerance"])
        for name, said in metrics.items()
        if said["tolerance"] is not None
    )
    speed, why = None, ""
    try:
        speed = compare([expected], [result], invalid=True)[0]
    except UsageError as error:
        why = error.message
    return Validation(accuracies, speed, why, _locked(result.plan) == _locked(installed.plan.document()))


def _locked(plan: Mapping[str, Any]) -> tuple[Any, Any]:
    """What is fixed by a lock: environments with their packages, and what each role was filled with."""
    pins = {
        role: [pin[key] for key in ("kind", "name", "version", "digest", "variant", "artifact")]
        for role, pin in plan["pins"].items()
    }
    return pins, plan["environments"]


def _files_of_the_user(before: Plan, after: Plan) -> list[Path]:
    """Files that the user named in parameters; what the archive itself names is not the user's word."""
    said = {str(value) for step in before.steps for value in step.parameters.values()}
    values = {str(value) for step in after.steps for value in step.parameters.values()} - said
    return [path for path in map(Path, sorted(values)) if path.is_absolute() and path.exists()]
