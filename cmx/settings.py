"""Where things live. Nothing here writes; folders are made by whoever first puts something into them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from cmx.errors import UsageError

SCHEMA_FOLDER = Path(__file__).parent / "schemas"
"""The JSON Schemas that come with cmx."""


class Settings(NamedTuple):  # not a dataclass: 'cmx list' and 'cmx find' do without importing dataclasses
    """The folders of one cmx home. Everything that cmx writes lies below ``home``."""

    home: Path

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] | None = None) -> Settings:
        """``CMX_HOME``, or the platform's folder for user data. Raises UsageError for one that is, or is in, a file."""
        home = (os.environ if environ is None else environ).get("CMX_HOME")
        if home:
            folder = Path(home).expanduser().absolute()
            there = next(place for place in (folder, *folder.parents) if place.exists())
            if not there.is_dir():
                raise UsageError(f"CMX_HOME: {there} is a file", hint="set it to a folder, which need not be there yet")
            return cls(folder)
        import platformdirs

        return cls(platformdirs.user_data_path("cmx", appauthor=False))

    @property
    def store(self) -> Path:
        """Content-addressed files and derived artefacts."""
        return self.home / "store"

    @property
    def environments(self) -> Path:
        """Interpreters with exactly the pinned packages, one folder each."""
        return self.home / "environments"

    @property
    def runs(self) -> Path:
        """One folder for each run: its documents, samples and logs."""
        return self.home / "runs"

    @property
    def database(self) -> Path:
        """The evaluation database."""
        return self.home / "results.sqlite"

    @property
    def published(self) -> Path:
        """Results that others published, imported."""
        return self.home / "published.sqlite"

    @property
    def repository(self) -> Path:
        """The user's own component repository."""
        return self.home / "repository"

    @property
    def solutions(self) -> Path:
        """Solutions that were installed, one folder each."""
        return self.home / "solutions"

    @property
    def repositories(self) -> Path:
        """The list of repositories that the user added, in order."""
        return self.home / "repositories.json"

    @property
    def cache(self) -> Path:
        """What can be made again at any time: the component index, findings, uv's downloads."""
        return self.home / "cache"

    @property
    def locks(self) -> Path:
        """Lock files."""
        return self.home / "locks"


def builtin_repository() -> Path:
    """The repository that comes with cmx: ``_builtin`` in a wheel, the checkout itself otherwise."""
    package = Path(__file__).resolve().parent
    shipped = package / "_builtin"
    return shipped if shipped.is_dir() else package.parent
