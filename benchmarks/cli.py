"""What cmx itself costs: CPU time and peak memory of whole processes, and what a warm run does beside measuring.

    python benchmarks/cli.py [--launches 15] [--runs 5] [--no-first-run]

Each command is launched many times, as a process of its own, and the median is shown. CPU is user and system time
of the process and its children, as the kernel counts it (wait4). The peak is the most memory that the process
itself had resident (VmHWM), and "own CPU" leaves its children out: both are written by a few lines around cmx
in launches of their own, and so is what a run's controller used, apart from its workers.
Exit status 1 where a target is missed.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
PEAK_MIB = 120.0
WARM_RUN_S = 1.5
FIRST_DETECT_S = 3.0
_CMX = [sys.executable, "-m", "cmx"]

# Runs cmx and says at its end what the process used; argv[1] is the file to say it in.
_WITNESS = """
import sys
report = sys.argv.pop(1)
from cmx.cli.main import entry
try:
    entry()
finally:
    import json, resource
    used = resource.getrusage(resource.RUSAGE_SELF)
    peak = used.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    if sys.platform == "linux":
        status = open("/proc/self/status").read()
        peak = int(status.split("VmHWM:")[1].split()[0]) * 1024
    with open(report, "w") as stream:
        json.dump({"cpu": used.ru_utime + used.ru_stime, "peak": peak}, stream)
"""


@dataclass(frozen=True)
class Command:
    """One command line, its target in s of CPU (None: only shown), and what is done before each launch."""

    title: str
    argv: Sequence[str]
    target: float | None = None
    before: Callable[[], None] = lambda: None


@dataclass(frozen=True)
class Launch:
    """One process: s of CPU with its children, s of wall time."""

    cpu: float
    wall: float


@dataclass(frozen=True)
class Witnessed:
    """What a process said of itself: s of its own CPU, peak in bytes."""

    cpu: float
    peak: int


def main() -> int:
    """Print the tables; returns the exit status."""
    arguments = _arguments()
    # What is measured is cmx as installed: compiled once, not at every launch.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / "home"
        os.environ["CMX_HOME"] = str(home)
        missed = [] if arguments.no_first_run else first_run(Path(folder)) + first_detect(Path(folder))
        warm = witness(["run", "benchmark", "--duration", "1"])  # what the other commands work with
        fetch_the_rest(home)
        missed += commands(arguments.launches, home)
        missed += warm_runs(arguments.runs, home, warm)
    print("\nmissed: " + "; ".join(missed) if missed else "\nevery target is met")
    return 1 if missed else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--launches", type=int, default=15, help="of each command (default: 15)")
    parser.add_argument("--runs", type=int, default=5, help="warm runs of the benchmark (default: 5)")
    parser.add_argument("--no-first-run", action="store_true", help="leave out the run on an empty home")
    return parser.parse_args()


def launch(argv: Sequence[str]) -> Launch:
    """Run a command that must succeed; its output is thrown away."""
    begin = time.perf_counter()
    child = subprocess.Popen(argv, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    assert child.stderr is not None
    said = child.stderr.read()
    _, status, used = os.wait4(child.pid, 0)
    wall, child.returncode = time.perf_counter() - begin, os.waitstatus_to_exitcode(status)
    child.stderr.close()
    if child.returncode:
        sys.exit(f"{' '.join(argv)}: exit status {child.returncode}\n{said.decode()}")
    return Launch(used.ru_utime + used.ru_stime, wall)


def witness(arguments: Sequence[str]) -> Witnessed:
    """Run cmx in this interpreter's own child, which reports what it used itself, without its children."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        launch([sys.executable, "-c", _WITNESS, str(report), *arguments])
        return Witnessed(**json.loads(report.read_text()))


