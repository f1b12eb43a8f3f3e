"""The random numbers of LoadGen: ``std::mt19937`` with the distributions of GNU's C++ library.

Python's generator is the same Mersenne Twister, started from another state. So one seed gives both engines the same
samples in the same order at the same times, wherever LoadGen was built with that library, as its wheels for Linux are.
"""

from __future__ import annotations

import math
import random
import struct
from collections.abc import Iterator
from typing import Any, List

_WORDS = 624
_RANGE = 1 << 32
_BLOCK = 1024


class Generator:
    """``std::mt19937(seed)``; each method draws as many words as its C++ counterpart does."""

    def __init__(self, seed: int) -> None:
        word = seed % _RANGE
        state = [word]
        for number in range(1, _WORDS):
            word = (1812433253 * (word ^ (word >> 30)) + number) % _RANGE
            state.append(word)
        self._source = random.Random()  # noqa: S311 - reproducible, not secret
        self._source.setstate((3, (*state, _WORDS), None))

    def below(self, count: int) -> int:
        """A whole number from 0 to ``count`` - 1 (Lemire's method, as ``std::uniform_int_distribution`` has it)."""
        product = self._source.getrandbits(32) * count
        if product % _RANGE < count:
            threshold = (_RANGE - count) % count
            while product % _RANGE < threshold:
                product = self._source.getrandbits(32) * count
        return product // _RANGE

    def all_below(self, count: int) -> Iterator[List[int]]:
        """What ``below`` would give call after call, for ever, some at a time; nothing else may be drawn after it."""
        threshold = (_RANGE - count) % count
        parts = struct.Struct(f"<{_BLOCK}I")
        while True:
            words = parts.unpack(self._source.getrandbits(32 * _BLOCK).to_bytes(4 * _BLOCK, "little"))
            yield [word * count >> 32 for word in words if word * count & 0xFFFFFFFF >= threshold]

    def fraction(self) -> float:
        """From 0 up to, not including, 1 (``std::generate_canonical``, from two words)."""
        low, high = self._source.getrandbits(32), self._source.getrandbits(32)
        return min((low + high * 4294967296.0) / 18446744073709551616.0, math.nextafter(1.0, 0.0))

    def exponential(self, rate: float) -> float:
        """The time between two arrivals that come at ``rate`` on average."""
        return -math.log(1.0 - self.fraction()) / rate

    def shuffle(self, items: List[Any]) -> None:
        """``std::shuffle``: in place, two places from one draw while there are few enough items for it."""
        count = len(items)
        if count < 2:
            return
        if (_RANGE - 1) // count < count:
            for place in range(1, count):
                _swap(items, place, self.below(place + 1))
            return
        place = 1
        if count % 2 == 0:
            _swap(items, place, self.below(2))
            place += 1
        while place < count:
            first, second = divmod(self.below((place + 1) * (place + 2)), place + 2)
            _swap(items, place, first)
            _swap(items, place + 1, second)
            place += 2


def _swap(items: List[Any], one: int, other: int) -> None:
    items[one], items[other] = items[other], items[one]
