"""What verifying a solution's archive costs, beside sha256sum on the same file.

    python benchmarks/solution.py [--megabytes 200] [--pairs 9] [--folder DIR]

Packs a workflow of one model with that much data beside it, and runs ``cmx solution verify`` and ``sha256sum`` on the
archive in turns, each as a whole process, start-up included, with the file in the system's cache. Exit status 1 where
verifying takes more than twice as long, or reads the archive more than once.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
_CMX = [sys.executable, "-m", "cmx"]
RATIO, READ_AGAIN = 2.0, 0.01
_HEAD = "schema: 1\nkind: {kind}\nuid: a{number:015d}\nname: {name}\nversion: 1.0.0\ndescription: For a benchmark\n"
_BODIES = {
    "model": "license: Apache-2.0\ntask: none\ninputs: [{name: x, dtype: float32, shape: [1]}]\n"
    "outputs: [{name: y, dtype: float32, shape: [1]}]\nvariants: {onnx: {source: {file: model.onnx}}}\n",
    "action": "entry: action.py:look\nrequires: {model: model}\n",
    "workflow": "requires: {model: model/large}\nsteps: [{id: look, action: look}]\n",
}
_NAMES = {"model": "large", "action": "look", "workflow": "looking"}
# Runs cmx and says at its end how many bytes the process read; argv[1] is the file to say it in.
_WITNESS = """
import sys
report = sys.argv.pop(1)
from cmx.cli.main import entry
try:
    entry()
finally:
    read = open("/proc/self/io").read().split("rchar:")[1].split()[0]
    open(report, "w").write(read)
"""


def main() -> int:
    """Make the archive, measure, print; 1 where a goal is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--megabytes", type=int, default=200)
    parser.add_argument("--pairs", type=int, default=9)
    parser.add_argument("--folder", type=Path, help="where to work; default: a temporary folder")
    given = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="cmx-solution-", dir=given.folder))
    try:
        return _measured(folder, given.megabytes, given.pairs)
    finally:
        shutil.rmtree(folder)


def _measured(folder: Path, megabytes: int, pairs: int) -> int:
    environment = {**os.environ, "CMX_HOME": str(folder / "home"), "PYTHONPATH": str(ROOT)}
    archive = make_archive(folder, megabytes, environment)
    verify, floor = [*_CMX, "solution", "verify", str(archive)], ["sha256sum", str(archive)]
    for command in (verify, floor):
        seconds(command, environment)  # compiled files and the system's cache
    cmx, plain = [], []
    for pair in range(pairs):
        for command, times in [(verify, cmx), (floor, plain)][:: 1 if pair % 2 else -1]:
            times.append(seconds(command, environment))
    start = statistics.median(seconds([*_CMX, "--version"], environment) for _ in range(3))
    size = archive.stat().st_size
    ratios = sorted(one / other for one, other in zip(cmx, plain, strict=True))
    low, high = _interval(ratios)
    ratio = statistics.median(ratios)
    again = bytes_read(archive, folder, environment) / size - 1
    print(f"archive of {size / 1e6:.1f} MB, {pairs} pairs, in turns; load {os.getloadavg()[0]:.1f}")
    print(f"  sha256sum            {_shown(plain, size)}")
    print(f"  cmx solution verify  {_shown(cmx, size)}   of which {start:.2f} s for Python to start cmx at all")
    print(f"  ratio                {ratio:.2f} ({low:.2f} to {high:.2f})   goal: at most {RATIO}")
    print(f"  read                 {1 + again:.4f} of the archive's bytes, by /proc/self/io, with Python's own files")
    return 0 if ratio <= RATIO and again < READ_AGAIN + _own(environment, folder) / size else 1


def make_archive(folder: Path, megabytes: int, environment: dict[str, str]) -> Path:
    """A solution of a workflow, with so much data that its manifest lists."""
    import hashlib

    from cmx.solution import Archive, write
    from cmx.solution.manifest import Datum

    for number, (kind, body) in enumerate(_BODIES.items()):
        place = folder / "repository" / f"{kind}s" / _NAMES[kind]
        place.mkdir(parents=True)
        (place / "component.yaml").write_text(_HEAD.format(kind=kind, number=number, name=_NAMES[kind]) + body)
    (folder / "repository/actions/look/action.py").write_text("def look(context):\n    return None\n")
    (folder / "repository/models/large/model.onnx").write_bytes(b"a network")
    for command in (
        ["repo", "add", str(folder / "repository")],
        ["solution", "pack", "looking", "--output", str(folder)],
    ):
        subprocess.run([*_CMX, *command], env=environment, check=True, stdout=subprocess.DEVNULL)
    small = Archive.open(folder / "looking-1.0.0.cmx.zip")
    members: dict[str, bytes | Path] = {file.path: small.read(file.path) for file in small.manifest.files}
    digest = hashlib.sha256()
    with (folder / "data").open("wb") as stream:
        for _ in range(megabytes):
            block = os.urandom(1_000_000)
            stream.write(block)
            digest.update(block)
    members[f"data/{digest.hexdigest()}"] = folder / "data"
    source = {"url": "weights", "sha256": digest.hexdigest()}
    datum = Datum("model/large==1.0.0", "Apache-2.0", "", source, single=True, files={"weights": digest.hexdigest()})
    write(replace(small.manifest, size="with-data", data=(datum,)), members, small.path)
    (folder / "data").unlink()
    return small.path


def seconds(command: Sequence[str], environment: dict[str, str]) -> float:
    """The wall time of a process that must succeed."""
    start = time.perf_counter_ns()
    subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL)
    return (time.perf_counter_ns() - start) / 1e9


def bytes_read(archive: Path, folder: Path, environment: dict[str, str]) -> int:
    """How many bytes a process that verifies asks the system for."""
    return _witnessed(["solution", "verify", str(archive)], environment, folder)


def _own(environment: dict[str, str], folder: Path) -> int:
    """As many for a command that reads no archive: cmx's own modules, and those of Python."""
    return _witnessed(["list"], environment, folder)


def _witnessed(arguments: Sequence[str], environment: dict[str, str], folder: Path) -> int:
    report = folder / "read"
    command = [sys.executable, "-c", _WITNESS, str(report), *arguments]
    subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL)
    return int(report.read_text())


def _interval(ordered: Sequence[float]) -> tuple[float, float]:
    """Two of the ratios between which the true median lies with at least 95 %, where there are enough of them."""
    from math import comb

    count = len(ordered)
    cut = 0
    while 2 * sum(comb(count, each) for each in range(cut + 1)) / 2**count <= 0.05:
        cut += 1
    return ordered[max(cut - 1, 0)], ordered[count - max(cut, 1)]


def _shown(times: Sequence[float], size: int) -> str:
    median = statistics.median(times)
    return f"{median:.2f} s median, {min(times):.2f} least: {size / median / 1e6:.0f} MB/s"


if __name__ == "__main__":
    sys.exit(main())
