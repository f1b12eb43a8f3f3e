"""A result: the record of one run, whether or not it went well."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cmx.errors import CmxError, StoreError, UsageError
from cmx.host import Description, Noise
from cmx.results import judgement
from cmx.results.comparability import Comparability

if TYPE_CHECKING:
    from cmx.results.launches import Observed

SCHEMA = 1
FILE = "result.json"
LATENCIES = "latencies.npy"
ID_BYTES = 8
SHORT_LENGTH = 8
_NOISE = ("before", "noise")


def folder_of(step: str, launch: int = 1) -> str:
    """The name of the folder of a step's launch: "benchmark", "benchmark.2", …"""
    return step if launch == 1 else f"{step}.{launch}"


@dataclass(frozen=True)
class Latency:
    """Times of queries in ns; None where the scenario has none (offline sends one query)."""

    min: int | None = None
    mean: int | None = None
    p50: int | None = None
    p90: int | None = None
    p95: int | None = None
    p99: int | None = None
    max: int | None = None

    @classmethod
    def from_metrics(cls, metrics: Mapping[str, Any]) -> Latency:
        """The latencies among a step's metrics."""
        values = metrics.get("latency") or {}
        return cls(**{name: values.get(name) for name in cls.__dataclass_fields__})

    @classmethod
    def from_statistics(cls, statistics: Mapping[str, Any]) -> Latency:
        """The latencies of a result's statistics: p50 is the median of launches' medians, the rest of all queries."""
        values = {name: each["value"] for name, each in statistics["percentiles"].items()}
        values |= {name: statistics[name] for name in ("min", "mean", "max")}
        return cls(**{**values, "p50": statistics["latency"]["median"]})


@dataclass(frozen=True)
class Step:
    """One step of the run. ``outcome`` is what the worker left (schema "outcome"), empty if it left nothing.

    A step that measures is there once for each launch, a fresh process, numbered from 1. ``before`` is how busy the
    machine was before that launch, ``noise`` what went on during it, ``energy`` what it used (``cmx.host.energy``), and
    ``took_ns`` how long it took in all: the start of its process too, but no waiting for the machine.
    """

    id: str
    action: str
    status: str
    wall_ns: int
    cached: bool = False
    outcome: Mapping[str, Any] = field(default_factory=dict)
    launch: int = 1
    before: Noise | None = None
    noise: Noise | None = None
    energy: Mapping[str, Any] | None = None
    took_ns: int = 0

    @property
    def folder(self) -> str:
        """The name of its folder below the run's."""
        return folder_of(self.id, self.launch)

    @property
    def metrics(self) -> Mapping[str, Any]:
        """The step's measurements."""
        return self.outcome.get("metrics") or {}

    @property
    def error(self) -> str:
        """Why it failed, in one line; "" when the outcome does not say."""
        error = self.outcome.get("error")
        return f"{error['type']}: {error['message']}" if error else ""

    def document(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "id": self.id,
            "action": self.action,
            "status": self.status,
            "wall_ns": self.wall_ns,
            "cached": self.cached,
            "outcome": dict(self.outcome) or None,
            "launch": self.launch,
            **{name: noise.document() for name in _NOISE if (noise := getattr(self, name))},
            **({"energy": dict(self.energy)} if self.energy else {}),
            **({"took_ns": self.took_ns} if self.took_ns else {}),
        }

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> Step:
        """The step that ``document`` made."""
        noise = {name: Noise.from_document(document[name]) for name in _NOISE if document.get(name)}
        return cls(**{**document, "outcome": document["outcome"] or {}, **noise})


