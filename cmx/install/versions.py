"""Which versions of a Python package its indexes offer, newest first."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from cmx.errors import StoreError, Unavailable
from cmx.files import write_atomically
from cmx.settings import Settings
from cmx.store import key_of

SCHEMA = 1
MAX_AGE = 3600.0
NEWS_AGE = 60.0
_AVAILABLE = re.compile(r"^Available versions: (.+)$", re.MULTILINE)
_NETWORK = re.compile(r"connection broken|Retrying|timed out|SSLError|HTTP error|Network is unreachable", re.IGNORECASE)


class Availability(NamedTuple):
    """The versions of several packages, newest first, and the packages about which no index could be asked."""

    versions: Mapping[str, tuple[str, ...]]
    unavailable: Mapping[str, Unavailable]

    def require(self) -> Mapping[str, tuple[str, ...]]:
        """The versions of all packages. Raises Unavailable, naming each package that could not be asked for."""
        if self.unavailable:
            names = tuple(sorted(self.unavailable))
            first = self.unavailable[names[0]]
            raise Unavailable(
                f"no package index could be asked for the versions of {', '.join(names)}",
                missing=names,
                hint=first.hint,
            )
        return self.versions


def available_versions(
    package: str,
    *,
    settings: Settings,
    python_version: str = "",
    platform: str = "",
    offline: bool = False,
    prereleases: bool = False,
    max_age: float = MAX_AGE,
) -> tuple[str, ...]:
    """The versions of a package that have a wheel for a platform, newest first; () if no index has one.

    ``platform`` is a target (``linux-aarch64``), this host's if empty; ``python_version`` (``3.12``) asks for another
    Python than the controller's. An answer is kept for ``max_age`` seconds, and for ever when ``offline``.
    Raises Unavailable, naming the package, if no index answers or when offline without a kept answer.
    """
    kept = _kept_answer(package, settings, python_version, platform, prereleases)
    answer = _read(kept, float("inf") if offline else max_age)
    if answer is not None:
        return answer
    if offline:
        raise _unavailable(package, "offline", "run it once without --offline")
    answer = _ask(package, python_version, platform, prereleases)
    with suppress(StoreError):  # the next call asks again
        write_atomically(kept, json.dumps({"schema": SCHEMA, "package": package, "versions": answer}))
    return answer


def versions_of(
    packages: Sequence[str],
    *,
    settings: Settings,
    python_version: str = "",
    platform: str = "",
    offline: bool = False,
    anew: bool = False,
) -> Availability:
    """``available_versions`` of several packages at once, one thread each: each costs 0.6 s of mostly waiting.

    ``anew``: an answer is kept for a minute only.
    """

    def ask(package: str) -> tuple[str, ...] | Unavailable:
        try:
            return available_versions(
                package,
                settings=settings,
                python_version=python_version,
                platform=platform,
                offline=offline,
                max_age=NEWS_AGE if anew else MAX_AGE,
            )
        except Unavailable as error:
            return error

    if not packages:
        return Availability({}, {})
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(max_workers=min(8, len(packages))) as pool:
        answers = dict(zip(packages, pool.map(ask, packages), strict=True))
    return Availability(
        {name: answer for name, answer in answers.items() if isinstance(answer, tuple)},
        {name: answer for name, answer in answers.items() if isinstance(answer, Unavailable)},
    )


def _ask(package: str, python_version: str, platform: str, prereleases: bool) -> tuple[str, ...]:
    command = [
        *(sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input", "index", "versions"),
        *("--only-binary", ":all:", *(["--python-version", python_version] if python_version else [])),
        *(flag for tag in platform_tags(platform) for flag in ("--platform", tag)),
        *(["--pre"] if prereleases else []),
        *("--", package),
    ]
    # Two retries get over a hiccup; a user's own number is kept, but with none at all pip does not say whether
    # no index answered or none knows the package.
    environ = {"PIP_RETRIES": "2", **os.environ}
    environ["PIP_RETRIES"] = "1" if environ["PIP_RETRIES"] == "0" else environ["PIP_RETRIES"]
    answer = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, env=environ)
    if answer.returncode == 0 and (match := _AVAILABLE.search(answer.stdout)):
        return tuple(version.strip() for version in match[1].split(","))
    if _NETWORK.search(answer.stderr):
        raise _unavailable(package, "no package index answered", "check the network")
    if "No matching distribution" in answer.stderr:
        return ()
    last = answer.stderr.strip().splitlines()[-1:] or ["pip said nothing"]
    raise _unavailable(package, last[0], "pip is needed to ask an index for versions: pip install pip")


def platform_tags(target: str) -> list[str]:
    """The platform tags of wheels that a target can use, the newest first; none for this host, which pip knows."""
    if not target:
        return []
    system, _, architecture = target.partition("-")
    if system == "linux":
        machine = {"armhf": "armv7l"}.get(architecture, architecture)
        return [f"manylinux_2_{minor}_{machine}" for minor in range(28, 16, -1)] + [f"manylinux2014_{machine}"]
    if system == "macos":
        machine = {"aarch64": "arm64"}.get(architecture, architecture)
        return [f"macosx_{major}_0_{machine}" for major in range(14, 10, -1)]
    return ["win_amd64"]


def _unavailable(package: str, why: str, remedy: str) -> Unavailable:
    return Unavailable(f"the versions of {package} cannot be had: {why}", missing=(package,), hint=remedy)


def _kept_answer(package: str, settings: Settings, python_version: str, platform: str, prereleases: bool) -> Path:
    # Whoever points pip at another index by a variable asks another question.
    pip = {name: value for name, value in os.environ.items() if name.startswith("PIP_")}
    python = python_version or ".".join(map(str, sys.version_info[:2]))
    key = key_of({"package": package, "python": python, "platform": platform, "pre": prereleases, "pip": pip})
    return settings.cache / "versions" / f"{key[:32]}.json"


def _read(path: Path, max_age: float) -> tuple[str, ...] | None:
    try:
        if time.time() - path.stat().st_mtime > max_age:
            return None
        kept = json.loads(path.read_text(encoding="utf-8"))
        return tuple(map(str, kept["versions"])) if kept["schema"] == SCHEMA else None
    except (OSError, ValueError, KeyError, TypeError):
        return None
