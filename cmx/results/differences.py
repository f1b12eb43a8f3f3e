"""What differs between two sets of results: their plans, what the worker says of itself, and their hosts."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from cmx.host import Field
from cmx.results.result import Result
from cmx.results.selection import measuring_step, settings, variant_of

# Facts of a host that change from minute to minute, and explain nothing that ``noise`` does not say better.
_PASSING = ("memory_available", "frequency")


class Difference(NamedTuple):
    """One thing of which A and B have other values; "-" is none. ``group`` is plan, setting, package or host."""

    group: str
    name: str
    a: str
    b: str

    def document(self) -> dict[str, str]:
        """As JSON."""
        return self._asdict()

    def __str__(self) -> str:
        return f"{self.name}: {self.a} and {self.b}"


def differences(a: Sequence[Result], b: Sequence[Result]) -> tuple[Difference, ...]:
    """Everything that is not the same on both sides; where one side has several values, all are named.

    What is in effect is left out where it is what was set, and a package that is a role on one side: the plan says it.
    """
    found = []
    roles = {name for result in (*a, *b) for name in _of_roles(result)}
    for group, read in _GROUPS.items():
        left, right = _values(a, read), _values(b, read)
        for name in dict.fromkeys((*left, *right)):
            if left.get(name) != right.get(name) and not (group == "package" and name in roles):
                found.append(Difference(group, name, _shown(left.get(name)), _shown(right.get(name))))
    asked = {_plainly(each) for each in found if not each.name.endswith(_IN_EFFECT)}
    return tuple(each for each in found if not each.name.endswith(_IN_EFFECT) or _plainly(each) not in asked)


def _plainly(difference: Difference) -> tuple[str, str, str]:
    """What was set and what was in effect, where they say the same."""
    return difference.name.removesuffix(_IN_EFFECT).replace("_", "-"), difference.a, difference.b


_IN_EFFECT = " (in effect)"


def _values(results: Sequence[Result], read: Callable[[Result], Mapping[str, Any]]) -> dict[str, tuple[str, ...]]:
    """Every value of every name that some results have, sorted."""
    found: dict[str, set[str]] = {}
    for result in results:
        for name, value in read(result).items():
            found.setdefault(name, set()).add(_text(value))
    return {name: tuple(sorted(values)) for name, values in found.items()}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, sort_keys=True)


def _shown(values: Sequence[str] | None) -> str:
    if not values:
        return "-"
    text = ", ".join(values)
    return text if len(text) <= 60 else f"{text[:59]}…"


def _of_roles(result: Result) -> set[str]:
    """The names of what fills its roles."""
    return {pin.partition("==")[0] for pin in _pins(result).values()}


def _pins(result: Result) -> dict[str, str]:
    """What fills each role of the workflow; those of a conversion's own have a dot."""
    return {role: pin.split("/", 1)[-1] for role, pin in result.pins.items() if "." not in role}


def _plan(result: Result) -> dict[str, Any]:
    pins = _pins(result)
    variants = {f"{role} variant": form for role in pins if (form := variant_of(result, role))}
    return {"workflow": result.workflow, **pins, **variants}


def _settings(result: Result) -> dict[str, Any]:
    """The parameters of the step that measured, and what the predictor said it runs with."""
    told = result.metrics.get("predictor") or {}
    simple = {name: value for name, value in told.items() if isinstance(value, (str, int, float, bool, list))}
    for name in ("framework", "version", "threads"):  # said already, by the plan
        simple.pop(name, None)
    compiled = _compiled(told.get("compiled") or {})
    return {**{f"{name}{_IN_EFFECT}": value for name, value in simple.items()}, **compiled, **settings(result)}


def _compiled(told: Mapping[str, Any]) -> dict[str, Any]:
    measured = ("_ns", "bytes_before", "bytes_after")
    known = {name: value for name, value in told.items() if isinstance(value, (str, int, bool)) and name != "version"}
    return {f"compiled: {name}": value for name, value in known.items() if not name.endswith(measured)}


def _packages(result: Result) -> dict[str, Any]:
    """Of the environment that measured."""
    environments = result.plan.get("environments") or {}
    packages = (environments.get(measuring_step(result).get("environment")) or {}).get("packages") or ()
    return {each["name"]: each["version"] for each in packages}


def _host(result: Result) -> dict[str, Any]:
    fields = result.host.fields
    return {name: each.value for name, each in fields.items() if isinstance(each, Field) and name not in _PASSING}


_GROUPS: dict[str, Callable[[Result], Mapping[str, Any]]] = {
    "plan": _plan,
    "setting": _settings,
    "package": _packages,
    "host": _host,
}
