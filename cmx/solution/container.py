"""The zip file behind an archive, in exactly one form: members as they are, one after another, with fixed dates.

For given names and bytes there is one such file, whatever Python or zlib writes it. Reading holds every byte that is
no member's content against what would have been written, so that nothing can hide between the members, and nothing is
interpreted twice in two ways. Every zip program can read it.
"""

from __future__ import annotations

import os
import stat
import struct
from collections.abc import Iterable, Iterator
from io import FileIO
from typing import NamedTuple, NoReturn

from cmx.errors import StoreError

MAX_DIRECTORY = 64 << 20
"""The longest list of members that is read, in bytes."""

_LOCAL = struct.Struct("<4s5H3L2H")
_ENTRY = struct.Struct("<4s4B4H3L5H2L")
_END = struct.Struct("<4s4H2LH")
_END64 = struct.Struct("<4sQ2H2L4Q")
_LOCATOR = struct.Struct("<4sLQL")
_BIG, _MANY = 0xFFFFFFFF, 0xFFFF
_UTF8, _STORED, _UNIX, _DATE = 0x800, 0, 3, 0x21  # 1980-01-01
_PLAIN, _WIDE = 20, 45  # the versions of the format that are needed
_FILE_MODE = (stat.S_IFREG | 0o644) << 16
_WIDE_FIELD = 1
AGAIN = "it was altered, or damaged on its way: get it again from where it came from"


class Entry(NamedTuple):
    """One member: its name, size in bytes, CRC-32, and where its header begins."""

    name: str
    size: int
    crc: int
    offset: int

    @property
    def local(self) -> bytes:
        """The header before its content."""
        name, wide = self.name.encode(), self.size >= _BIG
        size = _BIG if wide else self.size
        more = struct.pack("<2H2Q", _WIDE_FIELD, 16, self.size, self.size) if wide else b""
        version = _WIDE if wide else _PLAIN
        head = (version, _UTF8, _STORED, 0, _DATE, self.crc, size, size, len(name), len(more))
        return _LOCAL.pack(b"PK\3\4", *head) + name + more

    @property
    def listed(self) -> bytes:
        """What the list at the end says of it."""
        name = self.name.encode()
        wide = [self.size] * 2 if self.size >= _BIG else []
        wide += [self.offset] if self.offset >= _BIG else []
        more = struct.pack(f"<2H{len(wide)}Q", _WIDE_FIELD, 8 * len(wide), *wide) if wide else b""
        version = _WIDE if wide else _PLAIN
        size = min(self.size, _BIG)
        head = (version, _UNIX, version, 0, _UTF8, _STORED, 0, _DATE, self.crc, size, size, len(name), len(more))
        return _ENTRY.pack(b"PK\1\2", *head, 0, 0, 0, _FILE_MODE, min(self.offset, _BIG)) + name + more

    @property
    def content(self) -> int:
        """Where its content begins."""
        return self.offset + len(self.local)

    @property
    def end(self) -> int:
        """Where what follows it begins."""
        return self.content + self.size


def directory(entries: Iterable[Entry], at: int) -> bytes:
    """The list of members and what ends the file, where the list begins at ``at``."""
    listed = [entry.listed for entry in entries]
    return b"".join(listed) + _tail(len(listed), sum(map(len, listed)), at)


def read_directory(stream: FileIO, name: str) -> list[Entry]:
    """The members of a zip file of this form, in its order. Raises StoreError for any other; ``name`` is for messages.

    The contents are not looked at, nor the headers before them (``check_header``).
    """
    total = stream.seek(0, os.SEEK_END)
    count, length, at = _read_tail(stream, total, name)
    if length > MAX_DIRECTORY:
        raise StoreError(
            f"{name}: its list of members is {length} bytes long", hint=f"at most {MAX_DIRECTORY} are read"
        )
    if at + length > total or at + length + len(_tail(count, length, at)) != total:
        _damaged(name, "its parts do not add up to its size: something was cut out or put in")
    tail = _tail(count, length, at)
    stream.seek(at)
    raw = _read(stream, length + len(tail))
    entries = list(_entries(raw[:length], name))
    if len(entries) != count or raw[length:] != tail:
        _damaged(name, "its end does not match its list of members")
    here = 0
    for entry in entries:
        if entry.offset != here:
            _damaged(name, f"{entry.name!r} does not begin where the member before it ends")
        here = entry.end
    if here != at:
        _damaged(name, "there is something between its members and their list")
    return entries


def check_header(stream: FileIO, entry: Entry, name: str) -> None:
    """Read the header before a member's content. Raises StoreError where it is not what the list says."""
    if _read(stream, len(entry.local)) != entry.local:
        _damaged(name, f"{entry.name!r} has a header that differs from what the list of members says")


