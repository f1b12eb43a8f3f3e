"""What a load generator costs a query: MLPerf LoadGen in a bare script, through cmx, and cmx's own engine.

    python benchmarks/loadgen.py [--rounds 9] [--queries 100000] [--python PATH]

The system under test does nothing, so all that is measured is the load generator. A round is a process for each side,
one after the other, and the order turns round from round to round. What counts is the CPU time of the whole test, from
the settings to the report, of all its threads, by the number of queries (offline: samples). The floor, in the same
processes, is the loop of Python that does the least: it notes when a sample is done, in single-stream when it was
asked for too, and calls a function in between. Goals in ns are of a machine on which that loop costs what
LOADGEN.md's does; on another they are as many times its floor. Then a server run of each engine says how late its
queries are issued. Needs mlcommons-loadgen in the Python that runs it, or in --python.
Exit status 1 where a goal is missed.
"""

from __future__ import annotations

import argparse
import functools
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
import time
from array import array
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

WRAPPING = 1.15
NATIVE_NS = {"single-stream": 1000, "offline": 300}
FLOOR_NS = {"single-stream": 220, "offline": 100}
LATE_NS = 10_000
SAMPLES = 1024
SERVER = {"rate": 200.0, "duration_ms": 5000}
_NAMES = {"single-stream": "SingleStream", "offline": "Offline"}
_SIDES = ("bare", "loadgen", "native")


def main() -> int:
    """Print a table for each scenario and the verdicts; returns the exit status."""
    arguments = _arguments()
    good = True
    for scenario in _NAMES:
        rounds = []
        for number in range(arguments.rounds):
            order = _SIDES if number % 2 == 0 else _SIDES[::-1]
            rounds.append({side: _measure(arguments, side, scenario) for side in order})
        good &= _report(scenario, rounds)
    good &= _lateness(arguments)
    print(f"\nhost: {os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}, Python {sys.version.split()[0]}")
    return 0 if good else 1


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9, help="rounds; an interval needs 6 (default: 9)")
    parser.add_argument("--queries", type=int, default=100_000, help="of one test (default: 100000)")
    parser.add_argument("--python", default=sys.executable, metavar="PATH", help="a Python with mlcommons-loadgen")
    found = parser.parse_args()
    if found.python == sys.executable and importlib.util.find_spec("mlperf_loadgen") is None:
        parser.error("this Python has no mlcommons-loadgen: pip install mlcommons-loadgen, or give --python PATH")
    return found


def _measure(arguments: argparse.Namespace, side: str, scenario: str) -> dict[str, Any]:
    command = [arguments.python, "-I", __file__, "child", side, scenario, str(arguments.queries)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(command)}:\n{done.stderr}")
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def _report(scenario: str, rounds: list[dict[str, dict[str, Any]]]) -> bool:
    """The costs and the ratios to the bare script; whether the goals are met."""
    unit = "sample" if scenario == "offline" else "query"
    print(f"\n{scenario}, CPU ns a {unit}, median of {len(rounds)} rounds (interval)")
    medians = {}
    for side in _SIDES:
        costs = [each[side]["cost"] for each in rounds]
        medians[side], shown = _interval(costs)
        print(f"  {side:<8} {medians[side]:>8.0f}  {shown}")
    floor, shown = _interval([each[side]["floor"] for each in rounds for side in _SIDES])
    print(f"  {'floor':<8} {floor:>8.0f}  {shown}")
    wrapping, shown = _interval([each["loadgen"]["cost"] / each["bare"]["cost"] for each in rounds], ".3f")
    wrapped = wrapping <= WRAPPING
    print(f"  through cmx / bare script: {wrapping:.3f}  {shown}: {_met(wrapped)} at most {WRAPPING}")
    ratio, shown = _interval([each["native"]["cost"] / each["bare"]["cost"] for each in rounds], ".3f")
    print(f"  native / bare script:      {ratio:.3f}  {shown}")
    goal, least = NATIVE_NS[scenario], FLOOR_NS[scenario]
    times, shown = _interval([each["native"]["cost"] / each["native"]["floor"] for each in rounds], ".2f")
    cheap = times <= goal / least
    said = f"{_met(cheap)} at most {goal / least:.2f} ({goal} ns where the floor is {least})"
    print(
        f"  native / floor:            {times:.2f}  {shown}: {said}; {medians['native'] / goal:.2f} of {goal} ns here"
    )
    return wrapped and cheap


def _interval(values: list[float], form: str = ".0f") -> tuple[float, str]:
    """The median, and the interval between two of the values that holds the true one."""
    from cmx.results.statistics import median_interval

    ordered = sorted(values)
    middle = len(ordered) // 2
    median = ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2
    found = median_interval(ordered)
    return median, f"({found.low:{form}} to {found.high:{form}})" if found else "(no interval)"


