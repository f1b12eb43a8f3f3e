"""``{with: apt, package: NAME}``: Debian packages and what they need beyond the system's, unpacked into the store.

Nothing is installed: no root, no maintainer scripts, the system's package database is only read. ``also`` names more
packages. Programs that bring shared libraries along are started through a wrapper that says where these are.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from cmx.component import InstallRule
from cmx.install.debian import NAME, Apt, unpack
from cmx.install.tools.installing import Installing
from cmx.install.tools.relocation import relocate
from cmx.store import key_of

_UPSTREAM = re.compile(r"[-+~].*$")
"""What Debian adds to a version: its revision, and how it changed the source (7.2+dfsg-7)."""


def check(rule: InstallRule, installing: Installing) -> None:
    """Raise ComponentInvalid for what is no name of a Debian package."""
    for name in _names(rule):
        if not NAME.fullmatch(name):
            raise installing.invalid("package", f"{name!r} is not the name of a Debian package")


def identity(rule: InstallRule) -> Mapping[str, Any]:
    """The names, and the release that they mean something in."""
    return {"packages": _names(rule), "distribution": _distribution()}


def describe(rule: InstallRule) -> str:
    """The packages."""
    return f"unpack the Debian package{'s' if len(_names(rule)) > 1 else ''} {', '.join(_names(rule))}"


def install(rule: InstallRule, installing: Installing, folder: Path) -> Mapping[str, Any]:
    """Fetch the closure, verify it against apt's index, unpack. Raises HashMismatch, Unavailable, StoreError."""
    apt = Apt(installing.store, installing.offline, installing.reporter)
    with installing.store.workspace("apt") as workspace:
        debs, paths = apt.fetch_closure(_names(rule), workspace / "packed")
        for done, path in enumerate(paths):
            installing.reporter.progress(f"unpacking {installing.component.name}", done, len(paths))
            unpack(path, folder / "root")
            path.unlink()
    packages = [[deb.name, deb.version, deb.architecture, deb.sha256] for deb in debs]
    relocate(folder, folder / "root", origin=f"{debs[-1]} {key_of({'packages': packages})[:16]}")
    return {"packages": packages}


def offered(rule: InstallRule, installing: Installing) -> str:
    """The software's own version in the package that apt would fetch: 4:12.2.0-3 is 12.2.0. Raises Unavailable."""
    version = Apt(installing.store, installing.offline, installing.reporter).version(rule.package)
    return _UPSTREAM.sub("", version.partition(":")[2] or version)


@cache
def _distribution() -> str:
    from cmx.host import Host

    return Host.detect().distribution


def _names(rule: InstallRule) -> list[str]:
    return [rule.package, *rule.recipe.get("also", ())]
