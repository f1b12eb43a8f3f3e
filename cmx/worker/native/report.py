"""What a program prints about itself.

``{"metric": "triad", "kernel_ns": 812345, "measures": {"triad": {"value": 11.2, "unit": "GB/s"}},
"checksum": "9f3c…", "facts": {"elements": 10000000}, "notes": []}``: ``kernel_ns`` is the time of one unit of the
program's work, the median of those of this launch; ``metric`` names the measure that matters most.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cmx.worker.outcome import ActionError


@dataclass(frozen=True)
class Measure:
    """A number that a program measured, and its unit."""

    value: float
    unit: str


@dataclass(frozen=True)
class Report:
    """One launch, in the program's own words."""

    metric: str
    kernel_ns: int
    measures: Mapping[str, Measure]
    checksum: str
    facts: Mapping[str, Any]
    notes: Sequence[str]

    @classmethod
    def parse(cls, output: str) -> Report:
        """The report on the last line of a program's output; raises ActionError naming what is wrong with it."""
        lines = output.strip().splitlines()
        last = lines[-1] if lines else ""
        try:
            return cls._read(json.loads(last))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ActionError(
                f"the last line of the program's output is no report ({type(error).__name__}: {error}): {last[:200]!r}",
                "a program ends with one JSON object: kernel_ns, measures, checksum (see cmx/worker/native/report.py)",
            ) from error

    @classmethod
    def _read(cls, document: Mapping[str, Any]) -> Report:
        measures = {
            str(name): Measure(float(each["value"]), str(each["unit"])) for name, each in document["measures"].items()
        }
        report = cls(
            metric=str(document.get("metric") or ""),
            kernel_ns=int(document["kernel_ns"]),
            measures=measures,
            checksum=str(document["checksum"]),
            facts=dict(document.get("facts") or {}),
            notes=tuple(map(str, document.get("notes") or ())),
        )
        if report.kernel_ns <= 0:
            raise ValueError(f"kernel_ns is {report.kernel_ns}")
        if report.metric and report.metric not in measures:
            raise ValueError(f"metric is {report.metric!r}, which is not among the measures")
        return report

    def check_asked(self, arguments: Sequence[str]) -> None:
        """Raise ActionError if a fact differs from what the last ``--fact VALUE`` among the arguments asked for."""
        options = dict(zip(arguments, arguments[1:]))  # noqa: RUF007 - Python 3.9 has no pairwise
        for option, asked in options.items():
            name = option[2:] if option.startswith("--") else ""
            if name in self.facts and str(self.facts[name]) != asked:
                raise ActionError(f"the program was asked for {option} {asked} and says {name} {self.facts[name]}")
