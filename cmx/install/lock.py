"""From what is wanted to the whole list of what that needs, each with its version and hashes."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from cmx.errors import StoreError
from cmx.install.pip_configuration import pip_configuration
from cmx.install.uv import Uv
from cmx.reporter import Reporter
from cmx.settings import Settings
from cmx.store import Package

_PINNED = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]*)==([^\s;\\]+)")
_HASH = re.compile(r"--hash=(\S+)")

# Our names of targets (os-arch) in uv's words. manylinux_2_28 is glibc of 2018: Debian 10, Raspberry Pi OS 10.
_PLATFORMS = {
    "linux-x86_64": "x86_64-manylinux_2_28",
    "linux-aarch64": "aarch64-manylinux_2_28",
    "linux-armhf": "armv7-unknown-linux-gnueabihf",
    "linux-riscv64": "riscv64-unknown-linux",
    "macos-aarch64": "aarch64-apple-darwin",
    "macos-x86_64": "x86_64-apple-darwin",
    "windows-x86_64": "x86_64-pc-windows-msvc",
}


def lock_packages(
    requirements: Sequence[str],
    *,
    python: str,
    settings: Settings,
    platform: str | None = None,
    offline: bool = False,
    reporter: Reporter | None = None,
) -> tuple[Package, ...]:
    """Everything that ``requirements`` (``onnxruntime==1.31.1``, ``numpy>=1.24``) need, sorted by name.

    ``python`` is an interpreter's path or a version, ``platform`` another target than this host, as ``os-arch``
    or in uv's words. Only wheels are considered, and no code of any package runs. Raises Refused with uv's
    reason if there is no solution, Unavailable without a network.
    """
    if not requirements:
        return ()
    uv = Uv(settings, offline=offline, reporter=reporter or Reporter())
    target = ["--python-platform", uv_platform(platform)] if platform else []
    output = uv.run(
        [
            *("pip", "compile", "-", "--python", python, *target, "--generate-hashes"),
            *("--no-build", "--no-header", "--no-annotate"),
            *pip_configuration().resolution_arguments(),
        ],
        doing="choosing packages",
        wanted=requirements,
        text="\n".join(requirements) + "\n",
        indexes=True,
    )
    return tuple(sorted(parse_lock(output)))


def uv_platform(target: str) -> str:
    """A target (``os-arch``) in uv's words; what is not known is left to uv, which has words for more."""
    return _PLATFORMS.get(target, target)


def parse_lock(text: str) -> Iterator[Package]:
    """The packages of a requirements file with pins and hashes. Raises StoreError for a line that has neither."""
    for line in text.replace("\\\n", " ").splitlines():
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        match = _PINNED.match(line)
        hashes = tuple(sorted(_HASH.findall(line)))
        if not match or not hashes:
            raise StoreError(f"a lock without version or hash: {line.strip()!r}", hint="an index must offer hashes")
        yield Package(match[1], match[2], hashes)


def format_lock(packages: Sequence[Package]) -> str:
    """The requirements file that pins exactly these packages."""
    return "".join(f"{package} {' '.join('--hash=' + value for value in package.hashes)}\n" for package in packages)
