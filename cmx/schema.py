"""Reads documents from outside and holds them against their JSON Schema.

YAML is read by the rules of YAML 1.2's core schema: ``on``, ``yes`` and ``12:30`` are text, ``010`` is ten. Anchors,
repeated keys and keys that are not text are refused, so a document means one thing to everybody who reads it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from cmx.errors import ComponentInvalid, nearest

SCHEMA_FOLDER = Path(__file__).parent / "schemas"
MAX_BYTES = 1 << 20
_NULL = re.compile(r"^(?:~|null|Null|NULL|)$")
_BOOL = re.compile(r"^(?:true|True|TRUE|false|False|FALSE)$")
_INT = re.compile(r"^(?:[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+)$")
_FLOAT = re.compile(
    r"^(?:[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$"
)


def read_yaml(path: Path) -> dict[str, Any]:
    """The mapping in a YAML file. Raises ComponentInvalid that names file and line."""
    return parse_yaml(read_text(path), path)


def read_text(path: Path) -> str:
    """A small UTF-8 text file. Raises ComponentInvalid when it cannot be read, is too long, or is not UTF-8."""
    try:
        if path.stat().st_size > MAX_BYTES:
            raise ComponentInvalid(f"{path}: longer than {MAX_BYTES} bytes", hint="this is not a component's file")
        return path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ComponentInvalid(f"{path}: not UTF-8 at byte {error.start}", hint="save the file as UTF-8") from None
    except OSError as error:
        raise ComponentInvalid(
            f"{path}: {error.strerror}", hint="check that the file exists and can be read"
        ) from error


def parse_yaml(text: str, source: Path | str) -> dict[str, Any]:
    """The mapping in a YAML text; ``source`` is named in errors."""
    import yaml

    try:
        if "*" in text:
            _refuse_aliases(text)
        document = yaml.load(text, Loader=_loader())  # noqa: S506  (a SafeLoader with stricter rules)
    except yaml.MarkedYAMLError as error:
        raise ComponentInvalid(f"{source}:{_line(error)}: {error.problem}", hint=_yaml_hint(error)) from None
    except (yaml.YAMLError, RecursionError) as error:
        raise ComponentInvalid(f"{source}: {error}", hint="the file is not YAML") from None
    if not isinstance(document, dict):
        raise ComponentInvalid(f"{source}:1: expected a mapping of keys to values", hint="see docs/components.md")
    return document


def _line(error: Any) -> int:
    mark = error.problem_mark or error.context_mark
    return mark.line + 1 if mark else 1


def _yaml_hint(error: Any) -> str:
    if "\\t" in str(error.problem):
        return "indent with spaces, not tabs"
    if "twice" in str(error.problem):
        return "keep one of the two"
    if "aliases" in str(error.problem):
        return "write the value out where it is used"
    return "quote a value that holds ': ', '#', '{' or '['; check the indentation"


def _refuse_aliases(text: str) -> None:
    import yaml

    for event in yaml.parse(text, Loader=_loader()):
        if isinstance(event, yaml.AliasEvent):
            mark: Any = event.start_mark
            raise yaml.MarkedYAMLError(problem="anchors and aliases are not used here", problem_mark=mark)


@cache
def _loader() -> Any:
    import yaml

    base: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

    class Loader(base):  # type: ignore[misc]
        yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012  (PyYAML's own class attribute)

        def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
            seen: set[Any] = set()
            for key_node, _ in node.value:
                if key_node.tag != "tag:yaml.org,2002:str":
                    raise yaml.MarkedYAMLError(
                        problem=f"the key {key_node.value!r} is not text", problem_mark=key_node.start_mark
                    )
                if key_node.value in seen:
                    raise yaml.MarkedYAMLError(
                        problem=f"the key {key_node.value!r} is there twice", problem_mark=key_node.start_mark
                    )
                seen.add(key_node.value)
            return dict(super().construct_mapping(node, deep=deep))

    for tag, pattern, first in (
        ("null", _NULL, ["~", "n", "N", ""]),
        ("bool", _BOOL, list("tTfF")),
        ("int", _INT, list("-+0123456789")),
        ("float", _FLOAT, list("-+.0123456789")),
    ):
        Loader.add_implicit_resolver(f"tag:yaml.org,2002:{tag}", pattern, first)
    Loader.add_constructor("tag:yaml.org,2002:int", lambda loader, node: _integer(loader.construct_scalar(node)))
    return Loader


def _integer(text: str) -> int:
    return int(text, 0) if text[:2] in ("0o", "0x") else int(text)


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
    errors = sorted(_validator(name).iter_errors(document), key=_rank)
    if errors:
        raise explain(_deepest(errors[0]), source=source, text=text)


def validate_value(value: Any, fragment: Mapping[str, Any]) -> str:
    """What is wrong with a value by a schema fragment, in words; "" when nothing is."""
    import jsonschema

    errors = list(jsonschema.Draft202012Validator(fragment).iter_errors(value))
    return _words(errors[0]) if errors else ""


def _rank(error: Any) -> tuple[int, int, str]:
    unknown = error.validator in ("additionalProperties", "unevaluatedProperties")
    return (0 if unknown else 1, len(error.absolute_path), str(error.absolute_path))


def _deepest(error: Any) -> Any:
    """Of the alternatives of an anyOf/oneOf, the complaint that got furthest into the document."""
    while error.context:
        error = max(error.context, key=lambda inner: (len(inner.absolute_path), inner.validator != "type"))
    return error


def explain(error: Any, *, source: Path | str, text: str) -> ComponentInvalid:
    """A jsonschema error as one of ours."""
    path: list[str | int] = list(error.absolute_path)
    unknown = _unknown_key(error)
    if unknown:
        path.append(unknown)
        message, hint = f"unknown key {unknown!r}", nearest(unknown, _known_keys(error.schema))
    else:
        message, hint = _words(error), _hint(error)
    where = f"{source}:{line_of(text, path)}" if text else str(source)
    field = ".".join(str(part) for part in path)
    return ComponentInvalid(f"{where}: {field}: {message}" if field else f"{where}: {message}", hint=hint)


def _unknown_key(error: Any) -> str:
    if error.validator not in ("additionalProperties", "unevaluatedProperties") or not isinstance(error.instance, dict):
        return ""
    known = set(_known_keys(error.schema))
    return next((str(key) for key in error.instance if key not in known), "")


def _known_keys(fragment: Mapping[str, Any]) -> Iterator[str]:
    yield from fragment.get("properties", {})
    for part in fragment.get("allOf", ()):
        yield from _known_keys(part)
    reference = str(fragment.get("$ref", ""))
    if reference.endswith(".json"):
        yield from _known_keys(schema(reference.removesuffix(".json")))


def _words(error: Any) -> str:
    value = json.dumps(error.instance, ensure_ascii=False, default=str)
    shown = value if len(value) <= 60 else value[:57] + "…"
    if error.validator == "required":
        return str(error.message).replace(" is a required property", " is missing")
    if error.validator == "enum":
        return f"{shown} is not one of {', '.join(map(str, error.validator_value))}"
    if error.validator == "type":
        return f"{shown} is not of type {_join(error.validator_value)}"
    if error.validator == "pattern":
        return f"{shown} does not match {error.validator_value}"
    if error.validator == "const":
        return f"{shown} is not {error.validator_value!r}"
    if error.validator == "minimum":
        return f"{shown} is less than {error.validator_value}"
    if error.validator == "maximum":
        return f"{shown} is more than {error.validator_value}"
    return str(error.message)


def _hint(error: Any) -> str:
    if error.validator == "enum" and isinstance(error.instance, str):
        return nearest(error.instance, map(str, error.validator_value))
    field = str(error.absolute_path[-1]) if error.absolute_path else ""
    if field in ("uid", "version") and error.validator == "type":
        return f'quote it: {field}: "{error.instance}"'
    return str(error.schema.get("description", "")) if isinstance(error.schema, Mapping) else ""


def _join(types: str | Sequence[str]) -> str:
    return types if isinstance(types, str) else " or ".join(types)


def line_of(text: str, path: Iterable[str | int]) -> int:
    """The line (from 1) on which the value at ``path`` stands in a YAML text."""
    import yaml

    node: Any = yaml.compose(text, Loader=_loader())
    line = 1
    for part in path:
        found = _child(node, part)
        if found is None:
            break
        line, node = found
    return line


def _child(node: Any, part: str | int) -> tuple[int, Any] | None:
    import yaml

    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if key.value == part:
                return key.start_mark.line + 1, value
    if isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
        return node.value[part].start_mark.line + 1, node.value[part]
    return None
