"""Installs the Debian packages that some tests use: cross-compilers, qemu to run what they make, and bubblewrap.

As root on Debian or a relative of it; elsewhere it only says what is missing, and the tests that need it skip and say
why. It never asks and never uses sudo.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

PACKAGES = {
    "gcc": "gcc",
    "clang": "clang",
    "aarch64-linux-gnu-gcc": "gcc-aarch64-linux-gnu",
    "arm-linux-gnueabihf-gcc": "gcc-arm-linux-gnueabihf",
    "riscv64-linux-gnu-gcc": "gcc-riscv64-linux-gnu",
    "qemu-aarch64": "qemu-user",
    "bwrap": "bubblewrap",
}


def main() -> int:
    """Install what is missing; the exit status is apt-get's."""
    missing = [package for program, package in PACKAGES.items() if shutil.which(program) is None]
    if not missing:
        return 0
    if shutil.which("apt-get") is None or os.geteuid() != 0:
        print(f"not installed, so that tests will skip: apt-get install {' '.join(missing)}")
        return 0
    environ = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    subprocess.run(["apt-get", "update", "-q"], env=environ, stdin=subprocess.DEVNULL, check=True)
    command = ["apt-get", "install", "-q", "-y", "--no-install-recommends", *missing]
    return subprocess.run(command, env=environ, stdin=subprocess.DEVNULL, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
