"""JSON Schema compiled to Python functions that say yes or no, for the keywords that our schemas use.

jsonschema finds words for what is wrong; for a document that is right, which nearly all are, this takes a twentieth
of its time and none of its import. What is not understood here is refused when the schema is compiled, never guessed.

A schema is compiled for each class of values that it allows, so that a check never asks what it has before it: most
keywords speak of one class alone, and of a ``oneOf`` perhaps one alternative is left.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from threading import RLock
from types import NoneType
from typing import Any

Check = Callable[[Any], Any]
"""What it answers is true where the value is right; which classes the value may have, the check's maker knows."""
Schema = Mapping[str, Any] | bool
Load = Callable[[str], Mapping[str, Any]]


class Unsupported(Exception):
    """A schema uses a keyword, or a combination, that is not understood here."""


_IGNORED = frozenset({"$schema", "$id", "$defs", "title", "description", "default", "examples", "then", "else", "unit"})
_MEMBERS = frozenset({"properties", "additionalProperties", "unevaluatedProperties"})
_ELSEWHERE = _IGNORED | _MEMBERS
_CLASSES: Mapping[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "boolean": (bool,),
    "null": (NoneType,),
    "number": (int, float),
    "integer": (int, float),
}
_ALL_CLASSES = (dict, list, str, bool, NoneType, int, float)


class Compiler:
    """Compiles schemas that refer to one another; ``load`` gives one by its name, without ``.json``."""

    def __init__(self, load: Load) -> None:
        self._load = load
        self._compiled: dict[tuple[str, str, type | None], Check] = {}
        self._compiling = RLock()

    def named(self, name: str, pointer: str = "") -> Check:
        """The check of a schema, or of what ``pointer`` ("/$defs/path") leads to in it. Raises Unsupported."""
        return self._named(name, pointer, None)

    def _named(self, name: str, pointer: str, kind: type | None) -> Check:
        """The check of a value of any class, or of one that is known to be of a class."""
        place = name, pointer, kind
        with self._compiling:  # or another thread would call what is still to be replaced
            if place not in self._compiled:
                # A schema that refers to itself finds this, which asks for the finished check when it is called.
                self._compiled[place] = lambda value: self._compiled[place](value)
                try:
                    fragment = self._fragment(name, pointer)
                    self._compiled[place] = self._of(fragment, name, kind) if kind else self._any(fragment, name)
                except BaseException:
                    del self._compiled[place]  # or the next caller would find what asks itself for ever
                    raise
            return self._compiled[place]

    def _fragment(self, name: str, pointer: str) -> Schema:
        found: Any = self._load(name)
        for part in pointer.split("/")[1:]:
            found = found[part]
        fragment: Schema = found
        return fragment

    def _any(self, schema: Schema, home: str) -> Check:
        """The check of a value of any class."""
        if isinstance(schema, Mapping) and schema.keys() - _IGNORED == {"$ref"}:
            return self._named(*_target(schema["$ref"], home), None)
        classes = _ALL_CLASSES if isinstance(schema, bool) else _classes(schema)
        return _by_class({kind: self._of(schema, home, kind) for kind in classes})

    def _of(self, schema: Schema, home: str, kind: type) -> Check:
        """The check of a value that is known to be of a class."""
        if isinstance(schema, bool):
            return _always if schema else _never
        return _all_of(self._checks(schema, home, kind)) if kind in _classes(schema) else _never

    def _checks(self, schema: Mapping[str, Any], home: str, kind: type) -> list[Check]:
        checks = [self._keyword(key, schema, home, kind) for key in schema if key not in _ELSEWHERE]
        if kind is dict and not _MEMBERS.isdisjoint(schema):
            checks.append(self._members(schema, home))
        return checks

    def _keyword(self, key: str, schema: Mapping[str, Any], home: str, kind: type) -> Check:
        value = schema[key]
        if key in _SIMPLE:
            classes, make = _SIMPLE[key]
            return make(value) if kind in classes else _always
        if key in _VALUES:
            return _VALUES[key](value, kind)
        if key in _COMBINING:
            return _COMBINING[key]([self._of(each, home, kind) for each in value])
        if key == "$ref":
            return self._named(*_target(value, home), kind)
        if key == "not":
            return _not(self._of(value, home, kind))
        if key == "if":
            return _if(*(self._of(schema.get(part, True), home, kind) for part in ("if", "then", "else")))
        if key == "propertyNames":
            return _each(self._of(value, home, str)) if kind is dict else _always
        if key in ("items", "prefixItems"):
            return self._items(key, schema, home) if kind is list else _always
        raise Unsupported(key)

    def _items(self, key: str, schema: Mapping[str, Any], home: str) -> Check:
        first = [self._any(each, home) for each in schema.get("prefixItems", ())]
        if key == "prefixItems":
            return lambda each: all(check(value) for check, value in zip(first, each, strict=False))
        rest, begin = _each(self._any(schema["items"], home)), len(first)
        return (lambda each: rest(each[begin:])) if begin else rest

    def _members(self, schema: Mapping[str, Any], home: str) -> Check:
        known = {name: self._any(each, home) for name, each in schema.get("properties", {}).items()}
        others = schema.get("additionalProperties", True)
        if "unevaluatedProperties" in schema:
            if "additionalProperties" in schema:
                raise Unsupported("unevaluatedProperties")
            known = dict.fromkeys(self._evaluated(schema, home), _always) | known
            others = schema["unevaluatedProperties"]
        return _each_member(known, self._any(others, home))

    def _evaluated(self, schema: Mapping[str, Any], home: str) -> Iterable[str]:
        """The properties that a schema and what it refers to name, where they do not depend on the value."""
        yield from schema.get("properties", ())
        for key in ("anyOf", "oneOf", "not", "if"):
            if any(_names_properties(each) for each in _fragments(schema.get(key))):
                raise Unsupported(key)
        for part in schema.get("allOf", ()):
            if "if" in part or not isinstance(part, Mapping):
                raise Unsupported("allOf")
            yield from self._evaluated(part, home)
        if "$ref" in schema:
            name, pointer = _target(schema["$ref"], home)
            other = self._fragment(name, pointer)
            if isinstance(other, bool) or "additionalProperties" in other:
                raise Unsupported("$ref")
            yield from self._evaluated(other, name)


