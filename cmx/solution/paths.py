"""Names of members that mean the same file, inside the folder, on every system."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

MAX_LENGTH = 512
_MAX_PART = 200
_RESERVED = re.compile(r"(?i)(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³]|conin\$|conout\$)(\..*)?")
_UNSAFE = re.compile(r'[\\:*?"<>|]')


def fault(path: str) -> str:
    """What is wrong with a member's name, as the end of a sentence; "" when nothing is."""
    if path.startswith("/") or re.match("[A-Za-z]:", path):
        return "is an absolute path"
    parts = path.split("/")
    if ".." in parts:
        return "leads out of the archive"
    if "\\" in path:
        return "leads out of the archive on Windows, where '\\' separates folders"
    if any(unicodedata.category(letter) in ("Cc", "Cs", "Co", "Cn", "Cf") for letter in path):
        return "holds characters that cannot be seen"
    if unicodedata.normalize("NFC", path) != path:
        return "is not in Unicode's normal form, so that two such names may be one file"
    if len(path.encode()) > MAX_LENGTH or any(len(part.encode()) > _MAX_PART for part in parts):
        return "is longer than every system can keep"
    if any(part in ("", ".") for part in parts):
        return "has an empty part"
    if _UNSAFE.search(path) or any(part[-1] in ". " or _RESERVED.fullmatch(part) for part in parts):
        return "is no name for a file on Windows"
    return ""


def clash(paths: Iterable[str]) -> str:
    """Two names that cannot both be files, here or on a disk that does not tell capitals; "" when there are none."""
    known: dict[str, tuple[str, bool]] = {}
    seen: set[str] = set()
    for path in paths:
        if path in seen:
            return f"{path!r} is there twice"
        seen.add(path)
        parts = path.split("/")
        for depth in range(1, len(parts) + 1):
            place, is_file = "/".join(parts[:depth]), depth == len(parts)
            before, was_file = known.setdefault(unicodedata.normalize("NFKC", place).casefold(), (place, is_file))
            if before != place:
                return f"{before!r} and {place!r} are one name on a disk that does not tell capitals"
            if was_file != is_file:
                return f"{place!r} is a file and a folder"
    return ""
