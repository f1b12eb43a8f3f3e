"""The folders that a component's ``paths`` lead to.

A path is a glob: absolute, ``~/…``, or one that begins with a placeholder: ``{scripts}`` (beside the Python that runs
cmx), ``{path}`` (the folders of PATH), ``{libraries}`` (where the system's linker looks), ``{packages}`` and
``{prefix}`` (of every Python found), ``{data}`` (the user's data) or ``{env:NAME}`` (a variable; nothing where it is
not set).
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cached_property
from pathlib import Path

from cmx.detect.listing import Listings

_PLACEHOLDER = re.compile(r"\{([a-z]+)(?::([A-Za-z_()0-9]+))?\}")
_LIBRARIES = ("/usr/local/lib", "/lib", "/usr/lib", "/lib64", "/usr/lib64", "/opt/homebrew/lib")
# Libraries that programs of this machine cannot load.
_FOREIGN = re.compile(r"lib(32|x32)$|i[3-6]86")


class Places:
    """Expands globs. ``pythons`` gives each Python's prefix and package folders; asked only where they matter."""

    def __init__(
        self,
        environ: Mapping[str, str],
        listings: Listings,
        *,
        scripts: Path,
        data: Path,
        pythons: Callable[[], Iterable[tuple[Path, tuple[Path, ...]]]],
    ) -> None:
        self._environ = environ
        self._listings = listings
        self._scripts = scripts
        self._data = data
        self._pythons = pythons

    @cached_property
    def on_path(self) -> tuple[str, ...]:
        """The folders of PATH, each once, under the name it has first; relative ones are left out.

        An empty or relative entry means "wherever I am": a program found there is nobody's installation.
        """
        folders: dict[object, str] = {}
        for entry in self._environ.get("PATH", "").split(os.pathsep):
            if not entry or not os.path.isabs(entry):  # noqa: PTH117 one object fewer for each
                continue
            try:
                found = os.stat(entry)  # noqa: PTH116
            except OSError:
                continue
            folders.setdefault((found.st_dev, found.st_ino), entry)
        return tuple(folders.values())

    def expand(self, paths: Iterable[str]) -> Iterator[str]:
        """The paths that globs lead to, in their order; a path without wildcards is given even if it is not there."""
        for pattern in paths:
            for filled in self._filled(pattern):
                if os.path.isabs(filled):  # noqa: PTH117
                    yield from self._listings.expand(filled.replace(os.sep, "/"))

    def _filled(self, pattern: str) -> Iterable[str]:
        if pattern.startswith("~/"):
            return [(self._environ.get("HOME") or str(Path.home())) + pattern[1:]]
        found = _PLACEHOLDER.match(pattern)
        if found is None:
            return [self._listings.rooted(pattern)] if os.path.isabs(pattern) else []  # noqa: PTH117
        return [base + pattern[found.end() :] for base in self._bases(found[1], found[2] or "")]

    def _bases(self, placeholder: str, name: str) -> Iterable[str]:
        if placeholder == "env":
            return filter(None, [self._environ.get(name, "").rstrip("/\\")])
        if placeholder == "scripts":
            return [str(self._scripts)]
        if placeholder == "data":
            return [self._environ.get("CMX_DATA") or str(self._data)]
        if placeholder == "path":
            return self.on_path
        if placeholder == "libraries":
            return self._libraries
        if placeholder == "packages":
            return dict.fromkeys(str(site) for _, sites in self._pythons() for site in sites)
        return dict.fromkeys(str(prefix) for prefix, _ in self._pythons()) if placeholder == "prefix" else []

    @cached_property
    def _libraries(self) -> tuple[str, ...]:
        variables = ("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH") if sys.platform != "win32" else ("PATH",)
        named = [folder for name in variables for folder in self._environ.get(name, "").split(os.pathsep) if folder]
        if sys.platform == "linux":
            named += _configured("/etc/ld.so.conf", self._listings)
        found = dict.fromkeys([*named, *map(self._listings.rooted, _LIBRARIES)])
        return tuple(folder for folder in found if not _FOREIGN.search(folder))


def _configured(file: str, listings: Listings, depth: int = 3) -> list[str]:
    """The folders that the linker's configuration names, with the files it includes."""
    folders: list[str] = []
    try:
        lines = Path(listings.rooted(file)).read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return folders
    for line in lines:
        words = line.partition("#")[0].split()
        if words[:1] == ["include"] and depth:
            included = (each for pattern in words[1:] for each in listings.expand(listings.rooted(pattern)))
            names = (each[len(listings.rooted("")) :] for each in included)
            folders += [folder for name in names for folder in _configured(name, listings, depth - 1)]
        elif words and words[0].startswith("/"):
            folders.append(listings.rooted(words[0]))
    return folders
