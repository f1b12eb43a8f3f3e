"""What executables answered before. An answer is used only while the file that gave it is the same."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from cmx.detect.finding import Identity

SCHEMA = 1
# Two writes this close together can leave one modification time: an answer got so soon after a write is not kept.
_RACY_NS = 2_000_000_000
# A failure may come from something outside the file (a missing library, a busy machine): it is tried again.
_FAILURE_LASTS_NS = 600 * 1_000_000_000

Answer = Mapping[str, Any]


class AnswerCache:
    """Answers by (question, executable), in one JSON file that several processes may write.

    The file is replaced whole; of two processes that write at once one's answers may be lost, and are asked again.
    A file that cannot be read or written means asking again, never an error.
    """

    def __init__(self, file: Path, clock: Callable[[], int] = time.time_ns) -> None:
        self._file = file
        self._clock = clock
        self._entries: dict[str, dict[str, Any]] | None = None
        self._new: dict[str, dict[str, Any]] = {}

    def get(self, question: str, identity: Identity) -> Answer | None:
        """What the file answered, if it is the same file; a failure only for ten minutes."""
        if self._entries is None:
            self._entries = self._read()
        entry = self._entries.get(_key(question, identity.path))
        if entry is None or entry.get("file") != _stamp(identity):
            return None
        answer = entry.get("answer")
        if not isinstance(answer, dict):
            return None
        if "reason" in answer and not 0 <= self._clock() - entry.get("at", 0) < _FAILURE_LASTS_NS:
            return None
        return answer

    def put(self, question: str, identity: Identity, answer: Answer) -> None:
        """Remember an answer, unless the file changed while it was asked, or so lately that a change could hide."""
        now = self._clock()
        if now - max(identity.mtime_ns, identity.changed_ns) < _RACY_NS or _changed(identity):
            return
        entry = {"path": str(identity.path), "file": _stamp(identity), "at": now, "answer": dict(answer)}
        self._new[_key(question, identity.path)] = entry

    def save(self) -> None:
        """Write what is new beside what other processes wrote meanwhile; without what is gone."""
        if not self._new:
            return
        from cmx.errors import CmxError
        from cmx.files import write_atomically

        kept = {key: entry for key, entry in self._read().items() if Path(str(entry.get("path"))).exists()}
        self._entries = kept | self._new
        self._new = {}
        try:
            write_atomically(self._file, json.dumps({"schema": SCHEMA, "answers": self._entries}))
        except (CmxError, OSError):
            return

    def _read(self) -> dict[str, dict[str, Any]]:
        try:
            document = json.loads(self._file.read_bytes())
        except (OSError, ValueError):
            return {}
        if not isinstance(document, dict) or document.get("schema") != SCHEMA:
            return {}
        answers = document.get("answers")
        if not isinstance(answers, dict):
            return {}
        return {key: entry for key, entry in answers.items() if isinstance(entry, dict)}


def _key(question: str, path: Path) -> str:
    return f"{question} {path}"


def _stamp(identity: Identity) -> list[int]:
    return [identity.mtime_ns, identity.size, identity.inode, identity.changed_ns]


def _changed(identity: Identity) -> bool:
    now = Identity.of(identity.path)
    return now is None or _stamp(now) != _stamp(identity)
