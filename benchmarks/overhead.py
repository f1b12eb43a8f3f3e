"""What measuring through cmx adds to a latency: the same ONNX file in a bare onnxruntime loop and through cmx.

    python benchmarks/overhead.py [--pairs 9] [--duration 3]

First cmx runs once and leaves what both sides use: the optimised model, the preprocessed pictures, the session's
settings, and the number of queries that fills the duration. Then each pair measures both, one after the other, in
processes of their own of the same environment; the order turns round from pair to pair (bare, cmx, cmx, bare, ...).
Exit status 1 where the median of the pairs' ratios is more than 3 % from 1.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter_ns
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

WITHIN = 0.03
WARM_UP = 10
LEAST_QUERIES = 100


@dataclass(frozen=True)
class Measured:
    """One side of a pair: the median in ns, as LoadGen's summary has it too, and how busy other processes were."""

    p50: int
    loadgen_p50: int
    other_cores: float
    load: float


@dataclass(frozen=True)
class Subject:
    """What both sides measure. ``job`` is the job.json of cmx's own benchmark step, ``inputs`` its pictures."""

    python: Path
    job: Path
    inputs: Path
    predictor: dict[str, Any]
    queries: int


def main() -> int:
    """Print a line for each pair and the verdict; returns the exit status."""
    arguments = _arguments()
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    with tempfile.TemporaryDirectory() as folder:
        subject = prepare(Path(folder), arguments.duration)
        settings = {name: subject.predictor[name] for name in ("version", "threads", "spinning", "graph_optimisation")}
        print(f"{subject.queries} queries a side, onnxruntime {settings}\n{_HEAD}")
        pairs = []
        for number in range(arguments.pairs):
            sides = [measure_bare, measure_cmx] if number % 2 == 0 else [measure_cmx, measure_bare]
            found = {side: side(subject) for side in sides}
            pairs.append((found[measure_bare], found[measure_cmx]))
            print(_line(number + 1, "bare, cmx" if number % 2 == 0 else "cmx, bare", *pairs[-1]), flush=True)
    return _verdict(pairs)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=9, help="pairs to measure; an interval needs 6 (default: 9)")
    parser.add_argument("--duration", type=float, default=3, metavar="S", help="of one side (default: 3)")
    return parser.parse_args()


def prepare(folder: Path, duration: float) -> Subject:
    """Run cmx once, and keep what it measured with."""
    result = run_cmx("--duration", "1")
    job = _run_folder(result) / "benchmark" / "job.json"
    metrics = _metrics(result)
    python = _python(result["plan"])
    inputs = folder / "inputs.npy"
    subprocess.run([str(python), "-I", __file__, "child", "inputs", str(job), str(inputs)], check=True)
    queries = max(LEAST_QUERIES, round(duration * 1e9 / metrics["latency"]["p50"]))
    return Subject(python, job, inputs, metrics["predictor"], queries)


def run_cmx(*options: str) -> dict[str, Any]:
    """The result document of ``cmx run benchmark``, as its command line gives it."""
    command = [sys.executable, "-m", "cmx", "run", "benchmark", *options, "--json"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(command)}:\n{done.stderr}{done.stdout}")
    result: dict[str, Any] = json.loads(done.stdout)["result"]
    return result


def _run_folder(result: dict[str, Any]) -> Path:
    from cmx.settings import Settings

    folder: Path = Settings.from_environment().runs / result["id"]
    return folder


def _metrics(result: dict[str, Any]) -> dict[str, Any]:
    steps = {step["id"]: step for step in result["steps"]}
    metrics: dict[str, Any] = steps["benchmark"]["outcome"]["metrics"]
    return metrics


def _python(plan: dict[str, Any]) -> Path:
    """The interpreter of the environment in which the plan's benchmark step runs."""
    from cmx.settings import Settings
    from cmx.store import EnvironmentStore

    name = next(step["environment"] for step in plan["steps"] if step["id"] == "benchmark")
    environment = plan["environments"][name]
    if environment["source"] == "detected":
        return Path(environment["place"])
    packages = {(package["name"], package["version"]) for package in environment["packages"]}
    for each in EnvironmentStore(Settings.from_environment()).find():
        if {(package.name, package.version) for package in each.lock} == packages:
            return each.python
    sys.exit("the environment that cmx has just used is not in its store")


def measure_cmx(subject: Subject) -> Measured:
    """Through cmx: single-stream with the same number of queries."""
    result = run_cmx("--duration", "0", "--min-query-count", str(subject.queries))
    metrics, noise = _metrics(result), result["noise"]
    if metrics["queries"] != subject.queries or metrics["predictor"] != subject.predictor:
        sys.exit(f"cmx measured something else: {metrics['queries']} queries, {metrics['predictor']}")
    summary = metrics["loadgen"]["result_50.00_percentile_latency_ns"]
    return Measured(metrics["latency"]["p50"], summary, noise["other_cores"] or 0.0, noise["load"] or 0.0)


