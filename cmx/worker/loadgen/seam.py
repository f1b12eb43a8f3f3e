"""What a load generator and the rest of the worker know of each other."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Optional, Protocol

from cmx.worker.loadgen.settings import Settings

Complete = Callable[[Sequence[int], Optional[Sequence[bytes]]], None]
"""Called with the ids of samples that are done and, in accuracy mode, what was answered to each.

From any thread, any number of times for one query, each id once.
"""


class SystemUnderTest(Protocol):
    """Answers queries."""

    def issue(self, ids: Sequence[int], indices: Sequence[int], complete: Complete) -> None:
        """Answer one query: ``complete`` each id with the answer to the sample at the same place of ``indices``.

        May return before all are complete. The time from the call to the completion is the latency.
        """

    def flush(self) -> None:
        """No further query comes soon: hold nothing back."""


class SampleLibrary(Protocol):
    """Keeps samples in memory, ready to be used."""

    total: int
    """How many samples there are; indices are 0 to total - 1."""
    performance_count: int
    """How many fit in memory at once."""

    def load(self, indices: Sequence[int]) -> None:
        """Have these ready. Not timed."""

    def unload(self, indices: Sequence[int]) -> None:
        """These are no longer needed."""


class ProgressSink(Protocol):
    """Is told how many samples are done; ``now_ns`` is a ``perf_counter_ns`` read already."""

    def __call__(self, done: int, total: Optional[int] = None, *, now_ns: Optional[int] = None) -> None: ...


@dataclass(frozen=True)
class Report:
    """What came of a run.

    ``latencies``: ns from issue to completion of each sample, in the order of issue (int64). ``valid`` is the
    engine's verdict; in accuracy mode, where it gives none, whether every sample was answered without an error.
    ``throughput`` is samples per second over the whole run. ``answers`` maps sample index to what was answered
    (accuracy mode only). ``files`` are names in the output folder.
    """

    engine: str
    version: str
    valid: bool
    verdict: str
    invalid_reasons: tuple[str, ...]
    queries: int
    samples: int
    throughput: float
    latencies: Sequence[int]
    answers: Mapping[int, bytes]
    summary: Mapping[str, Any]
    settings: Mapping[str, Any]
    files: tuple[str, ...]


class Engine(Protocol):
    """Runs one load test. At most one in a process."""

    def __call__(
        self,
        sut: SystemUnderTest,
        qsl: SampleLibrary,
        settings: Settings,
        output: Path,
        progress: ProgressSink,
    ) -> Report:
        """Raises what the system under test raised, once the engine has come to its end."""
