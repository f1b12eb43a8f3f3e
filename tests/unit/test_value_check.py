"""The quick check of a parameter's value never admits what jsonschema refuses."""

from __future__ import annotations

from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as some

from cmx.schema import validate_value

TYPES = ["string", "boolean", "null", "integer", "number", "array"]
SCALARS = some.one_of(
    some.none(), some.booleans(), some.integers(-3, 3), some.floats(-3, 3), some.sampled_from(["", "a", "1"])
)
BOUNDS = ["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"]


@some.composite
def fragments(draw: some.DrawFn) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if draw(some.booleans()):
        found["type"] = draw(some.sampled_from(TYPES) | some.lists(some.sampled_from(TYPES), min_size=1, unique=True))
    if draw(some.booleans()):
        found["enum"] = draw(some.lists(SCALARS, min_size=1, max_size=3))
    for bound in draw(some.sets(some.sampled_from(BOUNDS))):
        found[bound] = draw(some.integers(-2, 2))
    return found


@given(SCALARS, fragments())
def test_a_value_is_right_exactly_when_jsonschema_says_so(value: Any, fragment: dict[str, Any]) -> None:
    assert (validate_value(value, fragment) == "") == jsonschema.Draft202012Validator(fragment).is_valid(value)


@pytest.mark.parametrize(
    "fragment", [{"pattern": "^b"}, {"minLength": 2}, {"type": "string", "format": "path", "const": 1}]
)
def test_a_rule_beyond_types_and_bounds_is_not_passed_over(fragment: dict[str, Any]) -> None:
    assert validate_value("a", fragment)
