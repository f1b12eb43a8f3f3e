"""LoadGen's detail log, read as strictly as the official checker reads it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cmx.errors import StoreError

DETAIL = "mlperf_log_detail.txt"
SUMMARY = "mlperf_log_summary.txt"
ACCURACY = "mlperf_log_accuracy.json"
VALID = "Result is : VALID"
_MARK = ":::MLLOG"


@dataclass(frozen=True)
class Log:
    """The first value of each key, and the messages that are marked as errors."""

    values: Mapping[str, Any]
    errors: tuple[str, ...]

    @property
    def scenario(self) -> str:
        """As LoadGen names it: "SingleStream"."""
        return str(self.values.get("effective_scenario", ""))

    @property
    def mode(self) -> str:
        """As LoadGen names it: "PerformanceOnly"."""
        return str(self.values.get("effective_test_mode", ""))

    def setting(self, name: str) -> Any:
        """A setting as it was in effect; None where the log does not say."""
        return self.values.get(f"effective_{name}")


def read(path: Path) -> Log:
    """The log in a file. Raises StoreError, naming the line, for one that the official checker does not read."""
    values: dict[str, Any] = {}
    errors: list[str] = []
    try:
        with path.open(encoding="utf-8") as lines:
            for number, line in enumerate(lines, 1):
                if line.startswith(_MARK):
                    entry = _entry(line, f"{path}:{number}")
                    values.setdefault(entry["key"], entry["value"])
                    if entry["metadata"]["is_error"]:
                        errors.append(str(entry["value"]))
                elif number == 1:
                    raise StoreError(f"{path}:1: does not begin with {_MARK}", hint="it is no detail log of LoadGen")
    except (OSError, UnicodeDecodeError) as error:
        raise StoreError(f"{path}: cannot be read: {error}", hint="export the tree again") from error
    if not values:
        raise StoreError(f"{path}: holds no line of LoadGen's", hint="it is no detail log of LoadGen")
    return Log(values, tuple(errors))


def _entry(line: str, where: str) -> dict[str, Any]:
    try:
        entry: dict[str, Any] = json.loads(line[len(_MARK) :])
        _ = entry["key"], entry["value"], entry["metadata"]["is_error"]
    except (ValueError, KeyError, TypeError) as error:
        raise StoreError(f"{where}: not a line of LoadGen's log: {error}", hint="export the tree again") from error
    return entry
