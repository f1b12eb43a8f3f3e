"""The libraries of another machine, for a program that an emulator runs."""

from __future__ import annotations

import contextlib
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from cmx.worker.outcome import ActionError

# For programs that read this file instead of asking the kernel: onnxruntime refuses to start on an ARM machine whose
# /proc/cpuinfo describes an Intel one, and qemu before 8.1 shows the host's. The processors are a Cortex-A72, which
# PROCESSORS makes qemu be, and a Cortex-A15.
_CPUINFO = {
    "aarch64": (
        "processor\t: 0\nBogoMIPS\t: 100.00\n"
        "Features\t: fp asimd evtstrm aes pmull sha1 sha2 crc32 cpuid\n"
        "CPU implementer\t: 0x41\nCPU architecture: 8\nCPU variant\t: 0x0\nCPU part\t: 0xd08\nCPU revision\t: 3\n\n"
    ),
    "arm": (
        "processor\t: 0\nmodel name\t: ARMv7 Processor rev 1 (v7l)\nBogoMIPS\t: 100.00\n"
        "Features\t: half thumb fastmult vfp edsp neon vfpv3 tls vfpv4 idiva idivt vfpd32\n"
        "CPU implementer\t: 0x41\nCPU architecture: 7\nCPU variant\t: 0x2\nCPU part\t: 0xc0f\nCPU revision\t: 1\n\n"
    ),
}
PROCESSORS = {"aarch64": "cortex-a72"}
"""The processor that an emulator is told to be.

Qemu's own choice has SVE, for which onnxruntime has code of its own: two predictions of EfficientNet-Lite0 were not
done after 100 s with it, and took 18 s without (qemu 7.2).
"""

_TIME_LIMIT_S = 30


def find_sysroot(compiler: Path, interpreter: str) -> str:
    """The folder that is "/" to a program of this compiler: the one below which its dynamic loader lies.

    "" for a static program, and where the compiler does not know the loader.
    """
    if not interpreter:
        return ""
    command = [str(compiler), f"-print-file-name={Path(interpreter).name}"]
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=_TIME_LIMIT_S
    )
    loader = Path(done.stdout.decode(errors="replace").strip())
    if not loader.is_absolute() or not loader.exists():
        return ""
    relative = interpreter.lstrip("/")
    return next((str(folder) for folder in loader.resolve().parents if (folder / relative).exists()), "")


@contextlib.contextmanager
def emulated_root(sysroot: str, machine: str, work: Path) -> Iterator[Path]:
    """A folder that is "/" to an emulated program: the sysroot by links, and a /proc/cpuinfo of its own machine.

    It is gone afterwards. Raises ActionError when the sysroot is not there.
    """
    if sysroot and not Path(sysroot).is_dir():
        raise ActionError(f"{sysroot}, the libraries of {machine}, is not there", "compile the program again")
    with tempfile.TemporaryDirectory(prefix="root-", dir=work) as name:
        root = Path(name)
        for entry in sorted(Path(sysroot).iterdir()) if sysroot else ():
            (root / entry.name).symlink_to(entry.resolve())
        if machine in _CPUINFO and not (root / "proc").exists():
            (root / "proc").mkdir()
            (root / "proc/cpuinfo").write_text(_CPUINFO[machine], encoding="ascii")
        yield root
