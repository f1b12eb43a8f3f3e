"""The random numbers of LoadGen: ``std::mt19937`` with the distributions of GNU's C++ library.

numpy's ``RandomState`` is the same Mersenne Twister, seeded alike. So one seed gives both engines the same samples in
the same order at the same times, wherever LoadGen was built with that library, as its wheels for Linux are.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, List

import numpy as np
from numpy.random import RandomState
from numpy.typing import NDArray

_RANGE = 1 << 32
_MASK = _RANGE - 1
_BLOCK = 1024


class Generator:
    """``std::mt19937(seed)``; each method draws as many words as its C++ counterpart does."""

    def __init__(self, seed: int) -> None:
        self._source = RandomState(seed % _RANGE)
        self._words = np.empty(0, np.uint64)
        self._at = 0

    def _ahead(self, count: int) -> NDArray[np.uint64]:
        """The next words, which are not taken yet."""
        if len(self._words) < self._at + count:
            more = self._source.randint(_RANGE, size=max(count, _BLOCK), dtype=np.uint32)
            self._words, self._at = np.concatenate((self._words[self._at :], more.astype(np.uint64))), 0
        return self._words[self._at : self._at + count]

    def _word(self) -> int:
        word = self._ahead(1).item()
        self._at += 1
        return word

    def below(self, count: int) -> int:
        """A whole number from 0 to ``count`` - 1 (Lemire's method, as ``std::uniform_int_distribution`` has it)."""
        threshold = _threshold(count)
        while (product := self._word() * count) & _MASK < threshold:
            pass
        return product >> 32

    def all_below(self, count: int) -> Iterator[NDArray[np.uint64]]:
        """What ``below`` would give call after call, for ever, some at a time."""
        while True:
            products = self._ahead(_BLOCK) * np.uint64(count)
            self._at += _BLOCK
            yield products[(products & _MASK) >= _threshold(count)] >> np.uint64(32)

    def fractions(self) -> Iterator[float]:
        """From 0 up to, not including, 1, for ever, each from two words (``std::generate_canonical``).

        They are drawn ahead: nothing else may be drawn from then on.
        """
        while True:
            words = self._ahead(_BLOCK).astype(np.float64)
            self._at += _BLOCK
            found = (words[::2] + words[1::2] * 4294967296.0) / 18446744073709551616.0
            yield from np.minimum(found, np.nextafter(1.0, 0.0)).tolist()

    def exponentials(self, rate: float) -> Iterator[float]:
        """The times between arrivals that come at ``rate`` on average, for ever."""
        return (-math.log(1.0 - fraction) / rate for fraction in self.fractions())

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
        draws = np.array(_draws(size), np.uint64)
        left, turn = len(draws) * times, max(len(draws), 1)
        counts = np.tile(draws, 1 + _BLOCK // turn)
        thresholds = _RANGE % counts
        while left:
            at = -left % turn
            words = self._ahead(min(left, len(counts) - at))
            end = at + len(words)
            again = np.flatnonzero((words * counts[at:end] & _MASK) < thresholds[at:end])
            good = int(again[0]) if len(again) else len(words)
            left -= good
            self._at += good + (len(again) > 0)


def _threshold(count: int) -> int:
    """Below which the lower half of a product is that of a word that is drawn again."""
    return _RANGE % count


def _draws(size: int) -> List[int]:
    """Below what ``std::shuffle`` of so many items draws, time after time: for one place, or for two together."""
    if size < 2:
        return []
    if _MASK // size < size:
        return list(range(2, size + 1))
    return [2] * (size % 2 == 0) + [(place + 1) * (place + 2) for place in range(1 + (size % 2 == 0), size, 2)]