def fetch_the_rest(home: Path) -> None:
    """Run the workflow's other action, so that a resolve of all of it finds everything here."""
    job = max((home / "runs").glob("*/benchmark/job.json"), key=lambda path: path.stat().st_mtime)
    pictures = Path(json.loads(job.read_text(encoding="utf-8"))["roles"]["dataset"]["path"])
    launch([*_CMX, "run", "run", "--input", str(min(pictures.rglob("*.*")))])


def commands(launches: int, home: Path) -> list[str]:
    """The table of commands; returns the targets that were missed."""
    index = home / "cache" / "index.sqlite"
    rows = [
        Command("--help", ["--help"], 0.06),
        Command("list", ["list"], 0.10),
        Command("list, no index yet", ["list"], before=lambda: index.unlink(missing_ok=True)),
        Command("show", ["show", "efficientnet-lite0"]),
        Command("resolve, cached", ["resolve", "image-classification", "--offline"], 0.25),
        Command("result list", ["result", "list"]),
        Command("detect, nothing changed", ["detect"], 0.20),
    ]
    floor = statistics.median(launch([sys.executable, "-c", "pass"]).cpu for _ in range(launches))
    print(f"{'COMMAND':<27} {'CPU s':>7} {'x floor':>8} {'WALL s':>7} {'PEAK MiB':>9} {'TARGET':>14}")
    print(f"{'python3 -c pass':<27} {floor:>7.3f} {1:>8.1f}")
    return [missed for row in rows if (missed := _row(row, launches, floor))]


def _row(command: Command, launches: int, floor: float) -> str:
    """Print one command's line; what it missed, "" if nothing."""
    found = []
    for _ in range(launches):
        command.before()
        found.append(launch([*_CMX, *command.argv]))
    command.before()
    cpu, wall = (statistics.median(getattr(each, name) for each in found) for name in ("cpu", "wall"))
    peak = witness(command.argv).peak / 2**20
    target = f"{cpu / command.target:.2f} of {command.target:.2f} s" if command.target else ""
    print(f"{'cmx ' + command.title:<27} {cpu:>7.3f} {cpu / floor:>8.1f} {wall:>7.3f} {peak:>9.1f} {target:>14}")
    missed = command.target is not None and cpu > command.target
    return f"cmx {command.title}: {cpu:.3f} s of CPU, at most {command.target:.2f}" if missed else ""


def first_run(folder: Path) -> list[str]:
    """The controller's peak on an empty home, where it fetches, builds and converts everything."""
    home = folder / "first"
    begin, os.environ["CMX_HOME"] = time.perf_counter(), str(home)
    found = witness(["run", "benchmark", "--duration", "1"])
    wall, os.environ["CMX_HOME"] = time.perf_counter() - begin, str(folder / "home")
    home.rename(folder / "home")
    print(f"first run, empty home: {wall:.1f} s, controller {found.cpu:.2f} s of CPU, {_of_peak(found)}")
    return _missed_peak("first run", found)


def first_detect(folder: Path) -> list[str]:
    """The time of looking for everything with nothing known yet."""
    os.environ["CMX_HOME"] = str(folder / "detect")
    wall = launch([*_CMX, "detect"]).wall
    os.environ["CMX_HOME"] = str(folder / "home")
    print(f"first detect of everything: {wall:.2f} s ({wall / FIRST_DETECT_S:.2f} of {FIRST_DETECT_S} s)\n")
    return [f"first detect: {wall:.2f} s, at most {FIRST_DETECT_S}"] if wall > FIRST_DETECT_S else []


def _of_peak(found: Witnessed) -> str:
    return f"peak {found.peak / 2**20:.1f} MiB ({found.peak / 2**20 / PEAK_MIB:.2f} of {PEAK_MIB:.0f} MiB)"


def _missed_peak(what: str, found: Witnessed) -> list[str]:
    over = found.peak / 2**20 > PEAK_MIB
    return [f"{what}: controller's peak {found.peak / 2**20:.1f} MiB, at most {PEAK_MIB:.0f}"] if over else []


