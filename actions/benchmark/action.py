"""Measure latency and throughput under a load scenario."""

from __future__ import annotations

from typing import Any

from cmx.worker import ActionError, Context, Outcome, latency
from cmx.worker.accuracy import no_accuracy
from cmx.worker.inference import Samples, Sut, describe_predictor, measure_accuracy, model_predictor, model_task
from cmx.worker.loadgen import Report, Settings, open_engine, seeds
from cmx.worker.predictors import Predictor
from cmx.worker.stages import stage_times
from cmx.worker.tasks import Task

# LoadGen prepares queries before it starts, by the latency it expects. Too many cost a little memory; too few end
# the run early and make it invalid, so the warm-up's best time is taken for slower than the best to come.
_FASTER_QUERIES = 2.0
_FASTER_SAMPLES = 1.2


def benchmark(
    context: Context,
    *,
    engine: str = "loadgen",
    scenario: str = "single-stream",
    mode: str = "performance",
    batch_size: int = 1,
    duration: float = 10,
    max_duration: float | None = None,
    min_query_count: int = 100,
    max_query_count: int | None = None,
    expected_latency: float | None = None,
    offline_expected_qps: float | None = None,
    latency_percentile: float = 0.9,
    performance_sample_count: int | None = None,
    warm_up: int = 10,
    threads: int = 1,
) -> Outcome:
    """Drive the model with LoadGen; metrics as the terminal's table and the record need them."""
    if scenario == "single-stream" and batch_size != 1:
        raise ActionError(
            f"single-stream asks for one sample at a time, batch-size is {batch_size}", "--set scenario=offline"
        )
    predictor = model_predictor(context, threads=threads)
    common = {"scenario": scenario, "mode": mode, "threads": threads, "batch_size": batch_size}
    task = model_task(context, predictor)
    if mode == "accuracy":
        return _accuracy(context, predictor, task, common, engine)
    samples = Samples(task, performance_sample_count)
    sut = Sut(predictor, task, samples, batch_size)
    samples.load([0])
    times = sut.warm_up(0, warm_up)
    settings = Settings(
        scenario=scenario,
        mode=mode,
        min_duration_ms=_milliseconds(duration),
        max_duration_ms=_milliseconds(max_duration),
        min_query_count=min_query_count,
        max_query_count=max_query_count,
        single_stream_target_latency_percentile=latency_percentile,
        **_expectations(expected_latency, offline_expected_qps, min(times) / batch_size),
        **seeds(context.seed),
    )
    report = open_engine(engine)(sut, samples, settings, context.output, context.progress)
    context.progress.finish(report.samples, report.samples)
    metrics = {
        **common,
        **_metrics(context, report, predictor),
        "warm_up": {"queries": warm_up, "latencies": times},
        "stages": stage_times(task, sut, batch_size),
        **_unchecked(context),
    }
    return Outcome(_summary(report, scenario), metrics, files=[*report.files, _keep(context, report, scenario)])


def _unchecked(context: Context) -> dict[str, Any]:
    """Why nobody checks the answers, where the model's component says that they mean nothing."""
    reason = no_accuracy(context.role("model").get("reference") or {})
    return {"no_accuracy": reason, "notes": [f"{reason}: no accuracy"]} if reason else {}


def _expectations(latency_s: float | None, qps: float | None, best_ns: float) -> dict[str, Any]:
    """What LoadGen is told to expect: what the user says, or the best of the warm-up and a margin."""
    return {
        "single_stream_expected_latency_ns": max(1, round(latency_s * 1e9 if latency_s else best_ns / _FASTER_QUERIES)),
        "offline_expected_qps": qps or 1e9 / max(best_ns, 1) * _FASTER_SAMPLES,
    }


def _milliseconds(seconds: float | None) -> int | None:
    return None if seconds is None else round(seconds * 1000)


def _keep(context: Context, report: Report, scenario: str) -> str:
    """Save the raw times: latencies, or in offline, where all samples are asked for at once, when each was done."""
    name = "completions.npy" if scenario == "offline" else "latencies.npy"
    latency.save(report.latencies, context.output / name)
    return name


def _metrics(context: Context, report: Report, predictor: Predictor) -> dict[str, Any]:
    return {
        "engine": report.engine,
        "engine_version": report.version,
        "valid": report.valid,
        "verdict": report.verdict,
        "invalid_reasons": list(report.invalid_reasons),
        "queries": report.queries,
        "samples": report.samples,
        "latency": None if report.queries < report.samples else latency.summarise(report.latencies),
        "throughput": report.throughput,
        "load_ns": predictor.load_ns,
        "loadgen": dict(report.summary),
        "settings": dict(report.settings),
        "predictor": describe_predictor(context, predictor),
    }


def _accuracy(context: Context, predictor: Predictor, task: Task, common: dict[str, Any], engine: str) -> Outcome:
    """The same scenario in LoadGen's accuracy mode: every sample once, and no verdict on speed."""
    scenario, batch_size = common["scenario"], common["batch_size"]
    report, score = measure_accuracy(
        context, predictor, task, batch_size=batch_size, scenario=scenario, metric=task.metrics[0], engine=engine
    )
    metrics = {**common, **_metrics(context, report, predictor), **score.document()}
    return Outcome(f"{scenario}, accuracy of {score.total} samples", metrics, files=report.files)


def _summary(report: Report, scenario: str) -> str:
    count = f"{report.samples:,} samples" if scenario == "offline" else f"{report.queries:,} queries"
    return f"{scenario}, {count}" + ("" if report.valid else f", INVALID: {report.invalid_reasons[0]}")