def _tail(count: int, length: int, at: int) -> bytes:
    end = _END.pack(b"PK\5\6", 0, 0, min(count, _MANY), min(count, _MANY), min(length, _BIG), min(at, _BIG), 0)
    if count < _MANY and length < _BIG and at < _BIG:
        return end
    wide = _END64.pack(
        b"PK\6\6", _END64.size - 12, _UNIX << 8 | _WIDE, _WIDE, 0, 0, count, count, length, at
    ) + _LOCATOR.pack(b"PK\6\7", 0, at + length, 1)
    return wide + end


def _read_tail(stream: FileIO, total: int, name: str) -> tuple[int, int, int]:
    """How many members there are, how long their list is, and where it begins."""
    stream.seek(0)
    begins = _read(stream, 4) == b"PK\3\4"
    stream.seek(max(total - _END.size, 0))
    last = _read(stream, _END.size)
    if len(last) != _END.size or last[:4] != b"PK\5\6":
        if begins:
            _damaged(name, "its end is missing, or something follows it")
        raise StoreError(f"{name}: is no archive of cmx", hint="'cmx solution pack' makes one")
    _, _, _, _, count, length, at, _ = _END.unpack(last)
    if count == _MANY or length == _BIG or at == _BIG:
        wide = _END64.size + _LOCATOR.size
        stream.seek(max(total - _END.size - wide, 0))
        raw = _read(stream, wide)
        if len(raw) != wide or raw[:4] != b"PK\6\6":
            _damaged(name, "its end is incomplete")
        count, length, at = _END64.unpack(raw[: _END64.size])[-3:]
    return count, length, at


def _entries(raw: bytes, name: str) -> Iterator[Entry]:
    """The members of a list, each held against what cmx would have written of it."""
    records = list(_records(raw, name))
    for member, fields, _, _ in records:
        _refuse_unusual(name, member, flags=fields[5], method=fields[6], mode=fields[17] >> 16)
    for member, fields, wide, record in records:
        entry = _entry(member, fields, wide)
        if entry is None or entry.listed != record:
            what = f"{member!r} is listed in a way that cmx does not write"
            raise StoreError(f"{name}: {what}", hint=f"was it zipped again by another program? Otherwise {AGAIN}")
        yield entry


def _records(raw: bytes, name: str) -> Iterator[tuple[str, tuple[int, ...], bytes, bytes]]:
    """For each member its name, the fields of its record, the wide ones, and the record itself."""
    place = 0
    while place < len(raw):
        if len(raw) - place < _ENTRY.size:
            _damaged(name, "its list of members is incomplete")
        fields = _ENTRY.unpack_from(raw, place)
        named = place + _ENTRY.size + fields[12]
        ends = named + fields[13] + fields[14]
        text = raw[place + _ENTRY.size : named]
        try:
            member = text.decode()
        except UnicodeDecodeError:
            raise StoreError(f"{name}: the name {text!r} is not UTF-8", hint=AGAIN) from None
        yield member, fields, raw[named + 4 : ends], raw[place:ends]
        place = ends


def _entry(member: str, fields: tuple[int, ...], wide: bytes) -> Entry | None:
    """The entry that these fields mean; None where the wide ones are not there."""
    numbers = list(struct.unpack(f"<{len(wide) // 8}Q", wide[: len(wide) // 8 * 8]))
    size, offset = fields[11], fields[18]
    try:
        if size == _BIG:
            size = numbers[1]
            del numbers[:2]
        if offset == _BIG:
            offset = numbers[0]
    except IndexError:
        return None
    return Entry(member, size, fields[9], offset)


def _refuse_unusual(name: str, member: str, *, flags: int, method: int, mode: int) -> None:
    """Raise StoreError for what no archive of cmx holds, in words that say what it is."""
    kind = stat.S_IFMT(mode)
    if kind == stat.S_IFLNK:
        raise StoreError(f"{name}: {member!r} is a link", hint="an archive holds plain files only; nothing was kept")
    if kind == stat.S_IFDIR or member.endswith("/"):
        raise StoreError(f"{name}: {member!r} is a folder", hint="an archive lists its files only; pack it with cmx")
    if kind not in (0, stat.S_IFREG):
        raise StoreError(
            f"{name}: {member!r} is a device or another special file",
            hint="an archive holds plain files only; nothing was kept",
        )
    if flags & 1:
        raise StoreError(f"{name}: {member!r} has a password", hint="an archive must have none")
    if method != _STORED:
        raise StoreError(
            f"{name}: {member!r} is compressed, so it may unpack to any size",
            hint="cmx keeps members as they are; pack it with 'cmx solution pack'",
        )


def _read(stream: FileIO, count: int) -> bytes:
    """So many bytes, or fewer at the end of the file."""
    parts = []
    while count > 0 and (part := stream.read(count)):
        parts.append(part)
        count -= len(part)
    return b"".join(parts)


def _damaged(name: str, what: str) -> NoReturn:
    raise StoreError(f"{name}: {what}", hint=AGAIN)
