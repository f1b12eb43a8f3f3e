"""Measuring without Python's garbage collector, and on time."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager

# prctl(2)
_SET_TIMER_SLACK, _GET_TIMER_SLACK = 29, 30


@contextmanager
def undisturbed() -> Iterator[None]:
    """Without Python's cyclic garbage collector, whose pauses would be counted as the model's."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


@contextmanager
def punctual() -> Iterator[None]:
    """Without the 50 µs by which Linux may let a thread's sleep last longer, to wake up less often.

    For this thread and those that it starts meanwhile. Nothing changes elsewhere.
    """
    if sys.platform != "linux":
        yield
        return
    import ctypes

    control = ctypes.CDLL(None).prctl
    slack = control(_GET_TIMER_SLACK, 0, 0, 0, 0)
    control(_SET_TIMER_SLACK, 1, 0, 0, 0)
    try:
        yield
    finally:
        if slack > 0:
            control(_SET_TIMER_SLACK, slack, 0, 0, 0)
