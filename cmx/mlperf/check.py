"""Holds a tree against the rules, those included that the official checker lets pass."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from cmx.errors import UsageError
from cmx.mlperf import conditions, logs, papers, rules
from cmx.mlperf.tree import MAPPING, Place, folders, places
from cmx.mlperf.violation import Violation

_AGAIN = "export it again: cmx mlperf export"


class Checked(NamedTuple):
    """``places`` are the results that were found, ``violations`` the rules that they break."""

    places: tuple[Place, ...]
    violations: tuple[Violation, ...]


def check_tree(tree: Path, *, any_size: bool = False) -> Checked:
    """Every rule that a tree breaks; ``any_size`` leaves out how many samples an accuracy run covers.

    Raises UsageError when ``tree`` is no folder.
    """
    if not tree.is_dir():
        raise UsageError(f"{tree}: no such folder", hint="cmx mlperf export RESULT… --out TREE makes one")
    found = tuple(places(tree))
    return Checked(found, tuple(_violations(tree, found, any_size)))


def _violations(tree: Path, found: tuple[Place, ...], any_size: bool) -> Iterator[Violation]:
    if not found:
        what = f"no result lies in {rules.DIVISION}/SUBMITTER/results/SYSTEM/MODEL/SCENARIO"
        yield Violation(tree, "not-empty", what, "cmx mlperf export RESULT… --out TREE")
    yield from _without_results(tree, found)
    for owner, place in {place.owner: place for place in found}.items():
        yield from _owner(owner, place)
    for place in {place.description: place for place in found}.values():
        yield from _system(place)
    for place in found:
        yield from _result(place, any_size)


def _without_results(tree: Path, found: tuple[Place, ...]) -> Iterator[Violation]:
    """Systems that are described, or have folders, and have no result."""
    with_results = {place.description for place in found}
    for division in folders(tree):
        for owner in folders(division):
            described = set((owner / "systems").glob("*.json"))
            listed = {owner / "systems" / f"{each.name}.json" for each in folders(owner / "results")}
            for path in sorted((described | listed) - with_results):
                yield Violation(path, "system-results", f"{path.stem} has no result", "remove it, or add its results")


def _owner(owner: Path, place: Place) -> Iterator[Violation]:
    if place.division != rules.DIVISION:
        remedy = f"the official checker knows it; here only {rules.DIVISION}/ is checked"
        yield Violation(owner, "division", f"the division is {place.division}", remedy)
    if not place.source.is_dir():
        yield Violation(place.source, "source", "the folder is not there", "put the code, or where it is, there")
    if (owner / MAPPING).exists():
        document = _document(owner / MAPPING)
        if isinstance(document, Violation):
            yield document


def _document(path: Path) -> dict[str, Any] | Violation:
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return Violation(path, "file", "the file is not there", _AGAIN)
    except (OSError, ValueError, RecursionError) as error:
        return Violation(path, "file", f"cannot be read as JSON: {error}", _AGAIN)
    if not isinstance(document, dict):
        return Violation(path, "file", f"is a {type(document).__name__}, not an object", _AGAIN)
    return document


def _system(place: Place) -> Iterator[Violation]:
    path, document = place.description, _document(place.description)
    if isinstance(document, Violation):
        yield document
        return
    for name in (*rules.SYSTEM_FIELDS, *rules.MAY_BE_EMPTY):
        value = document.get(name)
        if name not in document:
            yield Violation(path, "system-field", f"{name} is missing", "add it; say 'unknown' where it is")
        elif not isinstance(value, str):
            yield Violation(path, "system-field", f"{name} is {value!r}, not text", f'write "{value}"')
        elif name in rules.SYSTEM_FIELDS and not value.strip():
            yield Violation(path, "system-field", f"{name} is empty", "say what is so; 'unknown' where it is not known")
    yield from _system_values(path, document, place)


def _system_values(path: Path, document: Mapping[str, Any], place: Place) -> Iterator[Violation]:
    for name, expected in (("division", place.division), ("submitter", place.submitter)):
        if name in document and str(document[name]).lower() != expected.lower():
            found = f"{name} is {document[name]}, the folder is called {expected}"
            yield Violation(path, "system-field", found, f'write "{expected}"')
    for name, known in (("status", rules.STATUSES), ("system_type", rules.SYSTEM_TYPES)):
        if name in document and str(document[name]).lower() not in known:
            found = f"{name} is {document[name]}, which is none of: {', '.join(known)}"
            yield Violation(path, "system-field", found, f"write one of: {', '.join(known)}")
    for name in rules.COUNTS:
        if name in document and not str(document[name]).isdecimal():
            yield Violation(path, "system-field", f"{name} is {document[name]}, not a whole number", 'as in "1"')


def _result(place: Place, any_size: bool) -> Iterator[Violation]:
    if place.scenario not in rules.SCENARIOS:
        what = f"{place.scenario} is no scenario"
        yield Violation(place.folder, "scenario", what, f"one of: {', '.join(rules.SCENARIOS)}")
    mapping = _document(place.owner / MAPPING)
    benchmark = rules.benchmark_of(place.model, mapping if isinstance(mapping, dict) else {})
    if benchmark is None:
        what = f"nothing says which benchmark of the edge suite {place.model} is"
        remedy = f'add "{place.model}": one of {", ".join(rules.BENCHMARKS)}'
        yield Violation(place.owner / MAPPING, "benchmark", what, remedy)
        return
    yield from _papers(place)
    yield from conditions.performance(place, benchmark)
    yield from conditions.accuracy(place, benchmark, any_size=any_size)
    yield from _accuracy_files(place, benchmark)


def _papers(place: Place) -> Iterator[Violation]:
    for name in ("user.conf", "README.md"):
        path = place.folder / name
        if not path.is_file():
            yield Violation(path, "file", "the file is not there", _AGAIN)
        elif not path.read_bytes().strip():
            yield Violation(path, "file", "the file is empty", _AGAIN)
    path = place.folder / "measurements.json"
    document = _document(path)
    if isinstance(document, Violation):
        yield document
        return
    for name in rules.MEASUREMENTS:
        if not document.get(name):
            yield Violation(path, "measurements", f"{name} is missing or empty", "say what is so; 'unknown' if it is")


def _accuracy_files(place: Place, benchmark: rules.Benchmark) -> Iterator[Violation]:
    path = place.accuracy / "accuracy.txt"
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError as error:
        yield Violation(path, "file", f"cannot be read: {error.strerror}", _AGAIN)
        return
    said = papers.said_hash(lines)
    if not said:
        yield Violation(path, "accuracy-hash", "it has no line hash=SHA256", "add the sha256 of the full accuracy log")
    if benchmark.metric and not papers.said_accuracy(lines, benchmark.metric):
        what = f"no line says the accuracy as that of {benchmark.name} is said"
        yield Violation(path, "accuracy", what, f"add a line that matches {benchmark.metric.pattern}")
    yield from _answers(place.accuracy / logs.ACCURACY, said)


def _answers(path: Path, said: str) -> Iterator[Violation]:
    try:
        content = path.read_bytes()
    except OSError as error:
        yield Violation(path, "file", f"cannot be read: {error.strerror}", _AGAIN)
        return
    if len(content) > rules.MOST_ACCURACY_BYTES:
        found = f"{len(content)} bytes, at most {rules.MOST_ACCURACY_BYTES} may be there"
        yield Violation(path, "accuracy-size", found, "hash the whole file first, then leave out its middle")
    elif said and not papers.is_truncated(content) and papers.sha256(content) != said:
        yield Violation(path, "accuracy-hash", "its sha256 is not the one that accuracy.txt says", _AGAIN)
