"""The random numbers of LoadGen: ``std::mt19937`` with the distributions of GNU's C++ library.

Python's generator is the same Mersenne Twister, started from another state. So one seed gives both engines the same
samples in the same order at the same times, wherever LoadGen was built with that library, as its wheels for Linux are.
"""

from __future__ import annotations

import math
import random
import struct
from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Any, List, Tuple

_WORDS = 624
_RANGE = 1 << 32
_MASK = _RANGE - 1
_BLOCK = 1024


class Generator:
    """``std::mt19937(seed)``; each method draws as many words as its C++ counterpart does."""

    def __init__(self, seed: int) -> None:
        word = seed % _RANGE
        state = [word]
        for number in range(1, _WORDS):
            word = (1812433253 * (word ^ (word >> 30)) + number) % _RANGE
            state.append(word)
        source = random.Random()  # noqa: S311 - reproducible, not secret
        source.setstate((3, (*state, _WORDS), None))
        self._blocks = _blocks(source)
        self._left: Iterator[int] = iter(())
        self._words = chain.from_iterable(iter(self._next_block, None))

    def _next_block(self) -> Iterator[int]:
        self._left = iter(_unpacked(next(self._blocks)))
        return self._left

    def below(self, count: int) -> int:
        """A whole number from 0 to ``count`` - 1 (Lemire's method, as ``std::uniform_int_distribution`` has it)."""
        threshold = (_RANGE - count) % count
        for word in self._words:
            if word * count & _MASK >= threshold:
                return word * count >> 32
        raise AssertionError("the words never end")

    def all_below(self, count: int) -> Iterator[Sequence[int]]:
        """What ``below`` would give call after call, for ever, some at a time; nothing else may be drawn after it."""
        rest = tuple(self._left)
        left = struct.pack(f"<{len(rest)}I", *rest)
        yield from (_scaled(words, count) for words in chain([left], self._blocks))

    def fraction(self) -> float:
        """From 0 up to, not including, 1 (``std::generate_canonical``, from two words)."""
        low, high = next(self._words), next(self._words)
        return min((low + high * 4294967296.0) / 18446744073709551616.0, math.nextafter(1.0, 0.0))

    def exponential(self, rate: float) -> float:
        """The time between two arrivals that come at ``rate`` on average."""
        return -math.log(1.0 - self.fraction()) / rate

    def shuffle(self, items: List[Any]) -> None:
        """``std::shuffle``: in place, two places from one draw while there are few enough items for it."""
        place = 1
        for count in _draws(len(items)):
            drawn = self.below(count)
            if count > place + 1:
                first, drawn = divmod(drawn, place + 2)
                items[place], items[first] = items[first], items[place]
                place += 1
            items[place], items[drawn] = items[drawn], items[place]
            place += 1

    def skip_shuffles(self, size: int, times: int) -> None:
        """Draw what shuffling so many items so often would, and shuffle nothing."""
        counts = [(count, (_RANGE - count) % count) for count in _draws(size)]
        words = self._words
        for _ in range(times):
            for count, threshold in counts:
                while next(words) * count & _MASK < threshold:
                    pass


def _blocks(source: random.Random) -> Iterator[bytes]:
    """The words of a generator of 32 bits, for ever."""
    while True:
        yield source.getrandbits(32 * _BLOCK).to_bytes(4 * _BLOCK, "little")


def _unpacked(words: bytes) -> Tuple[int, ...]:
    return struct.unpack(f"<{len(words) // 4}I", words)


def _scaled(words: bytes, count: int) -> Sequence[int]:
    """``word * count >> 32`` of each word but those that Lemire's method draws again.

    One multiplication of whole numbers is all of these products, each in 64 bits of its own.
    """
    wide = memoryview(bytearray(2 * len(words))).cast("I")
    wide[::2] = memoryview(words).cast("I")
    halves = _unpacked((int.from_bytes(wide, "little") * count).to_bytes(2 * len(words), "little"))
    fractions, scaled = halves[::2], halves[1::2]
    threshold = (_RANGE - count) % count
    if min(fractions, default=0) >= threshold:
        return scaled
    return [number for number, fraction in zip(scaled, fractions) if fraction >= threshold]


def _draws(size: int) -> List[int]:
    """Below what ``std::shuffle`` of so many items draws, time after time: for one place, or for two together."""
    if size < 2:
        return []
    if _MASK // size < size:
        return list(range(2, size + 1))
    return [2] * (size % 2 == 0) + [(place + 1) * (place + 2) for place in range(1 + (size % 2 == 0), size, 2)]
