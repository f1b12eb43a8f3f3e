"""A solution's archive: written in one form, and read in one pass that trusts nothing it has not hashed.

The order of members is fixed: the manifest first, the files by name, a signature last, so that signing changes no
byte before it.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
import tempfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from io import FileIO
from pathlib import Path
from typing import IO, Any

from cmx.errors import ComponentInvalid, StoreError, UsageError
from cmx.files import disk_failures, readable
from cmx.solution import paths
from cmx.solution.container import AGAIN, Entry, check_header, directory, read_directory
from cmx.solution.manifest import MANIFEST, MAX_BYTES, SIGNATURE, File, Manifest, parse

MAX_FILES = 100_000
"""The most members that are read."""

_CHUNK = 1 << 20
_OWN = (MANIFEST, SIGNATURE)

Member = bytes | Path
Wanted = Callable[[str], bool]


def write(
    manifest: Manifest, members: Mapping[str, Member], to: Path, *, sign: Callable[[bytes], bytes] = lambda _: b""
) -> Manifest:
    """Write an archive; the manifest that lies in it, which lists the members with their sizes and hashes.

    ``sign`` gives the envelope for a manifest's bytes, before anything is written; b"" for none. Equal members and
    manifests give equal bytes. Raises StoreError where it cannot be written, or a member's file changes meanwhile;
    UsageError for a name that not every system can keep. Nothing half-written is left.
    """
    names = sorted(members)
    if wrong := next((f"{name!r} {what}" for name in names if (what := paths.fault(name))), "") or paths.clash(names):
        raise UsageError(f"{wrong}, so it cannot be packed", hint="rename it")
    measured = {name: _measure(members[name]) for name in names}
    files = tuple(File(name, size, digest) for name, (size, _, digest) in measured.items())
    whole = replace(manifest, files=files, limits={"files": len(files), "bytes": sum(file.size for file in files)})
    raw = whole.encoded()
    _check_own(raw)
    contents: list[tuple[str, int, int, Member]] = [(MANIFEST, len(raw), zlib.crc32(raw), raw)]
    contents += [(name, size, crc, members[name]) for name, (size, crc, _) in measured.items()]
    if signature := sign(raw):
        contents.append((SIGNATURE, len(signature), zlib.crc32(signature), signature))
    with _replacing(to) as stream:
        _write_members(stream, contents)
    return whole


def write_signed(archive: Archive, signature: bytes, to: Path) -> None:
    """The same archive with this envelope instead of its own, or with none (b""); ``to`` may be the archive itself."""
    entries = [entry for entry in archive.entries if entry.name != SIGNATURE]
    end = entries[-1].end
    with archive.stream() as source, _replacing(to) as stream:
        shutil.copyfileobj(_Part(source, end), stream, _CHUNK)
        if signature:
            entries.append(Entry(SIGNATURE, len(signature), zlib.crc32(signature), end))
            stream.write(entries[-1].local + signature)
        stream.write(directory(entries, entries[-1].end))


class Archive:
    """An archive whose list of members and manifest were read and agree; contents are verified as they are read.

    ``manifest`` is what it says of itself, ``raw_manifest`` the bytes that a signature is for, ``signature`` the
    envelope beside it (None: unsigned).
    """

    def __init__(
        self, path: Path, entries: tuple[Entry, ...], manifest: Manifest, raw: bytes, signature: bytes | None
    ) -> None:
        self.path = path
        self.entries = entries
        self.manifest = manifest
        self.raw_manifest = raw
        self.signature = signature
        self._files = {file.path: file for file in manifest.files}
        self._entries = {entry.name: entry for entry in entries}

    @classmethod
    def open(cls, path: Path) -> Archive:
        """Read the list of members and the manifest; nothing else is read yet.

        Raises UsageError where there is no file, StoreError for what is no archive or was altered, ComponentInvalid
        for a manifest that breaks its schema.
        """
        with _opened(path) as stream:
            entries = read_directory(stream, path.name)
            _check_names(entries, path.name)
            raw = _small(stream, entries[0], path.name)
            manifest = Manifest.read(raw, f"{path.name}: {MANIFEST}")
            _check_list(entries, manifest, path.name)
            last = entries[-1]
            signature = _small(stream, last, path.name) if last.name == SIGNATURE else None
        return cls(path, tuple(entries), manifest, raw, signature)

    @property
    def digest(self) -> str:
        """The sha256 of the manifest, which holds those of everything else: what a signature is for."""
        return hashlib.sha256(self.raw_manifest).hexdigest()

    def read(self, member: str) -> bytes:
        """A member's bytes, verified. Raises UsageError if there is none of this name, StoreError if it was altered."""
        if member == MANIFEST:
            return self.raw_manifest
        if member not in self._files:
            raise UsageError(f"{self.path.name} holds no {member}", hint="cmx solution show lists what it holds")
        with self.stream() as stream:
            stream.seek(self._entries[member].offset)
            parts: list[bytes] = []
            self._copy(stream, self._entries[member], parts.append)
        return b"".join(parts)

    def document(self, member: str) -> dict[str, Any]:
        """A member that is a JSON object, verified."""
        if member in self._files and self._files[member].size > MAX_BYTES:
            raise StoreError(f"{self.path.name}: {member}: longer than {MAX_BYTES} bytes", hint=AGAIN)
        return parse(self.read(member), f"{self.path.name}: {member}")

    def verify(self) -> None:
        """Hash everything, in one pass. Raises StoreError for the first thing that is not as the manifest says."""
        with self.stream() as stream:
            for entry in self.entries:
                self._copy(stream, entry, None)

    def unpack(self, folder: Path, wanted: Wanted = lambda _: True) -> None:
        """Write the wanted members, manifest and signature among them, below a new folder, all of them verified.

        What is not wanted is verified all the same, in the same pass. The folder appears when all is well, or not at
        all. Raises UsageError if it is there already, StoreError as ``verify``.
        """
        if folder.exists():
            raise UsageError(f"{folder} is there already", hint="name a folder that is not there yet")
        with disk_failures(folder.parent, f"unpacking {self.path.name}", needed=self.manifest.limits["bytes"]):
            folder.parent.mkdir(parents=True, exist_ok=True)
            making = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
            try:
                with self.stream() as stream:
                    for entry in self.entries:
                        self._write_member(stream, entry, making, wanted)
                making.chmod(0o755)
                making.rename(folder)
            except BaseException:
                shutil.rmtree(making, ignore_errors=True)
                raise

    @contextmanager
    def stream(self) -> Iterator[FileIO]:
        """The archive's file, opened for reading."""
        with _opened(self.path) as stream:
            yield stream

    def _write_member(self, stream: FileIO, entry: Entry, folder: Path, wanted: Wanted) -> None:
        if not wanted(entry.name):
            self._copy(stream, entry, None)
            return
        place = folder / entry.name
        place.parent.mkdir(parents=True, exist_ok=True)
        with place.open("xb") as writer:
            self._copy(stream, entry, writer.write)

    def _copy(self, stream: FileIO, entry: Entry, write: Callable[[bytes], object] | None) -> None:
        """Read one member from where the stream stands, hash it, hand it on, and compare."""
        name = self.path.name
        check_header(stream, entry, name)
        digest, crc, left = hashlib.sha256(), 0, entry.size
        while left and (chunk := stream.read(min(left, _CHUNK))):
            digest.update(chunk)
            crc = zlib.crc32(chunk, crc)
            left -= len(chunk)
            if write:
                write(chunk)
        found, expected = digest.hexdigest(), self._expected(entry.name)
        if left or found != expected:
            message = "ends too early" if left else f"sha256 is {found}, and the manifest says {expected}"
            raise StoreError(f"{name}: {entry.name}: {message}", hint=AGAIN)
        if crc != entry.crc:
            raise StoreError(f"{name}: {entry.name}: CRC-32 is {crc:08x}, and {entry.crc:08x} is listed", hint=AGAIN)

    def _expected(self, member: str) -> str:
        if member in self._files:
            return self._files[member].sha256
        return hashlib.sha256(self.raw_manifest if member == MANIFEST else self.signature or b"").hexdigest()


