"""Leaves out of a record whose machine it was: paths, the user's name and the host's.

Paths of the system itself (/proc, /usr …) stay: they say where a fact was read, and whose machine it is they do not.
Names are taken out of free texts only (errors, parameters, what programs said): elsewhere a user called "benchmark"
would change what the record means. Files beside the record (jobs, what programs printed) stay as they are.
"""

from __future__ import annotations

import getpass
import os
import platform
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

PATH = "(path left out)"
NAME = "(name left out)"

_SYSTEM = ("bin", "dev", "etc", "lib", "lib32", "lib64", "proc", "run", "sbin", "sys", "usr")
_END = r"[^\s\"'`<>|;,()\[\]{}]"
# Two parts or more, or one that is longer than a unit ("66.8 /s"); a drive's letter on Windows.
_BEGIN = r"(?:(?<![\w./)])|(?<=-I)|(?<=-L))"  # -I and -L of compilers hold on to theirs
_PATHS = re.compile(rf"{_BEGIN}(?:/[\w.@+~-]+(?:/{_END}*)+|/[\w.@+~-]{{4,}}|[A-Za-z]:\\{_END}+)(?<![:.])")
_FREE = {"error", "hint", "message", "metrics", "notes", "others", "output", "parameters", "reasons", "summary", "why"}


class Scrubber:
    """Takes out ``names`` and every path; ``roots`` are folders whose paths may hold spaces."""

    def __init__(self, names: Iterable[str], roots: Iterable[str]) -> None:
        known = sorted({name for name in names if name}, key=len, reverse=True)
        self._names = re.compile(rf"(?<![\w-])(?:{'|'.join(map(re.escape, known))})(?![\w-])") if known else None
        folders = sorted({root for root in roots if len(root) > 1}, key=len, reverse=True)
        self._roots = (
            re.compile(rf"(?:{'|'.join(map(re.escape, folders))})(?:[/\\]{_END}*(?<![:.]))?") if folders else None
        )

    @classmethod
    def of_this_machine(cls, *folders: Path) -> Scrubber:
        """For this user and host; ``folders`` are more places whose paths are to go."""
        host = platform.node()
        home = Path.home()
        roots = (home, Path.cwd(), *folders)
        return cls([_user(), home.name, host, host.partition(".")[0]], [str(root) for root in roots])

    def document(self, document: Mapping[str, Any]) -> dict[str, Any]:
        """The same document without what it should not tell."""
        return {key: self._value(value, free=key in _FREE) for key, value in document.items()}

    def _value(self, value: Any, *, free: bool) -> Any:
        if isinstance(value, str):
            return self._text(value, free=free)
        if isinstance(value, Mapping):
            return {
                self._text(key, free=False): self._value(each, free=free or key in _FREE) for key, each in value.items()
            }
        if isinstance(value, list | tuple):
            return [self._value(each, free=free) for each in value]
        return value

    def _text(self, text: str, *, free: bool) -> str:
        if self._roots:
            text = self._roots.sub(PATH, text)
        text = _PATHS.sub(_unless_of_the_system, text)
        return self._names.sub(NAME, text) if free and self._names else text


def _unless_of_the_system(found: re.Match[str]) -> str:
    first = found[0].split("/")[1] if found[0].startswith("/") else ""
    return found[0] if first in _SYSTEM else PATH


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):  # a user that the system has no name for
        return os.environ.get("USER", "")
