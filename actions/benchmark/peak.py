"""find-peak: LoadGen looks for the highest rate, and a run of its own confirms it, or a lower one."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cmx.worker import ActionError
from cmx.worker.loadgen import Report, Settings

FOLDER = "find-peak"
_SHARES = (0.95, 0.9, 0.85, 0.8, 0.7, 0.6, 0.5, 0.35, 0.2)
_CONFIRMATIONS = 2
_PRECISE_BELOW = 50
Measure = Callable[[Settings, Path], Report]


def find_peak(measure: Measure, settings: Settings, output: Path) -> tuple[Report, Settings, dict[str, Any]]:
    """The report of the run that confirms a rate, or of the last that did not; its settings; and ``peak``.

    LoadGen's search looks at the latency bound alone and stops where it is just met: a run at that rate is as often
    INVALID as not, and has too many late answers for early stopping. So what is claimed is the first of 95 %, 90 %, …
    of it at which two whole runs, one after the other, are VALID. Raises ActionError when even the rate that the search
    began with is too high.
    """
    search = dataclasses.replace(settings, server_find_peak_qps_decimals_of_precision=_decimals(settings))
    found = measure(search, output / FOLDER)
    if found.peak_qps is None:
        raise _too_high(settings, found)
    tried = []
    for share in _SHARES:
        rate = float(f"{found.peak_qps * share:.4g}")
        confirming = dataclasses.replace(settings, mode="performance", server_target_qps=rate)
        tried.append(rate)
        for _ in range(_CONFIRMATIONS):
            report = measure(confirming, output)
            if not report.valid:
                break
        if report.valid:
            break
    peak = {"searched_qps": found.peak_qps, "confirmed_qps": rate if report.valid else None, "tried_qps": tried}
    return report, confirming, {"peak": peak, "notes": [_told(peak)]}


def _decimals(settings: Settings) -> int:
    """As given, or enough for steps of a few percent: each step of the search is a run."""
    if settings.server_find_peak_qps_decimals_of_precision is not None:
        return settings.server_find_peak_qps_decimals_of_precision
    return 1 if (settings.server_target_qps or 1) < _PRECISE_BELOW else 0


def _too_high(settings: Settings, found: Report) -> ActionError:
    target = settings.server_target_qps or 1
    return ActionError(
        f"find-peak began at {target:g} queries/s, and even that is too many: {found.invalid_reasons[0]}",
        f"begin lower (--set target-qps={target / 4:.2g}), or allow more time (--set target-latency=1s)",
    )


def _told(peak: dict[str, Any]) -> str:
    searched, confirmed = peak["searched_qps"], peak["confirmed_qps"]
    if confirmed is None:
        return f"LoadGen's search found {searched:g} queries/s, but no two runs at a fifth of it or more were VALID"
    return f"{confirmed:g} queries/s, confirmed by two runs, of which this is one; LoadGen's search found {searched:g}"
