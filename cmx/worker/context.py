"""What an action is given: its roles, the products of the steps before it, a folder to write in, progress."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter_ns
from typing import Any, Dict, Optional

# What a model's variant may have of its own: Keras and TFLite want NHWC, int8 has other answers.
_OWN = ("inputs", "outputs", "preprocess", "postprocess", "reference")
_BETWEEN_EVENTS_NS = 200_000_000


@dataclass(frozen=True)
class Role:
    """What fills a role: a pinned component, and where its files lie.

    For a tool ``path`` is its executable, ``target`` the triple it makes programs for as it says it itself
    ("aarch64-linux-gnu"), and ``exports`` what it offers by name, as in {"CC": …}. ``settings`` are those that a
    framework's component declares, by their names there, where the plan has values for them.
    """

    reference: str
    variant: str
    path: Optional[Path]
    component: Mapping[str, Any]
    folder: Path
    target: str = ""
    exports: Mapping[str, str] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The name in ``kind/name==version``."""
        return self.reference.partition("/")[2].partition("==")[0]

    @property
    def version(self) -> str:
        """The version in ``kind/name==version``, "" if it says none."""
        return self.reference.partition("==")[2]

    @property
    def properties(self) -> Mapping[str, Any]:
        """The component's document, with what the role's variant, or else one that it is made from, has of its own."""
        variants = self.component.get("variants", {})
        own: Dict[str, Any] = {}
        name = self.variant
        while name in variants:
            own = {**{key: variants[name][key] for key in _OWN if key in variants[name]}, **own}
            name = variants[name].get("from", "")
        return {**self.component, **own}

    def get(self, key: str, default: Any = None) -> Any:
        """One of ``properties``."""
        return self.properties.get(key, default)

    @property
    def file(self) -> Path:
        """The one file that fills the role: ``path`` itself, or the only file in that folder.

        Raises FileNotFoundError when there is none or more than one.
        """
        if self.path is None:
            raise FileNotFoundError(f"{self.reference} has no file")
        if not self.path.is_dir():
            return self.path
        files = [path for path in sorted(self.path.iterdir()) if path.is_file()]
        if len(files) != 1:
            raise FileNotFoundError(f"{self.reference}: {self.path} holds {len(files)} files, expected one")
        return files[0]

    @property
    def place(self) -> Path:
        """The one file that fills the role, or the folder of several, as a SavedModel is. Raises FileNotFoundError."""
        several = self.path and self.path.is_dir() and len(list(self.path.iterdir())) > 1
        return self.path if self.path and several else self.file

    def document(self) -> Dict[str, Any]:
        """As ``job.json`` has it."""
        return {
            "reference": self.reference,
            "variant": self.variant,
            "path": str(self.path or ""),
            "component": dict(self.component),
            "folder": str(self.folder),
            "target": self.target,
            "exports": dict(self.exports),
            "settings": dict(self.settings),
        }


class Progress:
    """Writes ``progress.jsonl``: at most five events a second, so that it costs nothing while measuring.

    ``sample_s`` is how long a sample took at best in the warm-up, in s; 0.0 before there was one.
    """

    def __init__(self, path: Optional[Path]) -> None:
        self.sample_s = 0.0
        self._expected: Dict[str, Any] = {}
        self._begin = perf_counter_ns()
        self._next = self._begin if path else None
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644) if path else -1

    def __call__(self, done: int, total: Optional[int] = None, *, now_ns: Optional[int] = None) -> None:
        """Say how much is done; ``now_ns`` is a ``perf_counter_ns`` the caller has read already."""
        if self._next is None:
            return
        now = perf_counter_ns() if now_ns is None else now_ns
        if now >= self._next:
            self._next = now + _BETWEEN_EVENTS_NS
            self._write(done, total, now)

    def expect(self, seconds: float, *, at_least: bool) -> None:
        """Say how long what begins now will take: at least, or about, so many seconds."""
        self._expected = {"lasts": seconds, "at_least": at_least}
        self.finish(0)

    def finish(self, done: int, total: Optional[int] = None) -> None:
        """Say the final count, whatever the time since the last event."""
        if self._next is not None:
            self._write(done, total, perf_counter_ns())

    def _write(self, done: int, total: Optional[int], now: int) -> None:
        event = {"done": done, "total": total, "seconds": round((now - self._begin) / 1e9, 3), **self._expected}
        os.write(self._file, (json.dumps(event) + "\n").encode())

    def close(self) -> None:
        """Write nothing more."""
        if self._file >= 0:
            os.close(self._file)
        self._file, self._next = -1, None


@dataclass(frozen=True)
class Context:
    """What an action or a converter is given beside its parameters.

    ``workflow`` is the workflow whose step this is: its ``folder`` holds its sources. ``target`` is what programs are
    made for, as in "linux-aarch64"; "" means this machine.
    """

    roles: Mapping[str, Role]
    products: Mapping[str, Mapping[str, Path]]
    output: Path
    seed: int = 0
    progress: Progress = field(default_factory=lambda: Progress(None))
    workflow: Optional[Role] = None
    target: str = ""

    def role(self, name: str) -> Role:
        """The role called ``name``; raises KeyError with the names there are."""
        try:
            return self.roles[name]
        except KeyError:
            raise KeyError(f"no role {name!r} in this job; it has {', '.join(sorted(self.roles)) or 'none'}") from None

    def product(self, step: str, name: str) -> Optional[Path]:
        """A file that an earlier step made, None if there is no such step or product."""
        return self.products.get(step, {}).get(name)
