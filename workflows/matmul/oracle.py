"""What the product must hold: entries by exact integer arithmetic, and all rows at once by Freivalds' check."""

from __future__ import annotations

import random
import sys
from array import array
from collections.abc import Sequence
from math import fsum
from pathlib import Path

from cmx.worker import ActionError, Context
from cmx.worker.native import Check, Report

ENTRIES = 256
_FACTOR, _STEP, _SEED, _MASK = 6364136223846793005, 1442695040888963407, 42, 2**64 - 1
_UNIT = 2**23
# A sum of n products of numbers below 1 errs by at most n units of 2**-53 for each of its n terms (Higham, Accuracy
# and Stability of Numerical Algorithms, 3.1): n * n * 2**-53, whatever the order of summation, fused or not.
_EPSILON = 2.0**-53


def check(context: Context, report: Report, answers: Path) -> list[Check]:
    """Sampled entries one by one, and each row's sum under random signs. Raises ActionError for a wrong size."""
    size = int(report.facts["size"])
    if answers.stat().st_size != size * size * 8:
        raise ActionError(f"the program wrote {answers.stat().st_size} bytes, the matrix has {size * size * 8}")
    product = array("d", answers.read_bytes())
    if sys.byteorder == "big":  # every target that cmx knows is little-endian
        product.byteswap()
    dice = random.Random(context.seed)  # noqa: S311 - it chooses what to look at, and keeps no secret
    left, right = matrices(size)
    return [_entries(product, left, right, size, dice), _rows(product, left, right, size, dice)]


def matrices(size: int) -> tuple[array[int], array[int]]:
    """A and B, row by row, as integers to be divided by 2**23; the generator is described in matmul.c."""
    state, numbers = _SEED, array("q")
    for _ in range(2 * size * size):
        state = (state * _FACTOR + _STEP) & _MASK
        numbers.append((state >> 40) - _UNIT)
    return numbers[: size * size], numbers[size * size :]


def _entries(product: Sequence[float], left: array[int], right: array[int], size: int, dice: random.Random) -> Check:
    places = [(dice.randrange(size), dice.randrange(size)) for _ in range(ENTRIES)]
    errors = []
    for i, j in places:
        exact = sum(x * y for x, y in zip(left[i * size : (i + 1) * size], right[j::size]))
        errors.append(abs(product[i * size + j] - exact / _UNIT**2))
    return _check("entries", errors, size * size * _EPSILON)


def _rows(product: Sequence[float], left: array[int], right: array[int], size: int, dice: random.Random) -> Check:
    """C r = A (B r) for a vector r of random signs (Freivalds 1979), so that each entry of C has its part.

    A row with one wrong entry is always found, one with several at least every other time.
    """
    signs = [dice.choice((-1, 1)) for _ in range(size)]
    folded = [sum(x * s for x, s in zip(right[k * size : (k + 1) * size], signs)) for k in range(size)]
    errors = []
    for i in range(size):
        row = slice(i * size, (i + 1) * size)
        exact = sum(x * y for x, y in zip(left[row], folded))
        errors.append(abs(fsum(x * s for x, s in zip(product[row], signs)) - exact / _UNIT**2))
    return _check("rows", errors, size**3 * _EPSILON)


def _check(name: str, errors: Sequence[float], limit: float) -> Check:
    right = sum(error <= limit for error in errors)
    return Check(name, right, len(errors), detail=f"largest error {max(errors):.3g}, allowed {limit:.3g}")
