"""Solutions out of registries: the newest version that a range holds, into a file that is whole or not there."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from cmx.errors import CmxError, ComponentNotFound, StoreError, UsageError, nearest
from cmx.files import disk_failures
from cmx.reference import contradiction, version_key
from cmx.registry.index import SOLUTION, Index, Release, Wanted
from cmx.registry.source import Source
from cmx.reporter import Reporter
from cmx.store import sha256_of


@dataclass(frozen=True)
class Read:
    """A registry whose index was read."""

    source: Source
    index: Index


class Downloaded(NamedTuple):
    """A solution's archive that is here; ``fetched`` is False where it was here before."""

    path: Path
    release: Release
    registry: str
    fetched: bool


def choose(text: str, registries: Sequence[Read], sha256: str = "") -> tuple[Read, Release]:
    """The newest version of a solution that ``NAME[range]`` admits, and where it is, the first registry first.

    A yanked version is chosen only where the range is exactly it and ``sha256`` is its own. Raises UsageError for a
    range that nothing meets or a version that two registries have with different bytes, ComponentNotFound.
    """
    wanted = Wanted.parse(text)
    if wanted.kind not in ("", SOLUTION):
        raise UsageError(f"{text!r} is no solution", hint="components come with 'cmx repo add REGISTRY'")
    if pair := contradiction(wanted.specifier):
        raise UsageError(f"{text}: no version is both {pair[0]} and {pair[1]}", hint="leave one of them out")
    key = f"{SOLUTION}/{wanted.name}"
    there = [(each, release) for each in registries for release in each.index.versions(key)]
    found = [(each, release) for each, release in there if _serves(release, wanted, sha256)]
    if not found:
        raise _nothing(wanted, registries, [release for _, release in there], sha256)
    first, best = max(found, key=lambda pair: version_key(pair[1].version))  # the first of several that are equal
    other = next((r for r in found if r[1].version == best.version and r[1].sha256 != best.sha256), None)
    if other:
        raise UsageError(
            f"{best.reference} is not the same file in {first.source.where} and in {other[0].source.where}",
            hint="say which you mean: --registry, or --sha256",
        )
    return first, best


def download(chosen: tuple[Read, Release], to: Path, reporter: Reporter) -> Downloaded:
    """Fetch a solution's archive into a folder, under its own name, or as a file of another name.

    It gets its name when its bytes have the sha256 of the index, and its manifest (which is what is signed) says that
    it is this version of this solution. Raises UsageError where another file has that name, StoreError, and what the
    source raises.
    """
    registry, release = chosen
    path = to / f"{release.name}-{release.version}.cmx.zip" if to.is_dir() else to
    if path.exists():
        if path.is_file() and sha256_of(path) == release.sha256:
            return Downloaded(path, release, registry.index.name, False)
        raise UsageError(f"{path} is there already, and is another file", hint="move it away, or give --output")
    if not path.parent.is_dir():
        raise UsageError(f"{path.parent} is no folder", hint="--output FILE, or --output FOLDER that is there")
    with registry.source.file(release, reporter) as file:
        _check(file, release)
        _place(file, path, release)
    return Downloaded(path, release, registry.index.name, True)


def _check(file: Path, release: Release) -> None:
    """Raise StoreError for another solution, or no archive at all, behind a release."""
    from cmx.solution import Archive

    hint = "whoever keeps the registry changed it by hand: 'cmx registry verify FOLDER' there says more"
    try:
        manifest = Archive.open(file).manifest
    except CmxError as error:
        why = error.message.replace(file.name, "its file")
        raise StoreError(f"{release.reference}: {why}", hint=hint) from error
    if (manifest.name, manifest.version) != (release.name, release.version):
        message = f"{release.reference}: its file is {manifest.name}=={manifest.version}; nothing was kept"
        raise StoreError(message, hint=hint)


def _place(file: Path, path: Path, release: Release) -> None:
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{os.urandom(4).hex()}")
    with disk_failures(path.parent, f"writing {path.name}", needed=release.size):
        try:
            shutil.copyfile(file, temporary)
            if sha256_of(temporary) != release.sha256:
                raise StoreError(f"{path}: its bytes changed while they were copied", hint="run it again")
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)


def _serves(release: Release, wanted: Wanted, sha256: str) -> bool:
    if not wanted.admits(release.version) or (sha256 and sha256 != release.sha256):
        return False
    return not release.yanked or bool(sha256 and wanted.exact)


def _nothing(wanted: Wanted, registries: Sequence[Read], there: Sequence[Release], sha256: str) -> ComponentNotFound:
    """The error where nothing serves."""
    where = ", ".join(each.index.name for each in registries)
    if not there:
        names = sorted({r.name for each in registries for r in each.index.releases if r.kind == SOLUTION})
        return ComponentNotFound(f"there is no solution {wanted.name!r} in {where}", hint=nearest(wanted.name, names))
    versions = [f"{each.version}{' (yanked)' if each.yanked else ''}" for each in there]
    fit = [each for each in there if wanted.admits(each.version)]
    if sha256 and fit:
        message = f"{fit[0].reference} in {where} has the sha256 {fit[0].sha256}, not {sha256}"
        return ComponentNotFound(
            message, hint="it is another file than the one that you mean: ask who gave you the hash"
        )
    yanked = next((each for each in fit if each.yanked), None)
    if yanked:
        return ComponentNotFound(
            f"{yanked.reference} was yanked: {yanked.yanked}",
            hint=f"there is {', '.join(dict.fromkeys(versions))}; a yanked one needs ==VERSION and its --sha256",
        )
    message = f"no version of {wanted.name} in {where} is {wanted.specifier or 'a release'}"
    return ComponentNotFound(message, hint=f"there is {', '.join(dict.fromkeys(versions))}")
