"""The wheels of a lock as files, for whoever installs them where there is no network.

pip fetches them, since uv keeps wheels unpacked only. Every file is held against the lock's hashes; nothing runs.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path

from cmx.errors import CmxError, HashMismatch, Unavailable
from cmx.files import disk_failures, disk_full, write_atomically
from cmx.host import Host
from cmx.install.command import Ended, failed, run
from cmx.install.environment import find_interpreter
from cmx.install.lock import format_lock
from cmx.install.versions import platform_tags
from cmx.reporter import Reporter
from cmx.settings import Settings
from cmx.store import Package

_COLLECTING = re.compile(r"(?:Collecting|Processing) (\S+)")
_HASHES = re.compile(r"Expected sha256 ([0-9a-f]{64})\s+Got\s+([0-9a-f]{64})")
_NETWORK = re.compile(r"connection broken|Retrying|timed out|SSLError|HTTP error|Network is unreachable", re.IGNORECASE)


def download_wheels(
    packages: Sequence[Package],
    folder: Path,
    *,
    python: str,
    settings: Settings,
    platform: str = "",
    reporter: Reporter | None = None,
) -> tuple[Path, ...]:
    """The wheels of locked packages, in ``folder``, sorted by name: those that ``python`` ("3.11") would install.

    ``platform`` is another target than this host, as os-arch. Raises Unavailable (no network, or no wheel for that
    Python and platform), HashMismatch, StoreError.
    """
    if not packages:
        return ()
    reporter = reporter or Reporter()
    done = 0

    def hear(line: str) -> None:
        nonlocal done
        if match := _COLLECTING.match(line):
            reporter.progress(f"downloading the wheel of {match[1].partition('==')[0]}", done, len(packages))
            done += 1

    with disk_failures(folder, "downloading wheels"):
        folder.mkdir(parents=True, exist_ok=True)
        write_atomically(folder / ".lock.txt", format_lock(packages))
        before = set(folder.glob("*.whl"))
        foreign = platform not in ("", Host.detect().platform)
        which = _for_platform(python, platform) if foreign else []
        interpreter = sys.executable if foreign else str(find_interpreter(python, settings).executable)
        command = [
            *(sys.executable, "-m", "pip", "--python", interpreter, "--disable-pip-version-check", "--no-input"),
            *("download", "--no-deps", "--require-hashes", "--only-binary", ":all:", "--progress-bar", "off"),
            *which,
            *("--dest", str(folder), "--requirement", str(folder / ".lock.txt")),
        ]
        ended = run(command, folder=folder, environ={**os.environ, "PIP_RETRIES": "2"}, on_line=hear)
        (folder / ".lock.txt").unlink()
    if ended.status != 0:
        raise _explain(ended, folder, packages)
    return tuple(sorted(before | set(folder.glob("*.whl"))))


def _for_platform(python: str, platform: str) -> list[str]:
    tags = [word for tag in platform_tags(platform) for word in ("--platform", tag)]
    return ["--python-version", python, "--implementation", "cp", *tags]


def _explain(ended: Ended, folder: Path, packages: Sequence[Package]) -> CmxError:
    said = ended.complaints
    if match := _HASHES.search(said):
        return HashMismatch("a wheel of the lock", expected=match[1], found=match[2])
    if "No space left" in said:
        return disk_full(folder, "downloading wheels")
    if _NETWORK.search(said):
        return Unavailable("wheels cannot be had: no package index answered", hint="check the network")
    missing = next((str(each) for each in packages if f"No matching distribution found for {each}" in said), "")
    if missing:
        return Unavailable(f"no index has a wheel of {missing} with a hash of the lock", missing=(missing,))
    return failed(ended, "downloading wheels", hint="pip config list shows which indexes are asked")
