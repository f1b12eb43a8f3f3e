"""Many requests from one: every combination of some values."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from cmx.component import Action, Step
from cmx.errors import CmxError, UsageError, nearest
from cmx.repository import Catalog
from cmx.resolver.draft import make_draft
from cmx.resolver.parameters import Software, read
from cmx.resolver.plan import Request

Axes = Mapping[str, Sequence[str]]
MOST_POINTS = 10_000
_IN_A_FILE = "as in threads: [1, 2]"


def read_axes(words: Iterable[str]) -> dict[str, list[str]]:
    """``KEY=V1,V2`` words and ``@FILE`` as axes.

    Raises UsageError for a word without values, a key or value given twice, and a file that is no matrix.
    """
    axes: dict[str, list[str]] = {}
    for word in words:
        if word.startswith("@"):
            for key, values in read_file(Path(word[1:])).items():
                _add(axes, word, key, values)
            continue
        key, _, text = word.partition("=")
        values = [value for value in text.split(",") if value]
        if not key or not values:
            raise UsageError(f"--matrix {word}: expected KEY=VALUE,VALUE", hint="as in --matrix threads=1,2")
        _add(axes, word, key, values)
    return axes


def _add(axes: dict[str, list[str]], word: str, key: str, values: list[str]) -> None:
    if key in axes or len(set(values)) != len(values):
        raise UsageError(f"--matrix {word}: {key!r} or one of its values is given twice", hint="give each once")
    axes[key] = values


def read_file(file: Path) -> dict[str, list[str]]:
    """The axes in a YAML file, as in ``threads: [1, 2]``. Raises UsageError naming the file and the axis."""
    from cmx.schema import read_yaml

    try:
        document = read_yaml(file)
    except OSError as error:
        raise UsageError(f"{file}: {error.strerror}", hint="--matrix @FILE reads a YAML file") from error
    except CmxError as error:
        raise UsageError(error.message, hint=_IN_A_FILE) from error
    if not isinstance(document, dict) or not document:
        raise UsageError(f"{file}: not a mapping of axes", hint=_IN_A_FILE)
    return {str(key): _values(file, str(key), values) for key, values in document.items()}


def _values(file: Path, key: str, values: Any) -> list[str]:
    if not isinstance(values, list) or not values or not all(isinstance(each, str | int | float) for each in values):
        raise UsageError(f"{file}: {key}: not a list of values", hint=_IN_A_FILE)
    return [str(each).lower() if isinstance(each, bool) else str(each) for each in values]


def points(axes: Axes) -> list[dict[str, str]]:
    """Every combination, the last axis varying fastest. Raises UsageError for more than MOST_POINTS."""
    count = 1
    for values in axes.values():
        count *= len(values)
    if count > MOST_POINTS:
        raise UsageError(f"the matrix has {count} points", hint=f"at most {MOST_POINTS}; take some values out")
    return [dict(zip(axes, values, strict=True)) for values in itertools.product(*axes.values())]


def requests(catalog: Catalog, request: Request, axes: Axes) -> list[tuple[dict[str, str], Request]]:
    """A request for each point; an axis is a role of the workflow, a parameter, or a setting of a framework.

    What is said of one framework (``onnxruntime.spinning``) does not concern the points of another; points that are
    the same then are one. Raises UsageError for an axis that is none of these, or a value that none of its points can
    have, and ComponentNotFound for a name that nothing has.
    """
    draft = make_draft(catalog, request)
    roles = {role for _, action in draft.steps for role in action.requires} | set(draft.roles)
    chosen = points({key: values for key, values in axes.items() if key in roles})
    software = {_key(use, roles): _software(catalog, request, use) for use in chosen}
    _check(axes, roles | _parameters(draft.steps), software.values())
    _check_names(catalog, request, chosen)
    _check_values(axes, draft.steps, software.values())
    everywhere = {name for each in software.values() for name in _names(each)}
    found = {}
    for point in points(axes):
        absent = everywhere - _names(software[_key(point, roles)])
        concerned = _without(point, absent)
        parameters = _without(request.parameters, absent)
        found[tuple(concerned.items())] = _at(replace(request, parameters=parameters), concerned, roles)
    return [(dict(point), each) for point, each in found.items()]


def _check(axes: Axes, known: set[str], software: Iterable[Software]) -> None:
    known = known | {name for each in software for component in each.values() for name in component.settings}
    for key in axes:
        if key.rpartition(".")[2] not in known:
            raise UsageError(f"--matrix {key}: no such role, parameter or setting", hint=nearest(key, known))


def _check_names(catalog: Catalog, request: Request, chosen: Iterable[Mapping[str, str]]) -> None:
    for use in chosen:
        roles = make_draft(catalog, replace(request, use={**request.use, **use})).roles
        for reference in (roles[role] for role in use):
            if reference.kind == "software":
                catalog.software(reference.name)
            else:
                catalog.find(reference)


def _check_values(axes: Axes, steps: Sequence[tuple[Step, Action]], software: Iterable[Software]) -> None:
    """Raise UsageError for a value that everything refuses whose parameter or setting it is."""
    fragments = [action.parameters for _, action in steps]
    fragments += [component.settings for each in software for component in each.values()]
    for key, values in axes.items():
        name = key.rpartition(".")[2]
        takers = [each[name] for each in fragments if name in each]
        for value in values:
            refusals = [error for fragment in takers if (error := _refusal(name, value, fragment))]
            if takers and len(refusals) == len(takers):
                raise refusals[0]


def _refusal(name: str, value: str, fragment: Mapping[str, Any]) -> UsageError | None:
    try:
        read(name, value, fragment)
    except UsageError as error:
        return error
    return None


def _parameters(steps: Sequence[tuple[Step, Action]]) -> set[str]:
    return {name for _, action in steps for name in action.parameters}


def _key(point: Mapping[str, str], roles: set[str]) -> tuple[tuple[str, str], ...]:
    return tuple((key, value) for key, value in point.items() if key in roles)


def _software(catalog: Catalog, request: Request, use: Mapping[str, str]) -> Software:
    return make_draft(catalog, replace(request, use={**request.use, **use})).software


def _names(software: Software) -> set[str]:
    return {name for each in software.values() for name in (each.name, *each.aliases)}


def _without(parameters: Mapping[str, Any], absent: set[str]) -> dict[str, Any]:
    return {key: value for key, value in parameters.items() if key.rpartition(".")[0] not in absent}


def _at(request: Request, point: Mapping[str, str], roles: set[str]) -> Request:
    use = {key: value for key, value in point.items() if key in roles}
    parameters = {key: value for key, value in point.items() if key not in roles}
    return replace(request, use={**request.use, **use}, parameters={**request.parameters, **parameters})
