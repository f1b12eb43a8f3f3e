"""Workers started before there are jobs for them: they load their code while this process checks files."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from cmx.runner.isolation import Isolation
from cmx.runner.process import Code, Worker

# TensorFlow and torch take about half of one GiB each, only loaded.
_PLENTY = 4 << 30


class Ahead:
    """The workers of a run that wait for their jobs. After the block none is left, nor the folder of one not used."""

    def __init__(self) -> None:
        self._waiting: dict[Path, Worker] = {}

    def __enter__(self) -> Ahead:
        return self

    def __exit__(self, *_: object) -> None:
        for folder, worker in self._waiting.items():
            worker.end()
            shutil.rmtree(folder, ignore_errors=True)

    def start(self, python: Path, code: Sequence[Code], folder: Path, isolation: Isolation | None) -> None:
        """Start the worker whose job will be carried out in ``folder``."""
        self._waiting[folder] = Worker(python, code, folder, isolation)

    def wait_until_loaded(self, seconds: float) -> None:
        """Return when all of them sleep; see ``Worker.wait_until_loaded``."""
        for worker in self._waiting.values():
            worker.wait_until_loaded(seconds)

    def take(self, folder: Path) -> Worker | None:
        """The worker that waits in ``folder``, for whoever has its job now."""
        return self._waiting.pop(folder, None)


def plenty_of_memory() -> bool:
    """Whether a worker that waits with a framework loaded takes no memory that the measured one would need."""
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") >= _PLENTY
    except (AttributeError, ValueError, OSError):  # Windows; or a system that does not say
        return False