def _fragments(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]


def _names_properties(schema: Any) -> bool:
    """Whether any property may count as seen by a schema; those that only say "required" see none."""
    return not (isinstance(schema, Mapping) and schema.keys() <= {"required", "not", "anyOf", "description"})


def _target(reference: str, home: str) -> tuple[str, str]:
    file, _, pointer = reference.partition("#")
    return file.removesuffix(".json") or home, pointer


def _classes(schema: Mapping[str, Any]) -> Sequence[type]:
    types = schema.get("type", "")
    if isinstance(types, str):
        return _CLASSES[types] if types else _ALL_CLASSES
    return [kind for name in types for kind in _CLASSES[name]]


def _always(_: Any) -> bool:
    return True


def _never(_: Any) -> bool:
    return False


def _by_class(checks: Mapping[type, Check]) -> Check:
    if len(checks) == len(_ALL_CLASSES) and all(check is _always for check in checks.values()):
        return _always
    checks = {kind: check for kind, check in checks.items() if check is not _never}
    if len(checks) == 1:
        [(only, check)] = checks.items()
        if check is _always:
            return lambda value: value.__class__ is only
        return lambda value: value.__class__ is only and check(value)
    get: Callable[[type, Check], Check] = checks.get
    return lambda value: get(value.__class__, _never)(value)


def _each_member(known: Mapping[str, Check], other: Check) -> Check:
    """Each value of an object, by its name."""
    get, always = known.get, _always

    def check(value: Any) -> bool:
        for key, each in value.items():
            holds = get(key, other)
            if holds is not always and not holds(each):
                return False
        return True

    return check


def _each(check: Check) -> Check:
    """Each element of a list, or each name in an object."""
    return _always if check is _always else lambda value: all(map(check, value))


