"""Where measurements of one user wait for one another, whatever cmx home they belong to."""

from __future__ import annotations

import os
import stat
from pathlib import Path


def device_folder() -> Path | None:
    """A folder of this user alone in the machine's temporary folder; None where it cannot be had or trusted.

    Anybody may make folders there, so one that belongs to another user, is a link, or that others may write to, is
    not used.
    """
    import tempfile

    mine = os.getuid() if hasattr(os, "getuid") else None
    folder = Path(tempfile.gettempdir()) / f"cmx-{os.environ.get('USERNAME', 'user') if mine is None else mine}"
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        found = folder.lstat()
    except OSError:
        return None
    if not stat.S_ISDIR(found.st_mode):
        return None
    return folder if mine is None or (found.st_uid == mine and not found.st_mode & 0o022) else None
