"""From a plan to what is on disk: environments, and the files of models and datasets, verified.

Everything is made when it is first asked for, so that what a run does not touch is neither fetched nor built.
"""

from __future__ import annotations

import json
import shutil
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from cmx.component import Component, SoftwareDetect
from cmx.detect import Detector, Finding
from cmx.errors import ComponentInvalid, RunError, UsageError
from cmx.files import readable
from cmx.install import (
    Given,
    build_environment,
    describe_source,
    fetch,
    fetch_packages,
    find_interpreter,
    held,
    mark_tool_used,
)
from cmx.reference import Reference
from cmx.reporter import Reporter
from cmx.repository import Catalog
from cmx.resolver.locking import TARGET
from cmx.resolver.pinning import artifact_of
from cmx.resolver.plan import Pin, Plan, PlannedEnvironment
from cmx.resolver.world import normalised
from cmx.runner.tools import Tools
from cmx.settings import Settings
from cmx.store import Artefact, Environment, Store, key_of
from cmx.store.environments import environment_digest

Document = Mapping[str, Any]


class Provided(NamedTuple):
    """Files that are there: a file or a folder, and a digest of their bytes."""

    path: Path
    digest: str


class Made(NamedTuple):
    """What a job left: its products by name, and one line on what it did."""

    products: Mapping[str, Path]
    summary: str


Work = Callable[[Path, Document, str], Made]
"""Carries out a job (interpreter, job, name of the step); raises RunError when it fails."""