@dataclass(frozen=True)
class Result:
    """One run: what was asked, what was chosen, where it ran, what came out, and whether it may be believed.

    ``status`` is "ok" or "failed" (a step or the run itself did not finish); ``valid`` is whether the numbers may be
    used, and ``reasons`` why not. ``pins`` maps roles to references, as in "model/efficientnet-lite0==1.0.0".
    ``statistics`` is what the launches say together (cmx.results.launches tells each field), None where nothing was
    measured. ``sampling`` is how long it was measured and why no longer, ``matrix`` the matrix run it is a point of.
    ``folder`` holds this record and a folder for each step, named by the step's id.
    """

    id: str
    created: str
    action: str
    workflow: str
    status: str
    valid: bool
    reasons: tuple[str, ...]
    request: Mapping[str, Any]
    plan: Mapping[str, Any]
    pins: Mapping[str, str]
    comparability: Comparability
    host: Description
    noise: Noise | None
    steps: tuple[Step, ...]
    statistics: Mapping[str, Any] | None = None
    error: Mapping[str, Any] | None = None
    sampling: Mapping[str, Any] | None = None
    matrix: Mapping[str, Any] | None = None
    folder: Path | None = field(default=None, compare=False)

    @classmethod
    def assemble(
        cls,
        *,
        id: str,
        request: Mapping[str, Any],
        plan: Mapping[str, Any],
        pins: Mapping[str, str],
        comparability: Comparability,
        host: Description,
        noise: Noise | None,
        steps: Sequence[Step],
        folder: Path | None = None,
        error: CmxError | None = None,
        sampling: Mapping[str, Any] | None = None,
        matrix: Mapping[str, Any] | None = None,
        created: str = "",
    ) -> Result:
        """The result of a run that ended, well or not: status, validity and statistics follow from what happened."""
        reasons = list(judgement.doubts(steps)) if error is None else [f"the run failed: {error.message}"]
        statistics = None
        try:
            statistics = _statistics(steps, folder)
        except StoreError as damaged:
            reasons.append(f"the raw latencies cannot be read: {damaged.message}")
        return cls(
            id=id,
            created=created or now(),
            action=comparability.action,
            workflow=comparability.workflow,
            status="ok" if error is None and all(step.status == "ok" for step in steps) else "failed",
            valid=not reasons,
            reasons=tuple(reasons),
            request=request,
            plan=plan,
            pins=pins,
            comparability=comparability,
            host=host,
            noise=noise,
            steps=tuple(steps),
            statistics=statistics,
            error=None if error is None else error_document(error),
            sampling=sampling,
            matrix=matrix,
            folder=folder,
        )

    @staticmethod
    def new_id() -> str:
        """A name that no other run has, nor one started in the same instant elsewhere."""
        return os.urandom(ID_BYTES).hex()

    @property
    def short(self) -> str:
        """The part of the id that is shown."""
        return self.id[:SHORT_LENGTH]

    @property
    def key(self) -> str:
        """Results with the same key may be compared."""
        return self.comparability.key

    @property
    def scenario(self) -> str:
        """The traffic pattern; "" where the action has none."""
        return self.comparability.scenario

    @property
    def metrics(self) -> Mapping[str, Any]:
        """The measurements of the step that took times (of its first launch), or else of the last step."""
        step = judgement.measured(self.steps) or (self.steps[-1] if self.steps else None)
        return step.metrics if step else {}

    @property
    def in_accuracy_mode(self) -> bool:
        """Whether it asked for each sample once, to score the answers: how long that took is no measurement."""
        return bool(self.metrics.get("mode") == judgement.ACCURACY)

    @property
    def latency(self) -> Latency:
        """Times of queries in ns, of all launches' steady states together; none in accuracy mode."""
        if self.in_accuracy_mode:
            return Latency()
        if self.statistics and "percentiles" in self.statistics and self.statistics.get("latency"):
            return Latency.from_statistics(self.statistics)
        return Latency.from_metrics(self.metrics)

    @property
    def throughput(self) -> float | None:
        """Samples per second, the median of the launches; None in accuracy mode."""
        if self.in_accuracy_mode:
            return None
        spread = (self.statistics or {}).get("throughput")
        return spread["median"] if spread else self.metrics.get("throughput")

    @property
    def launches(self) -> int:
        """How many fresh processes measured; 0 where nothing was."""
        return len(judgement.launches(self.steps))

    @property
    def checked(self) -> bool:
        """Whether anything was measured, checked or audited: else there is nothing to call valid."""
        found = judgement.measured(self.steps), judgement.validated(self.steps)
        return found != (None, None) or bool(self.audits)

    @property
    def audits(self) -> Mapping[str, Mapping[str, Any]]:
        """What each audit found, by its name; empty when none ran."""
        return judgement.audited(self.steps)

    @property
    def passed(self) -> bool:
        """Whether no check of the answers failed, and no audit."""
        return self.validation.get("passed") is not False and all(each["passed"] for each in self.audits.values())

    @property
    def validation(self) -> Mapping[str, Any]:
        """The measurements of the step that checked the answers; empty when none did."""
        step = judgement.validated(self.steps)
        return step.metrics if step else {}

    @property
    def accuracy(self) -> Mapping[str, float]:
        """Accuracy by metric, as in {"top_1": 0.9}; empty when the answers were not checked."""
        return self.validation.get("accuracy") or {}

    @property
    def noisy(self) -> tuple[str, ...]:
        """What else was going on while the times were taken, in the launch where it was worst."""
        return self.noise.noisy if self.noise else ()

    @property
    def cautions(self) -> tuple[str, ...]:
        """Percentiles that too few queries were made for."""
        return () if self.in_accuracy_mode else tuple((self.statistics or {}).get("cautions", ()))

    def latencies(self, launch: int = 1) -> Sequence[int]:
        """The raw latencies of a launch in ns, in the order of the queries.

        Raises UsageError when the run took none, StoreError when their file is gone or damaged.
        """
        step = next((each for each in judgement.launches(self.steps) if each.launch == launch), None)
        path = latencies_path(step, self.folder)
        if path is None:
            raise UsageError(f"result {self.short} has no raw latencies", hint="cmx run benchmark takes them")
        from cmx.results.npy import read_int64

        return read_int64(path)

    def document(self) -> dict[str, Any]:
        """As JSON, by the schema "result"; the folder is not part of it."""
        return {
            "schema": SCHEMA,
            "document": "result",
            "id": self.id,
            "created": self.created,
            "action": self.action,
            "workflow": self.workflow,
            "status": self.status,
            "valid": self.valid,
            "reasons": list(self.reasons),
            "error": None if self.error is None else dict(self.error),
            "key": self.key,
            "comparability": self.comparability.document(),
            "pins": dict(self.pins),
            "statistics": None if self.statistics is None else dict(self.statistics),
            "noise": None if self.noise is None else self.noise.document(),
            "steps": [step.document() for step in self.steps],
            "host": self.host.document(),
            "request": dict(self.request),
            "plan": dict(self.plan),
            **{name: dict(value) for name in ("sampling", "matrix") if (value := getattr(self, name))},
        }

    def anonymous(self, *folders: Path) -> Result:
        """The same without paths, the user's name and the host's; ``folders`` are more places that are to go."""
        from cmx.results.anonymity import Scrubber

        document = Scrubber.of_this_machine(*folders).document(self.document())
        return Result.from_document(document, folder=self.folder)

    @classmethod
    def from_document(cls, document: Mapping[str, Any], *, folder: Path | None = None) -> Result:
        """The result that ``document`` made; for one from outside use ``read``, which checks it first."""
        values = {name: document[name] for name in document if name not in ("schema", "document", "key")}
        values["reasons"] = tuple(document["reasons"])
        values["comparability"] = Comparability.from_document(document["comparability"])
        values["host"] = Description.from_document(document["host"])
        values["noise"] = Noise.from_document(document["noise"]) if document["noise"] else None
        values["steps"] = tuple(Step.from_document(step) for step in document["steps"])
        return cls(**values, folder=folder)

    @classmethod
    def read(cls, path: Path) -> Result:
        """The result in a file. Raises StoreError if it cannot be read, ComponentInvalid if it breaks the schema."""
        from cmx.schema import validate

        try:
            document = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError) as error:
            raise StoreError(f"{path}: cannot be read: {error}", hint="remove the run's folder") from error
        validate(document, "result", source=path)
        result = cls.from_document(document, folder=path.parent)
        if result.key != document["key"]:
            raise StoreError(f"{path}: key is {document['key']}, expected {result.key}", hint="the file was changed")
        return result


