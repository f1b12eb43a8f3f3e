"""What a parameter of an operator may be, in a few words of JSON Schema: the rules that ``operator`` is given.

``cmx check`` reads the same rules off the source and holds components against them, before there is a worker.
"""

from __future__ import annotations

import difflib
import operator
import re
from typing import Any, Callable, Iterable, List, Mapping, Sequence, Tuple

Rule = Mapping[str, Any]
"""``type`` (one, or several of those below), and ``enum``, ``pattern`` with a ``description``, bounds, ``not``
``const``, ``items``, ``minItems`` and ``maxItems``."""

_TYPES = {"integer": "a whole number", "number": "a number", "string": "text", "array": "a list"}
_BOUNDS: Sequence[Tuple[str, Callable[[Any, Any], bool], str]] = (
    ("minimum", operator.ge, "{} or more"),
    ("exclusiveMinimum", operator.gt, "above {}"),
    ("maximum", operator.le, "at most {}"),
)


def problem(value: Any, rule: Rule) -> str:
    """What is wrong with a value, as in "it must be above 0"; "" where nothing is."""
    types = _types(rule)
    if not any(_is(value, each) for each in types):
        return "it must be " + " or ".join(_TYPES[each] for each in types)
    if value not in rule.get("enum", [value]):
        return nearest(value, rule["enum"])
    if isinstance(value, str):
        return "" if re.search(rule.get("pattern", ""), value) else f"it must be {rule['description']}"
    return _of_list(value, rule) if isinstance(value, (list, tuple)) else _of_number(value, rule)


def whole(value: Any, rule: Rule) -> Any:
    """The value, 5.0 being 5 where only whole numbers may be."""
    if isinstance(value, (list, tuple)):
        return [whole(each, rule["items"]) for each in value]
    return int(value) if isinstance(value, float) and "number" not in _types(rule) else value


def _types(rule: Rule) -> List[str]:
    return [rule["type"]] if isinstance(rule["type"], str) else list(rule["type"])


def _is(value: Any, kind: str) -> bool:
    if kind == "integer":
        return _is(value, "number") and value == value // 1
    if kind == "number":
        return isinstance(value, (int, float)) and not isinstance(value, bool)
    return isinstance(value, str if kind == "string" else (list, tuple))


def _of_list(values: Sequence[Any], rule: Rule) -> str:
    if not rule.get("minItems", 0) <= len(values) <= rule.get("maxItems", len(values)):
        return f"it must have {'' if 'maxItems' in rule else 'at least '}{rule['minItems']} values"
    return next(filter(None, (problem(value, rule["items"]) for value in values)), "")


def _of_number(value: float, rule: Rule) -> str:
    bounds = [(holds(value, rule[key]), words.format(rule[key])) for key, holds, words in _BOUNDS if key in rule]
    if not all(held for held, _ in bounds):
        return "it must be " + " and ".join(words for _, words in bounds)
    barred = rule.get("not", {}).get("const")
    return f"it must not be {barred}" if barred is not None and value == barred else ""


def nearest(word: Any, known: Iterable[str]) -> str:
    """A sentence for a misspelt word: the nearest known one, or all there are."""
    names = sorted(known)
    close = difflib.get_close_matches(str(word), names, n=1, cutoff=0.6)
    if close:
        return f"did you mean {close[0]!r}?"
    return "there is: " + ", ".join(names) if names else "there is none"
