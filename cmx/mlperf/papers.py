"""The small files beside the logs: measurements.json, user.conf, README.md and accuracy.txt."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from typing import Any

from cmx.errors import UsageError
from cmx.mlperf import logs, rules
from cmx.mlperf.runs import Pair, Run
from cmx.mlperf.tree import Place
from cmx.store.hashing import sha256_of

_TYPES = {"float32": "fp32", "float16": "fp16", "bfloat16": "bf16"}
_KEPT = 4096
_CUT = b"\n\n...\n\n"
_NO_CONF = (
    "# LoadGen was given no user.conf: its settings are in performance/run_1/mlperf_log_detail.txt, as effective_*\n"
)


def measurements(run: Run) -> dict[str, str]:
    """What measurements.json asks for; weights that were made are said to be made, not judged."""
    model = (run.job.get("roles") or {}).get("model") or {}
    component: Mapping[str, Any] = model.get("component") or {}
    own = (component.get("variants") or {}).get(model.get("variant")) or {}
    inputs = own.get("inputs") or component.get("inputs") or ()
    types = dict.fromkeys(_TYPES.get(each["dtype"], each["dtype"]) for each in inputs)
    artifact = (run.result.plan.get("pins", {}).get("model") or {}).get("artifact") or {}
    made = _chain(artifact)
    compiled = (run.step.metrics.get("predictor") or {}).get("compiled")
    optimised = f"optimised by {compiled['framework']} {compiled['version']}" if compiled else ""
    return {
        "input_data_types": ", ".join(types) or "unknown: the result does not say",
        "retraining": "unknown: weight_transformations has what was done" if made else "no",
        "starting_weights_filename": _origin(artifact) or "unknown: the result does not say",
        "weight_data_types": _TYPES.get(run.result.comparability.precision, run.result.comparability.precision)
        or "unknown: the framework does not say",
        "weight_transformations": ", ".join(filter(None, (*made, optimised))) or "none",
    }


def _chain(artifact: Mapping[str, Any]) -> list[str]:
    """What was made of the weights, first to last: "checkpoint → onnx by convert.py:to_onnx"."""
    origin = artifact.get("from")
    if not origin:
        return []
    convert = artifact.get("convert") or {}
    by = f" by {convert['entry']}" if convert.get("entry") else ""
    return [*_chain(origin), f"{origin.get('variant')} → {artifact.get('variant')}{by}"]


def _origin(artifact: Mapping[str, Any]) -> str:
    """The file that all began with."""
    while artifact.get("from"):
        artifact = artifact["from"]
    source = artifact.get("source") or {}
    where = source.get("member") or source.get("file") or source.get("url") or ""
    return str(where).rpartition("/")[2]


def user_conf(run: Run) -> str:
    """What the run left as its user.conf; of one that left none, where its settings are."""
    path = run.folder / "user.conf"
    return path.read_text(encoding="utf-8") if path.is_file() else _NO_CONF


def accuracy_text(run: Run, benchmark: rules.Benchmark) -> str:
    """The metric line, the hash of the full accuracy log, and what was counted.

    Raises UsageError for a benchmark whose line cmx cannot write, or a run without an accuracy.
    """
    if benchmark.metric is None or not benchmark.metric.line:
        writable = (name for name, each in rules.BENCHMARKS.items() if each.metric and each.metric.line)
        hint = f"one of: {', '.join(writable)}"
        raise UsageError(f"cmx does not write the accuracy of {benchmark.name}", hint=f"map the model to {hint}")
    accuracy: Mapping[str, float] = run.step.metrics.get("accuracy") or {}
    if not accuracy:
        raise UsageError(f"{run.said} has no accuracy", hint="the model's answers have to be checked")
    name = run.step.metrics.get("metric") or next(iter(accuracy))
    count = (run.step.metrics.get("counts") or {}).get("total", "unknown")
    pins = run.result.pins
    counted = f"counted by cmx: {name} of {pins['model']} on {pins.get('dataset', 'unknown')}, {count} samples"
    line = benchmark.metric.line.format(accuracy[name] * benchmark.metric.scale)
    return f"{line}\nhash={sha256_of(run.folder / logs.ACCURACY)}\n{counted}\n"


def truncated(content: bytes) -> bytes:
    """The accuracy log with its middle left out, if it is longer than may be."""
    if len(content) <= rules.MOST_ACCURACY_BYTES:
        return content
    return content[:_KEPT] + _CUT + content[-_KEPT:]


def is_truncated(content: bytes) -> bool:
    """Whether the middle was left out."""
    return _CUT in content


def sha256(content: bytes) -> str:
    """As 64 hex digits."""
    return hashlib.sha256(content).hexdigest()


def said_hash(lines: Iterable[str]) -> str:
    """The hash in the lines of accuracy.txt; "" where there is none."""
    found = (re.fullmatch(r"hash=([0-9a-f]{64})", line.strip()) for line in lines)
    return next((match[1] for match in found if match), "")


def said_accuracy(lines: Iterable[str], metric: rules.Metric) -> str:
    """The accuracy in the lines of accuracy.txt, as it is written; "" where there is none."""
    found = (re.match(metric.pattern, line) for line in lines)
    return next((match[1] for match in found if match), "")


def readme(pair: Pair, place: Place, benchmark: rules.Benchmark) -> str:
    """What was run, how to run it again, and what came out, with its conditions."""
    run, result = pair.performance, pair.performance.result
    launches = result.launches
    lines = [
        f"# {pair.model} in {pair.scenario}, held to the rules of {benchmark.name}",
        "",
        "A self-test made by cmx: it shows form and rules, and is no submission to MLPerf.",
        "",
        *(f"- {role}: {reference}" for role, reference in result.pins.items()),
        f"- performance: {run.said}" + (f", the first of {launches} launches" if launches > 1 else ""),
        f"- accuracy: {pair.accuracy.said}, step {pair.accuracy.step.id}",
        f"- LoadGen's verdict: {run.log.values.get('result_validity', 'none')}",
        f"- while it was measured: {'; '.join(result.noisy) or 'nothing else was seen to go on'}",
        "",
        "Again:",
        "",
        *dict.fromkeys(f"    {each.command()}" for each in (run, pair.accuracy)),
    ]
    return "\n".join(lines) + "\n"
