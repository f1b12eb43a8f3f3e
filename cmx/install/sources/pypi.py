"""``{pypi: NAME==VERSION, sha256: …, member: path}``: one file of a wheel, or with ``members`` those of a pattern.

The wheel is had through uv, so a user's mirrors and settings apply and its sha256 is checked before anything
is unpacked; nothing of it runs. Only the members are kept. ``member-sha256`` is checked as well.

A package with compiled parts has a wheel for each interpreter and platform, and a hash fixes one of them.
``wheel: {python: '3.11', platform: x86_64-manylinux_2_28}`` says which (platforms as uv names them), so that its data
can be had on every machine.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cmx.errors import StoreError
from cmx.install.sources.fetched import Fetched, Fetching
from cmx.install.sources.members import Package, Tree
from cmx.store import Store
from cmx.store.environments import damaged_records

if TYPE_CHECKING:
    from cmx.install.uv import Uv

_PINNED = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*==[A-Za-z0-9][A-Za-z0-9.+!_-]*")

_WHEEL = {"python": "--python-version", "platform": "--python-platform"}


def fetch(source: Mapping[str, Any], fetching: Fetching) -> Fetched:
    """The member (a file) or members (a folder), verified; see ``cmx.install.sources.fetch``."""
    package = Package(source, "pypi")
    package.check(fetching, _PINNED, "NAME==VERSION")
    return package.fetch(fetching, lambda folder, _wanted: _unpack(source, fetching, folder))


def stored(source: Mapping[str, Any], fetching: Fetching) -> Fetched | None:
    """What the store has of this source, verified now, or None."""
    return Package(source, "pypi").stored(fetching.store)


def held(source: Mapping[str, Any], store: Store) -> bool:
    """Whether the store seems to have it, without hashing anything."""
    return Package(source, "pypi").held(store)


def describe(source: Mapping[str, Any]) -> str:
    """The package and what is wanted of it."""
    return Package(source, "pypi").describe()


def _unpack(source: Mapping[str, Any], fetching: Fetching, folder: Path) -> Tree:
    """The whole wheel; if the installer's cached copy is damaged, once more from the index."""
    from cmx.install.uv import Uv  # only now: most ask whether it is in the store, which it is

    uv = Uv(fetching.store.settings, offline=fetching.offline, reporter=fetching.reporter)
    name = str(source["pypi"]).partition("==")[0]
    wheel = folder / "first"
    _unpack_once(uv, source, wheel)
    if not _is_whole(wheel):
        uv.reporter.note(f"uv's cached copy of {source['pypi']} is damaged; fetching it again")
        uv.run(["cache", "clean", name], doing="cleaning uv's cache")
        wheel = folder / "second"
        _unpack_once(uv, source, wheel)
    if not _is_whole(wheel):
        raise StoreError(f"{source['pypi']}: its files are not as its own record says")
    files = (path for path in wheel.rglob("*") if path.is_file() and path.resolve().is_relative_to(wheel.resolve()))
    return Tree(wheel, sorted(path.relative_to(wheel).as_posix() for path in files))


def _unpack_once(uv: Uv, source: Mapping[str, Any], target: Path) -> None:
    uv.run(
        [
            *("pip", "install", "--python", sys.executable, "--target", str(target), "--no-deps"),
            *("--require-hashes", "--no-build", "--link-mode", "copy", "-r", "-"),
            *_wheel_arguments(source.get("wheel") or {}),
        ],
        doing=f"fetching {source['pypi']}",
        wanted=[str(source["pypi"])],
        text=f"{source['pypi']} --hash=sha256:{source['sha256']}\n",
        indexes=True,
    )


def _wheel_arguments(wheel: Mapping[str, Any]) -> list[str]:
    """Which of a package's wheels is meant, where it is not the one for this interpreter."""
    return [word for key in ("python", "platform") if key in wheel for word in (_WHEEL[key], str(wheel[key]))]


def _is_whole(folder: Path) -> bool:
    return not any(True for dist_info in folder.glob("*.dist-info") for _ in damaged_records(dist_info))
