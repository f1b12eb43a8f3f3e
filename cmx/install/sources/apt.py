"""``{apt: NAME=VERSION, sha256: …, members: usr/share/…}``: files of a Debian package; nothing is installed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cmx.archives import Wanted
from cmx.install.debian import PINNED, Apt, unpack_members
from cmx.install.sources.fetched import Fetched, Fetching
from cmx.install.sources.members import Package, Tree
from cmx.store import Store


def fetch(source: Mapping[str, Any], fetching: Fetching) -> Fetched:
    """The member (a file) or members (a folder), verified; see ``cmx.install.sources.fetch``."""
    package = Package(source, "apt")
    package.check(fetching, PINNED, "NAME=VERSION")

    def unpacked(folder: Path, wanted: Wanted) -> Tree:
        apt = Apt(fetching.store, fetching.offline, fetching.reporter)
        deb = apt.fetch(package.name, str(source["sha256"]), folder / "packed")
        return Tree(folder / "files", unpack_members(deb, folder / "files", name=package.name, wanted=wanted))

    return package.fetch(fetching, unpacked)


def stored(source: Mapping[str, Any], fetching: Fetching) -> Fetched | None:
    """What the store has of this source, verified now, or None."""
    return Package(source, "apt").stored(fetching.store)


def held(source: Mapping[str, Any], store: Store) -> bool:
    """Whether the store seems to have it, without hashing anything."""
    return Package(source, "apt").held(store)


def describe(source: Mapping[str, Any]) -> str:
    """The package and what is wanted of it."""
    return Package(source, "apt").describe()
