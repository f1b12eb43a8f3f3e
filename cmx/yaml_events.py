"""YAML by the rules of its 1.2 core schema, from the parser's events: no stack that a deep file could exhaust.

PyYAML's own way, a tree of nodes and then a constructor, takes half as long again, and its C part recurses.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Any

MAX_DEPTH = 60
_NULL = re.compile(r"(?:~|null|Null|NULL|)\Z")
_BOOL = re.compile(r"(?:true|True|TRUE|false|False|FALSE)\Z")
_INT = re.compile(r"(?:[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+)\Z")
_FLOAT = re.compile(
    r"(?:[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))\Z"
)
# Text that begins otherwise is text: no expression needs to be tried.
_SPECIAL = frozenset(["", *"~nNtTfF-+.0123456789"])


def construct(text: str) -> Any:
    """The value of a YAML text, None for an empty one.

    Raises yaml.YAMLError for what is not YAML, and for anchors, tags, keys that are not text or are there twice, a
    second document, and nesting deeper than MAX_DEPTH.
    """
    next_event, kinds = _parser()(text).get_event, _kinds()
    top: list[Any] = []
    container: Any = top
    outer: list[Any] = []
    key: str | None = None
    keys: list[str | None] = []
    while (event := next_event()) is not None:
        kind = kinds.get(event.__class__, _OTHER)
        if kind == _SCALAR:
            if event.anchor is not None or event.tag is not None:
                raise _unused(event)
            value = event.value
            if event.implicit[0] and value[:1] in _SPECIAL:
                value = _plain(value, event.start_mark)
            if key is None and container.__class__ is dict:
                key = _key(event, value, container)
                continue
        elif kind == _END:
            value, container, key = container, outer.pop(), keys.pop()
        elif kind == _OTHER:
            _refuse(event, top)
            continue
        else:
            _check_start(event, len(outer), is_key=key is None and container.__class__ is dict)
            keys.append(key)
            outer.append(container)
            container, key = ([] if kind == _SEQUENCE else {}), None
            continue
        if container.__class__ is list:
            container.append(value)
        else:
            container[key] = value
            key = None
    return top[0] if top else None


_SCALAR, _SEQUENCE, _MAPPING, _END, _OTHER = range(5)


@cache
def _kinds() -> dict[type, int]:
    import yaml

    return {
        yaml.ScalarEvent: _SCALAR,
        yaml.SequenceStartEvent: _SEQUENCE,
        yaml.MappingStartEvent: _MAPPING,
        yaml.SequenceEndEvent: _END,
        yaml.MappingEndEvent: _END,
    }


@cache
def _parser() -> Any:
    import yaml

    return getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def _check_start(event: Any, depth: int, *, is_key: bool) -> None:
    """Hold the beginning of a list or mapping against the rules."""
    if event.anchor is not None or event.tag is not None:
        raise _unused(event)
    if is_key:
        raise _marked("the key is not text", event.start_mark)
    if depth >= MAX_DEPTH:
        raise _marked(f"nested deeper than {MAX_DEPTH} levels", event.start_mark)


def _key(event: Any, value: Any, container: dict[str, Any]) -> str:
    if value.__class__ is not str:
        raise _marked(f"the key {event.value!r} is not text", event.start_mark)
    if value in container:
        raise _marked(f"the key {value!r} is there twice", event.start_mark)
    key: str = value
    return key


def _refuse(event: Any, top: list[Any]) -> None:
    """Let the beginning and end of a document pass, and nothing else."""
    import yaml

    if isinstance(event, yaml.AliasEvent):
        raise _unused(event)
    if isinstance(event, yaml.DocumentStartEvent) and top:
        mark: Any = event.start_mark
        context = "expected a single document in the stream"
        raise yaml.MarkedYAMLError(context, None, "but found another document", mark)


def _unused(event: Any) -> Exception:
    what = "tags such as !!str" if event.anchor is None else "anchors and aliases"
    return _marked(f"{what} are not used here", event.start_mark)


def _marked(problem: str, mark: Any) -> Exception:
    import yaml

    return yaml.MarkedYAMLError(problem=problem, problem_mark=mark)


def _plain(value: str, mark: Any) -> Any:
    """What an unquoted scalar means."""
    if _INT.match(value):
        return _integer(value, mark)
    if _FLOAT.match(value):
        return float(_FLOAT_NAMES.get(value.lower(), value))
    if _NULL.match(value):
        return None
    return value.lower() == "true" if _BOOL.match(value) else value


_FLOAT_NAMES = {".inf": "inf", "+.inf": "inf", "-.inf": "-inf", ".nan": "nan"}


def _integer(value: str, mark: Any) -> int:
    try:
        return int(value, 0) if value[:2] in ("0o", "0x") else int(value)
    except ValueError:
        raise _marked("a number of too many digits", mark) from None
