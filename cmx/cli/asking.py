"""Asking before something is deleted."""

from __future__ import annotations

import sys
from pathlib import Path

from cmx.errors import Interrupted, UsageError


def ask_to_delete(what: str, folder: Path, command: str) -> None:
    """Raise Interrupted where the answer is not yes, UsageError where nobody can be asked: ``command`` does it then."""
    if not sys.stdin or not sys.stdin.isatty() or not sys.stderr.isatty():
        raise UsageError(f"nobody can be asked whether {what} may be deleted", hint=f"{command} --yes")
    sys.stderr.write(f"delete {folder} ({what})? [y/N] ")
    sys.stderr.flush()
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise Interrupted("nothing was removed")
