"""JSON Schema compiled to Python functions that say yes or no, for the keywords that our schemas use.

jsonschema finds words for what is wrong; for a document that is right, which nearly all are, this takes a twentieth
of its time and none of its import. What is not understood here is refused when the schema is compiled, never guessed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sized
from threading import RLock
from typing import Any

Check = Callable[[Any], bool]
Schema = Mapping[str, Any] | bool
Load = Callable[[str], Mapping[str, Any]]


class Unsupported(Exception):
    """A schema uses a keyword, or a combination, that is not understood here."""


_IGNORED = frozenset({"$schema", "$id", "$defs", "title", "description", "default", "examples", "then", "else", "unit"})


class Compiler:
    """Compiles schemas that refer to one another; ``load`` gives one by its name, without ``.json``."""

    def __init__(self, load: Load) -> None:
        self._load = load
        self._compiled: dict[tuple[str, str], Check] = {}
        self._compiling = RLock()

    def named(self, name: str, pointer: str = "") -> Check:
        """The check of a schema, or of what ``pointer`` ("/$defs/path") leads to in it. Raises Unsupported."""
        with self._compiling:  # or another thread would call what is still to be replaced
            if (name, pointer) not in self._compiled:
                # A schema that refers to itself finds this, which asks for the finished check when it is called.
                self._compiled[name, pointer] = lambda value: self._compiled[name, pointer](value)
                try:
                    self._compiled[name, pointer] = self._schema(self._fragment(name, pointer), name)
                except BaseException:
                    del self._compiled[name, pointer]  # or the next caller would find what asks itself for ever
                    raise
            return self._compiled[name, pointer]

    def _fragment(self, name: str, pointer: str) -> Schema:
        found: Any = self._load(name)
        for part in pointer.split("/")[1:]:
            found = found[part]
        fragment: Schema = found
        return fragment

    def _schema(self, schema: Schema, home: str) -> Check:
        if isinstance(schema, bool):
            return lambda _, answer=schema: answer  # type: ignore[misc]
        checks = [self._keyword(key, value, schema, home) for key, value in schema.items() if key not in _IGNORED]
        return _all_of([check for check in checks if check is not None])

    def _keyword(self, key: str, value: Any, schema: Mapping[str, Any], home: str) -> Check | None:
        if key in _SIMPLE:
            return _SIMPLE[key](value)
        if key in _COMBINING:
            return _COMBINING[key]([self._schema(each, home) for each in value])
        if key == "$ref":
            return self.named(*_target(value, home))
        if key == "not":
            inner = self._schema(value, home)
            return lambda each: not inner(each)
        if key == "if":
            return self._condition(schema, home)
        if key in ("properties", "additionalProperties", "unevaluatedProperties"):
            return self._properties(key, schema, home)
        if key == "propertyNames":
            names = self._schema(value, home)
            return lambda each: not isinstance(each, dict) or all(map(names, each))
        if key in ("items", "prefixItems"):
            return self._items(key, schema, home)
        raise Unsupported(key)

    def _condition(self, schema: Mapping[str, Any], home: str) -> Check:
        asked, then, otherwise = (self._schema(schema.get(key, True), home) for key in ("if", "then", "else"))
        return lambda each: then(each) if asked(each) else otherwise(each)

    def _items(self, key: str, schema: Mapping[str, Any], home: str) -> Check:
        first = [self._schema(each, home) for each in schema.get("prefixItems", ())]
        if key == "prefixItems":
            return lambda each: not isinstance(each, list) or all(c(v) for c, v in zip(first, each, strict=False))
        rest, begin = self._schema(schema["items"], home), len(first)
        return lambda each: not isinstance(each, list) or all(map(rest, each[begin:]))

    def _properties(self, key: str, schema: Mapping[str, Any], home: str) -> Check | None:
        if key == "properties":
            return _each_known({name: self._schema(each, home) for name, each in schema["properties"].items()})
        names = frozenset(schema.get("properties", ()))
        if key == "unevaluatedProperties":
            if "additionalProperties" in schema:
                raise Unsupported(key)
            names = frozenset(self._evaluated(schema, home))
        if schema[key] is False:
            return lambda each: not isinstance(each, dict) or names.issuperset(each)
        other = self._schema(schema[key], home)
        return lambda each: not isinstance(each, dict) or all(other(v) for k, v in each.items() if k not in names)

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


def _each_known(known: Mapping[str, Check]) -> Check:
    get = known.get

    def check(value: Any) -> bool:
        if isinstance(value, dict):
            for key, each in value.items():
                known_check = get(key)
                if known_check is not None and not known_check(each):
                    return False
        return True

    return check


def _all_of(checks: list[Check]) -> Check:
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


def _same(one: Any, other: Any) -> bool:
    """Equal as JSON is: 1 is 1.0, and not true."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, list | dict) or isinstance(other, list | dict):
        raise Unsupported("const or enum of lists and objects")
    return bool(one == other)


