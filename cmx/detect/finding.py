"""What detecting answers: findings, and what was skipped and why."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple


@dataclass(frozen=True)
class Identity:
    """Which bytes a path led to when somebody looked, without reading them."""

    path: Path
    mtime_ns: int
    size: int
    inode: int
    changed_ns: int = field(default=0, compare=False)
    device: int = field(default=0, compare=False)

    @classmethod
    def of(cls, path: Path) -> Identity | None:
        """The identity of the file a path leads to now, through symbolic links; None where there is none."""
        try:
            found = path.stat()
        except OSError:
            return None
        return cls(path, found.st_mtime_ns, found.st_size, found.st_ino, found.st_ctime_ns, found.st_dev)


class Finding(NamedTuple):
    """A piece of software that is here, in a version that was read from it.

    ``path`` is the executable, the library or header that was found, or a Python package's metadata folder; of data it
    is the folder or file. ``target`` is what a compiler compiles for ("aarch64-linux-gnu") or an emulator runs
    ("aarch64"), or "". ``place`` is the interpreter that a Python package belongs to, or "".
    ``exports`` are variables for child processes.
    """

    name: str
    version: str
    path: Path
    identity: Identity
    target: str = ""
    place: str = ""
    exports: Mapping[str, str] = MappingProxyType({})

    @property
    def current(self) -> bool:
        """Whether the file is still the one that was looked at."""
        return Identity.of(self.identity.path) == self.identity


class Skipped(NamedTuple):
    """A place that looked right, and why it is not a finding."""

    path: Path
    reason: str

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}"


class Detection(NamedTuple):
    """All findings of one piece of software, in the order of preference, and all that was skipped."""

    name: str
    findings: tuple[Finding, ...] = ()
    skipped: tuple[Skipped, ...] = ()

    def within(self, specifier: str) -> Detection:
        """The same with the findings outside a range moved to ``skipped``: "14.0.6, wanted >=15"."""
        from cmx.reference import admits

        inside = tuple(one for one in self.findings if admits(specifier, one.version))
        outside = tuple(
            Skipped(one.path, f"{one.version}, wanted {specifier or 'a release'}")
            for one in self.findings
            if one not in inside
        )
        return Detection(self.name, inside, outside + self.skipped)


def place_of(path: Path) -> str:
    """The virtual environment that an executable lies in, or "".

    A virtual environment's python is a symbolic link to another one, and yet a place of its own.
    """
    home = path.parent.parent
    return str(home) if os.path.lexists(home / "pyvenv.cfg") else ""
