"""find-peak: LoadGen looks for the highest rate, and a run of its own confirms it, or a lower one."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cmx.worker import ActionError
from cmx.worker.loadgen import Report, Settings

FOLDER = "find-peak"
_SHARES = (0.95, 0.9, 0.85, 0.8, 0.7, 0.6, 0.5, 0.35, 0.2)
_CONFIRMATIONS = 2
_BEGINNINGS = 3
_STEPS = 20
Measure = Callable[[Settings, Path], Report]


def find_peak(measure: Measure, settings: Settings, output: Path) -> tuple[Report, Settings, dict[str, Any]]:
    """The report of the run that confirms a rate, or of the last that did not; its settings; and ``peak``.

    LoadGen's search looks at the latency bound alone and stops where it is just met: a run at that rate is as often
    INVALID as not, and has too many late answers for early stopping. So what is claimed is the first of 95 %, 90 %, …
    of it at which two whole runs, one after the other, are VALID. A search that fails at the rate that it begins with
    begins again with a quarter of it, twice: it may have been too high, or the machine busy with something else.
    Raises ActionError when all of them are too high.
    """
    searched, tried = _search(measure, settings, output / FOLDER), []
    for share in _SHARES:
        rate = float(f"{searched * share:.4g}")
        confirming = dataclasses.replace(settings, mode="performance", server_target_qps=rate)
        tried.append(rate)
        for _ in range(_CONFIRMATIONS):
            report = measure(confirming, output)
            if not report.valid:
                break
        if report.valid:
            break
    peak = {"searched_qps": searched, "confirmed_qps": rate if report.valid else None, "tried_qps": tried}
    return report, confirming, {"peak": peak, "notes": [_told(peak)]}


def _search(measure: Measure, settings: Settings, output: Path) -> float:
    """The rate, in queries/s, with which a search of LoadGen's ended."""
    begun = []
    for lower in range(_BEGINNINGS):
        rate = float(f"{(settings.server_target_qps or 1) / 4**lower:.3g}")
        begun.append(f"{rate:g}")
        beginning = dataclasses.replace(settings, server_target_qps=rate)
        decimals = _decimals(beginning)
        found = measure(dataclasses.replace(beginning, server_find_peak_qps_decimals_of_precision=decimals), output)
        if found.peak_qps is not None:
            return found.peak_qps
    raise ActionError(
        f"find-peak began at {', '.join(begun)} queries/s, and even that is too many: {found.invalid_reasons[0]}",
        f"begin lower (--set target-qps={rate / 4:.2g}), or allow more time (--set target-latency=1s)",
    )


def _decimals(settings: Settings) -> int:
    """As given, or enough for steps of a twentieth: each is a run, and confirming takes such steps itself."""
    if settings.server_find_peak_qps_decimals_of_precision is not None:
        return settings.server_find_peak_qps_decimals_of_precision
    return max(0, math.ceil(math.log10(_STEPS / (settings.server_target_qps or 1))))


def _told(peak: dict[str, Any]) -> str:
    searched, confirmed = peak["searched_qps"], peak["confirmed_qps"]
    if confirmed is None:
        return f"the search found {searched:g} queries/s, but no two runs at a fifth of it or more were VALID"
    return f"{confirmed:g} queries/s, confirmed by two runs, of which this is one; the search found {searched:g}"
