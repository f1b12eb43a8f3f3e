"""Show which software is on this machine: every version found, and what was skipped and why."""

from __future__ import annotations

import argparse
from pathlib import Path

from cmx.cli.answer import Answer, table
from cmx.cli.parser import Parser
from cmx.component import SoftwareDetect
from cmx.errors import UsageError
from cmx.reference import Reference
from cmx.repository import Catalog


def configure(parser: Parser, arguments: list[str]) -> None:
    """Add the options."""
    parser.add_argument("names", nargs="*", metavar="NAME", help="software-detect components (default: all)")
    parser.add_argument(
        "--path", help="look at this executable, folder or interpreter and nowhere else (with one NAME)"
    )
    parser.add_argument("--skipped", action="store_true", help="also show what was skipped, and why")


def run(arguments: argparse.Namespace, as_json: bool) -> Answer:
    """Findings; exit code 1 when a NAME was given and nothing of it was found."""
    from cmx.detect import Detector

    catalog = Catalog.default()
    components = _components(catalog, arguments.names)
    detector = Detector(catalog.settings)
    if arguments.path:
        if len(components) != 1 or not arguments.names:
            raise UsageError("--path goes with one NAME", hint="cmx detect gcc --path /opt/gcc/bin/gcc")
        detections = [detector.detect(components[0], explicit=Path(arguments.path))]
    else:
        detections = list(detector.detect_all(components).values())
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
    return Answer(document, "\n".join(lines), exit_code=1 if arguments.names and absent else 0)


def _components(catalog: Catalog, names: list[str]) -> list[SoftwareDetect]:
    wanted = names or sorted({entry.name for entry in catalog.entries("software-detect")})
    return [catalog.software(Reference.parse(name, kind="software-detect").name) for name in wanted]