def _met(good: bool) -> str:
    return "meets" if good else "MISSES"


def _lateness(arguments: argparse.Namespace) -> bool:
    """How late queries are issued by a schedule; whether our own engine's median is as good as it should be."""
    print(f"\nserver, {SERVER['rate']:g} queries/s: how late a query is issued, µs")
    native, loadgen = (_measure(arguments, side, "server") for side in ("native", "loadgen"))
    good = native["p50"] <= LATE_NS
    said = f"{_met(good)} at most {LATE_NS / 1000:g} at p50 (of an idle machine)"
    print(f"  native   p50 {native['p50'] / 1000:>8.1f}  p99 {native['p99'] / 1000:>8.1f}  {said}")
    print(f"  loadgen  p50 {loadgen['p50'] / 1000:>8.1f}  p99 {loadgen['p99'] / 1000:>8.1f}  its latency, of nothing")
    return good


def child(side: str, scenario: str, queries: int) -> None:
    """One test, in a process of its own; importing is no part of it."""
    test: Any
    if side == "bare":
        test = functools.partial(_bare, importlib.import_module("mlperf_loadgen"), scenario, queries)
    else:
        loadgen = importlib.import_module("cmx.worker.loadgen")
        test = functools.partial(_engine, loadgen.open_engine(side), loadgen.Settings, side, scenario, queries)
    with tempfile.TemporaryDirectory() as folder:
        floor = min(_floor(scenario) for _ in range(3))  # the first also pays for what importing has started
        begin = time.process_time_ns()
        count, found = test(folder)
        cost = (time.process_time_ns() - begin) / count
    print(json.dumps({"cost": cost, "floor": floor, **found}))


def _floor(scenario: str, count: int = 100_000) -> float:
    """CPU ns a sample of a loop that only takes the times."""
    asked, done, clock = array("q", bytes(8 * count)), array("q", bytes(8 * count)), time.perf_counter_ns

    def answer(number: int) -> None:
        done[number] = clock()

    begin = time.process_time_ns()
    if scenario == "single-stream":
        for number in range(count):
            asked[number] = clock()
            answer(number)
    else:
        for number in range(count):
            done[number] = clock()
    return (time.process_time_ns() - begin) / count


def _bare(lg: Any, scenario: str, queries: int, folder: str) -> tuple[int, dict[str, Any]]:
    """What LoadGen's own examples write."""
    complete, response = lg.QuerySamplesComplete, lg.QuerySampleResponse

    def issue(ids: list[int], indices: list[int]) -> None:
        complete([response(number, 0, 0) for number in ids])

    settings, logging = lg.TestSettings(), lg.LogSettings()
    settings.scenario, settings.mode = getattr(lg.TestScenario, _NAMES[scenario]), lg.TestMode.PerformanceOnly
    settings.min_duration_ms, settings.min_query_count = 0, queries
    logging.enable_trace, logging.log_output.outdir = False, folder
    system = lg.ConstructFastSUT(issue, lambda: None)
    library = lg.ConstructQSL(SAMPLES, SAMPLES, lambda indices: None, lambda indices: None)
    lg.StartTestWithLogSettings(system, library, settings, logging)
    lg.DestroyFastSUT(system)
    lg.DestroyQSL(library)
    return queries, {}


class _Nothing:
    """A system under test that does nothing, and its samples."""

    total = performance_count = SAMPLES

    def issue(self, ids: Any, indices: Any, complete: Any) -> None:
        complete(ids)

    def flush(self) -> None: ...

    def load(self, indices: Any) -> None: ...

    unload = load


def _engine(
    engine: Any, settings: Any, side: str, scenario: str, queries: int, folder: str
) -> tuple[int, dict[str, Any]]:
    counts: dict[str, Any] = {"min_duration_ms": 0, "min_query_count": queries}
    if scenario == "server":
        counts = {"min_duration_ms": SERVER["duration_ms"], "server_target_qps": SERVER["rate"]}
    nothing = _Nothing()
    report = engine(nothing, nothing, settings(scenario=scenario, **counts), Path(folder), lambda *_, **__: None)
    name = "issue_delay_ns" if side == "native" else "latency_ns"
    late = {f"p{p}": report.summary.get(f"result_{p}.00_percentile_{name}") for p in (50, 99)}
    return report.samples, late


if __name__ == "__main__":
    if sys.argv[1:2] == ["child"]:
        child(sys.argv[2], sys.argv[3], int(sys.argv[4]))
    else:
        sys.exit(main())