def measure_bare(subject: Subject) -> Measured:
    """The loop alone, in a child process; its CPU time is taken off what the machine did meanwhile."""
    from cmx.host import NoiseMonitor
    from cmx.results.statistics import percentile

    monitor = NoiseMonitor()
    command = [str(subject.python), "-I", __file__, "child", "bare", str(subject.job), str(subject.inputs)]
    command += [str(subject.queries), json.dumps(subject.predictor)]
    alike = {**os.environ, "ORT_DISABLE_TELEMETRY": "1"}  # a worker has no thread of ONNX Runtime's telemetry either
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=alike) as child:
        assert child.stdout is not None
        answer = json.loads(child.stdout.read() or "null")
    if not answer:
        sys.exit("the bare loop failed")
    noise = monitor.finish(answer["cpu_ns"])
    p50 = percentile(sorted(answer["latencies"]), 50.0)
    return Measured(p50, 0, noise.other_cores or 0.0, noise.load or 0.0)


_HEAD = "pair  order      bare p50    cmx p50   ratio  LoadGen's p50   cmx's own   others bare/cmx   load"


def _line(number: int, order: str, bare: Measured, cmx: Measured) -> str:
    ratio, own = cmx.p50 / bare.p50, cmx.loadgen_p50 / cmx.p50 - 1
    return (
        f"{number:>4}  {order:<9} {_ms(bare.p50)} {_ms(cmx.p50)} {ratio:>7.4f}    {_ms(cmx.loadgen_p50)}"
        f"     {own:>+7.2%}   {bare.other_cores:>5.2f} / {cmx.other_cores:<5.2f} cores {cmx.load:>5.1f}"
    )


def _ms(nanoseconds: int) -> str:
    return f"{nanoseconds / 1e6:>7.3f} ms"


def _verdict(pairs: list[tuple[Measured, Measured]]) -> int:
    """The median of the ratios, with the interval between two of them that holds the true median."""
    from cmx.results.statistics import median_interval, percentile

    ratios = sorted(round(cmx.p50 / bare.p50 * 1e6) for bare, cmx in pairs)
    summary = sorted(round((cmx.loadgen_p50 / cmx.p50 - 1) * 1e6) for _, cmx in pairs)
    median, interval = percentile(ratios, 50.0) / 1e6, median_interval(ratios)
    shown = f"{interval.low / 1e6:.4f} to {interval.high / 1e6:.4f} ({interval.confidence:.1%})" if interval else "none"
    good = abs(median - 1) <= WITHIN
    print(f"\nmedian ratio {median:.4f} of {len(pairs)} pairs, interval {shown}: {'' if good else 'not '}within 3 %")
    print(f"LoadGen's own p50 is {percentile(summary, 50.0) / 1e4:+.2f} % from cmx's raw p50 (median)")
    busy = max(max(bare.other_cores, cmx.other_cores) for bare, cmx in pairs)
    print(f"host: {os.cpu_count()} processors, other processes used up to {busy:.2f} of them meanwhile")
    return 0 if good else 1


def child(arguments: list[str]) -> None:
    """What runs in the environment: Python 3.9, and nothing of cmx's controller."""
    what, job, inputs = arguments[0], json.loads(Path(arguments[1]).read_text(encoding="utf-8")), Path(arguments[2])
    if what == "inputs":
        save_inputs(job, inputs)
    else:
        print(json.dumps(bare_loop(job, inputs, int(arguments[3]), json.loads(arguments[4]))))


def save_inputs(job: dict[str, Any], destination: Path) -> None:
    """The pictures of cmx's own job, preprocessed by cmx's own worker, as one array."""
    import numpy as np

    from cmx.worker import Context
    from cmx.worker.inference import Samples
    from cmx.worker.job import Job
    from cmx.worker.tasks import open_task

    task = open_task(Context(Job.from_document(job).roles, {}, destination.parent))
    samples = Samples(task)
    samples.load(range(samples.total))
    np.save(destination, np.stack([samples.feeds[index][task.inputs[0]] for index in range(samples.total)]))


def bare_loop(job: dict[str, Any], inputs: Path, queries: int, predictor: dict[str, Any]) -> dict[str, Any]:
    """What anybody would write: a session, arrays in memory, and a clock around ``session.run``."""
    import time

    import numpy as np
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.intra_op_num_threads = predictor["threads"]
    options.inter_op_num_threads = predictor["inter_op_threads"]
    options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
    options.graph_optimization_level = _levels(ort)[predictor["graph_optimisation"]]
    options.log_severity_level = 3
    spinning = "1" if predictor["spinning"] else "0"
    options.add_session_config_entry("session.intra_op.allow_spinning", spinning)
    options.add_session_config_entry("session.inter_op.allow_spinning", spinning)
    model = job["products"].get("compile", {}).get("model") or job["roles"]["model"]["path"]
    session = ort.InferenceSession(model, options, providers=predictor["providers"])
    name = session.get_inputs()[0].name
    arrays = [array.copy() for array in np.load(inputs)]
    order = random.Random(0).choices(range(len(arrays)), k=queries)
    for _ in range(WARM_UP):
        session.run(None, {name: arrays[0]})
    latencies = []
    for index in order:
        begin = perf_counter_ns()
        session.run(None, {name: arrays[index]})
        latencies.append(perf_counter_ns() - begin)
    return {"latencies": latencies, "cpu_ns": time.process_time_ns()}


def _levels(ort: Any) -> dict[str, Any]:
    levels = ort.GraphOptimizationLevel
    return {
        "disable": levels.ORT_DISABLE_ALL,
        "basic": levels.ORT_ENABLE_BASIC,
        "extended": levels.ORT_ENABLE_EXTENDED,
        "all": levels.ORT_ENABLE_ALL,
    }


if __name__ == "__main__":
    if sys.argv[1:2] == ["child"]:
        child(sys.argv[2:])
    else:
        sys.exit(main())
