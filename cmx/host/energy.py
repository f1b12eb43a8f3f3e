"""Energy that a measurement used: RAPL's counters of the processor, NVML's of NVIDIA GPUs, where there are any.

A counter counts for the whole device, whoever uses it, from before a launch to after it: loading the model and warming
up are in it. RAPL: Linux's Documentation/power/powercap/powercap.rst; since 2020 only root may read it. NVML:
nvmlDeviceGetTotalEnergyConsumption, through the package nvidia-ml-py where it is installed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from cmx.host.tree import Missing, Tree

POWERCAP = "/sys/class/powercap"

Counter = tuple[float, float]
"""Joules so far, and where the counter begins again (0: never)."""


class Energy(NamedTuple):
    """Joules by device ("package-0", "gpu-0"); ``unavailable`` says why a source has none."""

    domains: Mapping[str, float]
    unavailable: Mapping[str, str]

    @property
    def joules(self) -> float | None:
        """Of all devices together; None where none tells."""
        return round(sum(self.domains.values()), 3) if self.domains else None

    def document(self) -> dict[str, Any]:
        """As JSON."""
        return {"joules": self.joules, "domains": dict(self.domains), "unavailable": dict(self.unavailable)}


class EnergyMonitor:
    """Reads the counters when made and when finished."""

    def __init__(self, root: Path = Path("/"), *, gpus: Callable[[], dict[str, Counter]] | None = None) -> None:
        self._root = root
        self._sources = {"rapl": self._rapl, "nvml": gpus or _nvml}
        self._before, _ = self._read()

    def finish(self) -> Energy:
        """The energy since the monitor was made."""
        after, missing = self._read()
        used = {name: _between(self._before[name], now) for name, now in after.items() if name in self._before}
        return Energy({name: round(joules, 6) for name, joules in used.items()}, missing)

    def _read(self) -> tuple[dict[str, Counter], dict[str, str]]:
        counters: dict[str, Counter] = {}
        missing: dict[str, str] = {}
        for source, read in self._sources.items():
            try:
                counters.update(read())
            except Missing as reason:
                missing[source] = str(reason)
        return counters, missing

    def _rapl(self) -> dict[str, Counter]:
        """The processor packages' counters: their parts (cores, memory) are in them. Raises Missing."""
        tree = Tree(self._root)
        zones = tree.find(POWERCAP, "*-rapl:[0-9]*")
        packages = [zone for zone in zones if zone.count(":") == 1]
        if not packages:
            raise Missing(f"{POWERCAP}/*-rapl:* is not there")
        return {
            tree.read(f"{zone}/name"): (
                tree.number(f"{zone}/energy_uj") / 1e6,
                tree.number(f"{zone}/max_energy_range_uj") / 1e6,
            )
            for zone in packages
        }


def _between(before: Counter, after: Counter) -> float:
    used = after[0] - before[0]
    return used + after[1] if used < 0 else used


def _nvml() -> dict[str, Counter]:
    if not Path("/dev/nvidiactl").exists():
        raise Missing("/dev/nvidiactl is not there")
    try:
        import pynvml
    except ImportError:
        raise Missing("the package nvidia-ml-py is not installed") from None
    try:
        pynvml.nvmlInit()
        devices = [pynvml.nvmlDeviceGetHandleByIndex(index) for index in range(pynvml.nvmlDeviceGetCount())]
        counters = [pynvml.nvmlDeviceGetTotalEnergyConsumption(device) / 1000 for device in devices]  # it counts in mJ
        pynvml.nvmlShutdown()
    except pynvml.NVMLError as error:
        raise Missing(f"NVML: {error}") from None
    return {f"gpu-{index}": (joules, 0.0) for index, joules in enumerate(counters)}
