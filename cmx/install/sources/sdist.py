"""``{sdist: NAME==VERSION, sha256: …, members: NAME-VERSION/…}``: files of a Python package's source archive.

What a wheel leaves out: examples, test data. uv says where the archive is, so a user's mirrors and settings apply;
nothing of it is built or runs.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cmx.archives import Wanted, unpack
from cmx.errors import Unavailable
from cmx.install import download
from cmx.install.sources.fetched import Fetched, Fetching
from cmx.install.sources.members import Package, Tree
from cmx.install.uv import Uv
from cmx.store import Store

_PINNED = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*==[A-Za-z0-9][A-Za-z0-9.+!_-]*")
_PLACE = re.compile(r'^sdist = \{.*?\burl = "([^"]+)"', re.MULTILINE)
# Which Python resolves does not matter to an archive: one that every package of today takes.
_PYTHON = "3.13"


def fetch(source: Mapping[str, Any], fetching: Fetching) -> Fetched:
    """The member (a file) or members (a folder), verified; see ``cmx.install.sources.fetch``."""
    package = Package(source, "sdist")
    package.check(fetching, _PINNED, "NAME==VERSION")

    def unpacked(folder: Path, wanted: Wanted) -> Tree:
        with download.downloaded(
            _address(package.name, fetching),
            str(source["sha256"]),
            store=fetching.store,
            offline=fetching.offline,
            reporter=fetching.reporter,
            name=package.name,
        ) as archive:
            return Tree(folder / "files", unpack(archive, folder / "files", name=package.name, wanted=wanted))

    return package.fetch(fetching, unpacked)


def stored(source: Mapping[str, Any], fetching: Fetching) -> Fetched | None:
    """What the store has of this source, verified now, or None."""
    return Package(source, "sdist").stored(fetching.store)


def held(source: Mapping[str, Any], store: Store) -> bool:
    """Whether the store seems to have it, without hashing anything."""
    return Package(source, "sdist").held(store)


def describe(source: Mapping[str, Any]) -> str:
    """The package and what is wanted of it."""
    return Package(source, "sdist").describe()


def _address(package: str, fetching: Fetching) -> str:
    """Where the index that the user has keeps the archive."""
    uv = Uv(fetching.store.settings, offline=fetching.offline, reporter=fetching.reporter)
    lock = uv.run(
        ["pip", "compile", "--quiet", "--no-deps", "--python-version", _PYTHON, "--format", "pylock.toml", "-"],
        doing=f"finding {package}",
        wanted=[package],
        text=f"{package}\n",
        indexes=True,
    )
    found = _PLACE.search(lock)
    if not found:
        raise Unavailable(f"the index has no source archive of {package}", missing=(package,), hint="name its wheel")
    if why := download.objection(found[1]):
        raise fetching.invalid("sdist", why)
    return found[1]
