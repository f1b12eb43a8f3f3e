"""What a solution would do here, before any of it is done: every command, download and path.

Only the archive is read; nothing is written, fetched or run, but for asking interpreters which they are.
"""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from cmx.component import Component, SoftwareDetect
from cmx.component_file import from_document
from cmx.host import Host
from cmx.install import describe_install, describe_source, find_interpreter, held, install_rule
from cmx.install.environment import install_arguments, make_arguments
from cmx.install.uv import find_uv
from cmx.resolver.locking import TARGET
from cmx.resolver.plan import Pin, Plan, PlannedEnvironment
from cmx.runner.isolation import Isolation
from cmx.runner.process import worker_command
from cmx.runner.provision import built_environment
from cmx.schema import parse_yaml
from cmx.settings import Settings
from cmx.solution.archive import Archive
from cmx.solution.data import sources
from cmx.solution.installing import folder_of
from cmx.store import Store
from cmx.store.environments import environment_digest, python_of

RUN = "RUN"
"""Stands for the id of a run that is not there yet."""


class Doing(NamedTuple):
    """One thing that would be done: ``what`` is write, download, take (from the archive), run or probe.

    ``command`` is what is run, walls included.
    """

    what: str
    text: str
    command: tuple[str, ...] = ()


def preview(
    archive: Archive, plan: Plan, settings: Settings, isolation: Isolation | None, *, runs: bool
) -> list[Doing]:
    """Everything that installing would do and, if it ``runs``, carrying out the plan."""
    folder = folder_of(archive, settings)
    doings = [] if folder.exists() else [Doing("write", f"{folder}/")]
    for name, planned in plan.environments.items():
        if name != TARGET:
            doings += _environment(archive, planned, settings)
    doings += _data(archive, plan, settings)
    if not runs:
        return doings
    doings += _tools(archive, plan, settings)
    run = settings.runs / RUN
    if isolation:
        isolation = isolation.showing(settings.store, run, folder / "repository", folder)
    doings += [_worker(step, name, plan, settings, isolation, run) for step, name in _workers(plan)]
    return [*doings, Doing("write", f"{run}/"), Doing("write", str(settings.database))]


def _environment(archive: Archive, planned: PlannedEnvironment, settings: Settings) -> Iterator[Doing]:
    if built_environment(planned, Store(settings)):
        return
    place, interpreter = _place(planned, settings)
    yield Doing("write", f"{place}/")
    yield _command(find_uv(), *make_arguments(interpreter, place))
    what = "take" if archive.manifest.size == "complete" else "download"
    for package in planned.packages:
        yield Doing(what, f"{package}   {_hashes(package.hashes)}")
    yield _command(find_uv(), *install_arguments(place))


def _place(planned: PlannedEnvironment, settings: Settings) -> tuple[Path, Path]:
    """Where an environment lies or would lie, and the interpreter that it is made for."""
    if ready := built_environment(planned, Store(settings)):
        return ready.folder, ready.interpreter.executable
    interpreter = find_interpreter(planned.place, settings)
    return settings.environments / environment_digest(interpreter, planned.packages), interpreter.executable


def _hashes(hashes: tuple[str, ...]) -> str:
    more = f" or one of {len(hashes) - 1} others" if len(hashes) > 1 else ""
    return f"{hashes[0] if hashes else 'without a hash'}{more}"


def _data(archive: Archive, plan: Plan, settings: Settings) -> Iterator[Doing]:
    given = {datum.key for datum in archive.manifest.data}
    for key, (pin, source) in sources(plan).items():
        if held(source, store=Store(settings)) or (key in given and folder_of(archive, settings).exists()):
            continue
        fixed = next((f"   {name}:{source[name]}" for name in ("sha256", "commit") if name in source), "")
        what = "take" if key in given else "download"
        yield Doing(what, f"{pin.kind}/{pin.name}: {describe_source(source)}{fixed}")
        if what == "download":
            yield Doing("write", f"{settings.store}/")


def _tools(archive: Archive, plan: Plan, settings: Settings) -> Iterator[Doing]:
    for pin in plan.pins.values():
        component = _component(archive, pin)
        if not isinstance(component, SoftwareDetect) or component.python_package:
            continue
        target = plan.request.target if component.is_for_a_target else ""
        rule = install_rule(component, Host.detect(), target)
        if pin.source == "installable" and rule:
            yield Doing("download", describe_install(component, rule))
            yield Doing("write", f"{settings.store / 'tools'}/")
        if component.probe:
            yield Doing("probe", f"{pin.name}: {shlex.join(component.probe.run)}")


def _component(archive: Archive, pin: Pin) -> Component:
    folder = next(each.folder for each in archive.manifest.components if each.reference == pin.recipe)
    member = Path(f"{archive.path.name}: {folder}/component.yaml")
    document = parse_yaml(archive.read(f"{folder}/component.yaml").decode(), member)
    return from_document(document, member, repository=archive.manifest.name)


def _workers(plan: Plan) -> Iterator[tuple[str, str]]:
    """The folder and the environment of each worker: conversions first, then the steps."""
    for pin in plan.pins.values():
        artifact = pin.artifact
        while artifact and "convert" in artifact:
            yield f"convert ({pin.name}, {artifact['convert']['entry']})", artifact["environment"]
            artifact = artifact["from"]
    for step in plan.steps:
        yield f"{step.id} ({step.action})", step.environment


def _worker(
    step: str, environment: str, plan: Plan, settings: Settings, isolation: Isolation | None, run: Path
) -> Doing:
    planned = plan.environments.get(environment)
    python = python_of(_place(planned, settings)[0]) if planned else Path(sys.executable)
    folder = run / step.partition(" ")[0]
    text = f"{step}: {shlex.join(worker_command(python, folder, None))}"
    return Doing("run", text, tuple(worker_command(python, folder, isolation)))


def _command(*command: str) -> Doing:
    return Doing("run", shlex.join(command), command)
