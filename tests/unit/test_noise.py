"""The noise monitor, on files that change between its two looks."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from host_cases import put, unpack

from cmx.host import Noise, NoiseMonitor

SECOND = 1_000_000_000
QUIET = Noise(elapsed_ns=10 * SECOND, cpus=2, load=0.4, pressure=0.01, steal=0.0, busy_cores=1.0, other_cores=0.02)


class Clock:
    """Time that passes when told to."""

    def __init__(self) -> None:
        self.now = 0

    def __call__(self) -> int:
        return self.now


def still() -> int:
    """A process that uses no CPU time."""
    return 0


def machine(root: Path, *, busy: int, idle: int, steal: int = 0, waited_us: int = 0, load: float = 0.1) -> None:
    """A machine of two CPUs, its ticks and its pressure since boot."""
    put(root, "/sys/devices/system/cpu/online", "0-1\n")
    put(root, "/proc/stat", f"cpu  {busy} 0 0 {idle} 0 0 0 {steal} 0 0\ncpu0 1 0 0 1 0 0 0 0 0 0\n")
    put(root, "/proc/pressure/cpu", f"some avg10=0.00 avg60=0.00 avg300=0.00 total={waited_us}\nfull total=0\n")
    put(root, "/proc/loadavg", f"{load} 0.1 0.1 1/100 4711\n")


def measure(root: Path, *, worker_cpu_ns: int = 0, own_cpu_ns: int = 0, seconds: int = 10, **after: float) -> Noise:
    """Ten seconds on a machine that was new when they began."""
    clock, own = Clock(), Clock()
    machine(root, busy=0, idle=0)
    monitor = NoiseMonitor(root, clock=clock, own=own)
    machine(root, **after)  # type: ignore[arg-type]
    clock.now, own.now = seconds * SECOND, own_cpu_ns
    return monitor.finish(worker_cpu_ns)


def test_a_quiet_run_has_no_noise(tmp_path: Path) -> None:
    noise = measure(tmp_path, worker_cpu_ns=10 * SECOND, busy=1000, idle=1000)
    assert noise.noisy == ()
    assert (noise.busy_cores, noise.other_cores, noise.steal, noise.pressure) == (1.0, 0.0, 0.0, 0.0)


def test_cpu_time_of_others_is_what_is_neither_the_workers_nor_our_own(tmp_path: Path) -> None:
    noise = measure(tmp_path, worker_cpu_ns=9 * SECOND, own_cpu_ns=SECOND, busy=1600, idle=400)
    assert noise.busy_cores == 1.6
    assert noise.other_cores == 0.6
    assert noise.noisy == (
        "other processes used 0.6 of 2 cores during the run; the tail may be longer than this machine's own",
    )


def test_load_above_the_number_of_cpus_is_noise(tmp_path: Path) -> None:
    noise = measure(tmp_path, worker_cpu_ns=10 * SECOND, busy=1000, idle=1000, load=2.4)
    assert noise.noisy == ("load 2.4 on 2 cores during the run; the tail may be longer than this machine's own",)


def test_pressure_is_the_share_of_time_in_which_some_task_waited(tmp_path: Path) -> None:
    noise = measure(tmp_path, worker_cpu_ns=10 * SECOND, busy=1000, idle=1000, waited_us=2_500_000)
    assert noise.pressure == 0.25
    assert noise.noisy[0].startswith("some task waited for a CPU for 25% of the time during the run")


def test_stolen_time_is_noise_and_not_busy_time(tmp_path: Path) -> None:
    noise = measure(tmp_path, worker_cpu_ns=10 * SECOND, busy=1000, idle=960, steal=40)
    assert noise.steal == 0.02
    assert noise.other_cores == 0.0
    assert noise.noisy[0].startswith("the hypervisor took 2.0% of the CPU time")


@pytest.mark.parametrize(
    ("field", "limit", "beyond"),
    [("load", 2.0, 2.01), ("pressure", 0.05, 0.051), ("steal", 0.01, 0.011), ("other_cores", 0.1, 0.11)],
)
def test_a_threshold_itself_is_not_noise_and_what_lies_beyond_is(field: str, limit: float, beyond: float) -> None:
    assert QUIET.noisy == ()
    at, over = (Noise(**{**QUIET.__dict__, field: value}) for value in (limit, beyond))
    assert at.noisy == ()
    assert len(over.noisy) == 1


def test_a_governor_that_follows_the_load_is_noise() -> None:
    assert Noise(1, 1, governor="performance").noisy == ()
    assert "governor ondemand" in Noise(1, 1, governor="ondemand").noisy[0]


def test_a_clock_that_fell_and_a_throttled_processor_are_noise() -> None:
    noise = Noise(1, 1, frequency_before=3_400_000_000, frequency_after=2_100_000_000, throttled=3)
    assert noise.noisy == (
        "the clock fell from 3.40 to 2.10 GHz during the run",
        "the processor was throttled 3 times for its heat",
    )


def test_what_the_machine_does_not_tell_is_none_with_the_reason(tmp_path: Path) -> None:
    noise = NoiseMonitor(tmp_path, own=still).finish()
    assert (noise.load, noise.pressure, noise.steal, noise.other_cores, noise.governor) == (None,) * 5
    assert noise.unavailable["pressure"] == "/proc/pressure/cpu is not there"
    assert noise.unavailable["other_cores"] == "/proc/stat is not there"
    assert noise.noisy == ()


def test_a_time_too_short_for_the_kernels_ticks_says_so(tmp_path: Path) -> None:
    noise = measure(tmp_path, busy=0, idle=0)
    assert noise.steal is None
    assert "ticks of 10 ms" in noise.unavailable["steal"]


def test_a_file_that_vanished_in_between_costs_its_value_only(tmp_path: Path) -> None:
    machine(tmp_path, busy=0, idle=0)
    monitor = NoiseMonitor(tmp_path, own=still)
    (tmp_path / "proc/stat").unlink()
    noise = monitor.finish()
    assert noise.steal is None
    assert noise.load == 0.1


def test_a_captured_desktop_gives_governor_clock_and_temperature(tmp_path: Path) -> None:
    noise = NoiseMonitor(unpack("desktop-x86_64", tmp_path), own=still).finish()
    assert (noise.governor, noise.frequency_after, noise.temperature) == ("schedutil", 4_650_123_000, 16.8)
    assert noise.throttled == 0


def test_noise_survives_the_way_through_its_document() -> None:
    noise = Noise(1, 2, load=9.0, unavailable={"governor": "not there"})
    assert Noise.from_document(noise.document()) == noise
    assert noise.document()["noisy"] == list(noise.noisy) != []


def test_this_machine_can_be_monitored() -> None:
    monitor = NoiseMonitor()
    time.sleep(0.05)
    assert monitor.finish().elapsed_ns > 40_000_000
