"""Tables of published results to test with."""

from __future__ import annotations

import csv
import io
from pathlib import Path

from cmx.results import mlperf

ROW = {
    **dict.fromkeys(mlperf.COLUMNS, ""),
    "version": "v4.0",
    "division": "open",
    "system_type": "edge",
    "submitter": "Krai",
    "system_name": "Pi [4] (rpi4)",
    "benchmark": "resnet",
    "model": "mobilenet",
    "scenario": "SingleStream",
    "result": "2.5",
    "unit": "Latency (ms)",
    "accuracy": "71.2",
    "host_processor": "Cortex-A72",
    "accelerator": "-",
    "accelerators": "(8,4)",
}


def table(*rows: dict[str, str], columns: tuple[str, ...] = mlperf.COLUMNS) -> str:
    """A CSV file's text."""
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def write(path: Path, *rows: dict[str, str]) -> Path:
    """The rows in a file."""
    path.write_text(table(*rows), encoding="utf-8")
    return path
