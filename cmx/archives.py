"""Unpacking .zip and .tar archives of strangers: nothing is written outside the folder, nor without limit.

An entry that leads out of the archive, or has the name of another, condemns the whole archive. Links, devices and the
like are left out, except links inside the tree where ``links`` allows them (a tool's ``bin/npm``).
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import IO, TYPE_CHECKING

from cmx.errors import StoreError

if TYPE_CHECKING:
    from tarfile import TarFile

MAX_FILES = 5_000_000
MAX_BYTES = 1 << 40
# An honest archive of data or programs is seldom smaller than a hundredth of its content; a bomb is far smaller.
MAX_RATIO = 200
ALWAYS_ALLOWED = 64 << 20
_CHUNK = 1 << 20
_UNCLEAN = re.compile(r"[\\\0]|^[A-Za-z]:")
_LONGEST_LINK = 4096

Wanted = Callable[[str], bool]


def everything(_name: str) -> bool:
    """Want every file."""
    return True


@dataclass
class _Unpacking:
    """One archive being unpacked into ``target``; ``name`` is for messages, ``limit`` in bytes."""

    target: Path
    wanted: Wanted
    name: str
    limit: int
    links: bool = False
    names: set[str] = field(default_factory=set)
    written: int = 0
    pending: list[tuple[str, str]] = field(default_factory=list)

    def enter(self, entry: str) -> str:
        """An entry's name, relative and clean. Raises StoreError for one that leads out of the archive."""
        path = PurePosixPath(entry)
        if _UNCLEAN.search(entry) or path.is_absolute() or ".." in path.parts:
            raise StoreError(f"{self.name}: {entry!r} leads out of the archive; nothing of it was kept")
        return path.as_posix()

    def file(self, entry: str, reader: Callable[[], IO[bytes] | None], executable: bool) -> None:
        """Write one file, if it is wanted."""
        clean = self.enter(entry)
        if clean in self.names:
            raise StoreError(f"{self.name}: {clean!r} is there twice; nothing of it was kept")
        self.names.add(clean)
        if len(self.names) > MAX_FILES:
            raise StoreError(f"{self.name}: more than {MAX_FILES} files; nothing of it was kept")
        if self.wanted(clean) and (stream := reader()) is not None:
            with stream:
                self._write(self.target / clean, stream)
            if executable:
                (self.target / clean).chmod(0o755)

    def link(self, entry: str, to: str) -> None:
        """Remember a link: it is made when every file is there, so that nothing is written through it."""
        clean = self.enter(entry)
        if self.links and self.wanted(clean):
            self.pending.append((clean, to))

    def finish(self) -> tuple[str, ...]:
        """Make the links; the names of all files of the archive, sorted."""
        make_links(self.target, self.pending)
        return tuple(sorted(self.names))

    def _write(self, path: Path, stream: IO[bytes]) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("xb") as writer:
            while chunk := stream.read(_CHUNK):
                self.written += len(chunk)
                if self.written > self.limit:
                    raise StoreError(f"{self.name}: unpacks to more than {self.limit} bytes; nothing of it was kept")
                writer.write(chunk)


def unpack(
    archive: Path, target: Path, *, name: str = "", wanted: Wanted = everything, links: bool = False
) -> tuple[str, ...]:
    """Unpack the wanted files of a .zip or .tar(.gz|.bz2|.xz) below ``target``; return the names of all its files.

    Raises StoreError for an archive that leads out of itself, is too big when unpacked, is damaged, or is no archive.
    """
    import tarfile
    import zipfile

    name = name or archive.name
    limit = min(MAX_BYTES, max(ALWAYS_ALLOWED, MAX_RATIO * archive.stat().st_size))
    unpacking = _Unpacking(target, wanted, name, limit, links)
    with _complaints(name):
        # A tar that ends with a zip looks like a zip, so tar is asked first.
        if tarfile.is_tarfile(archive):
            with tarfile.open(archive, "r:*") as tar:
                _untar(tar, unpacking)
        elif zipfile.is_zipfile(archive):
            _unzip(archive, unpacking)
        else:
            raise StoreError(f"{name}: is no archive", hint="it must be a .zip, .tar, .tar.gz, .tar.bz2 or .tar.xz")
        return unpacking.finish()


