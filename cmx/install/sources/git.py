"""``{git: URL, commit: 40 hex digits, members: data/*.csv}``: files of one commit, as they are in the repository."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cmx.archives import Wanted
from cmx.git_command import COMMIT
from cmx.install import checkout
from cmx.install.sources.fetched import Fetched, Fetching
from cmx.install.sources.members import Package, Tree
from cmx.store import Store


def fetch(source: Mapping[str, Any], fetching: Fetching) -> Fetched:
    """The member (a file) or members (a folder), verified; see ``cmx.install.sources.fetch``."""
    package = _package(source)
    if why := checkout.objection(package.name):
        raise fetching.invalid("git", why)
    commit = str(source.get("commit", ""))
    if not COMMIT.fullmatch(commit):
        raise fetching.invalid("commit", "the commit is missing, or is not 40 hex digits")
    package.check_members(fetching)

    def unpacked(folder: Path, wanted: Wanted) -> Tree:
        with checkout.fetched(
            package.name, commit, folder / "git", offline=fetching.offline, reporter=fetching.reporter
        ) as repo:
            names = checkout.export(repo, commit, folder / "files", name=package.name, wanted=wanted)
        return Tree(folder / "files", names)

    return package.fetch(fetching, unpacked)


def stored(source: Mapping[str, Any], fetching: Fetching) -> Fetched | None:
    """What the store has of this source, verified now, or None."""
    return _package(source).stored(fetching.store)


def held(source: Mapping[str, Any], store: Store) -> bool:
    """Whether the store seems to have it, without hashing anything."""
    return _package(source).held(store)


def describe(source: Mapping[str, Any]) -> str:
    """The repository, the commit and what is wanted of it."""
    package = _package(source)
    return f"{package.name} at {str(source.get('commit', ''))[:12]} ({', '.join(package.patterns)})"


def _package(source: Mapping[str, Any]) -> Package:
    return Package(source, "git", "commit")