class Provisioner:
    """Makes what a plan pins available. ``work`` runs a conversion, in the environment that the plan gives it.

    ``given`` is what a solution's archive brought along: it is used before anything is fetched.
    """

    def __init__(
        self,
        plan: Plan,
        catalog: Catalog,
        settings: Settings,
        *,
        work: Work,
        offline: bool,
        reporter: Reporter,
        given: Given | None = None,
    ) -> None:
        self.plan = plan
        self.catalog = catalog
        self.store = Store(settings)
        self._settings = settings
        self._work = work
        self._offline = offline
        self._reporter = reporter
        self._given = given
        self._pythons: dict[str, Path] = {}
        self._tooling = Tools(plan, settings, offline, reporter)
        self._tools: dict[str, Finding] = {}
        self._provided: dict[str, Provided] = {}

    def python(self, name: str) -> Path:
        """The interpreter of one of the plan's environments, built first where it is not there.

        A step that needs no Python package runs on the interpreter that runs cmx.
        """
        if name == TARGET:
            raise UsageError("the plan would run something in the packages of another platform", hint="resolve again")
        if name not in self._pythons:
            planned = self.plan.environments.get(name)
            self._pythons[name] = self._environment(planned) if planned else Path(sys.executable)
        return self._pythons[name]

    def tool(self, role: str) -> Finding | None:
        """The tool behind a role's pin, asked now for its version; None for anything else.

        Raises ComponentInvalid when it is not the one that the plan was made with.
        """
        pin = self.plan.pins[role]
        component = self.component(pin)
        if not isinstance(component, SoftwareDetect) or component.python_package:
            return None
        if role not in self._tools:
            found = self._tooling.find(pin, component)
            mark_tool_used(self._settings, found.path)
            self._tools[role] = found
        return self._tools[role]

    def files(self, role: str) -> Provided | None:
        """The files behind a role's pin; None for software."""
        pin = self.plan.pins[role]
        if pin.artifact is None:
            return None
        component = self.component(pin)
        if pin.artifact != artifact_of(self.catalog, component, pin.variant):
            raise ComponentInvalid(
                f"the plan's pin {role!r} fetches something else than {component.file} says",
                hint="the plan was changed by hand: resolve again",
            )
        if role not in self._provided:
            self._provided[role] = self._artifact(pin, pin.artifact)
        return self._provided[role]

    def obtain(self) -> None:
        """Everything that is installed or fetched, for conversions too; nothing of it is run.

        Tools are asked for their versions, or built, when a step needs them: that is to run them.
        """
        for name in self.plan.environments:
            if name != TARGET:
                self.python(name)
        for role, pin in self.plan.pins.items():
            self.target_folder(role)
            component = self.component(pin)
            if isinstance(component, SoftwareDetect) and not component.python_package:
                self._tooling.obtain(pin, component)
            if pin.artifact is not None and "on-disk" not in pin.artifact:
                self._fetched(pin, source_of(pin.artifact))

    def target_folder(self, role: str) -> Path | None:
        """The folder of a framework's package for another target; None where the plan has none for this role."""
        planned = self.plan.environments.get(TARGET)
        pin = self.plan.pins[role]
        if planned is None or not any(package.name == normalised(pin.name) for package in planned.packages):
            return None
        return fetch_packages(
            planned.packages,
            platform=planned.place,
            python=planned.python,
            store=self.store,
            offline=self._offline,
            reporter=self._reporter,
            wheels=self._given.wheels if self._given else None,
        ).folder

    def component(self, pin: Pin) -> Component:
        """The component that a pin was made from, unchanged since. Raises ComponentInvalid when it has changed."""
        return self.unchanged(pin.recipe, pin.digest)

    def unchanged(self, reference: str, digest: str) -> Component:
        """A component whose files are those that the plan was made with."""
        component = self.catalog.find(Reference.parse(reference))
        if digest and component.digest != digest:
            raise ComponentInvalid(
                f"{component.file}: digest {component.digest[:12]}, and the plan was made with {digest[:12]}",
                hint="resolve again; and raise a component's version when you change it",
            )
        return component

    def _environment(self, planned: PlannedEnvironment) -> Path:
        if planned.source == "detected":
            return _interpreter(planned, Detector(self._settings))
        # A plan that named a stored environment holds its lock: where it is gone, it is built again.
        python = planned.place if planned.source == "installable" else _minor(planned.python)
        if ready := built_environment(planned, self.store):
            return ready.python
        self._reporter.begin("provision", f"environment: {_main_packages(self.plan, planned)}")
        start = time.perf_counter_ns()
        environment = build_environment(
            python,
            planned.packages,
            settings=self._settings,
            offline=self._offline,
            reporter=self._reporter,
            wheels=self._given.wheels if self._given else None,
        )
        what = f"environment {environment.digest[:6]}: {_main_packages(self.plan, planned)}"
        self._reporter.end("provision", what, (time.perf_counter_ns() - start) / 1e9)
        return environment.python

    def _artifact(self, pin: Pin, artifact: Document) -> Provided:
        if "on-disk" in artifact:
            return _on_disk(Path(pin.how))
        if "source" in artifact:
            return self._fetched(pin, artifact["source"])
        return self._converted(pin, artifact)

    def _fetched(self, pin: Pin, source: Document) -> Provided:
        component = self.component(pin)
        start = time.perf_counter_ns()
        name = describe_source(source).partition(" (")[0]  # without the member
        brought = self._given is not None and self._given.has(source)
        held_before = "file" in source or pin.source == "stored" or brought or held(source, store=self.store)
        if not held_before:
            self._reporter.begin("provision", f"{pin.kind}/{pin.name}: {name}")
        fetched = fetch(
            source,
            store=self.store,
            folder=component.folder,
            offline=self._offline,
            reporter=self._reporter,
            given=self._given,
        )
        if not held_before:
            what = f"{pin.kind}/{pin.name}: {name} ({readable(fetched.size)} kept)"
            self._reporter.end("provision", what, (time.perf_counter_ns() - start) / 1e9)
        return Provided(fetched.path, fetched.digest)

    def _converted(self, pin: Pin, artifact: Document) -> Provided:
        """A variant made from another: kept under the hashes of the code, its arguments, its input and its lock."""
        origin = self._artifact(pin, artifact["from"])
        convert = artifact["convert"]
        recipe = self.unchanged(convert["recipe"], convert["digest"])
        environment = self.plan.environments.get(artifact["environment"])
        lock = [str(package) for package in environment.packages] if environment else []
        data = {role: self.files(name) for role, name in artifact["data"].items()}
        made_from = {
            "code": recipe.digest,
            "entry": convert["entry"],
            "with": convert["with"],
            "component": pin.digest,
            "input": origin.digest,
            "data": {role: files.digest for role, files in data.items() if files},
            "lock": lock,
        }
        job = {
            "action": {"reference": recipe.reference, "entry": f"{recipe.folder}/{convert['entry']}"},
            "parameters": convert["with"],
            "roles": {
                "source": role_document(pin, self.component(pin), origin.path, artifact["from"]["variant"]),
                **{role: self._data_document(name) for role, name in artifact["data"].items()},
            },
            "products": {},
        }
        label = f"{pin.name}: {artifact['from']['variant']} → {artifact['variant']}"
        artefact = self.derive("convert", label, made_from, lambda: self.python(artifact["environment"]), job)
        return _only_product(artefact)

    def _data_document(self, role: str) -> dict[str, Any]:
        """A dataset that a conversion reads, as its job has it."""
        pin, files = self.plan.pins[role], self.files(role)
        return role_document(pin, self.component(pin), files.path if files else None)

    def derive(self, step: str, label: str, made_from: Document, python: Callable[[], Path], job: Document) -> Artefact:
        """The products of a job that depends only on ``made_from``: from the store, or made and kept."""
        start = time.perf_counter_ns()
        built = False

        def build(folder: Path) -> Document:
            nonlocal built
            built = True
            interpreter = python()
            self._reporter.begin(step, label)
            made = self._work(interpreter, job, step)
            for name, path in made.products.items():
                shutil.move(path, folder / f"{name}{path.suffix}")
            return {**made_from, "summary": made.summary}

        # A solution's lock may name packages of its own making by known names: what they make stays with it.
        keeper = self._given.made if self._given and self._given.made else self.store.derived
        artefact = keeper.derive(key_of(made_from), build, what=label, on_wait=self._reporter.note)
        summary = str(artefact.made_from.get("summary") or label)
        self._reporter.end(step, summary, (time.perf_counter_ns() - start) / 1e9, cached=not built)
        return artefact


