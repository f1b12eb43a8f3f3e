"""How long a test will take, as far as it is known before it begins: to be told, and never counted on."""

from __future__ import annotations

from typing import Protocol, Tuple, runtime_checkable

from cmx.worker.loadgen.effective import Effective, effective
from cmx.worker.loadgen.seam import ProgressSink, SampleLibrary
from cmx.worker.loadgen.settings import Settings


@runtime_checkable
class Foretold(Protocol):
    """A sink of progress that wants to know. ``sample_s`` is what a sample took in the warm-up; 0.0 if nobody knows."""

    sample_s: float

    def expect(self, seconds: float, *, at_least: bool) -> None: ...


def tell(progress: ProgressSink, settings: Settings, qsl: SampleLibrary) -> None:
    """Tell a sink that wants it how long a test with these settings takes, every one of them filled in."""
    if not isinstance(progress, Foretold):
        return
    try:
        limits = effective(settings, qsl.total, qsl.performance_count)
    except ValueError:
        return  # the engine says what is wrong
    seconds, at_least = forecast(settings.mode, limits, progress.sample_s)
    if seconds > 0:
        progress.expect(seconds, at_least=at_least)


def forecast(mode: str, limits: Effective, sample_s: float) -> Tuple[float, bool]:
    """Seconds, and whether it is at least so many (what a rule demands) or about so many (at the warm-up's pace).

    0 where nothing is known.
    """
    if mode == "accuracy":
        return _answering(limits, sample_s), False
    seconds, at_least = _measuring(limits, sample_s)
    if mode == "submission":
        return seconds + _answering(limits, sample_s), at_least
    return seconds, at_least or mode == "find-peak"  # which measures several times


def _measuring(limits: Effective, sample_s: float) -> Tuple[float, bool]:
    rule = limits.target_duration_ms / 1000
    query_s = 1 / limits.target_qps if limits.scenario == "server" else limits.samples_per_query * sample_s
    paced = limits.min_query_count * query_s
    most = [limits.max_query_count * query_s] if limits.max_query_count and limits.scenario != "offline" else []
    most += [limits.max_duration_ms / 1000] if limits.max_duration_ms else []
    ends = min((each for each in most if each > 0), default=0.0)
    if ends and ends < max(rule, paced):
        return ends, False
    return max(rule, paced), rule >= paced


def _answering(limits: Effective, sample_s: float) -> float:
    return limits.accuracy_sample_count * (1 / limits.target_qps if limits.scenario == "server" else sample_s)
