"""YAML by the rules of its 1.2 core schema, from the parser's events: no stack that a deep file could exhaust.

PyYAML's own way, a tree of nodes and then a constructor, takes half as long again, and its C part recurses.
"""

from __future__ import annotations

import re
from functools import cache, lru_cache
from typing import Any

MAX_DEPTH = 60
_WORDS = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_INT = re.compile(r"(?:[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+)\Z")
_FLOAT = re.compile(
    r"(?:[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))\Z"
)
# Text that begins otherwise is no number: no expression needs to be tried.
_NUMERIC = frozenset("-+.0123456789")


def construct(text: str) -> Any:
    """The value of a YAML text, None for an empty one.

    Raises yaml.YAMLError for what is not YAML, and for anchors, tags, keys that are not text or are there twice, a
    second document, and nesting deeper than MAX_DEPTH.
    """
    parser, scalar, sequence, sequence_end, mapping, mapping_end = _classes()
    next_event = parser(text).get_event
    marked = "&" in text or "!" in text  # else nothing in it can have an anchor or a tag
    top: list[Any] = []
    container: Any = top
    outer: list[Any] = []
    key: str | None = None
    keys: list[str | None] = []
    while (event := next_event()) is not None:
        kind = event.__class__
        if kind is scalar:
            if marked and (event.anchor is not None or event.tag is not None):
                raise _unused(event)
            value = event.value
            if event.implicit[0]:
                if value in _WORDS:
                    value = _WORDS[value]
                elif value[0] in _NUMERIC:
                    value = _numeric(event)
            if key is None and container.__class__ is dict:
                if value.__class__ is not str or value in container:
                    raise _no_key(event, value)
                key = value
                continue
        elif kind is sequence_end or kind is mapping_end:
            value, container, key = container, outer.pop(), keys.pop()
        elif kind is sequence or kind is mapping:
            is_key = key is None and container.__class__ is dict
            if is_key or marked or len(outer) >= MAX_DEPTH:
                _check_start(event, len(outer), is_key=is_key)
            keys.append(key)
            outer.append(container)
            container, key = ([] if kind is sequence else {}), None
            continue
        else:
            _refuse(event, top)
            continue
        if key is None:
            container.append(value)
        else:
            container[key] = value
            key = None
    return top[0] if top else None


@cache
def _classes() -> tuple[Any, ...]:
    """The parser, and its events."""
    import yaml

    parser = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    sequence = yaml.SequenceStartEvent, yaml.SequenceEndEvent
    return parser, yaml.ScalarEvent, *sequence, yaml.MappingStartEvent, yaml.MappingEndEvent


def _check_start(event: Any, depth: int, *, is_key: bool) -> None:
    """Hold the beginning of a list or mapping against the rules."""
    if event.anchor is not None or event.tag is not None:
        raise _unused(event)
    if is_key:
        raise _marked("the key is not text", event.start_mark)
    if depth >= MAX_DEPTH:
        raise _marked(f"nested deeper than {MAX_DEPTH} levels", event.start_mark)


def _no_key(event: Any, value: Any) -> Exception:
    if value.__class__ is not str:
        return _marked(f"the key {event.value!r} is not text", event.start_mark)
    return _marked(f"the key {value!r} is there twice", event.start_mark)


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


def _numeric(event: Any) -> int | float | str:
    try:
        return _number(event.value)
    except ValueError:
        raise _marked("a number of too many digits", event.start_mark) from None


@lru_cache(maxsize=1024)
def _number(value: str) -> int | float | str:
    """What an unquoted scalar means that may be a number; the same few stand in one file after another."""
    if _INT.match(value):
        return int(value, 0) if value[:2] in ("0o", "0x") else int(value)
    if _FLOAT.match(value):
        return float(_FLOAT_NAMES.get(value.lower(), value))
    return value


_FLOAT_NAMES = {".inf": "inf", "+.inf": "inf", "-.inf": "-inf", ".nan": "nan"}
