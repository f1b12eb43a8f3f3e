"""How quiet the machine was during a measurement: taken before and after it, never during."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cmx.host import processor
from cmx.host.tree import Missing, Tree

SCHEMA = 1

# More tasks ready to run than CPUs: some of them wait, and ours is one of the tasks.
LOAD_PER_CPU = 1.0
# Time in which some task waited for a CPU (pressure), or in which others ran: with one part in twenty, p95 and what
# lies above it may be somebody else's latency.
PRESSURE_SHARE = 0.05
OTHERS_SHARE = 0.05
# One part in a hundred taken by the hypervisor is enough to set p99.
STEAL_SHARE = 0.01
# A clock that ends a tenth below where it began: more than the 3 % within which cmx promises to measure.
CLOCK_DROP = 0.9
# Anything else lets the clock follow the load, so that a latency depends on what ran before.
STEADY_GOVERNOR = "performance"

THROTTLE = "/sys/devices/system/cpu/cpu0/thermal_throttle/package_throttle_count"
PRESSURE = "/proc/pressure/cpu"
_TAIL = "the tail may be longer than this machine's own"


@dataclass(frozen=True)
class Noise:
    """What else went on. Shares are of the elapsed time (0 to 1), ``other_cores`` is in CPUs' worth of time.

    A value that the machine does not tell is None, and ``unavailable`` says why, by the value's name.
    """

    elapsed_ns: int
    cpus: int
    load: float | None = None
    pressure: float | None = None
    steal: float | None = None
    busy_cores: float | None = None
    other_cores: float | None = None
    governor: str | None = None
    frequency_before: int | None = None
    frequency_after: int | None = None
    temperature: float | None = None
    throttled: int | None = None
    unavailable: Mapping[str, str] = field(default_factory=dict)

    @property
    def noisy(self) -> tuple[str, ...]:
        """One sentence for each thing that may have changed the numbers; none on a quiet machine."""
        return tuple(filter(None, (rule(self) for rule in _RULES)))

    @property
    def now(self) -> tuple[str, ...]:
        """What goes on now, where this is a short look: without the load, which tells of the last minute too."""
        return tuple(filter(None, (say(self) for say in (_others, _pressed, _stolen))))

    @classmethod
    def worst(cls, noises: Sequence[Noise]) -> Noise:
        """The worst of each value in several measurements; their times and throttlings are added up."""
        fallen = min(noises, key=lambda each: (each.frequency_after or 1) / (each.frequency_before or 1))
        values = {name: _most(noises, name) for name in _WORST}
        return cls(
            elapsed_ns=sum(each.elapsed_ns for each in noises),
            governor=noises[0].governor,
            frequency_before=fallen.frequency_before,
            frequency_after=fallen.frequency_after,
            throttled=sum(each.throttled or 0 for each in noises) if noises[0].throttled is not None else None,
            unavailable=noises[0].unavailable,
            **values,
        )

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> Noise:
        """The noise that ``document`` made."""
        return cls(**{key: value for key, value in document.items() if key not in ("schema", "document", "noisy")})

    def document(self) -> dict[str, Any]:
        """As JSON; ``noisy`` is written out, since the thresholds may change from version to version."""
        values = {name: getattr(self, name) for name in self.__dataclass_fields__}
        values["unavailable"] = dict(self.unavailable)
        return {"schema": SCHEMA, "document": "noise", **values, "noisy": list(self.noisy)}


_WORST = ("cpus", "load", "pressure", "steal", "busy_cores", "other_cores", "temperature")


def _most(noises: Sequence[Noise], name: str) -> Any:
    return max((value for each in noises if (value := getattr(each, name)) is not None), default=None)


@dataclass(frozen=True)
class _Sample:
    """The counters at one moment."""

    at_ns: int
    own_ns: int
    facts: Mapping[str, Any]
    missing: Mapping[str, str]


class NoiseMonitor:
    """Takes the counters when made and when finished: a few small files each time, under a millisecond.

    ``clock`` counts ns of time and ``own`` ns of this process's CPU time, which are nobody else's noise.
    """

    def __init__(
        self,
        root: Path = Path("/"),
        *,
        clock: Callable[[], int] = time.perf_counter_ns,
        own: Callable[[], int] = time.process_time_ns,
    ) -> None:
        self._root, self._clock, self._own = root, clock, own
        self._before = self._sample()

    def finish(self, worker_cpu_ns: int = 0) -> Noise:
        """What went on since the monitor was made, when the measured process used ``worker_cpu_ns`` of CPU time."""
        return _between(self._before, self._sample(), worker_cpu_ns)

    def _sample(self) -> _Sample:
        tree = Tree(self._root)
        facts: dict[str, Any] = {}
        missing: dict[str, str] = {}
        for name, read in _READERS.items():
            try:
                facts[name] = read(tree)
            except Missing as reason:
                missing[name] = str(reason)
            except (ValueError, LookupError, OSError) as error:
                missing[name] = f"not understood: {error}"
        return _Sample(self._clock(), self._own(), facts, missing)


def _load(tree: Tree) -> float:
    return float(tree.read("/proc/loadavg").split()[0])


def _pressure(tree: Tree) -> int:
    """Microseconds in which at least one task waited for a CPU (Linux's Documentation/accounting/psi.rst)."""
    for line in tree.read(PRESSURE).splitlines():
        kind, *pairs = line.split()
        if kind == "some":
            return int(dict(pair.split("=", 1) for pair in pairs)["total"])
    raise Missing(f"{PRESSURE} has no 'some'")


def _jiffies(tree: Tree) -> dict[str, int]:
    """All CPUs' ticks since boot: in all, stolen, and busy, which is neither idle, nor waiting for a disk, nor stolen.

    Fields as in proc_stat(5); guest time is already in user time.
    """
    line = tree.read("/proc/stat").splitlines()[0].split()
    if line[0] != "cpu":
        raise Missing("/proc/stat does not begin with 'cpu'")
    user, nice, system, idle, iowait, irq, softirq, steal = (int(word) for word in line[1:9])
    busy = user + nice + system + irq + softirq
    return {"total": busy + idle + iowait + steal, "busy": busy, "steal": steal}


def _temperature(tree: Tree) -> float:
    """The hottest thermal zone, in degrees Celsius."""
    zones = tree.find("/sys/class/thermal", "thermal_zone[0-9]*/temp")
    if not zones:
        raise Missing("/sys/class/thermal/thermal_zone* is not there")
    return max(tree.number(path) for path in zones) / 1000


_READERS: dict[str, Callable[[Tree], Any]] = {
    "cpus": lambda tree: processor.threads(tree)[0],
    "load": _load,
    "pressure": _pressure,
    "jiffies": _jiffies,
    "governor": lambda tree: processor.governor(tree)[0],
    "frequency": lambda tree: max(processor.frequency(tree)[0]),
    "temperature": _temperature,
    "throttled": lambda tree: tree.number(THROTTLE),
}


# The values that go without where a reader has nothing; for the others the reader's own name.
_USES = {"jiffies": ("steal", "busy_cores", "other_cores"), "frequency": ("frequency_before", "frequency_after")}


def _between(before: _Sample, after: _Sample, worker_cpu_ns: int) -> Noise:
    elapsed = max(after.at_ns - before.at_ns, 1)
    cpus = int(after.facts.get("cpus") or os.cpu_count() or 1)
    missing = {**before.missing, **after.missing}
    ours = (worker_cpu_ns + after.own_ns - before.own_ns) / elapsed
    ticks = _delta_ticks(before, after, missing)
    busy = ticks["busy"] * cpus if ticks else None
    pressed = _delta(before, after, "pressure")
    return Noise(
        elapsed_ns=elapsed,
        cpus=cpus,
        load=after.facts.get("load"),
        pressure=None if pressed is None else _rounded(min(pressed * 1000 / elapsed, 1.0)),
        steal=_rounded(ticks["steal"]) if ticks else None,
        busy_cores=None if busy is None else _rounded(busy),
        other_cores=None if busy is None else _rounded(max(busy - ours, 0.0)),
        governor=after.facts.get("governor"),
        frequency_before=before.facts.get("frequency"),
        frequency_after=after.facts.get("frequency"),
        temperature=after.facts.get("temperature"),
        throttled=_delta(before, after, "throttled"),
        unavailable={name: why for source, why in missing.items() for name in _USES.get(source, (source,))},
    )


def _delta(before: _Sample, after: _Sample, name: str) -> int | None:
    if name not in before.facts or name not in after.facts:
        return None
    return max(int(after.facts[name] - before.facts[name]), 0)


def _delta_ticks(before: _Sample, after: _Sample, missing: dict[str, str]) -> dict[str, float] | None:
    """The shares of all CPUs' time that were busy and stolen. Ticks are 10 ms: a shorter time has none."""
    if "jiffies" in missing:
        return None
    first, last = before.facts["jiffies"], after.facts["jiffies"]
    total = last["total"] - first["total"]
    if total <= 0:
        missing["jiffies"] = "too short a time for /proc/stat, which counts in ticks of 10 ms"
        return None
    return {name: max(last[name] - first[name], 0) / total for name in ("busy", "steal")}


def _rounded(value: float) -> float:
    return round(value, 4)


def _noisy_load(noise: Noise) -> str:
    if noise.load is None or noise.load <= noise.cpus * LOAD_PER_CPU:
        return ""
    return f"load {noise.load:.1f} on {_cores(noise.cpus)} during the run; {_TAIL}"


def _others(noise: Noise) -> str:
    if noise.other_cores is None or noise.other_cores <= noise.cpus * OTHERS_SHARE:
        return ""
    return f"other processes used {noise.other_cores:.1f} of {_cores(noise.cpus)}"


def _pressed(noise: Noise) -> str:
    if noise.pressure is None or noise.pressure <= PRESSURE_SHARE:
        return ""
    return f"some task waited for a CPU for {noise.pressure:.0%} of the time"


def _stolen(noise: Noise) -> str:
    if noise.steal is None or noise.steal <= STEAL_SHARE:
        return ""
    return f"the hypervisor took {noise.steal:.1%} of the CPU time"


def _during(say: Callable[[Noise], str]) -> Callable[[Noise], str]:
    return lambda noise: f"{said} during the run; {_TAIL}" if (said := say(noise)) else ""


def _noisy_governor(noise: Noise) -> str:
    if noise.governor is None or noise.governor == STEADY_GOVERNOR:
        return ""
    return f"governor {noise.governor}: the clock follows the load, so latencies depend on what ran before"


def _noisy_clock(noise: Noise) -> str:
    before, after = noise.frequency_before, noise.frequency_after
    if not before or not after or after >= before * CLOCK_DROP:
        return ""
    return f"the clock fell from {before / 1e9:.2f} to {after / 1e9:.2f} GHz during the run"


def _noisy_throttle(noise: Noise) -> str:
    return f"the processor was throttled {noise.throttled} times for its heat" if noise.throttled else ""


_RULES = (
    _noisy_load,
    _during(_others),
    _during(_pressed),
    _during(_stolen),
    _noisy_governor,
    _noisy_clock,
    _noisy_throttle,
)


def _cores(count: int) -> str:
    return "1 core" if count == 1 else f"{count} cores"
