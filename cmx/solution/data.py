"""The bytes of models and datasets in an archive: which files belong to which source, and who may be given them.

A file is a member ``data/SHA256``; the manifest says under which names a source's files go together. On the machine
that the solution is brought to they lie in the solution's own folder: the store keeps what packages hold, which an
archive cannot prove.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from cmx.component import Component
from cmx.errors import ComponentInvalid, UsageError
from cmx.install import Given, describe_source, fetch
from cmx.reference import Reference
from cmx.reporter import Reporter
from cmx.repository import Catalog
from cmx.resolver.plan import Pin, Plan
from cmx.runner.provision import source_of
from cmx.solution import paths
from cmx.solution.archive import Member
from cmx.solution.licences import objection
from cmx.solution.manifest import Datum, Manifest
from cmx.store import Store, key_of, sha256_of
from cmx.store.derived import Derived

FOLDER = "data"
GIVEN, MADE = "given", "made"


def sources(plan: Plan) -> dict[str, tuple[Pin, Mapping[str, Any]]]:
    """What a plan fetches for models and datasets, by key; a file of a component's own folder is no such thing."""
    pins = [pin for pin in plan.pins.values() if pin.artifact is not None and "on-disk" not in pin.artifact]
    found = [(pin, source_of(pin.artifact)) for pin in pins if pin.artifact is not None]
    return {key_of(dict(source)): (pin, source) for pin, source in found if "file" not in source}


def collect(
    plan: Plan, catalog: Catalog, members: dict[str, Member], *, private: bool, reporter: Reporter
) -> tuple[Datum, ...]:
    """Put the bytes that a plan fetches among the members, from the store or from where they come.

    Raises UsageError for what may not be given to others, unless ``private``; and what fetching raises.
    """
    wanted = [(pin, source, catalog.find(Reference.parse(pin.recipe))) for pin, source in sources(plan).values()]
    refused = [(pin, why) for pin, _, component in wanted if (why := objection(component))]
    if refused and not private:
        raise UsageError(
            "; ".join(f"{pin.kind}/{pin.name} cannot be packed: {why}" for pin, why in refused),
            hint="--size recipes lets everybody fetch it from its source; --private packs it for machines of your own",
        )
    return tuple(_collected(pin, source, component, catalog, members, reporter) for pin, source, component in wanted)


def _collected(
    pin: Pin,
    source: Mapping[str, Any],
    component: Component,
    catalog: Catalog,
    members: dict[str, Member],
    reporter: Reporter,
) -> Datum:
    reporter.begin("pack", f"{pin.kind}/{pin.name}: {describe_source(source)}")
    fetched = fetch(source, store=Store(catalog.settings), folder=component.folder, reporter=reporter)
    files = {}
    for name, path in _files(fetched.path):
        files[name] = sha256_of(path)
        members[f"{FOLDER}/{files[name]}"] = path
    single = not fetched.path.is_dir()
    return Datum(component.reference, component.license, objection(component), dict(source), single, files)


def _files(path: Path) -> Iterator[tuple[str, Path]]:
    if not path.is_dir():
        yield "file", path
        return
    for file in sorted(each for each in path.rglob("*") if each.is_file()):
        yield file.relative_to(path).as_posix(), file


def check_data(manifest: Manifest, components: Mapping[str, Component], plans: Mapping[str, Plan]) -> None:
    """Raise ComponentInvalid where what the manifest says of its data is not what lies there and what locks fetch."""
    data = manifest.data
    for number, datum in enumerate(data):
        where = f"manifest.json: data.{number}"
        _check_licence(datum, components, where)
        if wrong := next((f"{name!r} {what}" for name in datum.files if (what := paths.fault(name))), ""):
            raise ComponentInvalid(f"{where}: {wrong}", hint=_FORGED)
        if wrong := paths.clash(datum.files):
            raise ComponentInvalid(f"{where}: {wrong}", hint=_FORGED)
        if not datum.files or (datum.single and len(datum.files) != 1):
            raise ComponentInvalid(f"{where}: a single file is one file, and a folder has some", hint=_FORGED)
    listed = {f"{FOLDER}/{sha256}" for datum in data for sha256 in datum.files.values()}
    here = {file.path for file in manifest.files if file.path.startswith(f"{FOLDER}/")}
    if listed != here:
        other = min(listed ^ here)
        raise ComponentInvalid(f"{other}: is either missing, or nothing that the manifest names", hint=_FORGED)
    known = {datum.key for datum in data}
    for target, plan in plans.items():
        missing = [pin.reference for key, (pin, _) in sources(plan).items() if key not in known]
        if manifest.size != "recipes" and missing:
            raise ComponentInvalid(f"manifest.json: data: {missing[0]} for {target} is not there", hint=_FORGED)


def _check_licence(datum: Datum, components: Mapping[str, Component], where: str) -> None:
    component = components.get(datum.component)
    if component is None:
        raise ComponentInvalid(f"{where}: {datum.component} is not in the archive", hint=_FORGED)
    if datum.license != component.license:
        raise ComponentInvalid(
            f"{where}.license: is {datum.license!r}, and its component says {component.license!r}", hint=_FORGED
        )
    if datum.private != (why := objection(component)):
        raise ComponentInvalid(f"{where}.private: is {datum.private!r}, and its licence says {why!r}", hint=_FORGED)


_FORGED = "whoever made it changed it by hand: ask for one that 'cmx solution pack' made"


def settle(data: Sequence[Datum], unpacked: Path, locks: Path) -> None:
    """Turn the members that were unpacked below ``unpacked`` into the folders that their sources are."""
    brought = _brought(unpacked, locks)
    for datum in data:

        def build(folder: Path, datum: Datum = datum) -> Mapping[str, Any]:
            for name, sha256 in datum.files.items():
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                os.link(unpacked / FOLDER / sha256, folder / name)
            return {"single": datum.single, "source": dict(datum.source)}

        brought.derive(datum.key, build, what=datum.component)


def kept(folder: Path, locks: Path) -> Given:
    """What the solution in ``folder`` brought along, and what was made of it here."""
    return Given(data=_brought(folder, locks), made=Derived(folder, locks, MADE))


def _brought(folder: Path, locks: Path) -> Derived:
    return Derived(folder, locks, GIVEN)
