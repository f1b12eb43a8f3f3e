"""Whether this is a machine of its own: hypervisors and containers, by the traces they leave."""

from __future__ import annotations

from cmx.host.processor import CPUINFO, cpuinfo
from cmx.host.tree import Missing, Tree

DMI = "/sys/class/dmi/id"
# What hypervisors and clouds write as the machine's maker: systemd's detect-virt and the clouds' documentation.
_MAKERS = ("QEMU", "KVM", "VMware", "innotek", "Xen", "Microsoft Corporation Virtual", "Amazon EC2", "Google")


def hypervisor(tree: Tree) -> tuple[str, str]:
    """The hypervisor below ("QEMU …", "xen", "unnamed"), "none reported", and the source. Raises Missing."""
    try:
        return tree.read("/sys/hypervisor/type"), "/sys/hypervisor/type"
    except Missing:
        pass
    if tree.exists("/proc/device-tree/hypervisor/compatible"):
        path = "/proc/device-tree/hypervisor/compatible"
        return tree.read(path).replace("\0", " "), path
    block = cpuinfo(tree)[0]
    if "flags" not in block:
        raise Missing(f"neither /sys/hypervisor nor the device tree names one, and {CPUINFO} has no flag for it")
    if "hypervisor" not in block["flags"].split():
        return "none reported", f"{CPUINFO} (flags)"
    name = _maker(tree)
    return (name, DMI) if name else ("unnamed", f"{CPUINFO} (flag hypervisor)")


def _maker(tree: Tree) -> str:
    try:
        machine = f"{tree.read(f'{DMI}/sys_vendor')} {tree.read(f'{DMI}/product_name')}"
    except Missing:
        return ""
    return machine if any(maker in machine for maker in _MAKERS) else ""


def container(tree: Tree) -> tuple[str, str]:
    """The container around this process ("docker", "podman", …), or "none seen", and the source."""
    try:
        return tree.read("/run/systemd/container"), "/run/systemd/container"
    except Missing:
        pass
    for path, name in (("/.dockerenv", "docker"), ("/run/.containerenv", "podman")):
        if tree.exists(path):
            return name, path
    return "none seen", "/run/systemd/container, /.dockerenv, /run/.containerenv"


def board(tree: Tree) -> tuple[str, str]:
    """The machine's maker and model, and the source. Raises Missing."""
    path, text = tree.first("/proc/device-tree/model", f"{DMI}/product_name")
    if path.startswith("/proc"):
        return text, path
    try:
        return f"{tree.read(f'{DMI}/sys_vendor')} {text}", DMI
    except Missing:
        return text, path
