"""cmx from Python: resolve, run and pack with objects, or ``access`` with JSON in and out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cmx import __version__
from cmx.errors import CmxError, RunError, Unavailable, Unsatisfiable, UsageError, error_document, nearest
from cmx.host import Host, check_target
from cmx.reference import COMPONENT_KINDS, Reference
from cmx.reporter import Reporter
from cmx.repository import Catalog
from cmx.resolver.plan import Plan, Request
from cmx.resolver.planner import make_plan, narrowed

if TYPE_CHECKING:
    from cmx.results import Result
    from cmx.runner import Options
    from cmx.signing.trust import Verdict
    from cmx.solution.archive import Archive
    from cmx.solution.manifest import Manifest

WORKFLOW = "workflow/image-classification"
"""What an action runs on when no workflow is named."""


def resolve(
    catalog: Catalog,
    workflow: str = WORKFLOW,
    *,
    action: str = "",
    parameters: Mapping[str, Any] | None = None,
    use: Mapping[str, str] | None = None,
    seed: int = 0,
    target: str = "",
    prefer: str = "detected",
    without: Sequence[str] = (),
    host: Host | None = None,
    offline: bool = False,
    locked: Plan | None = None,
    reporter: Reporter | None = None,
) -> Plan:
    """Choose and lock everything that a workflow (or one of its actions) needs; nothing is installed or run.

    ``parameters`` are as for ``--set``, ``use`` maps roles to references, ``target`` is what programs are for,
    ``prefer`` is detected, installed or newest, ``without`` are references that must not be used; everything that
    ``locked`` pins is chosen exactly so.
    Raises UsageError, ComponentNotFound, Unsatisfiable or Unavailable.
    """
    request = Request(workflow, action, dict(parameters or {}), dict(use or {}), seed, target, prefer, tuple(without))
    return resolve_request(catalog, request, host=host, offline=offline, locked=locked, reporter=reporter)


def resolve_request(
    catalog: Catalog,
    request: Request,
    *,
    host: Host | None = None,
    offline: bool = False,
    locked: Plan | None = None,
    reporter: Reporter | None = None,
) -> Plan:
    """As ``resolve``, for a request that is a document already."""
    from cmx.runner import LocalMachine

    if locked:
        catalog = catalog.with_locked(locked.digests())
    here = partial(LocalMachine, catalog.settings, host=host, offline=offline, reporter=reporter)
    machine = here(anew=request.prefer == "newest")
    if request.target:
        own = check_target(request.target) == machine.platform
        request = replace(request, target="" if own else request.target)
    planned = partial(make_plan, catalog, request, version=__version__, offline=offline, locked=locked)
    try:
        return planned(machine)
    except Unsatisfiable:
        if offline or not machine.has_asked:
            raise
        with suppress(Unavailable):  # what is asked for may have been released since
            return planned(here(anew=True))
        raise


def run(
    plan: Plan,
    *,
    action: str = "",
    seed: int | None = None,
    catalog: Catalog | None = None,
    options: Options | None = None,
    reporter: Reporter | None = None,
    **parameters: Any,
) -> Result:
    """Carry out a plan, or one of its actions, and record the result; ``parameters`` override the plan's.

    Raises UsageError for an action or a parameter that is not there, what provisioning raises, and Interrupted; a
    step that fails is in the result's ``status`` and ``error``.
    """
    from cmx.runner import run_plan

    catalog = (catalog or Catalog.default()).with_locked(plan.digests())
    if action or parameters or seed is not None:
        before = plan.request
        request = replace(
            before,
            action=action or before.action,
            parameters={**before.parameters, **{name.replace("_", "-"): v for name, v in parameters.items()}},
            seed=before.seed if seed is None else seed,
        )
        plan = narrowed(plan, catalog, request)
    return run_plan(plan, catalog=catalog, settings=catalog.settings, options=options, reporter=reporter)


class Solution:
    """An archive that holds what reproduces a result elsewhere: components, locks, inputs and what is expected."""

    def __init__(self, archive: Archive) -> None:
        self._archive = archive

    def __repr__(self) -> str:
        return f"<Solution {self.manifest.name} {self.manifest.version} of {self.path.name}>"

    @classmethod
    def pack(
        cls,
        plan: Plan,
        result: Result | None = None,
        *,
        to: Path | str | None = None,
        catalog: Catalog | None = None,
        tolerances: Mapping[str, float] | None = None,
        over: bool = False,
        **about: str,
    ) -> Solution:
        """Write the archive of a plan, or of a valid result of it, which others should then reach.

        ``to`` is a file or a folder (default: the current one); another archive there is replaced only with ``over``.
        ``about`` are name, version, description, license,
        citation and network. Raises UsageError for what others cannot have, ComponentInvalid for components that have
        changed since, and StoreError where it cannot be written.
        """
        from cmx.solution.packing import About, Subject, pack

        unknown = next((name for name in about if name not in About.__dataclass_fields__), "")
        if unknown:
            raise UsageError(f"a solution has no {unknown!r}", hint=nearest(unknown, About.__dataclass_fields__))
        subject = Subject.of_result(result, plan) if result else Subject(plan)
        place = None if to is None else Path(to)
        chosen = About(**about)
        made = pack(subject, catalog or Catalog.default(), about=chosen, tolerances=tolerances, to=place, over=over)
        return cls(made)

    @classmethod
    def open(cls, path: Path | str) -> Solution:
        """Read an archive's list of members and its manifest. Raises UsageError, StoreError or ComponentInvalid."""
        from cmx.solution.archive import Archive

        return cls(Archive.open(Path(path)))

    @property
    def path(self) -> Path:
        """Where the archive lies."""
        return self._archive.path

    @property
    def manifest(self) -> Manifest:
        """What the archive says of itself."""
        return self._archive.manifest

    def verify(self) -> Verdict:
        """Read all of it once, and check everything; the verdict on its signature.

        Raises StoreError or ComponentInvalid for the first thing that is wrong.
        """
        from cmx.solution.contents import check
        from cmx.solution.signature import verdict

        check(self._archive)
        return verdict(self._archive)


