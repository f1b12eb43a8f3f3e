"""Datasets and models that somebody put on the machine, recognised by what lies inside."""

from __future__ import annotations

from pathlib import Path

from cmx.component import Component, OnDisk
from cmx.detect.finding import Detection, Finding, Identity, Skipped
from cmx.detect.places import Places


def on_disk(component: Component, where: OnDisk, places: Places) -> Detection:
    """The folders (or files, where there is no marker) that hold a component's data, in the order of its paths.

    A folder that lacks a marker is skipped with the reason: it may be half of a download.
    """
    findings: dict[object, Finding] = {}
    skipped: list[Skipped] = []
    for text in places.expand(where.paths):
        path = Path(text)
        there = Identity.of(path)
        if there is None:
            continue
        missing = [marker for marker in where.markers if not (path / marker).exists()]
        if missing:
            skipped.append(Skipped(path, f"{missing[0]} is not in it"))
            continue
        identity = Identity.of(path / where.markers[0]) if where.markers else there
        if identity:
            finding = Finding(component.name, component.version, path, identity)
            findings.setdefault((there.device, there.inode), finding)
    return Detection(component.name, tuple(findings.values()), tuple(dict.fromkeys(skipped)))
