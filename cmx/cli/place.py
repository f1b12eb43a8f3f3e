"""Where a command writes what it makes."""

from __future__ import annotations

import os
from pathlib import Path

from cmx.errors import UsageError

PATH_BEGINS = (".", "/", "~")
_SUFFIXES = (".json", ".zip")


def refuse_missing(text: str, hint: str) -> None:
    """Raise UsageError for what can only be meant as a file, and is none: "./plan.json", but not "model/net"."""
    path = Path(text)
    if path.is_file() or not (text.startswith(PATH_BEGINS) or path.suffix in _SUFFIXES):
        return
    wrong = "is a folder, and a file is asked for" if path.is_dir() else "there is no such file"
    raise UsageError(f"{text}: {wrong}", hint=hint)


def place(output: str) -> Path | None:
    """Where ``--output`` says; what ends in a slash is a folder, which is made. None where it says nothing.

    Raises UsageError for a folder that cannot be made.
    """
    if output.endswith(("/", os.sep)):
        try:
            Path(output).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UsageError(f"--output {output}: {error.strerror}", hint="name another folder") from error
    return Path(output) if output else None
