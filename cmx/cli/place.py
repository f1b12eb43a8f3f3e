"""Where a command writes what it makes."""

from __future__ import annotations

import os
from pathlib import Path

from cmx.errors import UsageError


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