_KEYS = ("action", "workflow", "set", "use", "seed", "offline", "plan_only", "launches", "precision", "time_budget")


def access(request: Mapping[str, Any]) -> dict[str, Any]:
    """JSON in, JSON out: ``{"action": "benchmark", "workflow": "image-classification", "set": {…}, "use": {…}}``.

    Also ``{"action": "list"|"find"|"show"|"result", …}`` to look things up. Returns ``{"schema": 1, "ok": true, …}``,
    or ``{"schema": 1, "ok": false, "error": {"type", "message", "hint"}}``; it raises nothing but Interrupted.
    """
    try:
        return {"schema": 1, "ok": True, **access_or_raise(request)}
    except CmxError as error:
        if error.exit_code == 130:
            raise
        return {"schema": 1, "ok": False, "error": error_document(error)}


def access_or_raise(request: Mapping[str, Any]) -> dict[str, Any]:
    """What ``access`` answers when all goes well. Raises CmxError."""
    action = request.get("action")
    if not isinstance(action, str) or not action:
        raise UsageError("the request has no 'action'", hint='as in {"action": "benchmark"}')
    look_up, keys = _LOOKING.get(action, (None, _KEYS))
    unknown = next((key for key in request if key not in keys), "")
    if unknown:
        raise UsageError(f"unknown key {unknown!r}", hint=nearest(unknown, keys))
    if look_up:
        return look_up(request)
    from cmx.runner import Options, Sampling

    catalog, offline = Catalog.default(), bool(request.get("offline", False))
    sampling = Sampling(
        _integer(request, "launches"), _positive(request, "precision"), _positive(request, "time_budget")
    ).check()
    plan = resolve(
        catalog,
        str(request.get("workflow", WORKFLOW)),
        action=action,
        parameters=_mapping(request, "set"),
        use=_mapping(request, "use"),
        seed=_integer(request, "seed"),
        offline=offline,
    )
    if request.get("plan_only"):
        return {"plan": plan.document()}
    result = run(plan, catalog=catalog, options=Options(offline=offline, sampling=sampling))
    if result.error:
        raise failure(result)
    return {"result": result.document()}


def failure(result: Result) -> CmxError:
    """The error that a failed result recorded."""
    error = result.error or {}
    return RunError(
        str(error.get("message", "the run failed")),
        hint=str(error.get("hint") or f"cmx result show {result.short}"),
        result=result.id,
        output=tuple(error.get("output", ())),
    )


def _mapping(request: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = request.get(key, {})
    if not isinstance(value, Mapping):
        raise UsageError(f"{key!r} is not an object", hint=f'as in {{"{key}": {{"name": "value"}}}}')
    return value


def _integer(request: Mapping[str, Any], key: str) -> int:
    value = request.get(key, 0)
    if not isinstance(value, int) or isinstance(value, bool):
        raise UsageError(f"{key!r} is not a whole number: {value!r}", hint=f'as in {{"{key}": 0}}')
    return value


def _positive(request: Mapping[str, Any], key: str) -> float | None:
    value = request.get(key)
    if value is not None and (isinstance(value, bool) or not isinstance(value, int | float) or not value > 0):
        raise UsageError(f"{key!r} is not a number over 0: {value!r}", hint='as in {"precision": 0.02} for 2 %')
    return value


def _list(request: Mapping[str, Any]) -> dict[str, Any]:
    kind, tags = request.get("kind", ""), request.get("tags", [])
    if kind and kind not in COMPONENT_KINDS:
        raise UsageError(f"there is no kind {kind!r}", hint=nearest(str(kind), COMPONENT_KINDS))
    if not isinstance(tags, list):
        raise UsageError(f"'tags' is not a list: {tags!r}", hint='as in {"tags": ["mobile"]}')
    entries = Catalog.default().entries(kind, map(str, tags))
    return {"components": [{"reference": entry.reference, "uid": entry.uid} for entry in entries]}


def _find(request: Mapping[str, Any]) -> dict[str, Any]:
    entries = Catalog.default().search(str(request.get("words", "")).split())
    return {"components": [{"reference": entry.reference, "uid": entry.uid} for entry in entries]}


def _show(request: Mapping[str, Any]) -> dict[str, Any]:
    component = Catalog.default().find(Reference.parse(str(request.get("component", ""))))
    return {"reference": component.reference, "digest": component.digest, "component": dict(component.document)}


def _results(request: Mapping[str, Any]) -> dict[str, Any]:
    from cmx.results import Database

    database = Database(Catalog.default().settings)
    if "id" in request:
        return {"result": database.get(str(request["id"])).document()}
    return {"results": [result.document() for result in database.list(limit=_integer(request, "limit"))]}


_LOOKING = {
    "list": (_list, ("action", "kind", "tags")),
    "find": (_find, ("action", "words")),
    "show": (_show, ("action", "component")),
    "result": (_results, ("action", "id", "limit")),
}