def built_environment(planned: PlannedEnvironment, store: Store) -> Environment | None:
    """The environment that a plan means, where it is there."""
    if planned.source == "stored":
        return store.environments.get(planned.place)
    interpreter = find_interpreter(planned.place, store.settings)
    return store.environments.get(environment_digest(interpreter, planned.packages))


def source_of(artifact: Document) -> Document:
    """Where the bytes come from that a variant is made from."""
    while "source" not in artifact:
        artifact = artifact["from"]
    return dict(artifact["source"])


def role_document(pin: Pin, component: Component, path: Path | None, variant: str = "") -> dict[str, Any]:
    """A role as a job has it."""
    return {
        "reference": pin.reference,
        "variant": variant or pin.variant,
        "path": str(path) if path else "",
        "component": json.loads(json.dumps(component.document)),
        "folder": str(component.folder),
        "settings": dict(pin.settings),
    }


def products_of(artefact: Artefact) -> dict[str, Path]:
    """The products kept in an artefact, by name: files, or folders."""
    names = {file.name.partition("/")[0] for file in artefact.files}
    return {Path(name).stem: artefact.folder / name for name in sorted(names)}


def _only_product(artefact: Artefact) -> Provided:
    products = products_of(artefact)
    if len(products) != 1:
        raise RunError(
            f"{artefact.made_from.get('entry', artefact.key)} left {len(products)} products, expected one",
            hint="a converter returns Outcome(products={'model': 'FILE'})",
        )
    hashes = {file.name: file.sha256 for file in artefact.files}
    path = next(iter(products.values()))
    return Provided(path, key_of(hashes) if path.is_dir() else hashes[path.name])


def _on_disk(path: Path) -> Provided:
    """Data that a user has: known by the names and sizes of its files, since hashing all of ImageNet takes minutes."""
    if not path.exists():
        raise UsageError(f"{path}: the plan's data is not on this machine", hint="resolve again here")
    files = sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]
    return Provided(path, key_of({str(p.relative_to(path)): p.stat().st_size for p in files}))


def _interpreter(planned: PlannedEnvironment, detector: Detector) -> Path:
    """The interpreter that a plan takes as it is: one that is detected here, with the packages that the plan pins.

    A plan may come from anywhere: what it names is not started unless detecting finds it, too.
    """
    found = next((each for each in detector.interpreters() if str(each.path) == planned.place), None)
    if found is None:
        raise UsageError(
            f"the plan's interpreter {planned.place} is none that is detected on this machine",
            hint="resolve again here: the plan was made elsewhere, or PATH was another",
        )
    installed = detector.installed(found)
    wanted = {"Python": planned.python, **{normalised(each.name): each.version for each in planned.packages}}
    for name, version in wanted.items():
        here = found.version if name == "Python" else installed.get(name, "not there")
        if here != version:
            raise UsageError(
                f"{planned.place}: {name} is {here}, and the plan was made with {version}", hint="resolve again"
            )
    return found.path


def _minor(version: str) -> str:
    return ".".join(version.split(".")[:2])


def _main_packages(plan: Plan, planned: PlannedEnvironment) -> str:
    """The packages that were asked for, not all that they need."""
    pinned = {pin.name: pin.version for pin in plan.pins.values() if pin.environment == planned.name}
    return ", ".join(f"{name} {version}" for name, version in sorted(pinned.items()))
