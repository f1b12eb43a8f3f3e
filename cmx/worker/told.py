"""What a worker is told on standard input, a line each: what code to load, and later that its job is there."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from pathlib import Path

from cmx.worker.component_code import load_module
from cmx.worker.process import ORPHANED, drowsy_blas

LOADED = "loaded"


def wait_for_job(job: Path) -> None:
    """Load the code that the job will need, say so by the file ``loaded`` beside ``job``, and sleep until it is there.

    The process ends when the controller goes before that.
    """
    action, *frameworks = json.loads(_line())
    with drowsy_blas():
        _load(*action)
    for each in frameworks:
        _load(*each)
    loaded = job.with_name(LOADED)
    loaded.touch()
    _line()
    loaded.unlink()


def _load(file: str, reference: str) -> None:
    # Carrying out the job raises it again, and then it is recorded.
    with suppress(BaseException):
        load_module(Path(file), reference)


def _line() -> bytes:
    """The next line. Read byte by byte: what comes after it is for whoever reads next."""
    line = b""
    while not line.endswith(b"\n"):
        byte = os.read(0, 1)
        if not byte:
            os._exit(ORPHANED)
        line += byte
    return line
