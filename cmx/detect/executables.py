"""Finds the files that may be a piece of software, by listing folders; starts none of them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from itertools import chain
from pathlib import Path
from typing import NamedTuple

from cmx.component import Search
from cmx.detect.finding import Identity, Skipped, place_of
from cmx.detect.listing import Listings
from cmx.detect.places import Places
from cmx.detect.shims import NotUsable, changes_unseen, follow, refuse

_SMALL = 1024


class Candidate(NamedTuple):
    """A file that may be what is looked for. ``steady`` says that an executable's answer may be kept while it stays.

    ``is_file`` says that it is never started.
    """

    path: Path
    identity: Identity
    steady: bool = True
    is_file: bool = False


class Executables:
    """One look at the folders of PATH and beyond; each folder is listed at most once."""

    def __init__(self, environ: Mapping[str, str], folder: Path, places: Places, listings: Listings) -> None:
        self._environ = environ
        self._folder = folder
        self.places = places
        self.listings = listings
        self._real_folders: dict[str, str] = {}

    def candidates(self, search: Search, *, first: Path | None = None) -> tuple[list[Candidate], list[Skipped]]:
        """The executables that a search leads to: ``first``, then PATH, then the globs; one for each real file.

        Of several names for one file in one place the first pattern's wins: ``gcc`` rather than ``gcc-12``.
        Raises re.error for a pattern that is none.
        """
        folders = chain(self.places.on_path, self.places.expand(search.paths))
        matches = self._matches(folders, search.executables) if search.executables else iter(())
        return _distinct(
            chain([first] if first else [], matches), lambda path: self._candidate(path, search.executables)
        )

    def files(self, search: Search) -> tuple[list[Candidate], list[Skipped]]:
        """The files, libraries or headers say, that a search leads to by its globs; one for each real file."""
        if not search.files:
            return [], []
        return _distinct(self._matches(self.places.expand(search.paths), search.files), _file)

    def candidate(self, path: Path) -> Candidate | None:
        """The candidate at a path; None when it is no executable file. Raises NotUsable with the reason why not."""
        return self._candidate(path, ())

    def _candidate(self, path: Path, patterns: tuple[str, ...]) -> Candidate | None:
        path = follow(path, self._environ, self._folder)
        identity = Identity.of(path)
        if identity is None and path.is_symlink():
            raise NotUsable("a link that leads nowhere")
        if identity is None or not path.is_file() or not os.access(path, os.X_OK):
            return None
        real = self._real(path)
        refuse(path, real)
        # A link to a file of another name (ccache, snap, mise) leads to a program that chooses what to start.
        chooses = bool(patterns) and real.name != path.name and not self.listings.matches(patterns, real.name)
        return Candidate(path, identity, steady=not chooses and not changes_unseen(real))

    def _real(self, path: Path) -> Path:
        """A path without symbolic links; the links of its folder are followed once for all that lies in it."""
        folder, name = os.path.split(path)
        real = self._real_folders.get(folder)
        if real is None:
            real = self._real_folders[folder] = os.path.realpath(folder)
        direct = os.path.join(real, name)  # noqa: PTH118
        return Path(os.path.realpath(direct) if os.path.islink(direct) else direct)  # noqa: PTH114

    def _matches(self, folders: Iterable[str], patterns: tuple[str, ...]) -> Iterator[Path]:
        for folder in folders:
            for name in self.listings.matching(folder, patterns):
                yield Path(folder, name)


def _file(path: Path) -> Candidate | None:
    identity = Identity.of(path)
    if identity is None and path.is_symlink():
        raise NotUsable("a link that leads nowhere")
    return Candidate(path, identity, is_file=True) if identity and path.is_file() else None


def _distinct(
    paths: Iterable[Path], candidate: Callable[[Path], Candidate | None]
) -> tuple[list[Candidate], list[Skipped]]:
    found: dict[object, Candidate] = {}
    skipped: list[Skipped] = []
    for path in paths:
        try:
            each = candidate(path)
        except NotUsable as error:
            skipped.append(Skipped(path, str(error)))
            continue
        if each:
            found.setdefault(_sameness(each), each)
    return list(found.values()), skipped


def _sameness(candidate: Candidate) -> object:
    """What two names of one file share. A program that chooses by the name it is called with is another under each.

    Small equal scripts in one folder are one too: pip installs itself as pip, pip3 and pip3.11.
    """
    if not candidate.steady:
        return candidate.path
    place = place_of(candidate.path)
    if candidate.identity.size <= _SMALL and not candidate.is_file:
        with suppress(OSError):
            folder = os.path.dirname(os.path.realpath(candidate.path))  # noqa: PTH120 half the time
            return (folder, candidate.path.read_bytes(), place)
    return (candidate.identity.device, candidate.identity.inode, place)
