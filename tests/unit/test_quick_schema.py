"""The compiled schemas say of every document what jsonschema says."""

from __future__ import annotations

import copy
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from referencing import Registry, Resource

from cmx.quick_schema import Compiler, Unsupported
from cmx.schema import read_yaml, schema
from cmx.settings import SCHEMA_FOLDER

ROOT = Path(__file__).resolve().parents[2]
NAMES = sorted(path.stem for path in SCHEMA_FOLDER.glob("*.json"))
FILES = sorted(f for part in ("actions", "components", "workflows") for f in (ROOT / part).rglob("component.yaml"))
JUNK = [None, 1, 1.0, 1.5, -1, True, "", "x", "../x", "/a", [], {}, ["a", "a"], {"a": 1}, "model/x", "0" * 64, "("]


def compiled(**fragment: Any) -> Callable[[Any], bool]:
    check = Compiler({"x": fragment}.__getitem__).named("x")
    return lambda value: bool(check(value))


@pytest.mark.parametrize("name", NAMES)
def test_every_schema_of_ours_is_understood(name: str) -> None:
    Compiler(schema).named(name)


@pytest.mark.parametrize(
    "fragment",
    [
        {"patternProperties": {}},
        {"format": "date-time"},
        {"const": [1]},
        {"enum": [{}]},
        {"unevaluatedProperties": False, "if": {"properties": {"a": True}}},
        {"unevaluatedProperties": False, "additionalProperties": True},
        {"unevaluatedProperties": False, "$ref": "#/other", "other": {"additionalProperties": True}},
    ],
)
def test_what_is_not_understood_is_refused_and_not_guessed(fragment: dict[str, Any]) -> None:
    with pytest.raises(Unsupported):
        compiled(**fragment)


@pytest.mark.parametrize(
    ("fragment", "value", "verdict"),
    [
        ({"type": "integer"}, 1.0, True),
        ({"type": "integer"}, True, False),
        ({"type": "number"}, False, False),
        ({"const": 1}, True, False),
        ({"const": 1}, 1.0, True),
        ({"enum": [0, "a"]}, False, False),
        ({"pattern": "^a"}, 1, True),
        ({"minLength": 2}, "a", False),
        ({"prefixItems": [{"type": "string"}], "items": {"type": "integer"}}, ["a", 1, 2], True),
        ({"prefixItems": [{"type": "string"}], "items": {"type": "integer"}}, ["a", 1, "b"], False),
        ({"if": {"required": ["a"]}, "then": {"required": ["b"]}}, {"a": 1}, False),
        ({"if": {"required": ["a"]}, "then": {"required": ["b"]}}, {"c": 1}, True),
        ({"oneOf": [{"required": ["a"]}, {"required": ["b"]}]}, {"a": 1, "b": 1}, False),
        ({"not": {"anyOf": [{"required": ["a"]}]}}, {"b": 1}, True),
        ({"format": "regex"}, "(", False),
        ({"uniqueItems": True}, ["a", "a"], False),
        ({"uniqueItems": False}, ["a", "a"], True),
        ({"type": ["integer", "string"]}, 1.5, False),
        ({"type": ["integer", "number"]}, 1.5, True),
        ({"type": ["integer", "string"]}, None, False),
        ({"enum": [None, 1, True, "1"]}, 1.0, True),
        ({"enum": [None, 1, "1"]}, True, False),
        ({"enum": [None, 1, "1"]}, [], False),
        ({"minimum": 1}, "a", True),
        ({"minimum": 1}, True, True),
        ({"minimum": 1}, 0.5, False),
        ({"required": ["a"]}, ["b"], True),
        ({"required": ["a", "b"]}, {"a": 1}, False),
        ({"required": []}, {}, True),
        ({"properties": {"a": {"type": "string"}}}, {"a": 1}, False),
        ({"properties": {"a": {"type": "string"}}}, {"b": 1}, True),
        ({"properties": {"a": False}}, {"a": 1}, False),
        ({"properties": {"a": True}, "additionalProperties": False}, {"a": 1}, True),
        ({"properties": {"a": True}, "additionalProperties": False}, {"b": 1}, False),
        ({"properties": {"a": True}, "additionalProperties": {"type": "null"}}, {"a": 1, "b": 2}, False),
        (
            {"properties": {"a": True}, "allOf": [{"properties": {"b": True}}], "unevaluatedProperties": False},
            {"b": 1},
            True,
        ),
        (
            {"properties": {"a": True}, "allOf": [{"properties": {"b": True}}], "unevaluatedProperties": False},
            {"c": 1},
            False,
        ),
        ({"properties": {"a": True}, "unevaluatedProperties": {"type": "null"}}, {"c": 1}, False),
        ({"propertyNames": {"pattern": "^a"}}, {"b": 1}, False),
        ({"oneOf": [{"type": "string"}, {"type": "array"}]}, {}, False),
        ({"oneOf": [{"type": "string"}, {"type": "array"}]}, [], True),
        ({"oneOf": [{"type": "string"}, {"minLength": 2}]}, 1, True),
        ({"oneOf": [{"type": "string"}, {"minLength": 2}]}, "ab", False),
        ({"anyOf": [{"type": "string"}, {"type": "array", "minItems": 1}]}, [], False),
        ({"anyOf": [{"type": "string"}, {"minItems": 1}]}, 1, True),
        ({"not": {"type": "string"}}, 1, True),
        ({"not": {"type": "string"}}, "a", False),
        ({"not": {"minLength": 2}}, "a", True),
        ({"if": {"type": "string"}, "then": {"minLength": 2}, "else": {"type": "null"}}, "a", False),
        ({"if": {"type": "string"}, "then": {"minLength": 2}, "else": {"type": "null"}}, 1, False),
        ({"if": {"minLength": 2}, "then": {"pattern": "^a"}, "else": {"pattern": "^b"}}, "c", False),
        ({"if": {"minLength": 2}, "else": {"pattern": "^b"}}, "cc", True),
    ],
)
def test_each_keyword_means_what_it_means_to_jsonschema(fragment: dict[str, Any], value: Any, verdict: bool) -> None:
    formats = jsonschema.Draft202012Validator.FORMAT_CHECKER
    assert jsonschema.Draft202012Validator(fragment, format_checker=formats).is_valid(value) is verdict
    assert compiled(**fragment)(value) is verdict


