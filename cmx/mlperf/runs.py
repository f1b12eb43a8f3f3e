"""Which runs of LoadGen go into a tree: of each model and scenario one for performance, one for accuracy."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cmx.errors import StoreError, UsageError
from cmx.host import Field
from cmx.mlperf import logs
from cmx.results import Result, Step

ENGINE = "mlperf-loadgen"
_MACHINE = ("hostname", "board", "cpu_model", "sockets", "cores", "threads", "memory", "accelerators")
_ROLES = ("model", "dataset", "framework")


@dataclass(frozen=True)
class Run:
    """One run of LoadGen: the step that made it, its log, and the folder with all its logs."""

    result: Result
    step: Step
    log: logs.Log
    folder: Path

    @property
    def model(self) -> str:
        """The model's name, without kind, version and variant."""
        return self.result.pins["model"].partition("/")[2].partition("==")[0].partition("[")[0]

    @property
    def asked_for_accuracy(self) -> bool:
        """Whether it is a benchmark in accuracy mode, not the check that goes with another benchmark."""
        return self.log.mode == "AccuracyOnly" and "passed" not in self.step.metrics

    @property
    def device(self) -> str:
        """What the model ran on; "cpu" where the framework knows nothing else."""
        return str((self.step.metrics.get("predictor") or {}).get("device") or "cpu")

    @property
    def job(self) -> Mapping[str, Any]:
        """What the step was given; empty when that is gone."""
        try:
            job: dict[str, Any] = json.loads((self.folder / "job.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return job

    @property
    def said(self) -> str:
        """For messages: "result 7f3a91c2"."""
        return f"result {self.result.short}"

    def command(self, **changed: str) -> str:
        """What makes such a run again, with some parameters changed."""
        request = self.result.request
        parameters = {**(request.get("parameters") or {}), **changed}
        words = [f"--set {name}={value}" for name, value in parameters.items()]
        words += [f"--use {role}={reference}" for role, reference in (request.get("use") or {}).items()]
        words += [f"--seed {request['seed']}"] if request.get("seed") else []
        return " ".join(["cmx run", str(request.get("action", "benchmark")), str(request.get("workflow", "")), *words])


@dataclass(frozen=True)
class Pair:
    """What one scenario's folder is made of."""

    performance: Run
    accuracy: Run

    @property
    def model(self) -> str:
        """The model's name."""
        return self.performance.model

    @property
    def scenario(self) -> str:
        """As LoadGen names it."""
        return self.performance.log.scenario


def pairs(results: Sequence[Result]) -> list[Pair]:
    """The pairs of runs that results of one machine hold, by model and scenario.

    Of several launches the first counts, whatever it says. Raises UsageError where a pair cannot be made, StoreError
    for a log that is gone or damaged.
    """
    found = [run for result in {each.id: each for each in results}.values() for run in _runs(result)]
    _check_one_machine(found)
    performance = [run for run in found if run.log.mode == "PerformanceOnly"]
    if not performance:
        hint = "cmx run benchmark WORKFLOW --set scenario=single-stream makes one"
        if both := [run for run in found if run.log.mode == "SubmissionRun"]:
            why = f"{both[0].said} is a submission run, whose halves share one log, and a tree has a log for each"
            raise UsageError(why, hint=f"{both[0].command(mode='performance')}, then the same with mode=accuracy")
        raise UsageError("none of these results holds a performance run of MLPerf LoadGen", hint=hint)
    made = [Pair(run, _accuracy_of(run, found)) for run in _one_each(performance)]
    for pair in made:
        _check_same_work(pair)
    return sorted(made, key=lambda pair: (pair.model, pair.scenario))


def _runs(result: Result) -> Iterator[Run]:
    if result.error or result.status != "ok":
        raise UsageError(f"result {result.short} is of a run that failed", hint=f"cmx result show {result.short}")
    steps = [s for s in result.steps if s.launch == 1 and logs.DETAIL in (s.outcome.get("files") or ())]
    engines = {str(step.metrics.get("engine")) for step in result.steps if step.metrics.get("engine")}
    if not steps or engines - {ENGINE}:
        by = ", ".join(sorted(engines)) or "no load generator"
        hint = "MLPerf asks for its own LoadGen: cmx run benchmark WORKFLOW, without another engine"
        raise UsageError(f"result {result.short} was made by {by}", hint=hint)
    if "model" not in result.pins or result.folder is None:
        raise UsageError(f"result {result.short} is of no model", hint="name results of cmx run benchmark WORKFLOW")
    for step in steps:
        folder = result.folder / step.folder
        if not (folder / logs.SUMMARY).is_file():
            hint = "its run's folder was removed or changed; run it again"
            raise StoreError(f"result {result.short}: {folder / logs.SUMMARY} is not there", hint=hint)
        yield Run(result, step, logs.read(folder / logs.DETAIL), folder)


def _one_each(performance: Iterable[Run]) -> list[Run]:
    chosen: dict[tuple[str, str], Run] = {}
    for run in performance:
        other = chosen.setdefault((run.model, run.log.scenario), run)
        if other is not run:
            what = f"{other.said} and {run.said} both are performance runs of {run.model} in {run.log.scenario}"
            raise UsageError(what, hint="name one of them")
    return list(chosen.values())


def _accuracy_of(performance: Run, runs: Iterable[Run]) -> Run:
    """The accuracy run of the same model and scenario: asked for as such, else the check in the same result."""
    model, scenario = performance.model, performance.log.scenario
    same = [r for r in runs if (r.log.mode, r.model, r.log.scenario) == ("AccuracyOnly", model, scenario)]
    asked = [run for run in same if run.asked_for_accuracy]
    if len(asked) > 1:
        what = f"{asked[0].said} and {asked[1].said} both are accuracy runs of {model} in {scenario}"
        raise UsageError(what, hint="name one of them")
    own = [run for run in same if run.result.id == performance.result.id]
    if not (asked or own or same):
        raise UsageError(
            f"no accuracy run of {model} in {scenario} is among these results",
            hint=f"{performance.command(mode='accuracy')}, and name its result too",
        )
    return (asked or own or same)[0]


def _check_same_work(pair: Pair) -> None:
    one, two = pair.performance.result, pair.accuracy.result
    for role in _ROLES:
        mine = (one.pins.get(role), one.comparability.hashes.get(role))
        theirs = (two.pins.get(role), two.comparability.hashes.get(role))
        if mine != theirs:
            raise UsageError(
                f"the {role} of results {one.short} and {two.short} is not the same: {mine[0]} and {theirs[0]}",
                hint="accuracy has to be that of what was timed: run one of them again",
            )


def _check_one_machine(runs: Sequence[Run]) -> None:
    for run in runs[1:]:
        for name in _MACHINE:
            mine, theirs = (each.result.host.fields.get(name) for each in (runs[0], run))
            if isinstance(mine, Field) and isinstance(theirs, Field) and mine.value != theirs.value:
                raise UsageError(
                    f"{runs[0].said} and {run.said} are of two machines: {name} is {mine.value} and {theirs.value}",
                    hint="export each machine's results into a tree of its own",
                )
