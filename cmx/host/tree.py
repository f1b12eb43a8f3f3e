"""Reads /proc and /sys below any root, so that a captured machine can be asked what a real one is."""

from __future__ import annotations

from pathlib import Path


class Missing(Exception):
    """A fact cannot be had; the message is the reason, as a person reads it."""


class Tree:
    """The files of one machine, read at most once each. Paths are written as on that machine: "/proc/stat"."""

    def __init__(self, root: Path = Path("/")) -> None:
        self.root = root
        self._texts: dict[str, str] = {}

    @property
    def live(self) -> bool:
        """Whether this is the running machine, so that its own interfaces (confstr, sysctl) say the same."""
        return self.root == Path("/")

    def locate(self, path: str) -> Path:
        """Where a path of that machine lies."""
        return self.root / path.lstrip("/")

    def read(self, path: str) -> str:
        """The text of a file, without white space (or the device tree's NUL) at its ends. Raises Missing."""
        if path not in self._texts:
            self._texts[path] = self._load(path)
        return self._texts[path]

    def _load(self, path: str) -> str:
        try:
            return self.locate(path).read_bytes().decode("utf-8", "replace").strip(" \t\r\n\0")
        except FileNotFoundError:
            raise Missing(f"{path} is not there") from None
        except OSError as error:
            raise Missing(f"{path}: {error.strerror or error}") from None

    def number(self, path: str) -> int:
        """The one whole number in a file. Raises Missing."""
        text = self.read(path)
        try:
            return int(text)
        except ValueError:
            raise Missing(f"{path} holds {text[:40]!r}, not a number") from None

    def exists(self, path: str) -> bool:
        """Whether there is anything at a path."""
        try:
            return self.locate(path).exists()
        except OSError:
            return False

    def find(self, folder: str, pattern: str) -> list[str]:
        """The paths below ``folder`` that match a glob, in order; none when there is no such folder."""
        try:
            return sorted(f"/{path.relative_to(self.root).as_posix()}" for path in self.locate(folder).glob(pattern))
        except OSError:
            return []

    def first(self, *paths: str) -> tuple[str, str]:
        """The first of several files that can be read and holds something, and its text. Raises Missing for all."""
        reasons = []
        for path in paths:
            try:
                text = self.read(path)
            except Missing as reason:
                reasons.append(str(reason))
                continue
            if text:
                return path, text
            reasons.append(f"{path} is empty")
        raise Missing("; ".join(reasons))


def cpu_list(text: str) -> list[int]:
    """The CPUs in the kernel's list format: "0-2,8" is [0, 1, 2, 8]. Raises ValueError."""
    cpus: list[int] = []
    for part in filter(None, text.split(",")):
        first, _, last = part.partition("-")
        cpus.extend(range(int(first), int(last or first) + 1))
    return cpus
