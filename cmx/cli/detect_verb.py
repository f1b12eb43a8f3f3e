"""Show which software and data are on this machine: every version found, and what was skipped and why."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from cmx.cli.answer import Answer, table
from cmx.cli.parser import Parser
from cmx.component import Dataset, Model, SoftwareDetect
from cmx.errors import CmxError, UsageError
from cmx.reference import Reference
from cmx.repository import Catalog

if TYPE_CHECKING:
    from cmx.detect import Detection, Detector

ON_DISK = "on-disk"


def configure(parser: Parser, arguments: list[str]) -> None:
    """Add the options."""
    parser.add_argument("names", nargs="*", metavar="NAME", help="software, or dataset/NAME, model/NAME (default: all)")
    parser.add_argument(
        "--path", help="look at this executable, folder or interpreter and nowhere else (with one NAME)"
    )
    parser.add_argument("--skipped", action="store_true", help="also show what was skipped, and why")


def run(arguments: argparse.Namespace, as_json: bool) -> Answer:
    """Findings; exit code 1 when a NAME was given and nothing of it was found."""
    from cmx.detect import Detector

    catalog = Catalog.default()
    references = [Reference.parse(name, kind="software-detect") for name in arguments.names]
    components = _software(catalog, references)
    detector = Detector(catalog.settings)
    if arguments.path:
        if len(components) != 1 or len(references) != 1:
            raise UsageError("--path goes with one NAME", hint="cmx detect gcc --path /opt/gcc/bin/gcc")
        detections = [detector.detect(components[0], explicit=Path(arguments.path))]
    else:
        detections = [*detector.detect_all(components).values(), *_data(catalog, references, detector)]
    document = {
        "findings": [
            {"name": f.name, "version": f.version, "path": str(f.path), "target": f.target, "place": f.place}
            for detection in detections
            for f in detection.findings
        ],
        "skipped": [
            {"name": detection.name, "path": str(s.path), "reason": s.reason}
            for detection in detections
            for s in detection.skipped
        ],
    }
    rows = [(f["name"], f["version"], f["target"] or f["place"], f["path"]) for f in document["findings"]]
    lines = [table(("SOFTWARE", "VERSION", "TARGET OR INTERPRETER", "PATH"), rows)] if rows else ["nothing found"]
    absent = [detection.name for detection in detections if not detection.findings]
    if absent:
        lines += ["", f"not found: {', '.join(absent)}"]
    if arguments.skipped or (arguments.names and absent):
        lines += [f"skipped {s['name']}: {s['path']}: {s['reason']}" for s in document["skipped"]]
    if not (arguments.names and absent):
        return Answer(document, "\n".join(lines))
    hint = f"cmx install {absent[0]}, or --path PATH where it is"
    return Answer(document, "\n".join(lines), CmxError(f"not found: {', '.join(absent)}", hint=hint))


def _software(catalog: Catalog, wanted: list[Reference]) -> list[SoftwareDetect]:
    if not wanted:
        return [each for each in catalog.newest("software-detect") if isinstance(each, SoftwareDetect)]
    names = [reference.name for reference in wanted if reference.kind in ("software", "software-detect")]
    return [catalog.software(name) for name in names]


def _data(catalog: Catalog, wanted: list[Reference], detector: Detector) -> Iterator[Detection]:
    """Data of datasets and models, under the name ``dataset/NAME`` or ``model/NAME[VARIANT]``."""
    references = [reference for reference in wanted if reference.kind in ("dataset", "model")]
    if not wanted:
        # A tag, for the index to answer: reading every dataset there is would take long.
        entries = [entry for kind in ("dataset", "model") for entry in catalog.entries(kind, [ON_DISK])]
        references = list(dict.fromkeys(Reference(entry.kind, entry.name) for entry in entries))
    for reference in references:
        component = catalog.find(reference)
        if isinstance(component, Dataset):
            yield _under(component.key, detector.data(component))
        if isinstance(component, Model):
            for variant in component.variants.values():
                if variant.detect:
                    yield _under(f"{component.key}[{variant.name}]", detector.data(component, variant.name))


def _under(name: str, detection: Detection) -> Detection:
    findings = tuple(finding._replace(name=name) for finding in detection.findings)
    return detection._replace(name=name, findings=findings)
