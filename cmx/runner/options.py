"""How a run is carried out and how long it is measured. None of it changes what is measured."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from cmx.errors import UsageError

if TYPE_CHECKING:
    from cmx.install import Given
    from cmx.runner.isolation import Isolation

TIME_LIMIT = 600.0
"""Seconds that a step may take beyond the duration it was asked for."""
QUIET_LIMIT = 60.0
"""Seconds that ``require_quiet`` waits for, if it does not say."""
LEAST_LAUNCHES = 6
"""Fewer cannot give a 95 % interval, whatever they measure."""
MOST_LAUNCHES = 50
"""Where a stop rule is given and no number of launches: the end of it all the same."""


class Sampling(NamedTuple):
    """When enough was measured; a launch is a fresh process.

    Alone, ``launches`` is their number; with one of the others it is the most there may be. ``precision`` 0.02 goes on
    until both ends of the median's 95 % interval lie within 2 % of it, and makes at least six. ``time_budget`` is in s:
    no launch is begun that would end after it, judged by the slowest so far, but for the first.
    """

    launches: int = 0
    precision: float | None = None
    time_budget: float | None = None

    @property
    def most(self) -> int:
        """The most launches there may be."""
        return self.launches or (MOST_LAUNCHES if self.precision or self.time_budget else 1)

    def check(self) -> Sampling:
        """Itself. Raises UsageError for what cannot be met."""
        if self.launches < 0:
            raise UsageError(f"--launches {self.launches}: at least one is needed", hint="as in --launches 6")
        if self.precision and 0 < self.launches < LEAST_LAUNCHES:
            raise UsageError(
                f"--launches {self.launches} is too few for --precision: a 95 % interval needs {LEAST_LAUNCHES}",
                hint=f"leave --launches out (at most {MOST_LAUNCHES} then), or give {LEAST_LAUNCHES} or more",
            )
        return self

    def enough(self, values: Sequence[float], seconds: Sequence[float]) -> str:
        """Why no further launch is needed after those that gave ``values`` and took ``seconds``; "" to go on."""
        count = len(seconds)
        if self.time_budget and count and sum(seconds) + max(seconds) > self.time_budget:
            return f"the time budget of {self.time_budget:g} s has no room for another launch"
        reached = half_width(values) if self.precision and count >= LEAST_LAUNCHES else None
        if self.precision and reached is not None and reached <= self.precision:
            return f"the interval is within {reached:.2%} of the median, {self.precision:.2%} was asked for"
        if count >= self.most:
            asked = "launch was" if count == 1 else "launches were"
            return f"{count} {asked} asked for" if self.launches or self.most == 1 else "no more are made"
        return ""

    def document(self, done: int, stopped: str) -> dict[str, Any]:
        """As a result records it: the launches that were made, the rules, and which of them ended it."""
        return {
            "launches": done,
            "precision": self.precision,
            "time_budget": self.time_budget,
            "stopped": stopped,
        }


def half_width(values: Sequence[float]) -> float | None:
    """How far the farther end of the median's interval lies from it, as a share; None without an interval."""
    from cmx.results.launches import spread  # here: 'cmx run --help' does without

    found = spread(values)
    if found is None or found.interval is None or not found.median:
        return None
    return max(found.interval.high - found.median, found.median - found.interval.low) / found.median


class Options(NamedTuple):
    """How a run is carried out.

    ``require_quiet`` waits up to so many seconds before each launch until the machine is quiet, and refuses to measure
    if it does not become so; None only notes how busy it was. ``isolation`` walls the workers in; ``given`` is what a
    solution brought along.
    """

    time_limit: float = TIME_LIMIT
    memory_limit: int | None = None
    offline: bool = False
    anonymous: bool = False
    sampling: Sampling = Sampling()
    require_quiet: float | None = None
    isolation: Isolation | None = None
    given: Given | None = None
