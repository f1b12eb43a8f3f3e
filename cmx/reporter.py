"""What a run tells while it goes on. The core reports to one of these; it never prints."""

from __future__ import annotations


class Reporter:
    """Silent. A command line overrides what it shows."""

    def begin(self, step: str, what: str = "") -> None:
        """A step has begun."""

    def end(self, step: str, what: str, seconds: float, *, cached: bool = False) -> None:
        """A step is over; ``what`` is one line on what it did."""

    def note(self, text: str) -> None:
        """Something a reader wants to know: a wait, a repair."""

    def progress(self, what: str, done: float, total: float | None = None) -> None:
        """``done`` of ``total`` (None: unknown) of a step that goes on."""
