"""The story of a run on stderr: a line for each finished step, and a live bar where somebody watches."""

from __future__ import annotations

import os
import sys
from typing import Any, TextIO

from cmx.reporter import Reporter

_STEP_WIDTH = 11
_PLAIN_WIDTH = 110


class Console(Reporter):
    """Writes to ``stream``; live progress only if it is a terminal."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stderr
        self._live = self._stream.isatty() and os.environ.get("TERM") != "dumb"
        self._bar: Any = None
        self._task: Any = None

    def begin(self, step: str, what: str = "") -> None:
        """Show on a terminal that a step goes on."""
        self._clear()
        if self._live:
            self._start(step, what)

    def end(self, step: str, what: str, seconds: float, *, cached: bool = False) -> None:
        """One line: the step, what it did, and its time."""
        self._clear()
        took = "cached" if cached else f"{seconds:.1f} s"
        width = min(_columns(), 140) if self._live else _PLAIN_WIDTH
        room = max(width - _STEP_WIDTH - 10, 20)
        lines = _wrapped(what, room)
        self._write(f"{step:<{_STEP_WIDTH}} {lines[0]:<{room}} {took:>7}")
        for line in lines[1:]:
            self._write(f"{'':<{_STEP_WIDTH}} {line}")

    def note(self, text: str) -> None:
        """A line of its own."""
        if self._bar:
            self._bar.console.print(f"note: {text}", highlight=False, markup=False)
        else:
            self._write(f"note: {text}")

    def progress(self, what: str, done: float, total: float | None = None) -> None:
        """Move the bar."""
        if self._bar:
            self._bar.update(self._task, completed=done, total=total, what=what)

    def close(self) -> None:
        """Leave the terminal as it was."""
        self._clear()

    def _start(self, step: str, what: str) -> None:
        from rich.console import Console as Terminal
        from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

        self._bar = Progress(
            TextColumn(f"{{task.description:<{_STEP_WIDTH}}}"),
            SpinnerColumn(),
            TextColumn("{task.fields[what]}", markup=False),
            BarColumn(bar_width=24),
            TimeElapsedColumn(),
            console=Terminal(file=self._stream, no_color=bool(os.environ.get("NO_COLOR"))),
            transient=True,
        )
        self._task = self._bar.add_task(step, total=None, what=what)
        self._bar.start()

    def _clear(self) -> None:
        if self._bar:
            self._bar.stop()
            self._bar = None

    def _write(self, line: str) -> None:
        self._stream.write(line.rstrip() + "\n")
        self._stream.flush()


def _columns() -> int:
    import shutil

    return shutil.get_terminal_size().columns


def _wrapped(text: str, width: int) -> list[str]:
    import textwrap

    return textwrap.wrap(text, width, break_on_hyphens=False) or [""]
