"""Finds the files that may be a piece of software, by listing folders; starts none of them."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from cmx.component import Search
from cmx.detect.finding import Identity, Skipped, place_of
from cmx.detect.shims import NotUsable, changes_unseen, follow, refuse

Patterns = tuple[re.Pattern[str], ...]


@dataclass(frozen=True)
class Candidate:
    """An executable that may be what is looked for. ``steady`` says that its answer may be kept while it stays."""

    path: Path
    identity: Identity
    steady: bool


class Executables:
    """One look at the folders of PATH; each folder is listed at most once."""

    def __init__(self, environ: Mapping[str, str], folder: Path, interpreter: Path) -> None:
        self._environ = environ
        self._folder = folder
        self._interpreter = interpreter
        self._names: dict[Path, tuple[str, ...]] = {}
        self._path = path_folders(environ)

    def candidates(self, search: Search, *, first: Path | None = None) -> tuple[list[Candidate], list[Skipped]]:
        """The executables that a search leads to: ``first``, then PATH, then the globs; one for each real file.

        Of several names for one file in one place the first pattern's wins: ``gcc`` rather than ``gcc-12``.
        Raises re.error for a pattern that is none.
        """
        found: dict[object, Candidate] = {}
        skipped: list[Skipped] = []
        patterns = tuple(re.compile(pattern) for pattern in search.executables)
        for path in chain([first] if first else [], self._matches(patterns, search.paths)):
            try:
                candidate = self._candidate(path, patterns)
            except NotUsable as error:
                skipped.append(Skipped(path, str(error)))
                continue
            if candidate:
                found.setdefault(_sameness(candidate), candidate)
        return list(found.values()), skipped

    def candidate(self, path: Path) -> Candidate | None:
        """The candidate at a path; None when it is no executable file. Raises NotUsable with the reason why not."""
        return self._candidate(path, None)

    def _candidate(self, path: Path, patterns: Patterns | None) -> Candidate | None:
        path = follow(path, self._environ, self._folder)
        identity = Identity.of(path)
        if identity is None and path.is_symlink():
            raise NotUsable("a link that leads nowhere")
        if identity is None or not path.is_file() or not os.access(path, os.X_OK):
            return None
        real = path.resolve()
        refuse(path)
        # A link to a file of another name (ccache, snap, mise) leads to a program that chooses what to start.
        chooses = patterns is not None and not self._matched([real.name], patterns)
        return Candidate(path, identity, steady=not chooses and not changes_unseen(real))

    def _matches(self, patterns: Patterns, globs: Iterable[str]) -> Iterator[Path]:
        for folder in (*self._path, *self._globbed(globs)):
            for name in self._matched(self._listing(folder), patterns):
                yield folder / name

    def _matched(self, names: Iterable[str], patterns: Patterns) -> list[str]:
        """The names that a pattern matches as a whole: the first pattern's first, each once."""
        if sys.platform == "win32":  # untested
            return [name for pattern in patterns for name in names if pattern.fullmatch(_bare(name, self._environ))]
        found = (sorted(filter(pattern.fullmatch, names)) for pattern in patterns)
        return list(dict.fromkeys(chain.from_iterable(found)))

    def _listing(self, folder: Path) -> tuple[str, ...]:
        if folder not in self._names:
            try:
                self._names[folder] = tuple(os.listdir(folder))  # noqa: PTH208 names only: thousands of them
            except OSError:
                self._names[folder] = ()
        return self._names[folder]

    def _globbed(self, globs: Iterable[str]) -> Iterator[Path]:
        """Folders that a component's ``paths`` name: absolute, ``~/…`` or ``{scripts}`` (beside cmx's Python)."""
        import glob

        home = self._environ.get("HOME") or str(Path.home())
        for pattern in globs:
            if pattern == "{scripts}":
                yield self._interpreter.parent
                continue
            full = home + pattern[1:] if pattern.startswith("~/") else pattern
            if Path(full).is_absolute():
                yield from (Path(folder) for folder in sorted(glob.glob(full)))  # noqa: PTH207 the pattern is absolute


def path_folders(environ: Mapping[str, str]) -> tuple[Path, ...]:
    """The folders of PATH, each once, under the name it has first; relative ones are left out.

    An empty or relative entry means "wherever I am": a program found there is nobody's installation.
    """
    folders: dict[object, Path] = {}
    for entry in environ.get("PATH", "").split(os.pathsep):
        folder = Path(entry)
        if not entry or not folder.is_absolute():
            continue
        try:
            found = folder.stat()
        except OSError:
            continue
        folders.setdefault((found.st_dev, found.st_ino), folder)
    return tuple(folders.values())


def _bare(name: str, environ: Mapping[str, str]) -> str:
    """A file's name without an extension that Windows does not ask for ("gcc.exe" is gcc)."""
    endings = environ.get("PATHEXT", ".EXE;.BAT;.CMD").lower().split(";")
    stem, ending = os.path.splitext(name)  # noqa: PTH122 a name, not a path
    return stem if ending.lower() in endings else name


def _sameness(candidate: Candidate) -> object:
    """What two names of one program share. One that chooses by the name it is called with is another under each."""
    if not candidate.steady:
        return candidate.path
    found = candidate.path.stat()
    return (found.st_dev, found.st_ino, place_of(candidate.path))
