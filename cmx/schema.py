"""Reads documents from outside and holds them against their JSON Schema.

YAML is read by the rules of YAML 1.2's core schema: ``on``, ``yes`` and ``12:30`` are text, ``010`` is ten. Anchors,
tags, repeated keys and keys that are not text are refused, so a document means one thing to everybody who reads it.
"""

from __future__ import annotations

import json
import operator
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from cmx.errors import ComponentInvalid, nearest
from cmx.quick_schema import Compiler, Unsupported
from cmx.settings import SCHEMA_FOLDER
from cmx.yaml_events import construct

MAX_BYTES = 1 << 20


def read_yaml(path: Path) -> dict[str, Any]:
    """The mapping in a YAML file. Raises ComponentInvalid that names file and line."""
    return parse_yaml(read_text(path), path)


def read_text(path: Path) -> str:
    """A small UTF-8 text file. Raises ComponentInvalid when it cannot be read, is too long, or is not UTF-8."""
    try:
        with path.open("rb", buffering=0) as stream:
            if os.fstat(stream.fileno()).st_size > MAX_BYTES:
                raise ComponentInvalid(f"{path}: longer than {MAX_BYTES} bytes", hint="this is not a component's file")
            return stream.read().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise ComponentInvalid(f"{path}:{line}: not UTF-8", hint="save the file as UTF-8") from None
    except OSError as error:
        raise ComponentInvalid(
            f"{path}: {error.strerror}", hint="check that the file exists and can be read"
        ) from error


def parse_yaml(text: str, source: Path | str) -> dict[str, Any]:
    """The mapping in a YAML text; ``source`` is named in errors."""
    import yaml

    try:
        document = construct(text)
    except yaml.MarkedYAMLError as error:
        problem = f"{error.context}, {error.problem}" if str(error.problem).startswith("but ") else error.problem
        raise ComponentInvalid(f"{source}:{_line(error)}: {problem}", hint=_yaml_hint(error)) from None
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise ComponentInvalid(f"{source}:{line}: a control character", hint="the file must be plain text") from None
    if not isinstance(document, dict):
        raise ComponentInvalid(
            f"{source}:1: expected a mapping of keys to values", hint="it begins with 'schema: 1'; see 'cmx new --help'"
        )
    return document


def _line(error: Any) -> int:
    mark = error.problem_mark or error.context_mark
    return mark.line + 1 if mark else 1


def _yaml_hint(error: Any) -> str:
    problem = str(error.problem)
    hints = {
        "cannot start any token": "indent with spaces, not tabs; quote a value that begins with '@', '`' or '%'",
        "twice": "keep one of the two",
        "aliases": "write the value out where it is used",
        "tags": "leave the tag out: text is quoted, numbers and true or false are not",
        "deeper": "this is not a component's file",
        "another document": "one file is one component: remove the '---' and what follows it",
    }
    found = next((hint for words, hint in hints.items() if words in problem), "")
    return found or "quote a value that holds ': ', '#', '{' or '['; check the indentation"


