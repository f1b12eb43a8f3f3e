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
from typing import NamedTuple

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
        yield _row(_Cells(path, line, {name: cells[place] for name, place in places.items()}))


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


class _Cells(NamedTuple):
    """One line's cells by column; what cannot be read raises UsageError with the file, the line and the column."""

    path: Path
    line: int
    cells: Mapping[str, str]

    def fault(self, column: str, why: str, hint: str = _HINT) -> UsageError:
        return UsageError(f"{self.path}:{self.line}: column {column!r}: {why}", hint=hint)

    def number(self, column: str) -> float:
        text = self.cells[column]
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not math.isfinite(value) or value < 0:
            raise self.fault(column, f"{text[:40]!r} is no number of 0 or more")
        return value

    def known(self, column: str, names: Mapping[str, str]) -> str:
        text = self.cells[column]
        if text not in names:
            raise self.fault(column, f"{text[:40]!r} is not known", nearest(text[:40], names))
        return names[text]

    def optional(self, column: str) -> float | None:
        return None if self.cells[column] in _NONE else self.number(column)

    def text(self, column: str) -> str:
        return "" if self.cells[column] in _NOTHING else self.cells[column]


def _row(of: _Cells) -> Published:
    cells, value = of.cells, of.number("result")
    if value == 0:
        raise of.fault("result", "0 is no result")
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
        scenario=of.known("scenario", SCENARIOS),
        value=value,
        unit=of.known("unit", UNITS),
        accuracy=of.optional("accuracy"),
        processor=of.text("host_processor"),
        processors=of.text("host_processors"),
        cores=of.text("host_cores"),
        accelerator=of.text("accelerator"),
        accelerators=of.text("accelerators"),
        nodes=of.optional("nodes"),
        framework=of.text("framework"),
        os=of.text("operating_system"),
        power=of.optional("power"),
    )
