"""What a worker is told on standard input, a line each: what it may use and what code to load, then to begin."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from queue import SimpleQueue

from cmx.worker.component_code import load_module
from cmx.worker.process import drowsy_blas, limit_memory

LOADED = "loaded"


def wait_for_job(job: Path, lines: SimpleQueue[bytes]) -> None:
    """Load the code that the job will need, say so by the file ``loaded`` beside it, and sleep until it is there."""
    told = json.loads(lines.get())
    limit_memory(told["memory_limit"])
    action, *frameworks = told["code"]
    with drowsy_blas():
        _load(*action)
    for each in frameworks:
        _load(*each)
    loaded = job.with_name(LOADED)
    loaded.touch()
    lines.get()
    loaded.unlink()


def _load(file: str, reference: str) -> None:
    # Carrying out the job raises it again, and then it is recorded.
    with suppress(BaseException):
        load_module(Path(file), reference)
