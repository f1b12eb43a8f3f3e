"""``{url: https://…, sha256: …}``: a file by its address, or with ``member`` or ``members`` files of an archive there.

``size`` (bytes) is a limit. An interrupted download goes on where it stopped.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from cmx.archives import Wanted, unpack
from cmx.install import download
from cmx.install.sources.fetched import Fetched, Fetching
from cmx.install.sources.members import SHA256, Package, Tree
from cmx.store import Store


def fetch(source: Mapping[str, Any], fetching: Fetching) -> Fetched:
    """The file, the member (a file) or the members (a folder), verified; see ``cmx.install.sources.fetch``."""
    if why := download.objection(str(source["url"])):
        raise fetching.invalid("url", why)
    if not SHA256.fullmatch(str(source.get("sha256", ""))):
        raise fetching.invalid("sha256", "the file's sha256 is missing, or is not 64 hex digits")
    if not _has_members(source):
        return _fetch_whole(source, fetching)
    package = Package(source, "url")
    package.check_members(fetching)

    def unpacked(folder: Path, wanted: Wanted) -> Tree:
        with _downloaded(source, fetching) as archive:
            name = download.name_of(package.name)
            return Tree(folder / "files", unpack(archive, folder / "files", name=name, wanted=wanted))

    return package.fetch(fetching, unpacked)


def stored(source: Mapping[str, Any], fetching: Fetching) -> Fetched | None:
    """What the store has of this source, verified now, or None."""
    if _has_members(source):
        return Package(source, "url").stored(fetching.store)
    path = fetching.store.path(str(source["sha256"]))
    return Fetched(path, path.name, path.stat().st_size) if path else None


def held(source: Mapping[str, Any], store: Store) -> bool:
    """Whether the store seems to have it, without hashing anything."""
    if _has_members(source):
        return Package(source, "url").held(store)
    return store.files.location(str(source["sha256"])).is_file()


def describe(source: Mapping[str, Any]) -> str:
    """The address and what is wanted of what is there."""
    return Package(source, "url").describe()


def _has_members(source: Mapping[str, Any]) -> bool:
    return "member" in source or "members" in source


def _fetch_whole(source: Mapping[str, Any], fetching: Fetching) -> Fetched:
    sha256, store = str(source["sha256"]), fetching.store
    had = held(source, store)
    if (found := stored(source, fetching)) is not None:
        return found
    if had:
        fetching.reporter.note(f"{describe(source)} is damaged in the store; fetching it again")
    with store.lock(f"fetch-{sha256}", what=f"fetching {source['url']}", on_wait=fetching.reporter.note):
        if (found := stored(source, fetching)) is not None:
            return found
        with _downloaded(source, fetching) as path:
            kept = store.add(path, sha256, download.name_of(str(source["url"])))
    return Fetched(kept.path, kept.sha256, kept.size)


def _downloaded(source: Mapping[str, Any], fetching: Fetching) -> AbstractContextManager[Path]:
    return download.downloaded(
        str(source["url"]),
        str(source["sha256"]),
        store=fetching.store,
        offline=fetching.offline,
        reporter=fetching.reporter,
        size=source.get("size"),
    )
