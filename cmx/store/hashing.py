"""sha256 of files and of documents."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from io import FileIO
from pathlib import Path
from typing import Any

_CHUNK = 1 << 20


def chunks(stream: FileIO) -> Iterator[memoryview]:
    """The bytes of a stream, at most 1 MiB at a time, in a buffer that is used again."""
    buffer = bytearray(_CHUNK)
    view = memoryview(buffer)
    while count := stream.readinto(buffer):
        yield view[:count]


def sha256_of(path: Path) -> str:
    """The sha256 of a file's bytes, as 64 hex digits; constant memory. Raises OSError if it cannot be read."""
    digest = hashlib.sha256()
    with path.open("rb", buffering=0) as stream:
        for chunk in chunks(stream):
            digest.update(chunk)
    return digest.hexdigest()


def key_of(document: Mapping[str, Any]) -> str:
    """The key of whatever is determined by ``document`` (JSON values only): equal documents, equal keys."""
    canonical = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return hashlib.sha256(canonical.encode()).hexdigest()
