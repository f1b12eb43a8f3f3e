"""Writes a tree from results."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from cmx.errors import StoreError, UsageError, nearest
from cmx.files import disk_failures
from cmx.mlperf import logs, papers, rules, system
from cmx.mlperf.runs import Pair, pairs
from cmx.mlperf.tree import MAPPING, Place
from cmx.results import Result

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]*")
_SOURCE = """\
# Source

Everything here was made by cmx {version} from the components that each result's README.md names. A self-test, and no
submission to MLPerf.
"""


def export_tree(
    results: Sequence[Result],
    tree: Path,
    *,
    submitter: str,
    name: str,
    mapping: Mapping[str, str] | None = None,
    given: Mapping[str, str] | None = None,
) -> list[Place]:
    """Write the open division's tree of v6.1 into ``tree``, which must not be there yet; returns its results' places.

    ``name`` is the system's, ``mapping`` says which benchmark's rules a model is held to, ``given`` are words for the
    system's description. Raises UsageError for results that make no tree, StoreError for files that cannot be read or
    written; then nothing is left behind.
    """
    mapping = dict(mapping or {})
    for what, word in (("--submitter", submitter), ("--system", name)):
        if not _NAME.fullmatch(word):
            hint = "letters, digits, '.', '_', '+' and '-', the first a letter or a digit: it is a folder's name"
            raise UsageError(f"{what} {word!r} cannot be the name of a folder", hint=hint)
    if tree.exists() and (not tree.is_dir() or any(tree.iterdir())):
        raise UsageError(f"--out {tree} is there already", hint="name a new folder: nothing is written over")
    chosen = pairs(results)
    benchmarks = _benchmarks(chosen, mapping)
    devices = [pair.performance.device for pair in chosen]
    description = system.describe([p.performance.result for p in chosen], submitter, name, given or {}, devices)
    temporary = tree.with_name(f".{tree.name}.{os.getpid()}")
    with disk_failures(tree.parent, "writing the tree"):
        try:
            places = [Place(temporary, rules.DIVISION, submitter, name, p.model, p.scenario) for p in chosen]
            for pair, place in zip(chosen, places, strict=True):
                _write_result(pair, place, benchmarks[pair.model])
            _write_owner(places[0], description, mapping)
            temporary.replace(tree)
        except FileNotFoundError as error:
            raise StoreError(
                f"{error.filename} is not there", hint="the run's folder was changed; run it again"
            ) from error
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
    return [Place(tree, each.division, each.submitter, each.system, each.model, each.scenario) for each in places]


def _benchmarks(chosen: Sequence[Pair], mapping: Mapping[str, str]) -> dict[str, rules.Benchmark]:
    for model, name in mapping.items():
        if name not in rules.BENCHMARKS:
            raise UsageError(f"--map {model}={name}: no such benchmark", hint=nearest(name, rules.BENCHMARKS))
        if model not in {pair.model for pair in chosen}:
            raise UsageError(f"--map {model}={name}: no such model", hint=nearest(model, {p.model for p in chosen}))
    found: dict[str, rules.Benchmark] = {}
    for pair in chosen:
        benchmark = rules.benchmark_of(pair.model, mapping)
        if benchmark is None:
            hint = f"--map {pair.model}=BENCHMARK, one of: {', '.join(rules.BENCHMARKS)}"
            raise UsageError(f"nothing says which benchmark's rules {pair.model} is held to", hint=hint)
        found[pair.model] = benchmark
    return found


def _write_result(pair: Pair, place: Place, benchmark: rules.Benchmark) -> None:
    accuracy = papers.accuracy_text(pair.accuracy, benchmark)
    place.performance.mkdir(parents=True)
    place.accuracy.mkdir()
    for run, folder in ((pair.performance, place.performance), (pair.accuracy, place.accuracy)):
        for name in (logs.DETAIL, logs.SUMMARY):
            shutil.copyfile(run.folder / name, folder / name)
    answers = (pair.accuracy.folder / logs.ACCURACY).read_bytes()
    (place.accuracy / logs.ACCURACY).write_bytes(papers.truncated(answers))
    _write(place.accuracy / "accuracy.txt", accuracy)
    _write(place.folder / "measurements.json", rules.as_json(papers.measurements(pair.performance)))
    _write(place.folder / "user.conf", papers.user_conf(pair.performance))
    _write(place.folder / "README.md", papers.readme(pair, place, benchmark))


def _write_owner(place: Place, description: Mapping[str, str], mapping: Mapping[str, str]) -> None:
    from cmx import __version__

    _write(place.description, rules.as_json(description))
    _write(place.source / "README.md", _SOURCE.format(version=__version__))
    _write(place.owner / MAPPING, rules.as_json(mapping))


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
