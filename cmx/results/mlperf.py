"""MLCommons' published MLPerf Inference results, as a table: one row for each, in CSV.

What a row's ``result`` is follows from its scenario (MLPerf Inference Rules): SingleStream the 90th and MultiStream the
99th percentile of the latency, Server queries and Offline samples per second.
"""

from __future__ import annotations

import csv
import gzip
import io
import math
import zlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from cmx.errors import StoreError, UsageError, nearest
from cmx.results.published import Origin, Published

ORIGIN = Origin(
    name="mlperf",
    title="MLPerf Inference results",
    publisher="MLCommons",
    licence="Apache-2.0",
    citation="MLPerf Inference results as published by MLCommons (mlcommons/cm4mlperf-results, Apache-2.0), "
    "measured by their submitters and not by cmx. MLPerf is a trademark of MLCommons.",
)
COLUMNS = (
    *("version", "division", "system_type", "availability", "submitter", "platform", "system_name", "benchmark"),
    *("model", "scenario", "result", "unit", "accuracy", "host_processor", "host_processors", "host_cores"),
    *("accelerator", "accelerators", "nodes", "framework", "operating_system", "has_power", "power"),
)
UNITS = {"Latency (ms)": "ms", "Samples/s": "samples/s", "Queries/s": "queries/s"}
SCENARIOS = {
    "SingleStream": "single-stream",
    "MultiStream": "multi-stream",
    "Server": "server",
    "Offline": "offline",
    "Interactive": "interactive",
}
STATISTICS = {"single-stream": "p90", "multi-stream": "p99"}
"""Which percentile a latency is, by scenario."""
ACCURACIES = {"resnet": "ImageNet top-1, %", "retinanet": "OpenImages mAP, %", "bert-99": "SQuAD F1, %"}
"""What the accuracy is, by benchmark."""
TASKS = {"image-classification": "resnet", "object-detection": "retinanet"}
"""The benchmark that is nearest to a workflow that comes with cmx: its model and data are others."""

_NONE = ("", "None", "N/A")
_NOTHING = ("", "-", "N/A", "None")
# The file that this was made for is 10 MB; a compressed one that grows past this is no table of results.
_MOST_BYTES = 256 * 1024 * 1024


def read(path: Path) -> list[Published]:
    """The rows of a file, which may be gzipped.

    Raises UsageError naming file, line and column for what is not such a table, StoreError when it cannot be read.
    """
    return list(_rows(path, csv.reader(io.StringIO(_text(path), newline=""), strict=True)))


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            packed = file.read(2) == b"\x1f\x8b"
        with gzip.open(path) if packed else path.open("rb") as stream:
            content = stream.read(_MOST_BYTES + 1)
    except (OSError, EOFError, zlib.error) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise StoreError(f"{path}: cannot be read: {reason}", hint="name a CSV file, gzipped or not") from error
    if len(content) > _MOST_BYTES:
        raise UsageError(f"{path}: more than {_MOST_BYTES >> 20} MiB of text", hint="split it into several files")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise UsageError(f"{path}:{line}: not UTF-8: byte {content[error.start]:#04x}", hint=_HINT) from None


_HINT = f"the columns are {', '.join(COLUMNS[:4])}, … (docs/results.md)"


def _rows(path: Path, reader: Iterator[list[str]]) -> Iterator[Published]:
    lines = _numbered(path, reader)
    _, head = next(lines, (1, []))
    places = _places(path, head)
    for line, cells in lines:
        if len(cells) != len(head):
            raise UsageError(f"{path}:{line}: {len(cells)} columns, the heading has {len(head)}", hint=_HINT)
        yield _row(path, line, {name: cells[place] for name, place in places.items()})


def _numbered(path: Path, reader: Iterator[list[str]]) -> Iterator[tuple[int, list[str]]]:
    """Each record with the number of its last line; empty lines are none."""
    while True:
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise UsageError(f"{path}:{reader.line_num}: {error}", hint=_HINT) from None  # type: ignore[attr-defined]
        if cells:
            yield reader.line_num, cells  # type: ignore[attr-defined]


def _places(path: Path, head: Sequence[str]) -> dict[str, int]:
    missing = [name for name in COLUMNS if name not in head]
    if missing:
        given = ", ".join(head)[:100]
        raise UsageError(f"{path}:1: there is no column {missing[0]!r}; the heading is {given!r}", hint=_HINT)
    return {name: head.index(name) for name in COLUMNS}


def _row(path: Path, line: int, cells: Mapping[str, str]) -> Published:
    def number(column: str) -> float:
        text = cells[column]
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not math.isfinite(value) or value < 0:
            raise UsageError(f"{path}:{line}: column {column!r}: {text[:40]!r} is no number of 0 or more", hint=_HINT)
        return value

    def known(column: str, names: Mapping[str, str]) -> str:
        text = cells[column]
        if text not in names:
            raise UsageError(
                f"{path}:{line}: column {column!r}: {text[:40]!r} is not known", hint=nearest(text[:40], names)
            )
        return names[text]

    def optional(column: str) -> float | None:
        return None if cells[column] in _NONE else number(column)

    def text(column: str) -> str:
        return "" if cells[column] in _NOTHING else cells[column]

    value = number("result")
    if value == 0:
        raise UsageError(f"{path}:{line}: column 'result': 0 is no result", hint=_HINT)
    return Published(
        source=ORIGIN.name,
        round=cells["version"],
        division=cells["division"],
        category=cells["system_type"],
        availability=cells["availability"],
        submitter=cells["submitter"],
        platform=cells["platform"],
        system=cells["system_name"],
        benchmark=cells["benchmark"],
        model=cells["model"],
        scenario=known("scenario", SCENARIOS),
        value=value,
        unit=known("unit", UNITS),
        accuracy=optional("accuracy"),
        processor=text("host_processor"),
        processors=text("host_processors"),
        cores=text("host_cores"),
        accelerator=text("accelerator"),
        accelerators=text("accelerators"),
        nodes=optional("nodes"),
        framework=text("framework"),
        os=text("operating_system"),
        power=optional("power"),
    )