def warm_runs(runs: int, home: Path, witnessed: Witnessed) -> list[str]:
    """Where the time of a warm ``cmx run benchmark --duration 1`` goes; returns the targets that were missed."""
    found = [_breakdown(home) for _ in range(runs)]
    middle = sorted(found, key=lambda each: each["beside"])[len(found) // 2]
    print("\nwarm run: cmx run benchmark --duration 1 (the median of " + f"{runs} runs, s of wall time)")
    for name, seconds in middle.items():
        print(f"  {_PARTS[name]:<58} {seconds:>7.3f}")
    print(f"  {'':<58} {middle['beside'] / WARM_RUN_S:.2f} of {WARM_RUN_S} s")
    print(f"controller of a warm run: {witnessed.cpu:.2f} s of CPU of its own, {_of_peak(witnessed)}")
    missed = [f"warm run: {middle['beside']:.2f} s beside measuring, at most {WARM_RUN_S}"]
    return (missed if middle["beside"] > WARM_RUN_S else []) + _missed_peak("warm run", witnessed)


_PARTS = {
    "wall": "all of it",
    "measured": "LoadGen's measured time (queries / its throughput)",
    "stages": "the pipeline's stages, timed one by one (batches x median)",
    "look": "the look at how busy the machine is, before it",
    "inference": "validation's predictions (pictures x p50 of this run)",
    "warm_up": "the warm-up's predictions",
    "beside": "everything else, which is:",
    "before": "  controller, until it starts the first worker",
    "start_1": "  benchmark's worker, until its action is called",
    "action_1": "  benchmark's action: imports, loading, pictures, outcome",
    "between": "  controller, between the workers",
    "start_2": "  validate's worker, until its action is called",
    "action_2": "  validate's action: imports, loading, pictures, outcome",
    "after": "  controller, until it has recorded and ended",
}


def _breakdown(home: Path) -> dict[str, float]:
    """One warm run, in parts; the moments come from the documents that it leaves, and their files' times."""
    begin = time.time()
    wall = launch([*_CMX, "run", "benchmark", "--duration", "1"]).wall
    folder = max((home / "runs").iterdir(), key=lambda each: each.stat().st_mtime)
    first, second = _document(folder / "benchmark" / "outcome.json"), _document(folder / "validate" / "outcome.json")
    step = next(each for each in _document(folder / "result.json")["steps"] if each["id"] == "benchmark")
    metrics = first["metrics"]
    measured = metrics["queries"] / metrics["throughput"]
    inference = second["metrics"]["count"] * metrics["latency"]["p50"] / 1e9
    stages = sum(stage["median"] * stage["count"] for stage in _timed(metrics["stages"])) / 1e9
    look = step["before"]["elapsed_ns"] / 1e9
    warm_up = sum(metrics["warm_up"]["latencies"]) / 1e9
    jobs = [(folder / name / "job.json").stat().st_mtime for name in ("benchmark", "validate")]
    starts = [each["started_ns"] / 1e9 for each in (first, second)]
    walls = [each["wall_ns"] / 1e9 for each in (first, second)]
    return {
        "wall": wall,
        "measured": measured,
        "stages": stages,
        "look": look,
        "inference": inference,
        "warm_up": warm_up,
        "beside": wall - measured - stages - look - inference - warm_up,
        "before": jobs[0] - begin - look,
        "start_1": starts[0] - jobs[0],
        "action_1": walls[0] - measured - stages - warm_up,
        "between": jobs[1] - starts[0] - walls[0],
        "start_2": starts[1] - jobs[1],
        "action_2": walls[1] - inference,
        "after": begin + wall - starts[1] - walls[1],
    }


def _timed(stages: dict[str, Any]) -> list[dict[str, Any]]:
    return [stage for stage in stages.values() if isinstance(stage, dict)]


def _document(file: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return document


if __name__ == "__main__":
    sys.exit(main())
