"""Component files read into rows of the index; many of them by several processes at once."""

from __future__ import annotations

import json
import marshal
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cmx.errors import CmxError

if TYPE_CHECKING:
    from cmx.component import Component

# Below this a second process costs more time than it saves.
_WORTH_A_PROCESS = 400
_CHUNK = 100
_MOST_PROCESSES = 16
_CHILD = "import json, sys; sys.path[:] = json.loads(sys.argv[1]); from cmx.repository.reading import serve; serve()"

Row = list[Any]
"""kind, name, version, uid, tags, description, labels (a list), document (JSON), error, hint."""

FAULTY: Row = ["", "", "", "", "", "", [], ""]


def read(file: str) -> Row:
    """The row of one component.yaml; whatever is wrong with it is in the row, never raised."""
    from cmx.component_file import load

    try:
        component = load(Path(file))
    except CmxError as error:
        return [*FAULTY, error.message, error.hint]
    text = json.dumps(component.document, ensure_ascii=False)
    tags = " ".join(component.tags)
    head = [component.kind, component.name, component.version, component.uid, tags, component.description]
    return [*head, labels(component), text, "", ""]


def labels(component: Component) -> list[str]:
    """What a component is found by: its tags, ``_VARIANT`` for those of a model, ``@PLATFORM`` for where it works."""
    variants = component.document.get("variants", {}) if component.kind == "model" else {}
    platforms = component.document.get("platforms") or ("any",)
    return [*component.tags, *(f"_{variant}" for variant in variants), *(f"@{platform}" for platform in platforms)]


def read_all(files: Sequence[str]) -> Iterator[Row]:
    """The rows of many files, in their order, as they come; by as many processes as the machine has processors."""
    count = min(os.cpu_count() or 1, _MOST_PROCESSES, len(files) // _WORTH_A_PROCESS + 1)
    if count == 1 or not sys.executable:
        yield from map(read, files)
        return
    readers = [_Reader() for _ in range(count)]
    try:
        yield from _shared(readers, [files[at : at + _CHUNK] for at in range(0, len(files), _CHUNK)])
    finally:
        for reader in readers:
            reader.close()


def _shared(readers: list[_Reader], chunks: list[Sequence[str]]) -> Iterator[Row]:
    from concurrent.futures import ThreadPoolExecutor

    idle = list(readers)

    def ask(chunk: Sequence[str]) -> list[Row]:
        reader = idle.pop()
        try:
            return reader.read(chunk)
        finally:
            idle.append(reader)

    with ThreadPoolExecutor(len(readers)) as pool:
        # A few chunks ahead of whoever writes them down, and no more: 100,000 rows would fill the memory.
        ahead = [pool.submit(ask, chunk) for chunk in chunks[: 4 * len(readers)]]
        later: Iterable[Sequence[str]] = iter(chunks[len(ahead) :])
        try:
            while ahead:
                yield from ahead.pop(0).result()
                ahead.extend(pool.submit(ask, chunk) for chunk in [*_next(later)])
        finally:
            for future in ahead:
                future.cancel()


def _next(chunks: Iterable[Sequence[str]]) -> Iterator[Sequence[str]]:
    for chunk in chunks:
        yield chunk
        return


class _Reader:
    """A process that reads files: it is given a list of them at a time, and gives their rows back."""

    def __init__(self) -> None:
        import subprocess

        command = [sys.executable, "-c", _CHILD, json.dumps(sys.path)]
        pipe, quiet = subprocess.PIPE, subprocess.DEVNULL
        self._child = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=quiet)

    def read(self, files: Sequence[str]) -> list[Row]:
        """The rows of some files; read here where the process has died."""
        assert self._child.stdin and self._child.stdout
        try:
            marshal.dump(list(files), self._child.stdin)
            self._child.stdin.flush()
            rows: list[Row] = marshal.load(self._child.stdout)  # noqa: S302  (our own child's, of the same Python)
        except (OSError, ValueError, EOFError, TypeError):
            return [read(file) for file in files]
        return rows

    def close(self) -> None:
        """End the process."""
        for stream in (self._child.stdin, self._child.stdout):
            with suppress(OSError):
                if stream:
                    stream.close()
        self._child.kill()
        self._child.wait()


def serve() -> None:
    """Read files for another process until it closes our standard input."""
    import signal

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a Ctrl-C is the parent's, which then closes the pipe
    with suppress(EOFError):
        while files := marshal.load(sys.stdin.buffer):  # noqa: S302  (our parent's)
            marshal.dump([read(file) for file in files], sys.stdout.buffer)
            sys.stdout.buffer.flush()
