"""How long others' results take: to import 29,246 of them, and to draw them. Needs cmx-bench[plot].

    python benchmarks/results.py --repeat 3

Each command is a process of its own, in a home of its own; the best of the repetitions is shown beside its goal. On a
busy machine look at the CPU seconds: what others run is not in them.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PI = "mlperf,system=*Raspberry*,scenario=single-stream"
COMMANDS = {
    "import 29,246 rows": (3.0, "import", "mlperf-inference-results"),
    "import them again": (3.0, "import", "mlperf-inference-results"),
    "frontier of 913 Raspberry Pi results, PNG": (5.0, "plot", "--with", PI, "--output", "pi.png"),
    "frontier of 7,923 single-stream results, PNG": (
        5.0,
        *("plot", "--with", "mlperf,benchmark=resnet,scenario=single-stream", "--output", "all.png"),
    ),
    "the same, HTML": (5.0, "plot", "--with", "mlperf,benchmark=resnet,scenario=single-stream", "--output", "all.html"),
}


def main() -> None:
    """Run each command and print its seconds."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeat", type=int, default=3)
    repeat = parser.parse_args().repeat
    best: dict[str, tuple[float, float]] = {}
    for _ in range(repeat):
        with tempfile.TemporaryDirectory() as folder:
            for what, (_, *words) in COMMANDS.items():
                best[what] = min(_seconds(words, Path(folder)), best.get(what, (float("inf"), 0.0)))
    print(f"best of {repeat}, load {os.getloadavg()[0]:.1f} on {os.cpu_count()} CPUs\n")
    print(f"{'':<46}{'SECONDS':>8}{'CPU s':>8}{'GOAL':>6}")
    for what, (goal, *_) in COMMANDS.items():
        print(f"{what:<46}{best[what][0]:>8.2f}{best[what][1]:>8.2f}{goal:>6.0f}")


def _seconds(words: list[str], folder: Path) -> tuple[float, float]:
    """Elapsed, and of CPU."""
    environ = {**os.environ, "CMX_HOME": str(folder / "home"), "PYTHONPATH": str(ROOT)}
    start, before = time.perf_counter(), os.times()
    command = [sys.executable, "-m", "cmx", "result", *words]
    subprocess.run(command, cwd=folder, env=environ, check=True, capture_output=True)
    after = os.times()
    used = after.children_user + after.children_system - before.children_user - before.children_system
    return time.perf_counter() - start, used


if __name__ == "__main__":
    main()