def test_a_schema_may_refer_to_itself() -> None:
    tree = compiled(type="object", additionalProperties={"$ref": "#"})
    assert tree({"a": {"b": {}}})
    assert not tree({"a": {"b": 1}})


def test_verdicts_on_thousands_of_damaged_components_are_those_of_jsonschema() -> None:
    documents, chance = [read_yaml(file) for file in FILES], random.Random(0)
    registry = Registry().with_resources((f"{name}.json", Resource.from_contents(schema(name))) for name in NAMES)
    formats = jsonschema.Draft202012Validator.FORMAT_CHECKER
    slow = {n: jsonschema.Draft202012Validator(schema(n), registry=registry, format_checker=formats) for n in NAMES}
    quick, verdicts = Compiler(schema), set()
    for _ in range(2000):
        original = chance.choice(documents)
        damaged = _damaged(original, chance)
        verdict = slow[original["kind"]].is_valid(damaged)
        assert bool(quick.named(original["kind"])(damaged)) is verdict, damaged
        verdicts.add(verdict)
    assert verdicts == {True, False}


def _damaged(document: dict[str, Any], chance: random.Random) -> dict[str, Any]:
    """A copy with one or two values taken away, replaced, or added."""
    document = copy.deepcopy(document)
    for _ in range(chance.choice((1, 1, 2))):
        holder, key = chance.choice(list(_places(document)))
        change = chance.random()
        if change < 0.3:
            del holder[key]
        elif change < 0.8:
            holder[key] = copy.deepcopy(chance.choice(JUNK))
        elif isinstance(holder, dict):
            name = chance.choice(["zz", "with", "file", "url", "name", "hint", "source", "from"])
            holder[name] = copy.deepcopy(chance.choice(JUNK))
        else:
            holder.append(copy.deepcopy(holder[0]))
    return document


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, each in items:
        yield value, key
        yield from _places(each)


def test_a_schema_that_was_refused_is_refused_again() -> None:
    compiler = Compiler({"x": {"dependentRequired": {}}}.__getitem__)
    for _ in range(2):
        with pytest.raises(Unsupported):
            compiler.named("x")
