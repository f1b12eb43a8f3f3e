"""Look for a system that cheats: the audits TEST01 and TEST04 of MLPerf Inference, for any model, in single-stream."""

from __future__ import annotations

from typing import Any

from cmx.worker import ActionError, Context, Outcome
from cmx.worker.fresh import in_fresh_process
from cmx.worker.inference import Samples, Sut, describe_predictor, model_predictor, model_task
from cmx.worker.loadgen import Settings, open_engine, seeds
from cmx.worker.loadgen.logs import ACCURACY, logged_answers
from cmx.worker.tasks import open_task

from .verdicts import Finding, Pair, judge_answers, judge_keeping

_MOST_QUERIES = 1024
_WARM_UP = 3


def audit(
    context: Context,
    *,
    engine: str = "loadgen",
    test: str = "all",
    queries: int | None = None,
    samples: int = 50,
    rounds: int = 3,
    faster: float = 0.1,
    threads: int = 1,
) -> Outcome:
    """What each audit found, under ``audits``. A system that is caught is a finding, not an error."""
    runs = _Runs(context, {"engine": engine, "threads": threads})
    found: dict[str, Finding] = {}
    if test in ("all", "TEST01"):
        found["TEST01"] = _same_answers(context, runs, queries)
    if test in ("all", "TEST04"):
        found["TEST04"] = judge_keeping([_round(runs, samples) for _ in range(rounds)], faster)
    passed = all(each.passed for each in found.values())
    metrics = {
        "audits": {name: each.document() for name, each in found.items()},
        "passed": passed,
        "threads": threads,
        "scenario": "single-stream",
        "engine": runs.last["engine"],
        "engine_version": runs.last["engine_version"],
        "predictor": runs.last["predictor"],
    }
    said = [f"{name} {'passed' if each.passed else 'FAILED'}" for name, each in found.items()]
    return Outcome(", ".join(said), metrics)


class _Runs:
    """Load tests, each in a process of its own: nothing that a system remembers goes from one to the next."""

    def __init__(self, context: Context, alike: dict[str, Any]) -> None:
        self.last: Any = {}
        self._context = context
        self._alike = alike
        self._count = 0

    def __call__(self, mode: str, *, queries: int, ask: str = "any", place: int = 0) -> Any:
        """One load test; its metrics are those of ``one_run``."""
        self._count += 1
        name = f"{self._count:02}-{mode}-{ask}"
        parameters = {"mode": mode, "queries": queries, "ask": ask, "place": place, **self._alike}
        folder = self._context.output / name
        self.last = in_fresh_process(self._context, f"{__file__}:one_run", "action/audit==1.0.0", parameters, folder)
        self.last = {**self.last, "folder": folder}
        self._context.progress.finish(self._count)
        return self.last


def _same_answers(context: Context, runs: _Runs, queries: int | None) -> Finding:
    """TEST01: every sample in accuracy mode, then a measurement whose answers are all logged."""
    task = open_task(context)
    queries = queries or min(2 * len(task), _MOST_QUERIES)
    logs = [runs(mode, queries=queries)["folder"] / ACCURACY for mode in ("accuracy", "performance")]
    accuracy, measured = (logged_answers(log) for log in logs)
    return judge_answers(dict(accuracy), measured, task.alike)


def _round(runs: _Runs, samples: int) -> Pair:
    """Different samples, each once, and then one of them as often: the one that took as long as half of them did."""
    unique = runs("performance", queries=samples, ask="unique")
    ordered = sorted(zip(unique["latencies"], unique["asked"]))
    middle = ordered[len(ordered) // 2][1]
    same = runs("performance", queries=len(ordered), ask="same", place=unique["loaded"].index(middle))
    if len(set(unique["asked"])) != len(ordered) or set(same["asked"]) != {middle}:
        raise ActionError("the load generator did not ask for the samples that TEST04 needs", "--set test=TEST01")
    return Pair(unique["latencies"], same["latencies"], middle)


def one_run(context: Context, *, engine: str, mode: str, queries: int, ask: str, place: int, threads: int) -> Outcome:
    """One load test, in the process that ``audit`` starts for it; ``ask`` is for any, unique or the same samples.

    ``asked`` are the samples in the order of the queries, ``loaded`` those in memory, in LoadGen's order.
    """
    predictor = model_predictor(context, threads=threads)
    task = model_task(context, predictor)
    samples = Samples(task)
    if ask != "any":
        queries = min(queries, samples.performance_count)
        if queries < 2:
            raise ActionError(f"TEST04 needs two samples in memory, there is {queries}", "--set test=TEST01")
    answering = ask == "any"
    sut = Sut(predictor, task, samples, answering=answering)
    settings = Settings(
        scenario="single-stream",
        mode=mode,
        min_duration_ms=0,
        min_query_count=queries,
        max_query_count=queries,
        accuracy_log_probability=1.0 if answering else None,
        performance_issue_unique=True if ask == "unique" else None,
        performance_issue_same=True if ask == "same" else None,
        performance_issue_same_index=place if ask == "same" else None,
        **seeds(context.seed),
    )
    watched = _Watched(sut, samples)
    if mode == "performance":
        samples.load([0])
        sut.warm_up(0, _WARM_UP)
    report = open_engine(engine)(watched, watched, settings, context.output, context.progress)
    metrics = {
        "asked": watched.asked,
        "loaded": watched.loaded,
        "latencies": list(report.latencies),
        "engine": report.engine,
        "engine_version": report.version,
        "predictor": describe_predictor(context, predictor),
    }
    return Outcome(f"{mode}, {len(watched.asked)} queries", metrics, files=report.files)


class _Watched:
    """A system under test and its samples, and what they were asked for."""

    def __init__(self, sut: Sut, samples: Samples) -> None:
        self.total, self.performance_count = samples.total, samples.performance_count
        self.asked: list[int] = []
        self.loaded: list[int] = []
        self.flush, self.unload = sut.flush, samples.unload
        self._issue, self._load = sut.issue, samples.load

    def issue(self, ids: Any, indices: Any, complete: Any) -> None:
        """Pass a query on."""
        self.asked += indices
        self._issue(ids, indices, complete)

    def load(self, indices: Any) -> None:
        """Pass it on."""
        self.loaded += indices
        self._load(indices)
