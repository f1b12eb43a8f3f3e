"""Hardware facts on macOS and Windows, where there is no /proc.

Untested: written from the systems' documentation (sysctl(3); GlobalMemoryStatusEx), never run on them by us.
"""

from __future__ import annotations

import os
import sys
from functools import cache

from cmx.host.tree import Missing

SYSCTL = "/usr/sbin/sysctl"


def cpu_model(system: str) -> tuple[str, str]:
    """The processor's name and the source. Raises Missing."""
    if system == "macos":
        return sysctl("machdep.cpu.brand_string")
    import platform

    name = os.environ.get("PROCESSOR_IDENTIFIER") or platform.processor()
    if not name:
        raise Missing(f"{system} does not name the processor")
    return name, "PROCESSOR_IDENTIFIER"


def cores(system: str) -> tuple[int, str]:
    """Physical cores and the source. Raises Missing."""
    if system == "macos":
        text, source = sysctl("hw.physicalcpu")
        return int(text), source
    raise Missing(f"not read on {system}")


def threads(system: str) -> tuple[int, str]:
    """Logical CPUs and the source. Raises Missing."""
    count = os.cpu_count()
    if not count:
        raise Missing(f"{system} does not tell")
    return count, "os.cpu_count"


def memory(system: str) -> tuple[int, str]:
    """Bytes of memory and the source. Raises Missing."""
    if system == "macos":
        text, source = sysctl("hw.memsize")
        return int(text), source
    if system == "windows":
        return _windows_memory(), "GlobalMemoryStatusEx"
    raise Missing(f"not read on {system}")


@cache
def sysctl(name: str) -> tuple[str, str]:
    """One value of macOS's sysctl and the source. Raises Missing."""
    import subprocess

    try:
        done = subprocess.run([SYSCTL, "-n", name], capture_output=True, text=True, timeout=5, check=True)
    except (OSError, subprocess.SubprocessError) as error:
        raise Missing(f"sysctl {name}: {error}") from None
    return done.stdout.strip(), f"sysctl {name}"


def _windows_memory() -> int:
    """ullTotalPhys of MEMORYSTATUSEX: two 32-bit words, then seven 64-bit ones, of which it is the first."""
    import ctypes

    if sys.platform != "win32":
        raise Missing("not Windows")
    status = (ctypes.c_ulonglong * 8)()
    ctypes.cast(status, ctypes.POINTER(ctypes.c_ulong))[0] = ctypes.sizeof(status)
    if not ctypes.windll.kernel32.GlobalMemoryStatusEx(status):
        raise Missing("GlobalMemoryStatusEx failed")
    return int(status[1])
