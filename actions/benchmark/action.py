"""Measure latency and throughput under a load scenario."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from cmx.worker import ActionError, Context, Outcome, latency
from cmx.worker.accuracy import no_accuracy
from cmx.worker.inference import System, describe_predictor, score_answers
from cmx.worker.loadgen import Engine, Report, Settings, conf, open_engine
from cmx.worker.loadgen.parameters import settings as load_settings
from cmx.worker.stages import stage_times

from .expectations import Expected, defaults
from .peak import find_peak

USER_CONF = "user.conf"
_TOKEN_BOUND_NS = 100_000_000
FIRST_TOKENS, TOKENS = "first-tokens.npy", "tokens.npy"


def benchmark(
    context: Context,
    *,
    engine: str = "loadgen",
    scenario: str = "single-stream",
    mode: str = "performance",
    batch_size: int = 1,
    batch_timeout: float = 0.002,
    workers: int = 1,
    performance_sample_count: int | None = None,
    warm_up: int = 10,
    threads: int = 1,
    **load: Any,
) -> Outcome:
    """Drive the model with a load generator; metrics as the terminal's table and the record need them.

    ``load`` are the parameters of the load generator (``cmx.worker.loadgen.parameters``).
    """
    _refuse(scenario, mode, batch_size, workers)
    given = load_settings(scenario, mode, load, {})
    configured = _configured(given)
    system = System(
        context,
        scenario=scenario,
        threads=threads,
        batch_size=batch_size,
        batch_timeout=batch_timeout,
        workers=workers,
        performance_sample_count=performance_sample_count,
        answering=given.answers,
        tokens=_tokens_wanted(engine, mode, given, configured),
    )
    times = system.warm_up(warm_up)
    expected = Expected(min(times), max(times), batch_size, workers)
    usual = {**defaults(given, configured, expected, context.seed), "use_token_latencies": system.tokens or None}
    settings = load_settings(scenario, mode, load, usual)
    report, settings, found = _driven(context, system, settings, open_engine(engine))
    context.progress.finish(report.samples, report.samples)
    asked = {"scenario": scenario, "mode": mode, "threads": threads, "batch_size": batch_size, "workers": workers}
    metrics = {
        **asked,
        **_metrics(context, report, system, scenario),
        **found,
        "warm_up": {"queries": warm_up, "latencies": times},
        **_scored(system, report, mode),
        **_remarked(context, report, settings, given, found),
    }
    if mode != "accuracy":
        metrics["stages"] = stage_times(system.task, system.workers[0], batch_size)
    return Outcome(_summary(report, scenario, mode), metrics, files=_kept(context, report, settings, scenario))


def _refuse(scenario: str, mode: str, batch_size: int, workers: int) -> None:
    """Raise ActionError for what does not go together."""
    if scenario == "single-stream" and batch_size != 1:
        raise ActionError(
            f"single-stream asks for one sample at a time, batch-size is {batch_size}", "--set scenario=offline"
        )
    if scenario == "single-stream" and workers != 1:
        raise ActionError(f"single-stream asks for one sample at a time, workers is {workers}", "--set scenario=server")
    if mode == "find-peak" and scenario != "server":
        raise ActionError(f"find-peak is for servers, and scenario is {scenario}", "--set scenario=server")


def _tokens_wanted(engine: str, mode: str, given: Settings, configured: dict[str, Any]) -> bool | None:
    """Whether tokens are to be timed; None leaves it to the task, where engine and mode can."""
    said = given.use_token_latencies
    wanted = configured.get("use_token_latencies") if said is None else said
    return wanted if wanted is not None or (engine == "loadgen" and mode != "accuracy") else False


def _configured(given: Settings) -> dict[str, Any]:
    """The fields that a user.conf sets, of those that the user has not set."""
    if not given.user_conf:
        return {}
    return conf.read(Path(given.user_conf), given.mlperf_model or "*", given.scenario)


def _driven(
    context: Context, system: System, settings: Settings, engine: Engine
) -> tuple[Report, Settings, dict[str, Any]]:
    """The run that counts, with what settings, and what else there is to say of how it was found."""

    def measure(settings: Settings, output: Path) -> Report:
        output.mkdir(exist_ok=True)
        return engine(system.sut, system.samples, settings, output, context.progress)

    if settings.mode == "find-peak":
        return find_peak(measure, settings, context.output)
    return measure(settings, context.output), settings, {}


def _metrics(context: Context, report: Report, system: System, scenario: str) -> dict[str, Any]:
    predictor = system.predictors[0]
    return {
        "engine": report.engine,
        "engine_version": report.version,
        "valid": report.valid,
        "verdict": report.verdict,
        "invalid_reasons": list(report.invalid_reasons),
        "queries": report.queries,
        "samples": report.samples,
        "latency": None if scenario == "offline" else latency.summarise(report.latencies),
        "throughput": report.throughput,
        "load_ns": predictor.load_ns,
        "loadgen": dict(report.summary),
        "settings": dict(report.settings),
        "predictor": describe_predictor(context, predictor),
        "shared_predictor": len(system.workers) > 1 and predictor is system.predictors[-1],
        "load": _load(report, scenario, len(system.workers)),
        **({"mean_batch": sum(system.batches) / len(system.batches)} if system.batches else {}),
        **_tokens(report, scenario),
    }


def _tokens(report: Report, scenario: str) -> dict[str, Any]:
    """Of a model that generates: how many tokens, and where a query is one sample, the times of the first and the rest.

    ``per_token`` is of those after the first, (latency - first token) / (tokens - 1), as LoadGen has it.
    """
    if not report.tokens:
        return {}
    rates = ("result_completed_tokens_per_second", "result_tokens_per_second")
    rate = next((report.summary[name] for name in rates if name in report.summary), None)
    found = {"tokens": sum(report.tokens), "tokens_per_second": rate}
    if scenario not in ("single-stream", "server"):
        return found
    pairs = zip(report.latencies, report.first_tokens, report.tokens)
    each = [(last - first) // (count - 1) for last, first, count in pairs if count > 1]
    rest = latency.summarise(each) if each else None
    return {**found, "first_token": latency.summarise(report.first_tokens), "per_token": rest}


def _load(report: Report, scenario: str, workers: int) -> str:
    """What of the load must be equal for results to be compared; "" where it is what every run has."""
    said = [f"workers {workers}"] if workers > 1 else []
    if scenario == "server":
        said.append(f"target-qps {report.settings.get('target_qps', 0):g}")
    if scenario == "multi-stream":
        said.append(f"samples-per-query {report.settings.get('samples_per_query')}")
    return ", ".join(said)


def _scored(system: System, report: Report, mode: str) -> dict[str, Any]:
    """How good the answers are, where the whole dataset was answered."""
    if mode not in ("accuracy", "submission"):
        return {}
    return dict(score_answers(system.task, report, system.task.metrics[0]).document())


def _remarked(
    context: Context, report: Report, settings: Settings, given: Settings, found: dict[str, Any]
) -> dict[str, Any]:
    """Sentences for whoever reads the result; and why nobody checks the answers, where they mean nothing."""
    notes = list(found.get("notes", ()))
    if settings.scenario == "server" and settings.mode != "accuracy":
        notes += _server_notes(report, settings, given)
    reason = no_accuracy(context.role("model").get("reference") or {})
    return {
        "notes": [*notes, *([f"{reason}: no accuracy"] if reason else [])],
        **({"no_accuracy": reason} if reason else {}),
    }


def _server_notes(report: Report, settings: Settings, given: Settings) -> list[str]:
    target, bound = report.settings.get("target_qps", 0.0), report.settings.get("target_latency_ns", 0)
    percent = round(float(report.settings.get("target_latency_percentile", 0)) * 100, 4)
    reached = report.summary.get(f"result_{percent:.2f}_percentile_latency_ns")
    was = "" if reached is None else f": p{percent:g}, from when each was due, is {reached / 1e6:.2f} ms"
    allowed = f"{percent:g} % may take {bound / 1e6:g} ms{was}"
    if settings.use_token_latencies:
        ttft, tpot = (each or _TOKEN_BOUND_NS for each in (settings.ttft_latency, settings.tpot_latency))
        allowed = f"of {percent:g} % the first token may take {ttft / 1e6:g} ms, and each after it {tpot / 1e6:g} ms"
    notes = [f"{target:g} queries/s arrived, and {allowed}"]
    if given.server_target_qps is None and given.mode != "find-peak" and not settings.user_conf:
        notes.append("target-qps was not given, and is half of what the warm-up reached")
    return notes


def _kept(context: Context, report: Report, settings: Settings, scenario: str) -> list[str]:
    """The files to keep. Raw times: latencies, or in offline, where all is asked for at once, when each was done."""
    conf.write(settings, report.settings, context.output / USER_CONF)
    times = "completions.npy" if scenario == "offline" else "latencies.npy"
    latency.save(report.latencies, context.output / times)
    tokens = [FIRST_TOKENS, TOKENS] if report.tokens and scenario != "offline" else []
    for name, values in zip(tokens, (report.first_tokens, report.tokens)):
        latency.save(values, context.output / name)
    searched = [f"{path.parent.name}/{path.name}" for path in sorted(context.output.glob("find-peak/mlperf_log_*"))]
    return [*report.files, USER_CONF, times, *tokens, *searched]


def _summary(report: Report, scenario: str, mode: str) -> str:
    if mode == "accuracy":
        return f"{scenario}, accuracy of {report.samples} samples"
    count = f"{report.samples:,} samples" if scenario == "offline" else f"{report.queries:,} queries"
    at = f" at {report.settings.get('target_qps', 0):g}/s" if scenario == "server" else ""
    return f"{scenario}, {count}{at}" + ("" if report.valid else f", INVALID: {report.invalid_reasons[0]}")
