"""Whether the machine is quiet before a measurement: a short look, and a wait until nobody uses its processors."""

from __future__ import annotations

import time
from collections.abc import Callable

from cmx.host.noise import Noise, NoiseMonitor

LOOK_SECONDS = 0.1
"""Ten of the kernel's ticks: enough to see a program that keeps a processor busy."""
WAIT_SECONDS = 1.0
"""A longer look, while one waits anyway."""

Look = Callable[[float], Noise]


def look(seconds: float = LOOK_SECONDS) -> Noise:
    """What goes on while this process does nothing for so many seconds."""
    monitor = NoiseMonitor()
    time.sleep(seconds)
    return monitor.finish()


def wait_for_quiet(limit: float, at: Look = look, clock: Callable[[], float] = time.monotonic) -> Noise:
    """The first quiet look, or the last one within ``limit`` seconds: ``Noise.now`` says which."""
    deadline = clock() + limit
    while True:
        found = at(WAIT_SECONDS)
        if not found.now or clock() + WAIT_SECONDS > deadline:
            return found
