"""Solutions to test with: a small repository, a plan of it made by hand, and archives of both, good and forged."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from component_files import action, dataset, model, package, put_all, workflow
from result_samples import COMPARABILITY, make

from cmx.reference import Reference
from cmx.repository import Catalog, Repository
from cmx.resolver.plan import Pin, Plan, PlannedEnvironment, PlannedStep, Request
from cmx.results import Result
from cmx.settings import Settings
from cmx.solution import About, Archive, Subject, pack
from cmx.solution.container import Entry, directory
from cmx.solution.manifest import MANIFEST, canonical
from cmx.store import Package, Store, key_of

HOST = {"schema": 1, "document": "host", "os": "linux", "architecture": "x86_64", "cpu": "Cortex-A72"}
HOST |= {"libc": "glibc 2.36", "python": "3.11.7", "distribution": "debian 12"}


LOCK = "locks/linux-x86_64.json"


def small_catalog(folder: Path) -> Catalog:
    """A repository of one workflow with all that it needs, in use alone."""
    root = put_all(
        folder / "zoo",
        dataset("photos"),
        model("net", more="reference: {dataset: photos, top_1: 0.9, tolerance: 0.05}\n", licence="Apache-2.0"),
        package("runner", formats="[onnx]"),
        action(
            "benchmark",
            "{model: model, dataset: dataset, framework: software}",
            "measures: true\nparameters: {duration: {type: integer, default: 10, description: Seconds}}\n",
        ),
        workflow(
            "flow",
            "{model: model/net, dataset: dataset/photos, framework: software/runner}",
            "[{id: benchmark, action: benchmark}]",
        ),
    )
    (root / "models/net/model.onnx").write_bytes(b"a network")
    (root / "datasets/photos/files").mkdir()
    (root / "datasets/photos/files/photo.jpg").write_bytes(b"a photo")
    (root / "actions/benchmark/action.py").write_text("def benchmark(context):\n    raise SystemExit\n")
    return Catalog([Repository.open(root, name="zoo")], Settings(folder / "home"))


def small_plan(catalog: Catalog, **changes: Any) -> Plan:
    """A plan of that workflow, as it is made on a machine where everything has to be installed."""

    def digest(reference: str) -> str:
        return catalog.find(Reference.parse(reference)).digest

    def pin(role: str, kind: str, name: str, version: str, **more: Any) -> Pin:
        recipe = f"{'software-detect' if kind == 'software' else kind}/{name}==1.0.0"
        values = {"source": "installable", "why": "the only one there is", "recipe": recipe, "digest": digest(recipe)}
        return Pin(role, kind, name, version, **{**values, **more})

    photos = {"source": {"file": "files"}}
    network = {"variant": "onnx", "source": {"file": "model.onnx"}}
    wheel = Package("runner", "2.1", ("sha256:" + "0" * 64,))
    plan = Plan(
        request=Request("workflow/flow", "benchmark", seed=3),
        workflow="workflow/flow==1.0.0",
        digest=digest("workflow/flow"),
        host=HOST,
        pins={
            "model": pin("model", "model", "net", "1.0.0", variant="onnx", how="file", artifact=network),
            "dataset": pin("dataset", "dataset", "photos", "1.0.0", how="file", artifact=photos),
            "framework": pin("framework", "software", "runner", "2.1", how="pip", environment="main"),
        },
        environments={"main": PlannedEnvironment("main", "installable", "/opt/py/bin/python", "3.11.7", (wheel,))},
        steps=(
            PlannedStep(
                "benchmark",
                "action/benchmark==1.0.0",
                digest("action/benchmark"),
                "main",
                {"model": "model", "dataset": "dataset", "framework": "framework"},
                {"duration": 10},
                measures=True,
            ),
        ),
        version="0.1.0",
    )
    return replace(plan, **changes)


def small_result(catalog: Catalog, **changes: Any) -> Result:
    """A result of that plan."""
    comparability = replace(COMPARABILITY, workflow="workflow/flow==1.0.0")
    pins = {"model": "model/net==1.0.0", "dataset": "dataset/photos==1.0.0", "framework": "software/runner==2.1"}
    values = {"id": "7f3a91c200000000", "created": "2026-11-22T08:00:00.000Z", "comparability": comparability}
    return make(**{**values, "pins": pins, "plan": small_plan(catalog).document(), **changes})


def small_archive(folder: Path, **about: Any) -> Archive:
    """The archive of that result, below ``folder``."""
    catalog = small_catalog(folder)
    result = small_result(catalog)
    return pack(Subject.of_result(result), catalog, about=About(**about), to=folder / "flow.cmx.zip")


def complete_archive(folder: Path) -> Archive:
    """An archive with the photos that the recipe would fetch, and with the wheel that the lock names."""
    source = {"pypi": "pictures==1.0", "sha256": "a" * 64, "members": "pictures/*.jpg"}
    catalog = small_catalog(folder)
    file = folder / "zoo/datasets/photos/component.yaml"
    text = file.read_text(encoding="utf-8").replace("{file: files}", json.dumps(source))
    file.write_text(text, encoding="utf-8")
    catalog = Catalog(catalog.repositories, catalog.settings)

    def build(at: Path) -> dict[str, Any]:
        (at / "one.jpg").write_bytes(b"one")
        (at / "two.jpg").write_bytes(b"two")
        return {}

    key = key_of({"source": "pypi", "sha256": source["sha256"], "members": [source["members"]]})
    Store(catalog.settings).derive(key, build)
    plan = small_plan(catalog)
    wheel = Package("runner", "2.1", (f"sha256:{hashlib.sha256(b'a wheel').hexdigest()}",))
    plan = replace(
        plan,
        pins={**plan.pins, "dataset": replace(plan.pins["dataset"], artifact={"source": source}, how="pypi")},
        environments={"main": replace(plan.environments["main"], packages=(wheel,))},
    )
    result = small_result(catalog, plan=plan.document())
    made = pack(Subject.of_result(result), catalog, to=folder / "flow.cmx.zip", size="with-data")
    forged(made.path, {"wheels/runner-2.1-py3-none-any.whl": b"a wheel"}, size="complete")
    return Archive.open(made.path)


def contents(path: Path) -> dict[str, bytes]:
    """The members of an archive, by name, in its order."""
    archive = Archive.open(path)
    return {entry.name: archive.read(entry.name) for entry in archive.entries}


def zipped(path: Path, members: Mapping[str, bytes]) -> Path:
    """Write members as cmx would, whatever they are."""
    import zlib

    entries: list[Entry] = []
    raw = b""
    for name, data in members.items():
        entries.append(Entry(name, len(data), zlib.crc32(data), len(raw)))
        raw += entries[-1].local + data
    path.write_bytes(raw + directory(entries, len(raw)))
    return path


def forged(path: Path, changes: Mapping[str, bytes | None], **manifest: Any) -> Path:
    """Change, add or take away (None) members of an archive in place, with a manifest whose hashes fit.

    ``manifest`` replaces keys of the manifest itself.
    """
    members = {**contents(path), **changes}
    return zipped(path, with_hashes({name: data for name, data in members.items() if data is not None}, **manifest))


def with_hashes(members: Mapping[str, bytes], **manifest: Any) -> dict[str, bytes]:
    """The members in order, with a manifest that lists them as they are."""
    kept = {name: data for name, data in sorted(members.items()) if name != MANIFEST}
    files = [
        {"path": name, "size": len(data), "sha256": hashlib.sha256(data).hexdigest()} for name, data in kept.items()
    ]
    limits = {"files": len(files), "bytes": sum(map(len, kept.values()))}
    old = json.loads(members[MANIFEST])
    return {MANIFEST: canonical({**old, "files": files, "limits": limits, **manifest}), **kept}


def with_digests(members: Mapping[str, bytes]) -> dict[str, bytes]:
    """The members with locks whose digests are those that the components now have."""
    packed = json.loads(members[MANIFEST])["components"]
    changed = dict(members)
    old = {pin["recipe"]: pin["digest"] for pin in json.loads(members[LOCK])["pins"].values()}
    lock = json.loads(members[LOCK])
    old |= {lock["workflow"]: lock["digest"], **{step["action"]: step["digest"] for step in lock["steps"]}}
    for each in packed:
        total = hashlib.sha256()
        files = {name[len(each["folder"]) + 1 :] for name in members if name.startswith(each["folder"] + "/")}
        for name in sorted(files, key=lambda name: [*((True, part) for part in name.split("/")[:-1]), (False, name)]):
            total.update(name.encode() + b"\0" + hashlib.sha256(members[f"{each['folder']}/{name}"]).digest())
        changed[LOCK] = changed[LOCK].replace(old[each["reference"]].encode(), total.hexdigest().encode())
    return changed


def edited(document: bytes, **changes: Any) -> bytes:
    """A JSON document with other values for some of its keys, in the form in which it lies in an archive."""
    return canonical({**json.loads(document), **changes})