def _check_own(raw: bytes) -> None:
    """Raise UsageError for a manifest that nobody would read: a name or a version that is none."""
    try:
        Manifest.read(raw, "the solution")
    except ComponentInvalid as error:
        raise UsageError(error.message, hint=error.hint) from error


def _check_names(entries: list[Entry], name: str) -> None:
    """Raise StoreError for members that no archive has, before anything that they say is believed."""
    for entry in entries:
        if what := paths.fault(entry.name):
            raise StoreError(f"{name}: {entry.name!r} {what}", hint="nothing of it was kept")
    if what := paths.clash(entry.name for entry in entries):
        raise StoreError(f"{name}: {what}", hint="nothing of it was kept")
    if not entries or entries[0].name != MANIFEST:
        raise StoreError(f"{name}: does not begin with {MANIFEST}", hint="'cmx solution pack' makes an archive")
    if len(entries) > MAX_FILES:
        raise StoreError(f"{name}: has {len(entries)} members", hint=f"at most {MAX_FILES} are read")


def _check_list(entries: list[Entry], manifest: Manifest, name: str) -> None:
    """Raise StoreError unless the members are those that the manifest lists, within the limits that it states."""
    here = {entry.name: entry.size for entry in entries if entry.name not in _OWN}
    said = {file.path: file.size for file in manifest.files}
    if len(said) < len(manifest.files):
        raise StoreError(f"{name}: {MANIFEST}: files: a path is there twice", hint=AGAIN)
    for member in sorted(here.keys() | said.keys()):
        if member not in said:
            raise StoreError(f"{name}: {member!r} is there, and the manifest does not list it", hint=AGAIN)
        if member not in here:
            raise StoreError(f"{name}: {member!r} is missing", hint=AGAIN)
        if here[member] != said[member]:
            what = f"is {here[member]} bytes long, and the manifest says {said[member]}"
            raise StoreError(f"{name}: {member!r} {what}", hint=AGAIN)
    limits = manifest.limits
    if len(here) > limits["files"] or sum(here.values()) > limits["bytes"]:
        held = f"{len(here)} files of {readable(sum(here.values()))}"
        stated = f"{limits['files']} files of {readable(limits['bytes'])}"
        raise StoreError(f"{name}: holds {held}, and its manifest states {stated} at most", hint=AGAIN)
    order = [MANIFEST, *sorted(said), *([SIGNATURE] if entries[-1].name == SIGNATURE else [])]
    if [entry.name for entry in entries] != order:
        raise StoreError(f"{name}: its members are not in order", hint=AGAIN)


