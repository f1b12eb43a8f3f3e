"""Software that is an executable: what a component asks of one, and what its answers make."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from cmx.component import SoftwareDetect
from cmx.detect.cache import Answer
from cmx.detect.executables import Candidate
from cmx.detect.finding import Detection, Finding, Skipped
from cmx.detect.probe import ProbeFailed
from cmx.detect.questions import Question
from cmx.detect.versions import version_in
from cmx.pattern import compiled

_FIELDS = frozenset({"version", "target"})
_PLACEHOLDER = re.compile(r"\{(path|folder|version|target|sibling:[^{}/\\]+)\}")


class Unclear(Exception):
    """A component that does not say how to ask; the message names the field."""


def question(component: SoftwareDetect, candidate: Candidate) -> Question:
    """What a component's probe asks of a candidate. Raises Unclear when its probe cannot be used."""
    probe = component.probe
    if probe is None:
        raise Unclear("probe is missing: nothing says how to ask for a version")
    commands = tuple(
        tuple(part.replace("{path}", str(candidate.path)) for part in command)
        for command in (probe.run, probe.target)
        if command
    )
    asked = repr((probe.run, probe.version, probe.target))
    return Question(asked, candidate, commands, lambda outputs: _read(probe.version, outputs), _FIELDS)


def detection(
    component: SoftwareDetect, answers: Iterable[tuple[Candidate, Answer]], skipped: Iterable[Skipped]
) -> Detection:
    """The findings among the answers, one for each version and target in a folder, and what was skipped."""
    findings: dict[object, Finding] = {}
    unusable = list(skipped)
    for candidate, answer in answers:
        if "reason" in answer:
            unusable.append(Skipped(candidate.path, answer["reason"]))
            continue
        finding = _finding(component, candidate, answer)
        findings.setdefault((finding.path.parent, finding.version, finding.target), finding)
    return Detection(component.name, tuple(findings.values()), tuple(unusable))


def exports(component: SoftwareDetect, path: Path, version: str, target: str) -> dict[str, str]:
    """The variables a component exports, filled in; one that names a sibling which is not there is left out.

    ``{sibling:g++}`` beside ``aarch64-linux-gnu-gcc-12`` is ``aarch64-linux-gnu-g++-12``: the sibling's name in the
    place of the component's.
    """
    known = {"path": str(path), "folder": str(path.parent), "version": version, "target": target}
    filled = {}
    for variable, template in component.exports.items():
        siblings = {
            word: path.with_name(path.name.replace(component.name, word.partition(":")[2], 1))
            for word in _PLACEHOLDER.findall(template)
            if word.startswith("sibling:")
        }
        if all(sibling.exists() for sibling in siblings.values()):
            filled[variable] = _fill(template, known | {word: str(sibling) for word, sibling in siblings.items()})
    return filled


def _fill(template: str, values: Mapping[str, str]) -> str:
    return _PLACEHOLDER.sub(lambda match: values[match[1]], template)


def _finding(component: SoftwareDetect, candidate: Candidate, answer: Answer) -> Finding:
    version, target = answer["version"], answer["target"] or _target_named(component, candidate)
    return Finding(
        name=component.name,
        version=version,
        path=candidate.path,
        identity=candidate.identity,
        target=target,
        exports=exports(component, candidate.path, version, target),
    )


def _target_named(component: SoftwareDetect, candidate: Candidate) -> str:
    """The target that an executable's own name says: qemu-aarch64 runs "aarch64"."""
    named = component.probe.target_name if component.probe else ""
    match = compiled(named).search(candidate.path.name) if named else None
    return match[min(1, match.re.groups)] if match else ""


def _read(pattern: str, outputs: list[str]) -> dict[str, Any]:
    try:
        version = version_in(compiled(pattern), outputs[0])
    except re.error as error:
        raise ProbeFailed(f"probe.version: {pattern!r} is no pattern: {error}") from error
    if not version:
        first = next((line.strip() for line in outputs[0].splitlines() if line.strip()), "nothing")
        raise ProbeFailed(f"printed no version: {first[:200]}")
    return {"version": version, "target": outputs[1].strip() if len(outputs) > 1 else ""}
