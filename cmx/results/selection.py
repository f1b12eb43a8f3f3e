"""Which results are meant: ids, or conditions that they all meet.

A condition is KEY=VALUE, or with !=, >=, <=, > or < between numbers and times; a day is all of it, and so is a minute.
KEY is what a result is (``action``, ``workflow``, ``scenario``, ``status``, ``valid``, ``key``, ``created``, ``host``,
``cpu``), one of its roles (``model=resnet50[onnx]>=1.5``, ``framework=onnxruntime<1.20``), a setting of the framework
(``spinning=true``), or a parameter of the step that measured (``batch-size=8``, ``threads>=2``). ``*`` in a text stands
for anything. Several in one word are parted by commas: ``framework=torch,batch-size=1``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from cmx.errors import UsageError, nearest
from cmx.host import Field
from cmx.reference import Reference, admits
from cmx.results.database import Database
from cmx.results.result import Result
from cmx.results.times import span

_OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    "=": lambda a, b: bool(a == b),
    "!=": lambda a, b: bool(a != b),
    ">=": lambda a, b: bool(a >= b),
    "<=": lambda a, b: bool(a <= b),
    ">": lambda a, b: bool(a > b),
    "<": lambda a, b: bool(a < b),
}
_CONDITION = re.compile(r"([a-z][a-z0-9._-]*)(!=|>=|<=|=|>|<)(.*)")
# A comma parts two conditions where one follows it; "framework=torch>=2,<3" is one.
_COMMA = re.compile(r",(?=[a-z][a-z0-9._-]*(?:!=|>=|<=|=|>|<))")
# What a result has of components, but for its roles; and what is text, though a hash may look like a number.
_REFERENCES = ("workflow", "action")
_TEXTS = ("id", "key", "scenario", "target", "precision", "host", "cpu")


class Condition(NamedTuple):
    """One KEY, an operator, and the VALUE as it was written."""

    key: str
    operator: str
    value: str

    def __str__(self) -> str:
        return f"{self.key}{self.operator}{self.value}"

    @classmethod
    def parse(cls, text: str) -> Condition:
        """Raises UsageError for what is no condition."""
        match = _CONDITION.fullmatch(text.strip())
        if not match or not match[3]:
            raise UsageError(f"{text!r} is not a condition", hint="write KEY=VALUE, as in framework=onnxruntime")
        return cls(match[1], match[2], match[3])

    def check_order(self, values: Iterable[Any]) -> None:
        """Raise UsageError for a time that is none, and an order where ``values`` or the VALUE have none."""
        equality = self.operator in ("=", "!=")
        if self.key == "created" and span(self.value) is None and not (equality and "*" in self.value):
            what = f"{self}: created is a time, and {self.value!r} is none"
            written = f"created{self.operator}2026-01-31"
            raise UsageError(what, hint=f"write a day or a time in UTC, as in {written} or {written}T16:30")
        if equality or self.key in ("created", *_REFERENCES):
            return
        values = [value for value in values if value is not None]
        for value in values:
            if isinstance(value, bool):
                what = f"{self}: {self.key} is true or false, and has no order"
                raise UsageError(what, hint=f"write {self.key}=true or {self.key}=false")
            if isinstance(value, int | float) and _number(self.value) is None:
                what = f"{self}: {self.key} is a number, and {self.value!r} is none"
                raise UsageError(what, hint=f"as in {self.key}{self.operator}{value}")
        if self.key in _TEXTS or (values and all(_number(value) is None for value in values)):
            what = f"{self}: {self.key} is a text, and has no order"
            raise UsageError(what, hint=f"write {self.key}=TEXT, where * stands for anything")

    def holds(self, result: Result) -> bool:
        """Whether a result meets it. Raises UsageError for a reference that is none."""
        if self.key in result.pins:
            asked = str((result.request.get("use") or {}).get(self.key, ""))
            return self._refers(result.pins[self.key], variant_of(result, self.key), asked=asked)
        known = facts(result)
        if self.key not in known:
            return self.operator == "!="
        if self.key in _REFERENCES:
            return self._refers(known[self.key], "", kind=self.key)
        wanted = span(self.value) if self.key == "created" else None
        if wanted and (time := span(known["created"])):
            return wanted.holds(self.operator, time.start)
        return _compare(known[self.key], self.operator, self.value, as_text=self.key in _TEXTS)

    def _refers(self, pin: str, variant: str, kind: str = "", asked: str = "") -> bool:
        """Whether the value names what was pinned, by its own name or by the one that it was asked for by (litert)."""
        name, _, version = pin.partition("==")
        own_kind, _, own_name = name.rpartition("/")
        if self.operator not in ("=", "!="):
            raise UsageError(f"{self}: {self.key} has no order", hint=f"write {self.key}=NAME{self.operator}VERSION")
        wanted = Reference.parse(self.value, kind=own_kind or kind)
        names = {own_name.partition("[")[0], Reference.parse(asked, kind=own_kind).name if asked else ""}
        same = wanted.kind == (own_kind or kind) and wanted.name in names
        same = same and wanted.variant in ("", variant) and (not version or admits(wanted.specifier, version))
        return same == (self.operator == "=")


def conditions(words: Iterable[str]) -> tuple[Condition, ...]:
    """The conditions in some words. Raises UsageError."""
    return tuple(Condition.parse(part) for word in words for part in _COMMA.split(word))


def is_condition(word: str) -> bool:
    """Whether a word is conditions, and not ids."""
    return bool(_CONDITION.match(word))


def matching(results: Sequence[Result], wanted: Sequence[Condition]) -> tuple[Result, ...]:
    """The results that meet all conditions.

    Raises UsageError for a KEY that none of them has, and an order that a KEY's values and the VALUE have not.
    """
    told = [facts(result) for result in results] if wanted else []
    for condition in wanted:
        known = {key for each in told for key in each} | {role for result in results for role in result.pins}
        if results and condition.key not in known:
            raise UsageError(f"{condition}: no result has {condition.key!r}", hint=nearest(condition.key, known))
        condition.check_order(each[condition.key] for each in told if condition.key in each)
    return tuple(result for result in results if all(condition.holds(result) for condition in wanted))


def select(database: Database, word: str, where: Sequence[Condition] = ()) -> tuple[Result, ...]:
    """The results that ``word`` means, newest first: ids parted by commas, or conditions; ``where`` holds in any case.

    Raises UsageError for an id that is not there, or for conditions that no result meets.
    """
    if is_condition(word):
        found = matching(database.list(), (*conditions([word]), *where))
    else:
        found = matching([database.get(each.strip()) for each in word.split(",")], where)
    if not found:
        also = f" and {', '.join(map(str, where))}" if where else ""
        raise UsageError(f"no result meets {word}{also}", hint="cmx result list shows what there is")
    return found


def facts(result: Result) -> Mapping[str, Any]:
    """What conditions can ask of a result but for its roles, by key."""
    host = {name: result.host.fields.get(field) for name, field in (("host", "hostname"), ("cpu", "cpu_model"))}
    own = {
        **{name: getattr(result, name) for name in ("id", "created", "action", "workflow", "scenario", "key")},
        "status": "failed" if result.status != "ok" else "ok",
        "valid": result.valid,
        "seed": result.request.get("seed", 0),
        "target": result.comparability.target,
        "precision": result.comparability.precision,
        **{name: field.value for name, field in host.items() if isinstance(field, Field)},
    }
    return {**settings(result), **own}


def settings(result: Result) -> dict[str, Any]:
    """The parameters of the step that measured, and what its roles' software was set to."""
    step = measuring_step(result)
    pins = result.plan.get("pins") or {}
    roles = step.get("roles") or pins
    of_software = (pins.get(role, {}).get("settings") or {} for role in roles)
    return {**{name: value for each in of_software for name, value in each.items()}, **(step.get("parameters") or {})}