def _small(stream: FileIO, entry: Entry, name: str) -> bytes:
    if entry.size > MAX_BYTES:
        raise StoreError(f"{name}: {entry.name}: is {entry.size} bytes long", hint=f"at most {MAX_BYTES} are read")
    stream.seek(entry.offset)
    check_header(stream, entry, name)
    raw = _Part(stream, entry.size).read(entry.size)
    if zlib.crc32(raw) != entry.crc:
        raise StoreError(f"{name}: {entry.name}: its bytes are not those that were listed", hint=AGAIN)
    return raw


class _Part:
    """The next so many bytes of a stream, as a stream."""

    def __init__(self, stream: FileIO, left: int) -> None:
        self._stream, self._left = stream, left

    def read(self, size: int = -1) -> bytes:
        """At most ``size`` bytes; b"" at the end."""
        parts = []
        wanted = self._left if size < 0 else min(size, self._left)
        while wanted and (part := self._stream.read(wanted)):
            parts.append(part)
            wanted -= len(part)
            self._left -= len(part)
        return b"".join(parts)


@contextmanager
def _opened(path: Path) -> Iterator[FileIO]:
    hint = "name an archive made by 'cmx solution pack'"
    try:
        if not stat.S_ISREG(path.stat().st_mode):  # a pipe would be waited for
            raise UsageError(f"{path}: is no file", hint=hint)
        stream = FileIO(path)
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}", hint=hint) from error
    with stream:
        yield stream


def _measure(member: Member) -> tuple[int, int, str]:
    """Size, CRC-32 and sha256."""
    if isinstance(member, bytes):
        return len(member), zlib.crc32(member), hashlib.sha256(member).hexdigest()
    digest, crc, size = hashlib.sha256(), 0, 0
    with member.open("rb", buffering=0) as stream:
        while chunk := stream.read(_CHUNK):
            digest.update(chunk)
            crc = zlib.crc32(chunk, crc)
            size += len(chunk)
    return size, crc, digest.hexdigest()


def _write_members(stream: IO[bytes], contents: list[tuple[str, int, int, Member]]) -> None:
    entries: list[Entry] = []
    for name, size, crc, member in contents:
        entry = Entry(name, size, crc, entries[-1].end if entries else 0)
        entries.append(entry)
        stream.write(entry.local)
        if isinstance(member, bytes):
            stream.write(member)
        elif _copy_file(member, stream) != (size, crc):
            raise StoreError(f"{member} changed while it was packed", hint="pack again")
    stream.write(directory(entries, entries[-1].end))


def _copy_file(path: Path, stream: IO[bytes]) -> tuple[int, int]:
    crc = size = 0
    with path.open("rb", buffering=0) as source:
        while chunk := source.read(_CHUNK):
            crc, size = zlib.crc32(chunk, crc), size + len(chunk)
            stream.write(chunk)
    return size, crc


@contextmanager
def _replacing(to: Path) -> Iterator[IO[bytes]]:
    """A file that takes its name when all of it is written."""
    temporary = to.with_name(f".{to.name}.{os.getpid()}.{os.urandom(4).hex()}")
    with disk_failures(to.parent, f"writing {to.name}"):
        to.parent.mkdir(parents=True, exist_ok=True)
        try:
            with temporary.open("xb") as stream:
                yield stream
            temporary.replace(to)
        finally:
            temporary.unlink(missing_ok=True)
