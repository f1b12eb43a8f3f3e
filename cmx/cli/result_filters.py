"""Which results a command means: its conditions held against what components declare, and why none meets them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from cmx.component import Action, SoftwareDetect
from cmx.errors import UsageError, nearest
from cmx.files import counted
from cmx.reference import Reference
from cmx.repository import Catalog
from cmx.repository.catalog import near
from cmx.resolver.parameters import checked, typed
from cmx.results import Database, Result
from cmx.results.database import VERDICTS
from cmx.results.selection import Condition, conditions, facts, matching

_KINDS = {"workflow": "workflow", "action": "action", "model": "model", "dataset": "dataset", "framework": "software"}
_CLOSED = {"status": ("ok", "failed"), "valid": ("true", "false")}
_OPEN = ("id", "created", "key", "seed", "target", "precision", "host", "cpu")
_SHOWN = 8

Fragments = Mapping[str, Sequence[Mapping[str, Any]]]


class _Asked(NamedTuple):
    """One thing that results were asked for, and those that have it."""

    text: str
    key: str
    ids: frozenset[str]


def understood(words: Iterable[str], results: Sequence[Result], catalog: Catalog) -> tuple[Condition, ...]:
    """The conditions in some words, their quantities in the unit of the parameter (``duration=2s`` is duration=2).

    ``results`` are all that there are. Raises UsageError for a KEY that neither a result nor a component has, and for a
    VALUE that the KEY cannot have.
    """
    wanted = conditions(words)
    if not wanted:
        return ()
    fragments = _fragments(catalog)
    read = tuple(_read(each, fragments.get(each.key, ())) for each in wanted)
    here = {key for result in results for key in (*facts(result), *result.pins)}
    told = {key for result in results for key, value in facts(result).items() if value is not None}
    for each in read:
        if each.key not in {*here, *fragments, *_KINDS, *_CLOSED, *_OPEN, "scenario"}:
            hint = nearest(each.key, here | set(fragments))
            if not hint.startswith("did you mean"):
                hint = nearest(each.key, told | set(_KINDS))
            raise UsageError(f"{each}: no result has {each.key!r}", hint=hint)
        each.check_order(known[each.key] for known in map(facts, results) if each.key in known)
        check_value(each, results, catalog, fragments)
    return read


def check_value(
    condition: Condition, results: Sequence[Result], catalog: Catalog, fragments: Fragments | None = None
) -> None:
    """Raise UsageError for a value that no result has, and none can have: another word than those that there are."""
    key, value = condition.key, condition.value
    if condition.operator not in ("=", "!=") or "*" in value:
        return
    if any(Condition(key, "=", value).holds(result) for result in results):
        return
    if key == "status" and value in VERDICTS:
        what = f"{condition}: status is one of {', '.join(_CLOSED[key])}, as a condition"
        raise UsageError(what, hint=f"write --status {value}, which list, export and plot take")
    if key in _CLOSED and value not in _CLOSED[key]:
        raise UsageError(f"{condition}: {key} is one of {', '.join(_CLOSED[key])}", hint=nearest(value, _CLOSED[key]))
    if kind := _KINDS.get(key):
        _check_name(condition, kind, catalog)
    declared = (_fragments(catalog) if fragments is None else fragments).get(key, ())
    problems = [problem for fragment in declared if (problem := _problem(key, value, fragment))]
    if declared and len(problems) == len(declared):
        raise UsageError(f"{condition}: {problems[0].message}", hint=problems[0].hint)


def found(
    database: Database, filters: Mapping[str, str], where: Sequence[str], catalog: Callable[[], Catalog]
) -> tuple[tuple[Result, ...], str]:
    """The results that pass the filters and meet the conditions, newest first; where there are none, why.

    Raises UsageError for what no result can have, and as ``Database.list`` does.
    """
    given = {name: value for name, value in filters.items() if value}
    passed = database.list(**given)  # type: ignore[arg-type]
    if not where and (passed or not given):
        return passed, "" if passed else "there is no result yet: 'cmx run benchmark' makes one"
    every = database.list()
    for name, value in given.items():
        if name != "status":
            check_value(Condition(name, "=", value), every, catalog())
    wanted = understood(where, every, catalog())
    if met := _met(passed, wanted):
        return met, ""
    asked = [_Asked(f"{n}={v}", n, _ids(database.list(**{n: v}))) for n, v in given.items()]  # type: ignore[arg-type]
    asked += [_Asked(str(each), each.key, _ids(_met(every, [each]))) for each in wanted]
    return (), _why(asked, every)


def _met(results: Sequence[Result], wanted: Sequence[Condition]) -> tuple[Result, ...]:
    """As ``matching``, where results need not have every KEY: components know it, if they do not."""
    known = {key for result in results for key in (*facts(result), *result.pins)}
    if any(each.key not in known and each.operator != "!=" for each in wanted):
        return ()
    return matching(results, [each for each in wanted if each.key in known])


def _why(asked: Sequence[_Asked], every: Sequence[Result]) -> str:
    """Which of what was asked for no result has, with what they have; or that none has all of it."""
    if not every:
        return "there is no result yet: 'cmx run benchmark' makes one"
    lines = [f"no result meets {each.text}: {_values(each.key, every)}" for each in asked if not each.ids]
    if not lines:
        counts = ", ".join(f"{each.text} ({len(each.ids)})" for each in asked)
        lines = [f"no result meets all of this, though some meet each: {counts}"]
    return "\n".join([*lines, "'cmx result list' shows all, 'cmx run benchmark' makes one"])


def _values(key: str, every: Sequence[Result]) -> str:
    """What the results have for a key, the most frequent first."""
    from collections import Counter

    if key == "created":
        first, last = (ends(each.created for each in every)[:16].replace("T", " ") for ends in (min, max))
        return f"results are of {first} to {last} UTC" if first != last else f"results are of {first} UTC"
    known = [result.pins[key] if key in result.pins else facts(result).get(key) for result in every]
    counts = Counter(_shown(value) for value in known if value not in (None, ""))
    if not counts:
        return f"none has any {key}"
    shown = ", ".join(value for value, _ in counts.most_common(_SHOWN))
    more = f" and {counted(len(counts) - _SHOWN, 'other')}" if len(counts) > _SHOWN else ""
    return f"results have {shown}{more}"


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else str(value).partition("/")[2] or str(value)


def _ids(results: Iterable[Result]) -> frozenset[str]:
    return frozenset(result.id for result in results)


def _fragments(catalog: Catalog) -> Fragments:
    """The schema of each parameter of an action and each setting of software: several, where several have one name."""
    declared: dict[str, list[Mapping[str, Any]]] = {}
    for component in (*catalog.newest("action"), *catalog.newest("software-detect")):
        own = component.parameters if isinstance(component, Action) else {}
        own = component.settings if isinstance(component, SoftwareDetect) else own
        for name, fragment in own.items():
            declared.setdefault(name, []).append(fragment)
    return declared


def _read(condition: Condition, fragments: Sequence[Mapping[str, Any]]) -> Condition:
    """The same condition with its quantity as a plain number, where a fragment reads it as one."""
    for fragment in fragments:
        value = typed(condition.value, fragment)
        if isinstance(value, bool):
            return condition._replace(value=str(value).lower())
        if isinstance(value, int | float) and math.isfinite(value):
            return condition._replace(value=f"{value:.15g}")
    return condition


def _problem(key: str, value: str, fragment: Mapping[str, Any]) -> UsageError | None:
    try:
        checked(key, value, fragment)
    except UsageError as error:
        return error
    return None


def _check_name(condition: Condition, kind: str, catalog: Catalog) -> None:
    """Raise UsageError for a component that no repository has."""
    wanted = catalog.canonical(Reference.parse(condition.value, kind=kind))
    names = catalog.names("software-detect" if kind == "software" else kind)
    if wanted.name not in names:
        raise UsageError(f"{condition}: there is no {kind} {wanted.name!r}", hint=near(wanted.name, names))
