"""Running uv: where it is, what it may do, and what its failures mean.

uv is given argument lists, wheels only (so no code of a package runs while resolving or installing), and no
right to download interpreters. Its exit status says whether it failed; what it prints on stderr is read for
progress, and for the reason once it has failed.
"""

from __future__ import annotations

import os
import re
import subprocess
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from cmx.errors import CmxError, HashMismatch, ResolutionError, StoreError, Unavailable
from cmx.files import FORBIDDEN, FULL, disk_failures, disk_full, no_access
from cmx.install.pip_configuration import pip_configuration
from cmx.reporter import Reporter
from cmx.settings import Settings

# What would make uv choose another interpreter, other packages or another format of its messages.
_DROPPED = ("VIRTUAL_ENV", "CONDA_PREFIX", "PYTHONHOME", "PYTHONPATH", "UV_PYTHON", "UV_SYSTEM_PYTHON", "RUST_LOG")
_DROPPED_PREFIXES = ("UV_OVERRIDE", "UV_PROJECT", "UV_TORCH_BACKEND")


class Refused(ResolutionError):
    """These requirements cannot be installed together; ``requirements`` are what was asked for.

    The message is the installer's own sentence, so that whoever chose the requirements can choose others.
    """

    def __init__(self, sentence: str, requirements: Sequence[str], *, offline: bool = False) -> None:
        self.requirements = tuple(requirements)
        wanted = ", ".join(self.requirements)
        if offline:  # of an index only what was read before is known, so that no version can be blamed
            known = sentence.partition(", we can conclude")[0].removeprefix("Because ")
            sentence = f"cannot be had without the network: {wanted} (of what was fetched before: {known})"
            super().__init__(sentence, hint="run it once without --offline, which forbids asking a package index")
        else:
            super().__init__(sentence, hint=f"ask for other versions: {wanted}")


@dataclass
class Uv:
    """uv for one cmx home. With ``wheels``, a folder, packages come from there and no index is asked."""

    settings: Settings
    offline: bool = False
    reporter: Reporter = field(default_factory=Reporter)
    wheels: Path | None = None

    def run(
        self,
        arguments: Sequence[str],
        *,
        doing: str,
        wanted: Sequence[str] = (),
        text: str = "",
        indexes: bool = False,
    ) -> str:
        """Run uv with ``text`` on its standard input and return its standard output.

        ``indexes`` says that it may have to fetch packages, so pip's configuration is looked up. ``doing`` and
        ``wanted`` (names of packages) are for messages. Raises Refused, Unavailable, HashMismatch or StoreError.
        """
        where: tuple[str, ...] = ()
        environ = self._environment()
        if indexes and self.wheels:
            where = ("--no-index", "--offline", "--find-links", str(self.wheels))
        elif indexes:
            configuration = pip_configuration()
            where = (*configuration.index_arguments(environ), *(["--offline"] if self.offline else []))
            environ |= configuration.variables(environ)
            environ.setdefault("UV_HTTP_RETRIES", "2")
        command = [find_uv(), *arguments, *where, "--color", "never"]
        status, output, complaints = self._execute(command, text, environ)
        if status != 0:
            unasked = self.offline and not self.wheels
            raise explain(complaints, doing=doing, wanted=wanted, folder=self.settings.home, offline=unasked)
        return output

    def _environment(self) -> dict[str, str]:
        environ = {
            name: value
            for name, value in os.environ.items()
            if name not in _DROPPED and not name.startswith(_DROPPED_PREFIXES)
        }
        environ.setdefault("UV_CACHE_DIR", str(self.settings.cache / "uv"))
        return environ | {"UV_PYTHON_DOWNLOADS": "never", "NO_COLOR": "1"}

    def _execute(self, command: Sequence[str], text: str, environ: Mapping[str, str]) -> tuple[int, str, list[str]]:
        # In a folder of our own, so that no pyproject.toml or uv.toml of the user's project has a say.
        folder = self.settings.cache
        with disk_failures(folder, "running uv"):
            folder.mkdir(parents=True, exist_ok=True)
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=dict(environ),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            errors="replace",
        )
        with process:
            try:
                return self._converse(process, text)
            finally:
                end(process)

    def _converse(self, process: subprocess.Popen[str], text: str) -> tuple[int, str, list[str]]:
        assert process.stdin is not None and process.stdout is not None and process.stderr is not None
        complaints: list[str] = []
        listener = threading.Thread(target=self._listen, args=(process.stderr, complaints), daemon=True)
        listener.start()
        try:
            process.stdin.write(text)
            process.stdin.close()
        except BrokenPipeError:  # uv refused its arguments before reading; its status says so
            pass
        output = process.stdout.read()
        status = process.wait()
        listener.join()
        return status, output, complaints

    def _listen(self, stream: object, complaints: list[str]) -> None:
        downloads = Downloads(self.reporter)
        for line in stream:  # type: ignore[attr-defined]
            complaints.append(line.rstrip("\n"))
            downloads.hear(line)


