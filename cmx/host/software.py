"""The operating system, its C library and the interpreter."""

from __future__ import annotations

import os
import re
import sys

from cmx.host.tree import Missing, Tree

_SYSTEMS = {"linux": "linux", "darwin": "macos", "win32": "windows"}
_GLIBC_FILES = ("lib*/*/libc.so.6", "lib*/libc.so.6")
_GLIBC_BANNER = re.compile(rb"GNU C Library [^\n]*?release version (\d+\.\d+)")


def operating_system(tree: Tree) -> str:
    """ "linux", "macos" or "windows" (or what Python calls it); a root that is not "/" is a captured Linux."""
    return _SYSTEMS.get(sys.platform, sys.platform) if tree.live else "linux"


def distribution(tree: Tree) -> tuple[str, str]:
    """ID and version of the distribution ("debian 12"), and the source. Raises Missing."""
    path, text = tree.first("/etc/os-release", "/usr/lib/os-release")
    pairs = (line.split("=", 1) for line in text.splitlines() if "=" in line and not line.startswith("#"))
    values = {key.strip(): value.strip().strip("\"'") for key, value in pairs}
    if "ID" not in values:
        raise Missing(f"{path} has no ID")
    return f"{values['ID']} {values.get('VERSION_ID', '')}".strip(), path


def libc(tree: Tree) -> tuple[str, str]:
    """The C library and its version ("glibc 2.36", "musl 1.2.4"), and the source. Raises Missing.

    A running glibc says its version; a captured one, or musl, is recognised by its files.
    """
    if tree.live and "CS_GNU_LIBC_VERSION" in getattr(os, "confstr_names", {}):
        try:
            return str(os.confstr("CS_GNU_LIBC_VERSION")), "confstr"
        except (OSError, ValueError):
            pass  # a libc that knows the name, and has no value for it
    musl = tree.find("/lib", "ld-musl-*.so.1")
    if musl:
        return f"musl {_alpine_version(tree)}".strip(), musl[0]
    for path in [each for folder in ("/", "/usr") for form in _GLIBC_FILES for each in tree.find(folder, form)]:
        banner = _GLIBC_BANNER.search(tree.locate(path).read_bytes())
        if banner:
            return f"glibc {banner[1].decode()}", path
    raise Missing("confstr does not tell, and neither libc.so.6 nor ld-musl-*.so.1 is in /lib")


def _alpine_version(tree: Tree) -> str:
    """musl's version by Alpine's package database; "" elsewhere, since only running musl would tell."""
    try:
        match = re.search(r"^P:musl\nV:([\d.]+)", tree.read("/lib/apk/db/installed"), re.MULTILINE)
    except Missing:
        return ""
    return match[1] if match else ""


def kernel(tree: Tree) -> tuple[str, str]:
    """The kernel's release, and the source. Raises Missing."""
    if tree.live:
        import platform

        return f"{platform.system()} {platform.release()}", "uname"
    return f"Linux {tree.read('/proc/sys/kernel/osrelease')}", "/proc/sys/kernel/osrelease"


def hostname(tree: Tree) -> tuple[str, str]:
    """The machine's name, and the source. Raises Missing."""
    if tree.live:
        import platform

        return platform.node(), "uname"
    return tree.read("/proc/sys/kernel/hostname"), "/proc/sys/kernel/hostname"


def python(tree: Tree) -> tuple[str, str]:
    """The controller's interpreter, and the source."""
    import platform

    return f"{platform.python_implementation()} {platform.python_version()}", sys.executable and "this interpreter"
