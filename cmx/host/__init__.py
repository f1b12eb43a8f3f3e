"""What the machine is (Host), all that is worth recording about it (Description), and who else was busy (Noise)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cmx.host.accelerators import Accelerator
from cmx.host.machine import Host
from cmx.host.targets import TARGETS, check_target, target_of
from cmx.lazy import exports

if TYPE_CHECKING:
    from cmx.host.description import Description, Field, Unavailable, describe
    from cmx.host.energy import Energy, EnergyMonitor
    from cmx.host.noise import Noise, NoiseMonitor
    from cmx.host.quiet import look, wait_for_quiet

__all__ = [
    "TARGETS",
    "Accelerator",
    "Description",
    "Energy",
    "EnergyMonitor",
    "Field",
    "Host",
    "Noise",
    "NoiseMonitor",
    "Unavailable",
    "check_target",
    "describe",
    "look",
    "target_of",
    "wait_for_quiet",
]

__getattr__ = exports(
    __name__,
    {
        "description": ("Description", "Field", "Unavailable", "describe"),
        "noise": ("Noise", "NoiseMonitor"),
        "energy": ("Energy", "EnergyMonitor"),
        "quiet": ("look", "wait_for_quiet"),
    },
)
