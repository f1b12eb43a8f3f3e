"""``{npm: NAME@VERSION, sha256: …, member: package/…}``: files of a package of npm's registry; no script of it runs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cmx.archives import Wanted, unpack
from cmx.install import npm
from cmx.install.sources.fetched import Fetched, Fetching
from cmx.install.sources.members import Package, Tree
from cmx.store import Store


def fetch(source: Mapping[str, Any], fetching: Fetching) -> Fetched:
    """The member (a file) or members (a folder), verified; see ``cmx.install.sources.fetch``."""
    package = Package(source, "npm")
    package.check(fetching, npm.PACKAGE, "NAME@VERSION")

    def unpacked(folder: Path, wanted: Wanted) -> Tree:
        settings, offline = fetching.store.settings, fetching.offline
        fetching.reporter.progress(f"fetching {package.name}", 0)
        archive = npm.pack(package.name, str(source["sha256"]), folder / "packed", settings=settings, offline=offline)
        return Tree(folder / "files", unpack(archive, folder / "files", name=package.name, wanted=wanted))

    return package.fetch(fetching, unpacked)


def stored(source: Mapping[str, Any], fetching: Fetching) -> Fetched | None:
    """What the store has of this source, verified now, or None."""
    return Package(source, "npm").stored(fetching.store)


def held(source: Mapping[str, Any], store: Store) -> bool:
    """Whether the store seems to have it, without hashing anything."""
    return Package(source, "npm").held(store)


def describe(source: Mapping[str, Any]) -> str:
    """The package and what is wanted of it."""
    return Package(source, "npm").describe()
