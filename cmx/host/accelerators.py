"""Which GPUs the kernel knows: presence only, nothing of a vendor's library is loaded or run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from cmx.host.tree import Missing, Tree

PROC_NVIDIA = "/proc/driver/nvidia"
DRM = "/sys/class/drm"
# PCI vendor numbers: pci.ids. Others drive displays only.
PCI_VENDORS = {"0x10de": "nvidia", "0x1002": "amd", "0x8086": "intel"}


class Accelerator(NamedTuple):
    """One device; ``driver`` is "" where the device is seen but no driver says its version."""

    vendor: str
    model: str
    driver: str = ""

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> Accelerator:
        """The accelerator that ``document`` made."""
        return cls(document["vendor"], document["model"], document["driver"])

    def document(self) -> dict[str, str]:
        """As JSON."""
        return {"vendor": self.vendor, "model": self.model, "driver": self.driver}


def accelerators(tree: Tree) -> tuple[tuple[Accelerator, ...], str]:
    """The GPUs seen, possibly none, and where was looked."""
    nvidia = _nvidia(tree)
    others = [found for found in _drm(tree) if not (nvidia and found.vendor == "nvidia")]
    return tuple(nvidia + others), f"{PROC_NVIDIA}, /dev/nvidia*, {DRM}"


def _nvidia(tree: Tree) -> list[Accelerator]:
    """NVIDIA's devices by its own driver; by their device files where a container hides /proc/driver."""
    driver = _nvidia_driver(tree)
    models = [_information(tree, path) for path in tree.find(f"{PROC_NVIDIA}/gpus", "*/information")]
    if not models:
        models = ["unknown model"] * len(tree.find("/dev", "nvidia[0-9]*"))
    return [Accelerator("nvidia", model, driver) for model in models]


def _information(tree: Tree, path: str) -> str:
    for line in tree.read(path).splitlines():
        key, _, value = line.partition(":")
        if key.strip() == "Model":
            return value.strip()
    return "unknown model"


def _nvidia_driver(tree: Tree) -> str:
    """The version in "NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.104.05  Sat Aug …"."""
    try:
        words = tree.read(f"{PROC_NVIDIA}/version").splitlines()[0].split()
    except (Missing, IndexError):
        return ""
    return next((word for word in words if word[0].isdigit() and "." in word), "")


def _drm(tree: Tree) -> list[Accelerator]:
    """PCI display devices with a kernel driver, by their PCI numbers."""
    found = []
    for path in tree.find(DRM, "card[0-9]*/device/vendor"):
        try:
            vendor = tree.read(path)
            device = tree.read(path.removesuffix("vendor") + "device")
        except Missing:
            continue
        if vendor in PCI_VENDORS:
            found.append(Accelerator(PCI_VENDORS[vendor], f"PCI device {device}"))
    return found
