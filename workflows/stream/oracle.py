"""What the arrays must hold: a closed form of the passes, not a repetition of them."""

from __future__ import annotations

import sys
from array import array
from fractions import Fraction
from pathlib import Path

from cmx.worker import ActionError, Context
from cmx.worker.native import Check, Report

_SCALAR = Fraction(1, 2)
# One rounding for each of a pass's operations, at most half a unit in the last place: 2**-53 of the value.
_ROUNDINGS_A_PASS = 4


def check(context: Context, report: Report, answers: Path) -> list[Check]:
    """Every element of a, b and c. Raises ActionError when the file is not three arrays of doubles."""
    elements, passes = int(report.facts["elements"]), int(report.facts["passes"])
    if answers.stat().st_size != 3 * elements * 8:
        raise ActionError(f"the program wrote {answers.stat().st_size} bytes, three arrays have {3 * elements * 8}")
    with answers.open("rb") as file:
        found = [_array(name, value, file.read(elements * 8), passes) for name, value in expected(passes).items()]
    return [Check("elements", sum(right for right, _ in found), 3 * elements, detail="; ".join(d for _, d in found))]


def expected(passes: int) -> dict[str, Fraction]:
    """The value of every element after so many passes, exactly.

    A pass is c = a; b = s c; c = a + b; a = b + s c, so a is multiplied by s + s (1 + s).
    """
    before = (_SCALAR + _SCALAR * (1 + _SCALAR)) ** (passes - 1)
    return {
        "a": before * (_SCALAR + _SCALAR * (1 + _SCALAR)),
        "b": _SCALAR * before,
        "c": (1 + _SCALAR) * before,
    }


def _array(name: str, value: Fraction, raw: bytes, passes: int) -> tuple[int, str]:
    """How many elements are right, and what there should be."""
    numbers = array("d", raw)
    if sys.byteorder == "big":  # every target that cmx knows is little-endian
        numbers.byteswap()
    slack = value * passes * _ROUNDINGS_A_PASS / 2**53
    low, high = float(value - slack), float(value + slack)
    # Usually all are equal, and the first is right: counting that is ten times as fast as a loop.
    same = numbers.count(numbers[0]) == len(numbers) and low <= numbers[0] <= high
    right = len(numbers) if same else sum(low <= number <= high for number in numbers)
    return right, f"{name}: expected {float(value)!r}, the first is {numbers[0]!r}"
