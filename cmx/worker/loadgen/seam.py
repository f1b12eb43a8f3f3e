"""What a load generator and the rest of the worker know of each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Optional, Protocol

from cmx.worker.loadgen.settings import Settings


class LoadError(Exception):
    """What ends a load test: a system that drops queries or answers one twice, settings that an engine has not.

    ``hint`` is the remedy, for the user.
    """

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class Complete(Protocol):
    """How a system under test answers. From any thread, any number of times for one query."""

    def __call__(
        self, ids: Sequence[int], answers: Optional[Sequence[bytes]] = None, tokens: Optional[Sequence[int]] = None
    ) -> None:
        """The samples with these ids are done, each once.

        ``answers`` are wanted where ``Settings.answers`` says so; ``tokens``, how many each answer has, with
        ``use_token_latencies``. An id that is not open ends the run with LoadError.
        """

    def first_token(self, ids: Sequence[int], answers: Optional[Sequence[bytes]] = None) -> None:
        """The first token of each is there: before it is done, once, and with ``use_token_latencies`` only."""

    def fail(self, error: BaseException) -> None:
        """The system is broken and answers nothing more: the run ends, and raises this."""


class SystemUnderTest(Protocol):
    """Answers queries."""

    def issue(self, ids: Sequence[int], indices: Sequence[int], complete: Complete) -> None:
        """Answer one query: ``complete`` each id with the answer to the sample at the same place of ``indices``.

        May return before all are complete. The time from the call to the completion is the latency. What it raises
        ends the run, as ``complete.fail`` does.
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

    ``latencies``: ns (int64) from issue to the completion of its last sample of each query, in the order of issue; in
    offline, which is one query, to each sample's, in the order of completion. Where an engine knows when a server's
    query was due it may count from then; ``summary`` always does. ``first_tokens`` likewise to the first token, and
    ``tokens`` how many tokens a query's answer had; both empty without ``use_token_latencies``.

    ``valid`` is the engine's verdict; in accuracy mode, where it gives none, whether every sample was answered without
    an error. ``throughput`` is samples per second over the whole run; ``peak_qps`` what find-peak found. In a
    submission run all this is of its second half, the measurement. ``answers`` maps sample index to what was answered
    (accuracy and submission). ``files`` are names in the output folder.
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
    first_tokens: Sequence[int] = ()
    tokens: Sequence[int] = ()
    peak_qps: Optional[float] = None


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
        """Raises what the system under test raised or failed with, and LoadError; never waits for ever."""