@cache
def schema(name: str) -> Mapping[str, Any]:
    """One of the JSON Schemas in ``cmx/schemas``."""
    document: Mapping[str, Any] = json.loads((SCHEMA_FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    return document


@cache
def _validator(name: str) -> Any:
    import jsonschema
    from referencing import Registry, Resource

    names = sorted(path.stem for path in SCHEMA_FOLDER.glob("*.json"))
    registry = Registry().with_resources((f"{each}.json", Resource.from_contents(schema(each))) for each in names)
    formats = jsonschema.Draft202012Validator.FORMAT_CHECKER
    return jsonschema.Draft202012Validator(schema(name), registry=registry, format_checker=formats)


def validate(document: Any, name: str, *, source: Path | str, text: str = "") -> None:
    """Hold a document against a schema.

    Raises ComponentInvalid for the first thing wrong: "FILE:LINE: field: what is wrong", with the nearest known key
    for an unknown one. ``text`` is the YAML that the document was read from, for the line number.
    """
    for error in faults(document, name, source=source, text=text):
        raise error


def faults(document: Any, name: str, *, source: Path | str, text: str = "") -> Iterator[ComponentInvalid]:
    """What ``validate`` raises, and everything else that keeps a document from meeting a schema."""
    if _surely_meets(document, name):
        return
    guessed = set[tuple[object, ...]]()  # what misspelt keys may have meant, and where: nothing says that it is missing
    for error in map(_deepest, sorted(_validator(name).iter_errors(document), key=_rank)):
        place = tuple(error.absolute_path)
        for each in _explained(error, source, text):
            guessed |= {(*place, word) for word in each.hint.split("'")[1::2] if each.hint.startswith("did you mean")}
            if error.validator != "required" or (*place, error.message.split("'")[1]) not in guessed:
                yield each


def _surely_meets(document: Any, name: str) -> bool:
    """Whether a document meets a schema; False where it does not, or where jsonschema must be asked."""
    try:
        return bool(_compiler().named(name)(document))
    except Unsupported:
        return False


@cache
def _compiler() -> Compiler:
    return Compiler(schema)


def validate_value(value: Any, fragment: Mapping[str, Any]) -> str:
    """What is wrong with a value by a schema fragment, in words; "" when nothing is."""
    if _surely_valid(value, fragment):
        return ""
    import jsonschema

    errors = list(jsonschema.Draft202012Validator(fragment).iter_errors(value))
    return _words(errors[0]) if errors else ""


_TYPES: Mapping[str, tuple[type, ...]] = {
    "string": (str,),
    "boolean": (bool,),
    "null": (type(None),),
    "integer": (int,),
    "number": (int, float),
}
_BOUNDS: Mapping[str, Callable[[Any, Any], bool]] = {
    "minimum": operator.ge,
    "maximum": operator.le,
    "exclusiveMinimum": operator.gt,
    "exclusiveMaximum": operator.lt,
}


def _surely_valid(value: Any, fragment: Mapping[str, Any]) -> bool:
    """Whether a scalar meets a fragment that has types, an enumeration and bounds only; False where in doubt.

    What is right needs no words, and importing jsonschema to find them takes longer than making a plan.
    """
    if not fragment.keys() <= {"type", "enum", *_BOUNDS}:
        return False
    types, numeric = fragment.get("type", []), type(value) in (int, float)
    allowed = {each for name in ([types] if isinstance(types, str) else types) for each in _TYPES.get(name, ())}
    if "type" in fragment and type(value) not in allowed:
        return False
    if "enum" in fragment and not any(type(each) is type(value) and each == value for each in fragment["enum"]):
        return False
    return not numeric or all(holds(value, fragment[key]) for key, holds in _BOUNDS.items() if key in fragment)


def _rank(error: Any) -> tuple[int, int, str]:
    unknown = error.validator in ("additionalProperties", "unevaluatedProperties")
    return (0 if unknown else 1, len(error.absolute_path), str(error.absolute_path))


def _deepest(error: Any) -> Any:
    """Of the alternatives of an anyOf/oneOf, the complaint that got furthest into the document."""
    while error.context:
        error = max(error.context, key=lambda inner: (len(inner.absolute_path), inner.validator != "type"))
    return error


def _explained(error: Any, source: Path | str, text: str) -> Iterator[ComponentInvalid]:
    """A jsonschema error as ours: one, but for each of several unknown keys one of its own."""
    path: list[str | int] = list(error.absolute_path)
    unknown = _unknown_keys(error)
    for key in unknown:
        hint = nearest(key, set(_known_keys(error.schema)))
        yield invalid([*path, key], f"unknown key {key!r}", hint, source=source, text=text)
    if not unknown:
        message = _words(error)
        if error.validator == "type" and isinstance(error.instance, int | float) and text:
            message = f"{_written(text, path)} is a number, not of type {_join(error.validator_value)}"
        yield invalid(path, message, _hint(error), source=source, text=text)


def invalid(
    path: Sequence[str | int], message: str, hint: str, *, source: Path | str, text: str = ""
) -> ComponentInvalid:
    """The error for a field of a file: "FILE:LINE: field: message"; ``text`` is the YAML, for the line number."""
    where = f"{source}:{line_of(text, path)}" if text else str(source)
    field = "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in ".".join(map(str, path)))
    return ComponentInvalid(f"{where}: {field}: {message}" if field else f"{where}: {message}", hint=hint)


def _unknown_keys(error: Any) -> list[str]:
    if error.validator not in ("additionalProperties", "unevaluatedProperties") or not isinstance(error.instance, dict):
        return []
    known = set(_known_keys(error.schema))
    return [str(key) for key in error.instance if key not in known]


def _known_keys(fragment: Mapping[str, Any]) -> Iterator[str]:
    yield from fragment.get("properties", {})
    for part in fragment.get("allOf", ()):
        yield from _known_keys(part)
    reference = str(fragment.get("$ref", ""))
    if reference.endswith(".json"):
        yield from _known_keys(schema(reference.removesuffix(".json")))


def _words(error: Any) -> str:
    rule, limit = error.validator, error.validator_value
    value = json.dumps(error.instance, ensure_ascii=False, default=str)
    shown = value if len(value) <= 60 else value[:57] + "…"
    if rule in _WORDS:
        return _WORDS[rule].format(shown=shown, limit=limit)
    if rule == "required":
        return str(error.message).replace(" is a required property", " is missing")
    if rule == "enum":
        return f"{shown} is not one of {', '.join(map(str, limit))}"
    if rule == "type":
        return f"{shown} is not of type {_join(limit)}"
    if rule == "pattern":
        return f"{shown} is not valid" if _description(error) else f"{shown} does not match {limit}"
    if rule == "oneOf":
        return "two forms at once"
    return str(error.message) if rule else "does not go with the other keys here"


_WORDS = {
    "const": "{shown} is not {limit!r}",
    "format": "{shown} is not a {limit}",
    "not": "{shown} is not allowed",
    "minimum": "{shown} is less than {limit}",
    "maximum": "{shown} is more than {limit}",
    "exclusiveMinimum": "{shown} is not more than {limit}",
    "exclusiveMaximum": "{shown} is not less than {limit}",
    "minItems": "{shown} is too short: at least {limit} needed",
    "minLength": "{shown} is too short: at least {limit} needed",
    "maxLength": "{shown} is longer than {limit} characters",
    "minProperties": "{shown} is too short: at least {limit} needed",
    "maxProperties": "{shown} has more than {limit} keys",
    "uniqueItems": "{shown} holds something twice",
}


def _hint(error: Any) -> str:
    described = _description(error)
    if error.validator == "enum" and isinstance(error.instance, str):
        near = nearest(error.instance, map(str, error.validator_value))
        return near if near.startswith("did you mean") else described or near
    if error.validator == "required":
        return described or "'cmx new' makes a component with everything that it needs"
    if error.validator == "type" and not described:
        return _TYPE_HINTS.get(_join(error.validator_value), "")
    return described


_TYPE_HINTS = {
    "array": "as in [first, second]",
    "boolean": "true or false, without quotes",
    "integer": "a whole number, without quotes",
    "number": "a number, without quotes",
    "object": "as in {key: value}",
    "string": "put it in quotes",
}


def _description(error: Any) -> str:
    """What the schema says of a field, or of the alternatives that it is one of."""
    while error is not None:
        if isinstance(error.schema, Mapping) and "description" in error.schema:
            return str(error.schema["description"])
        error = error.parent
    return ""


def _join(types: str | Sequence[str]) -> str:
    return types if isinstance(types, str) else " or ".join(types)


def line_of(text: str, path: Iterable[str | int]) -> int:
    """The line (from 1) on which the value at ``path`` stands in a YAML text."""
    return _locate(text, path)[0]


def _written(text: str, path: Iterable[str | int]) -> str:
    """The scalar at ``path`` as it is written: 9433362961316e77, not 9.433362961316e+89."""
    return str(_locate(text, path)[1].value)


def _locate(text: str, path: Iterable[str | int]) -> tuple[int, Any]:
    import yaml

    node: Any = yaml.compose(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    line = 1
    for part in path:
        found = _child(node, part)
        if found is None:
            break
        line, node = found
    return line, node


def _child(node: Any, part: str | int) -> tuple[int, Any] | None:
    import yaml

    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if key.value == part:
                return key.start_mark.line + 1, value
    if isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
        return node.value[part].start_mark.line + 1, node.value[part]
    return None
