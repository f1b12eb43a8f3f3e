"""Targets: what a program is for, as ``os-arch``, and how compilers and emulators spell it."""

from __future__ import annotations

from cmx.errors import UsageError, nearest

TARGETS = (
    "linux-aarch64",
    "linux-armhf",
    "linux-ppc64le",
    "linux-riscv64",
    "linux-x86_64",
    "macos-aarch64",
    "macos-x86_64",
    "windows-x86_64",
)
_ARCHITECTURES = {
    "amd64": "x86_64",
    "arm64": "aarch64",
    "arm": "armhf",
    "armv7l": "armhf",
    "armv6l": "armhf",
    "powerpc64le": "ppc64le",
    "i386": "i686",
    "i586": "i686",
}


def check_target(text: str) -> str:
    """A target that is known. Raises UsageError with the nearest one."""
    if text not in TARGETS:
        raise UsageError(f"unknown target {text!r}", hint=nearest(text, TARGETS))
    return text


def target_of(triple: str) -> str:
    """The target that a compiler's triple or an emulator's architecture means; "" for one that is not known.

    "aarch64-linux-gnu" and "aarch64" are linux-aarch64, "arm-linux-gnueabihf" is linux-armhf,
    "x86_64-w64-mingw32" is windows-x86_64, "arm64-apple-darwin24.1.0" is macos-aarch64.
    """
    parts = triple.lower().split("-")
    architecture = _ARCHITECTURES.get(parts[0], parts[0])
    rest = "-".join(parts[1:])
    if "mingw" in rest or "windows" in rest or "msvc" in rest:
        system = "windows"
    elif "darwin" in rest or "apple" in rest:
        system = "macos"
    else:
        system = "linux"
    if parts[0] == "arm" and rest.endswith("gnueabi"):
        return ""  # soft float: another binary interface than armhf
    found = f"{system}-{architecture}"
    return found if found in TARGETS else ""
