"""Many requests from one: every combination of some values."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from cmx.component import Action, Step
from cmx.errors import UsageError, nearest
from cmx.repository import Catalog
from cmx.resolver.draft import make_draft
from cmx.resolver.plan import Request

Axes = Mapping[str, Sequence[str]]
MOST_POINTS = 10_000


def read_axes(words: Iterable[str]) -> dict[str, list[str]]:
    """``KEY=V1,V2`` words as axes. Raises UsageError for a word without values, or a key or value given twice."""
    axes: dict[str, list[str]] = {}
    for word in words:
        key, _, text = word.partition("=")
        values = [value for value in text.split(",") if value]
        if not key or not values:
            raise UsageError(f"--matrix {word}: expected KEY=VALUE,VALUE", hint="as in --matrix threads=1,2")
        if key in axes or len(set(values)) != len(values):
            raise UsageError(f"--matrix {word}: {key!r} or one of its values is given twice", hint="give each once")
        axes[key] = values
    return axes


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

    Raises UsageError for an axis that is none of these.
    """
    draft = make_draft(catalog, request)
    roles = {role for _, action in draft.steps for role in action.requires} | set(draft.roles)
    known = (
        roles | _parameters(draft.steps) | _settings(catalog, request, {k: v for k, v in axes.items() if k in roles})
    )
    for key in axes:
        if key.rpartition(".")[2] not in known:
            raise UsageError(f"--matrix {key}: no such role, parameter or setting", hint=nearest(key, known))
    return [(point, _at(request, point, roles)) for point in points(axes)]


def _parameters(steps: Sequence[tuple[Step, Action]]) -> set[str]:
    return {name for _, action in steps for name in action.parameters}


def _settings(catalog: Catalog, request: Request, roles: Axes) -> set[str]:
    """The settings of all software that some point uses."""
    used = [request.use, *({role: value} for role, values in roles.items() for value in values)]
    drafts = [make_draft(catalog, replace(request, use={**request.use, **use})) for use in used]
    return {name for draft in drafts for component in draft.software.values() for name in component.settings}


def _at(request: Request, point: Mapping[str, str], roles: set[str]) -> Request:
    use = {key: value for key, value in point.items() if key in roles}
    parameters = {key: value for key, value in point.items() if key not in roles}
    return replace(request, use={**request.use, **use}, parameters={**request.parameters, **parameters})