def _all_of(checks: list[Check]) -> Check:
    checks = [check for check in checks if check is not _always]
    if not checks or _never in checks:
        return _never if checks else _always
    if len(checks) == 1:
        return checks[0]
    if len(checks) == 2:
        first, second = checks
        return lambda value: first(value) and second(value)

    def check(value: Any) -> bool:
        for each in checks:  # noqa: SIM110  (all() with a generator takes half as long again)
            if not each(value):
                return False
        return True

    return check


def _any_of(checks: list[Check]) -> Check:
    checks = [check for check in checks if check is not _never]
    if len(checks) < 2 or _always in checks:
        return checks[0] if len(checks) == 1 else _always if checks else _never
    return lambda value: any(check(value) for check in checks)


def _one_of(checks: list[Check]) -> Check:
    checks = [check for check in checks if check is not _never]
    if len(checks) < 2:
        return checks[0] if checks else _never

    def check(value: Any) -> bool:
        met = False
        for each in checks:
            if each(value):
                if met:
                    return False
                met = True
        return met

    return check


def _not(check: Check) -> Check:
    if check in (_always, _never):
        return _never if check is _always else _always
    return lambda value: not check(value)


def _if(asked: Check, then: Check, otherwise: Check) -> Check:
    if asked in (_always, _never):
        return then if asked is _always else otherwise
    if otherwise is _always:
        return lambda value: not asked(value) or then(value)
    return lambda value: then(value) if asked(value) else otherwise(value)


def _type(value: str | list[str], kind: type) -> Check:
    """What is left to ask of a value of one of the type's classes."""
    names = [value] if isinstance(value, str) else value
    return float.is_integer if kind is float and "number" not in names else _always


def _enum(values: list[Any], kind: type) -> Check:
    """Equal as JSON is: 1 is 1.0, and not true."""
    if any(isinstance(each, list | dict) for each in values):
        raise Unsupported("const or enum of lists and objects")
    alike = (int, float) if kind in (int, float) else (kind,)
    allowed = frozenset(each for each in values if each.__class__ in alike)
    return allowed.__contains__ if allowed else _never


def _pattern(value: str) -> Check:
    return re.compile(value).search


def _required(names: list[str]) -> Check:
    if len(names) == 1:
        [only] = names
        return lambda each: only in each
    wanted = frozenset(names)
    return lambda each: wanted <= each.keys()


def _unique(value: bool) -> Check:
    # What is no text is left to jsonschema: equality of numbers, truth values and lists has rules of its own.
    return (lambda each: {*map(type, each)} <= {str} and len({*each}) == len(each)) if value else _always


def _format(name: str) -> Check:
    if name != "regex":
        raise Unsupported(f"format {name}")
    return _compiles


def _compiles(text: str) -> bool:
    try:
        re.compile(text)
    except (re.error, RecursionError, OverflowError):
        return False
    return True


def _at_least(limit: int) -> Check:
    return lambda each: len(each) >= limit


def _at_most(limit: int) -> Check:
    return lambda each: len(each) <= limit


_NUMBERS = (int, float)
# Keywords that speak of values of some classes, and say nothing of any other.
_SIMPLE: Mapping[str, tuple[tuple[type, ...], Callable[[Any], Check]]] = {
    "pattern": ((str,), _pattern),
    "format": ((str,), _format),
    "minLength": ((str,), _at_least),
    "maxLength": ((str,), _at_most),
    "required": ((dict,), _required),
    "minProperties": ((dict,), _at_least),
    "maxProperties": ((dict,), _at_most),
    "uniqueItems": ((list,), _unique),
    "minItems": ((list,), _at_least),
    "maxItems": ((list,), _at_most),
    "minimum": (_NUMBERS, lambda limit: lambda each: each >= limit),
    "maximum": (_NUMBERS, lambda limit: lambda each: each <= limit),
    "exclusiveMinimum": (_NUMBERS, lambda limit: lambda each: each > limit),
    "exclusiveMaximum": (_NUMBERS, lambda limit: lambda each: each < limit),
}
_VALUES: Mapping[str, Callable[[Any, type], Check]] = {
    "type": _type,
    "enum": _enum,
    "const": lambda value, kind: _enum([value], kind),
}
_COMBINING: Mapping[str, Callable[[list[Check]], Check]] = {"allOf": _all_of, "anyOf": _any_of, "oneOf": _one_of}
