"""What an archive holds, as it says itself. Nothing of it is run; 'cmx solution verify' checks it.

cmx solution show classification-1.0.0.cmx.zip
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from cmx.cli.answer import Answer
from cmx.cli.parser import Parser
from cmx.files import counted, readable
from cmx.repository import Catalog

if TYPE_CHECKING:
    from cmx.solution import Manifest


def configure(parser: Parser) -> None:
    """Add the options."""
    parser.add_argument("archive", metavar="ARCHIVE", help="a .cmx.zip")


def run(arguments: argparse.Namespace) -> Answer:
    """The manifest."""
    from cmx.solution import Archive, impostors, verdict

    archive = Archive.open(Path(arguments.archive))
    signature = verdict(archive)
    others = {each.reference: each for each in impostors(archive, Catalog.default())}
    document = {
        "manifest": archive.manifest.document(),
        "digest": archive.digest,
        "signature": signature.document(),
        "impostors": [each._asdict() for each in others.values()],
    }
    lines = [described(archive.manifest), "", "COMPONENTS"]
    for each in archive.manifest.components:
        other = others.get(each.reference)
        note = f"   not that of the repository {other.repository!r}: {other.how}" if other else ""
        lines.append(f"  {each.reference}{note}")
    lines += ["", f"signature   {signature.text}", f"digest      {archive.digest}"]
    return Answer(document, "\n".join(lines))


def described(manifest: Manifest) -> str:
    """What a solution is, in a few lines."""
    facts = {
        "size": f"{manifest.size}: {counted(len(manifest.files), 'file')}, {readable(manifest.limits['bytes'])}",
        "workflow": manifest.workflow,
        "made for": ", ".join(sorted(manifest.locks)),
        "worker": f"interface {manifest.worker}",
        "license": manifest.license or "unstated",
        "citation": manifest.citation,
        "private": "; ".join(manifest.private),
        "network": f"asked for while it runs: {manifest.network}" if manifest.network else "none while it runs",
        "set": "   ".join(f"{key}={value}" for key, value in manifest.inputs["parameters"].items()),
        "uses": "   ".join(f"{role}={reference}" for role, reference in manifest.inputs["use"].items()),
    }
    lines = [f"{manifest.name} {manifest.version}   {_indented(manifest.description)}", ""]
    lines += [f"{name:<11} {_indented(value)}" for name, value in facts.items() if value]
    return "\n".join(lines + _expected(manifest))


def _indented(text: str) -> str:
    """A text of several lines that looks like one fact: no line of it may pass for another."""
    return ("\n" + " " * 12).join(text.splitlines())


def _expected(manifest: Manifest) -> list[str]:
    if manifest.expected is None:
        return ["expected    nothing: it was packed without a result"]
    host = manifest.expected["host"]
    where = [
        f"{host[name]}" if name != "cores" else f"{host[name]} cores" for name in ("cpu_model", "cores") if name in host
    ]
    lines = [f"expected    on {', '.join(where)}" if where else "expected"]
    for name, metric in manifest.expected["metrics"].items():
        near = "as a ratio" if metric["tolerance"] is None else f"± {metric['tolerance']:g}"
        lines.append(f"  {name:<18} {_value(name, metric['value']):>12}   {near}")
    return lines


def _value(name: str, value: float) -> str:
    if name.startswith("latency."):
        return f"{value / 1e6:.2f} ms"
    return f"{value:.1f} /s" if name == "throughput" else f"{value:.3f}"