def _scalars(values: Iterable[Any]) -> list[Any]:
    found = list(values)
    if any(isinstance(each, list | dict) for each in found):
        raise Unsupported("const or enum of lists and objects")
    return found


def _enum(values: list[Any]) -> Check:
    allowed = _scalars(values)
    if all(isinstance(each, str) for each in allowed):
        names = frozenset(allowed)
        return lambda value: isinstance(value, str) and value in names
    return lambda value: not isinstance(value, list | dict) and any(_same(value, each) for each in allowed)


_TYPES: Mapping[str, Check] = {
    "string": lambda value: isinstance(value, str),
    "object": lambda value: isinstance(value, dict),
    "array": lambda value: isinstance(value, list),
    "boolean": lambda value: isinstance(value, bool),
    "null": lambda value: value is None,
    "number": lambda value: isinstance(value, int | float) and not isinstance(value, bool),
    "integer": lambda value: (
        (isinstance(value, int) and not isinstance(value, bool)) or (isinstance(value, float) and value.is_integer())
    ),
}


def _type(value: str | list[str]) -> Check:
    return _TYPES[value] if isinstance(value, str) else _any_of([_TYPES[each] for each in value])


def _any_of(checks: list[Check]) -> Check:
    return lambda value: any(check(value) for check in checks)


def _one_of(checks: list[Check]) -> Check:
    return lambda value: sum(check(value) for check in checks) == 1


def _pattern(value: str) -> Check:
    search = re.compile(value).search
    return lambda each: not isinstance(each, str) or search(each) is not None


def _required(names: list[str]) -> Check:
    wanted = frozenset(names)
    return lambda each: not isinstance(each, dict) or wanted <= each.keys()


def _unique(value: bool) -> Check:
    def check(each: Any) -> bool:
        if not value or not isinstance(each, list):
            return True
        # What is no text is left to jsonschema: equality of numbers, truth values and lists has rules of its own.
        return all(isinstance(item, str) for item in each) and len(set(each)) == len(each)

    return check


def _format(name: str) -> Check:
    if name != "regex":
        raise Unsupported(f"format {name}")
    return lambda each: not isinstance(each, str) or _compiles(each)


def _compiles(text: str) -> bool:
    try:
        re.compile(text)
    except (re.error, RecursionError, OverflowError):
        return False
    return True


def _sized(kind: type[Sized], *, least: bool) -> Callable[[int], Check]:
    if least:
        return lambda limit: lambda each: not isinstance(each, kind) or len(each) >= limit
    return lambda limit: lambda each: not isinstance(each, kind) or len(each) <= limit


def _bound(holds: Callable[[Any, Any], bool]) -> Callable[[Any], Check]:
    number = _TYPES["number"]
    return lambda limit: lambda each: not number(each) or holds(each, limit)


_SIMPLE: Mapping[str, Callable[[Any], Check]] = {
    "type": _type,
    "const": lambda value: _enum([value]),
    "enum": _enum,
    "pattern": _pattern,
    "format": _format,
    "required": _required,
    "uniqueItems": _unique,
    "minLength": _sized(str, least=True),
    "maxLength": _sized(str, least=False),
    "minItems": _sized(list, least=True),
    "maxItems": _sized(list, least=False),
    "minProperties": _sized(dict, least=True),
    "maxProperties": _sized(dict, least=False),
    "minimum": _bound(lambda one, other: bool(one >= other)),
    "maximum": _bound(lambda one, other: bool(one <= other)),
    "exclusiveMinimum": _bound(lambda one, other: bool(one > other)),
    "exclusiveMaximum": _bound(lambda one, other: bool(one < other)),
}
_COMBINING: Mapping[str, Callable[[list[Check]], Check]] = {"allOf": _all_of, "anyOf": _any_of, "oneOf": _one_of}
