"""Looks before a measurement, on machines that are as busy as a test says."""

from __future__ import annotations

from cmx.host import Noise, look
from cmx.host.quiet import WAIT_SECONDS, wait_for_quiet

BUSY = Noise(elapsed_ns=10**9, cpus=2, load=0.1, pressure=0.5, other_cores=1.5, steal=0.02)
QUIET = Noise(elapsed_ns=10**9, cpus=2, load=9.0, pressure=0.01, other_cores=0.05, steal=0.0, governor="ondemand")


class Machine:
    """A machine that is busy for so many looks, and a clock that goes on with each."""

    def __init__(self, busy: int) -> None:
        self.busy, self.now = busy, 0.0

    def look(self, seconds: float) -> Noise:
        self.now += seconds
        self.busy -= 1
        return BUSY if self.busy >= 0 else QUIET

    def clock(self) -> float:
        return self.now


def test_a_look_tells_of_now_and_not_of_the_last_minute() -> None:
    assert QUIET.now == ()
    assert BUSY.now == (
        "other processes used 1.5 of 2 cores",
        "some task waited for a CPU for 50% of the time",
        "the hypervisor took 2.0% of the CPU time",
    )


def test_one_waits_until_the_machine_is_quiet() -> None:
    machine = Machine(busy=3)
    assert wait_for_quiet(60, machine.look, machine.clock) is QUIET
    assert machine.now == 4 * WAIT_SECONDS


def test_one_waits_no_longer_than_one_was_told_to() -> None:
    machine = Machine(busy=1000)
    assert wait_for_quiet(10, machine.look, machine.clock) is BUSY
    assert machine.now == 10
    assert wait_for_quiet(0.5, machine.look, machine.clock) is BUSY


def test_this_machine_can_be_looked_at() -> None:
    found = look(0.05)
    assert found.elapsed_ns >= 50_000_000


def test_the_worst_of_several_launches_is_kept() -> None:
    found = Noise.worst([BUSY, QUIET])
    assert (found.elapsed_ns, found.load, found.pressure, found.governor) == (2 * 10**9, 9.0, 0.5, None)
    clocks = [Noise(1, 1, frequency_before=10, frequency_after=after, throttled=1) for after in (9, 5, 10)]
    worst = Noise.worst(clocks)
    assert (worst.frequency_before, worst.frequency_after, worst.throttled) == (10, 5, 3)
