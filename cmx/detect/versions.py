"""Reads a version out of a text, or out of a file; starts nothing."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from cmx.component import Reading
from cmx.detect.listing import Listings
from cmx.pattern import clip, compiled

_FILE_LIMIT = 16 * 1024
# What may be called a version: nobody's password becomes one because a pattern says so.
_VERSION = re.compile(r"\d[\w.+~-]{0,63}", re.ASCII)


def version_in(pattern: re.Pattern[str], text: str, limit: int = 4096) -> str:
    """What a pattern's groups matched in the beginning of a text, joined by dots; "" when that is no version."""
    match = pattern.search(clip(text, limit))
    if match is None:
        return ""
    found = ".".join(group for group in match.groups() if group) if pattern.groups else match[0]
    return found if _VERSION.fullmatch(found) else ""


def read_version(read: Sequence[Reading], path: Path, listings: Listings) -> str:
    """The version of a file by the first reading that gives one; "" when none does. Raises re.error for no pattern."""
    real = os.path.realpath(path)
    for reading in read:
        pattern = compiled(reading.version)
        for text in _texts(reading.file, path, real, listings):
            if version := version_in(pattern, text, _FILE_LIMIT):
                return version
    return ""


def _texts(file: str, path: Path, real: str, listings: Listings) -> Iterator[str]:
    if not file:
        yield from dict.fromkeys((real.replace(os.sep, "/"), path.as_posix()))
        return
    if file == "{path}":
        yield _head(real)
        return
    if os.path.isabs(file):  # noqa: PTH117
        beside = listings.rooted(file)
    else:
        beside = os.path.normpath(os.path.join(os.path.dirname(real), file)).replace(os.sep, "/")  # noqa: PTH118, PTH120
    for each in listings.expand(beside):
        yield _head(each)


def _head(file: str) -> str:
    """The beginning of a regular file, zero bytes as line ends; "" for none: a pipe or a device is never opened."""
    try:
        if not os.path.isfile(file):  # noqa: PTH113
            return ""
        with open(file, "rb") as stream:  # noqa: PTH123
            return stream.read(_FILE_LIMIT).replace(b"\0", b"\n").decode("utf-8", "replace")
    except OSError:
        return ""