_DOWNLOADING = re.compile(r"\s*Downloading (\S+) \(([\d.]+)\s*([KMG]?)i?B\)")
_DOWNLOADED = re.compile(r"\s*Downloaded (\S+)")
_FACTOR = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30}


class Downloads:
    """Turns uv's lines about downloads into progress, in bytes over all packages of one command."""

    def __init__(self, reporter: Reporter) -> None:
        self._reporter = reporter
        self._sizes: dict[str, int] = {}
        self._done = 0

    def hear(self, line: str) -> None:
        """Read one line that uv printed."""
        if match := _DOWNLOADING.match(line):
            self._sizes[match[1]] = round(float(match[2]) * _FACTOR[match[3]])
            self._report(match[1])
        elif match := _DOWNLOADED.match(line):
            self._done += self._sizes.get(match[1], 0)
            self._report(match[1])

    def _report(self, name: str) -> None:
        self._reporter.progress(f"downloading {name}", self._done, sum(self._sizes.values()))


def find_uv() -> str:
    """The path of the uv that came with cmx. Raises Unavailable if it is not there."""
    import uv

    try:
        return uv.find_uv_bin()
    except FileNotFoundError as error:
        raise Unavailable(f"uv is not installed: {error}", missing=("uv",), hint="pip install uv") from error


def end(process: subprocess.Popen[str]) -> None:
    """End a child that is still running (after Ctrl-C, say): first politely, after 2 s for good."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(timeout=2)
        except subprocess.TimeoutExpired:
            process.kill()


_HASHES = re.compile(r"Hash mismatch for `([^`]+)`\s+Expected:\s+((?:\S+:\S+\s+)+?)Computed:\s+((?:\S+:\S+\s*)+)")
_NETWORK = re.compile(
    r"error sending request|Failed to fetch|client error|dns error|timed out|Request failed after|HTTP status",
    re.IGNORECASE,
)
_SOCKET = re.compile(r"client error|connect error", re.IGNORECASE)
_OS_ERROR = re.compile(r"\(os error (\d+)\)")
_FRAME = re.compile(r"^[\s×╰├─▶│]*(?:error:|cause:)?\s*")


def explain(
    complaints: Sequence[str], *, doing: str, wanted: Sequence[str], folder: Path, offline: bool = False
) -> CmxError:
    """The error that uv's last words amount to; ``offline`` says that no index was asked."""
    lines = [_FRAME.sub("", line) for line in complaints]
    text = "\n".join(lines)
    if match := _HASHES.search(text + "\n"):
        return HashMismatch(match[1], expected=_hashes(match[2]), found=_hashes(match[3]))
    numbers = {int(number) for number in _OS_ERROR.findall(text)}
    if numbers & FULL:
        return disk_full(folder, doing)
    if numbers & FORBIDDEN and not _SOCKET.search(text):
        return no_access(folder, doing, _sentence(lines))
    if "network was disabled" in text or "--offline" in text:
        return _unavailable(doing, wanted, "without the network", "run it once without --offline")
    if _NETWORK.search(text):
        return _unavailable(doing, wanted, f"no package index answered: {_sentence(lines)}", "check the network")
    if "No solution found" in text:
        return Refused(_reason(text), wanted, offline=offline)
    if "No interpreter found" in text:
        return _unavailable(doing, wanted, _sentence(lines), "install that Python")
    return StoreError(f"{doing}: uv failed: {_sentence(lines)}", hint="run again; cmx store verify --repair may help")


def _unavailable(doing: str, wanted: Sequence[str], why: str, remedy: str) -> Unavailable:
    unsaid = [each for each in wanted if each not in doing]
    things = f" ({', '.join(unsaid)})" if unsaid else ""
    return Unavailable(f"cannot be had: {doing}{things}: {why}", missing=wanted, hint=remedy)


def _hashes(text: str) -> str:
    return ", ".join(word.removeprefix("sha256:") for word in text.split())


def _reason(text: str) -> str:
    """uv's explanation, as one line: "Because numpy==99 …, we can conclude that …"."""
    start = text.find("Because")
    end = text.find("\n\n", start)
    return " ".join(text[start if start >= 0 else 0 : end if end >= 0 else len(text)].split())


def _sentence(lines: Sequence[str]) -> str:
    """What went wrong and its deepest cause, of the lines that uv printed, as one line."""
    told = [line.strip() for line in lines if line.strip()]
    telling = [
        line for line in told if not line.startswith(("Using", "hint:", "Resolved", "Downloading", "Downloaded"))
    ]
    return " · ".join(telling if len(telling) < 4 else (*telling[:2], telling[-1])) or "it said nothing"