def unpack_tar(stream: IO[bytes], target: Path, *, name: str, limit: int, wanted: Wanted) -> tuple[str, ...]:
    """The same for a tar that another program writes; ``limit`` is in bytes of what is kept."""
    import tarfile

    unpacking = _Unpacking(target, wanted, name, limit)
    with _complaints(name), tarfile.open(fileobj=stream, mode="r|") as tar:
        _untar(tar, unpacking)
        return unpacking.finish()


def is_archive(path: Path) -> bool:
    """Whether a file is something that ``unpack`` unpacks."""
    import tarfile
    import zipfile

    return tarfile.is_tarfile(path) or zipfile.is_zipfile(path)


def make_links(root: Path, links: Sequence[tuple[str, str]]) -> None:
    """Make the links that stay inside ``root``, in whatever order they come: one may lead to another."""
    left = list(links)
    while made := [link for link in left if make_link(root, *link)]:
        left = [link for link in left if link not in made]


def make_link(root: Path, name: str, to: str) -> bool:
    """Make a symbolic link inside ``root``; False, and none, where it would lead out of it or nowhere.

    An absolute target means one below ``root``, as in a package that was made for ``/``.
    """
    place = root / name
    target = root / to.lstrip("/") if to.startswith("/") else place.parent / to
    inside = Path(os.path.normpath(target))
    if not inside.is_relative_to(root) or inside == place or place.exists() or not inside.exists():
        return False
    if not inside.resolve().is_relative_to(root.resolve()) or not place.parent.resolve().is_relative_to(root.resolve()):
        return False
    place.parent.mkdir(parents=True, exist_ok=True)
    place.unlink(missing_ok=True)
    place.symlink_to(os.path.relpath(inside, place.parent))
    return True


@contextmanager
def _complaints(name: str) -> Iterator[None]:
    import gzip
    import lzma
    import tarfile
    import zipfile
    import zlib

    damaged = (tarfile.TarError, zipfile.BadZipFile, EOFError, lzma.LZMAError, zlib.error, NotImplementedError)
    # One name is both a file and a folder, or two names differ only where this file system does not tell them apart.
    clashes = (FileExistsError, NotADirectoryError, IsADirectoryError, gzip.BadGzipFile)
    try:
        yield
    except (*damaged, *clashes) as error:
        raise StoreError(f"{name}: cannot be unpacked: {error}", hint="the archive is damaged or unusual") from error
    except RuntimeError as error:  # what zipfile raises for a password
        raise StoreError(f"{name}: cannot be unpacked: {error}", hint="an archive must have no password") from error


def _unzip(archive: Path, unpacking: _Unpacking) -> None:
    import zipfile

    with zipfile.ZipFile(archive) as opened:
        for entry in opened.infolist():
            mode = entry.external_attr >> 16
            if entry.is_dir():
                unpacking.enter(entry.filename)
            elif stat.S_ISLNK(mode):
                if entry.file_size > _LONGEST_LINK:
                    raise StoreError(f"{unpacking.name}: {entry.filename!r} is no honest link; nothing of it was kept")
                unpacking.link(entry.filename, opened.read(entry).decode("utf-8", "replace"))
            else:
                unpacking.file(entry.filename, lambda entry=entry: opened.open(entry), bool(mode & 0o111))  # type: ignore[misc]


def _untar(tar: TarFile, unpacking: _Unpacking) -> None:
    for entry in tar:
        if entry.isreg():
            unpacking.file(entry.name, lambda entry=entry: tar.extractfile(entry), bool(entry.mode & 0o111))  # type: ignore[misc]
        elif entry.issym():
            unpacking.link(entry.name, entry.linkname)
        elif entry.islnk():
            unpacking.link(entry.name, "/" + unpacking.enter(entry.linkname))
        else:
            unpacking.enter(entry.name)