def measuring_step(result: Result) -> Mapping[str, Any]:
    """The plan's step that measures; empty for a plan without one."""
    steps = result.plan.get("steps") or ()
    return next((step for step in steps if step.get("measures")), steps[-1] if steps else {})


def variant_of(result: Result, role: str) -> str:
    """Which form of a model was used, as in "onnx"; "" where there are no forms."""
    pin = (result.plan.get("pins") or {}).get(role) or {}
    return str(pin.get("variant") or "")


def _compare(known: Any, operator: str, text: str, *, as_text: bool = False) -> bool:
    """``known`` against what was written: as numbers where both are and may be, else whether the texts are the same.

    In a text ``*`` stands for anything.
    """
    if isinstance(known, bool):
        known = "true" if known else "false"
    if operator in ("=", "!=") and "*" in text:
        from fnmatch import fnmatchcase

        return fnmatchcase(str(known), text.replace("[", "[[]")) == (operator == "=")
    left, right = (None, None) if as_text else (_number(known), _number(text))
    if left is None or right is None:
        same = ("" if known is None else str(known)) == text
        return operator in ("=", "!=") and same == (operator == "=")
    return _OPERATORS[operator](left, right)


def _number(value: Any) -> float | None:
    try:
        return float(value)
    except (TypeError, ValueError):
        return None
