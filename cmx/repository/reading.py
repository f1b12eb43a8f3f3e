"""Component files read into rows of the index; many of them by several processes at once."""

from __future__ import annotations

import json
import marshal
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from cmx.errors import CmxError

if TYPE_CHECKING:
    from cmx.component import Component

T = TypeVar("T")
# Below this a second process costs more time than it saves.
_WORTH_A_PROCESS = 400
_CHUNK = 100
_MOST_PROCESSES = 16
_CHILD = "import json, sys; sys.path[:] = json.loads(sys.argv[1]); from cmx.repository.reading import serve; serve()"

Row = list[Any]
"""kind, name, version, uid, tags, description, labels (a list), document (JSON), error, hint."""

FAULTY: Row = ["", "", "", "", "", "", [], ""]


def read(files: Sequence[str]) -> list[Row]:
    """The row of each component.yaml; whatever is wrong with one is in its row, never raised.

    One step is taken for all of them before the next: a processor that does the same again takes a seventh less time.
    """
    from cmx.component_file import check
    from cmx.schema import parse_yaml, read_text

    paths = [Path(file) for file in files]
    texts = [_tried(read_text, path) for path in paths]
    documents = [_tried(parse_yaml, text, path) for text, path in zip(texts, paths, strict=True)]
    given = zip(documents, paths, texts, strict=True)
    components = [_tried(check, document, path, text) for document, path, text in given]
    return [_row(component) for component in components]


def _tried(step: Callable[..., T], given: Any, *more: Any) -> T | CmxError:
    """What a step makes of what the step before gave, or the error of either."""
    if isinstance(given, CmxError):
        return given
    try:
        return step(given, *more)
    except CmxError as error:
        return error


# Of a file without aliases nothing can hold itself.
_json = json.JSONEncoder(ensure_ascii=False, check_circular=False).encode


def _row(component: Component | CmxError) -> Row:
    if isinstance(component, CmxError):
        return [*FAULTY, component.message, component.hint]
    text = _json(component.document)
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
    chunks = [files[at : at + _CHUNK] for at in range(0, len(files), _CHUNK)]
    count = min(os.cpu_count() or 1, _MOST_PROCESSES, len(files) // _WORTH_A_PROCESS + 1)
    if count == 1 or not sys.executable:
        yield from chain.from_iterable(map(read, chunks))
        return
    readers = [_Reader() for _ in range(count)]
    try:
        yield from _shared(readers, chunks)
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
            return read(files)
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
            marshal.dump(read(files), sys.stdout.buffer)
            sys.stdout.buffer.flush()
