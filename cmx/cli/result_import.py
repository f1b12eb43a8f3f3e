"""``cmx result import``: results that others published, kept apart from one's own; and how they are shown."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from cmx.cli.answer import Answer, table
from cmx.cli.console import Console
from cmx.errors import ComponentNotFound, UsageError
from cmx.host import Field
from cmx.results.table import UNKNOWN, milliseconds
from cmx.settings import Settings

if TYPE_CHECKING:
    from cmx.cli.parser import Parser
    from cmx.results import Result
    from cmx.results.published import Published, Source

FORMAT = "mlperf-inference-csv"
WITH = "published results to stand beside them: mlperf,system=*Raspberry*,scenario=offline"
_HEAD = ("SOURCE", "SYSTEM", "MODEL", "FRAMEWORK", "SCENARIO", "RESULT", "ACCURACY", "BY")
_SHOWN = 20
_WIDEST = 44


def configure(parser: Parser) -> None:
    """Add the options."""
    parser.add_argument(
        "what", metavar="FILE", help="a CSV file of MLPerf results, or a dataset that is one: mlperf-inference-results"
    )


def run(arguments: argparse.Namespace, settings: Settings) -> Answer:
    """Import one file. Raises UsageError for one that is no table of results, StoreError when it cannot be read."""
    from cmx.results import mlperf
    from cmx.results.published import Imported, PublishedDatabase
    from cmx.store import sha256_of

    path = _path(arguments.what, settings)
    database, origin = PublishedDatabase(settings), mlperf.ORIGIN
    digest = sha256_of(path)
    held = database.holds(origin, digest)
    done = Imported(origin, held, 0)
    if not held:
        done = database.add(origin, mlperf.read(path), name=path.name, sha256=digest)
    counts = f"{done.rows:,} {origin.title} ({origin.publisher}), {done.added:,} of them new"
    lines = [counts, origin.citation, f"cmx result list --with {origin.name}    cmx result plot --with {origin.name}"]
    document = {"source": origin._asdict(), "file": str(path), "sha256": digest, "rows": done.rows, "added": done.added}
    return Answer(document, "\n".join(lines))


def _path(what: str, settings: Settings) -> Path:
    path = Path(what)
    if path.is_file():
        return path
    if path.suffix or "/" in what.removeprefix("dataset/"):
        raise UsageError(f"{what}: there is no such file", hint="or name a dataset: mlperf-inference-results")
    return _of_dataset(what, settings)


def _of_dataset(what: str, settings: Settings) -> Path:
    from cmx.component import Dataset
    from cmx.install import fetch
    from cmx.reference import Reference
    from cmx.repository import Catalog
    from cmx.store import Store

    try:
        component = Catalog.default(settings).find(Reference.parse(what, kind="dataset"))
    except ComponentNotFound as error:
        raise UsageError(f"{what}: neither a file nor a dataset", hint=error.hint) from error
    if not isinstance(component, Dataset) or component.format != FORMAT or not component.source:
        raise UsageError(f"{component.reference} holds no published results", hint=f"its format should be {FORMAT}")
    console = Console()
    try:
        fetched = fetch(component.source, store=Store(settings), folder=component.folder, reporter=console)
    finally:
        console.close()
    return fetched.path


def beside(results: Sequence[Result], source: Source, rows: Sequence[Published], limit: int | None = None) -> str:
    """One table of one's own and others' results, each with its source; at most ``limit`` (or 20) of the others."""
    most = limit or _SHOWN
    cells = [*map(_own, results), *map(_other, rows[:most])]
    parts = [table(_HEAD, cells)]
    if len(rows) > most:
        parts.append(
            f"… and {len(rows) - most:,} more of {source.origin.title}: --limit shows them, conditions narrow it"
        )
    return "\n".join([*parts, "", source.origin.citation])


def _own(result: Result) -> tuple[str, ...]:
    cpu = result.host.fields.get("cpu_model")
    latency = result.latency.p50
    measured = f"{milliseconds(latency)} ms p50" if latency is not None else UNKNOWN
    if latency is None and result.throughput is not None:
        measured = f"{result.throughput:.4g} samples/s"
    accuracy = ", ".join(f"{name} {value:.3f}" for name, value in sorted(result.accuracy.items()))
    pins = (result.pins.get(role, UNKNOWN).split("/", 1)[-1].replace("==", " ") for role in ("model", "framework"))
    system = str(cpu.value) if isinstance(cpu, Field) else UNKNOWN
    return ("here", plain(system), *pins, result.scenario or UNKNOWN, measured, accuracy or UNKNOWN, result.short)


def _other(row: Published) -> tuple[str, ...]:
    from cmx.results.mlperf import ACCURACIES, STATISTICS

    measured = f"{row.value:.4g} {row.unit} {STATISTICS.get(row.scenario, '')}".strip()
    of = ACCURACIES.get(row.benchmark, row.benchmark)
    accuracy = UNKNOWN if row.accuracy is None else f"{row.accuracy:g} {of}"
    source = f"{row.source} {row.round} {row.division}"
    texts = (source, row.system, row.model, row.framework, row.scenario, measured, accuracy, row.submitter)
    return tuple(map(plain, texts))


def plain(text: str) -> str:
    """Others' text for a cell."""
    from cmx.results.published import printable

    clean = printable(text)
    return clean if len(clean) <= _WIDEST else f"{clean[: _WIDEST - 1]}…"
