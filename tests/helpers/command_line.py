"""cmx as a user has it: a process of its own, in an interpreter that holds nothing but what cmx needs."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
SHORT = ("--duration", "1", "--min-query-count", "10")
"""A measurement that takes a second. LoadGen calls it invalid where a machine answers fewer than 64 queries in it."""

TIMEOUT = 120.0


@dataclass(frozen=True)
class Answer:
    """What a command left: exit code, stdout and stderr."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> dict[str, Any]:
        """The one JSON object on stdout."""
        document: dict[str, Any] = json.loads(self.out)
        return document

    @property
    def error(self) -> str:
        """The message of the error, without its hint."""
        return next((line[7:] for line in self.err.splitlines() if line.startswith("error: ")), "")

    @property
    def hint(self) -> str:
        """The hint of the error."""
        return next((line[6:] for line in self.err.splitlines() if line.startswith("hint: ")), "")

    def lines(self, step: str) -> list[str]:
        """The lines of the story that a step wrote, each joined with what was wrapped below it."""
        found: list[str] = []
        for line in self.err.splitlines():
            if line.startswith(" ") and found:
                found[-1] += " " + line.strip()
            else:
                found.append(line)
        return [" ".join(line.split()) for line in found if line.split(" ")[0] == step]


@dataclass(frozen=True)
class CommandLine:
    """``cmx`` with a home of its own. ``environ`` is all that its process sees of the environment."""

    python: Path
    home: Path
    environ: Mapping[str, str]
    folder: Path

    def __call__(
        self, *arguments: str | Path, code: int = 0, stdin: str = "", timeout: float = TIMEOUT, **changed: str | None
    ) -> Answer:
        """Run it to its end and hold its exit code against ``code``; a variable that is None is taken away."""
        child = self.start(*arguments, stdin=subprocess.PIPE, **changed)
        try:
            out, err = child.communicate(stdin, timeout=timeout)
        finally:
            child.kill()
        assert child.returncode == code, f"cmx {' '.join(map(str, arguments))}: {child.returncode}\n{out}\n{err}"
        return Answer(child.returncode, out, err)

    def start(self, *arguments: str | Path, stdin: int = subprocess.DEVNULL, **changed: str | None) -> Popen:
        """Start it, in a session of its own as a terminal would."""
        return subprocess.Popen(
            self.command(*arguments),
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=self.folder,
            env=self.variables(**changed),
            start_new_session=True,
        )

    def command(self, *arguments: str | Path) -> list[str]:
        """The argument list."""
        return [str(self.python), "-m", "cmx", *map(str, arguments)]

    def variables(self, **changed: str | None) -> dict[str, str]:
        """The environment of its process."""
        merged = {**self.environ, "CMX_HOME": str(self.home), **changed}
        return {name: value for name, value in merged.items() if value is not None}

    def program(self, text: str) -> str:
        """Run a Python program that uses ``import cmx``; returns what it printed."""
        done = subprocess.run(
            [str(self.python), "-c", text], cwd=self.folder, env=self.variables(), capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def json(self, *arguments: str | Path, code: int = 0) -> dict[str, Any]:
        """The answer of a command with --json."""
        return self(*arguments, "--json", code=code).document

    def at(self, home: Path) -> CommandLine:
        """The same with another home."""
        return replace(self, home=home)

    def results(self) -> list[dict[str, Any]]:
        """Everything recorded, oldest first, as ``cmx result`` has it."""
        found: list[dict[str, Any]] = self.json("result", "list")["results"]
        return found[::-1]

    def run_folder(self, result: Mapping[str, Any]) -> Path:
        """Where the files of a run lie."""
        return self.home / "runs" / str(result["id"])

    def processes(self) -> list[int]:
        """Every process that has this home's user, and the workers, each with a home in its run; their children too."""
        user, runs = f"HOME={self.environ['HOME']}".encode(), f"HOME={self.home / 'runs'}/".encode()
        return [p for p in _all_processes() if any(e == user or e.startswith(runs) for e in _environment(p))]

    def workers(self) -> dict[str, int]:
        """The processes of the workers there are, by the folder of their job, as in "benchmark"."""
        found = {}
        for pid in self.processes():
            with suppress(OSError):  # it has ended just now
                words = Path(f"/proc/{pid}/cmdline").read_bytes().decode().split("\0")
                found |= {Path(word).parent.name: pid for word in words if word.endswith("/job.json")}
        return found


def told(answer: Answer) -> tuple[str, str]:
    """The two lines of an error."""
    return answer.error, answer.hint


Popen = subprocess.Popen[str]


def wait_until(condition: Callable[[], Any], seconds: float, what: str) -> None:
    """Wait for something that must come; fails if it does not come in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"{what} did not happen within {seconds:g} s"
        time.sleep(0.005)


def _all_processes() -> Iterator[int]:
    return (int(entry.name) for entry in os.scandir("/proc") if entry.name.isdigit())


def _environment(pid: int) -> list[bytes]:
    try:
        return Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return []


def write_files(folder: Path, files: Mapping[str, str]) -> Path:
    """Write text files below a folder; returns the folder."""
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return folder


def warm_copy(prepared: Path, home: Path) -> None:
    """A home with all that ``prepared`` has fetched and built, and without its results.

    Files are hard links, as the store never writes into one; a test that does replaces it (``replace_bytes``).
    """
    for part in ("store", "environments"):
        _link_tree(prepared / part, home / part)
    versions_known(prepared, home)


def versions_known(prepared: Path, home: Path) -> None:
    """A home that has fetched and built nothing, and need not ask an index which versions there are."""
    _link_tree(prepared / "cache" / "versions", home / "cache" / "versions")


def _link_tree(source: Path, target: Path) -> None:
    target.mkdir(parents=True)
    for entry in os.scandir(source):
        if entry.is_symlink():
            (target / entry.name).symlink_to(Path(entry.path).readlink())
        elif entry.is_dir():
            if entry.name != ".building":
                _link_tree(Path(entry.path), target / entry.name)
        else:
            os.link(entry.path, target / entry.name)


def replace_bytes(path: Path, content: bytes) -> None:
    """Change a file of a warm copy, and not those that share its bytes."""
    path.unlink()
    path.write_bytes(content)


def flip_a_byte(path: Path) -> None:
    """Damage a file where it hurts and size does not tell."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    replace_bytes(path, bytes(content))