def now() -> str:
    """The time in UTC, as in 2026-01-31T12:00:00.000Z: texts that sort by time."""
    return datetime.now(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def error_document(error: CmxError) -> dict[str, Any]:
    """An error as JSON: its type, message, hint, and the last lines of the worker's output."""
    output = [str(line) for line in getattr(error, "output", ())]
    return {"type": type(error).__name__, "message": error.message, "hint": error.hint, "output": output}


def latencies_path(step: Step | None, folder: Path | None) -> Path | None:
    """Where the raw latencies of a launch lie; None where it took none."""
    if folder is None or step is None or LATENCIES not in (step.outcome.get("files") or ()):
        return None
    return folder / step.folder / LATENCIES


def observed(step: Step, folder: Path | None) -> Observed:
    """A launch for the statistics. Raises StoreError when its raw latencies cannot be read."""
    from cmx.results.launches import Observed

    path = latencies_path(step, folder) if step.metrics.get("latency") else None
    latencies: Sequence[int] = ()
    if path:
        from cmx.results.npy import read_int64

        latencies = read_int64(path)
    energy = (step.energy or {}).get("joules")
    return Observed(step.launch, step.metrics, latencies, step.outcome.get("memory_peak"), energy)


def _statistics(steps: Sequence[Step], folder: Path | None) -> dict[str, Any] | None:
    from cmx.results.launches import statistics

    return statistics([observed(step, folder) for step in judgement.launches(steps)])
