"""Workers started before there are jobs for them: they load their code while this process checks files."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from cmx.runner.isolation import Isolation
from cmx.runner.process import Code, Worker, uninterrupted

# TensorFlow and torch take about half of one GiB each, only loaded.
_PLENTY = 4 << 30
_LOADING_SECONDS = 30.0


class Ahead:
    """The workers of a run that wait for their jobs. After the block none is left, nor the folder of one not used."""

    def __init__(self) -> None:
        self._waiting: dict[Path, Worker] = {}

    def __enter__(self) -> Ahead:
        return self

    def __exit__(self, *_: object) -> None:
        with uninterrupted():
            for folder in tuple(self._waiting):
                self._give_up(folder)

    def start(
        self, python: Path, code: Sequence[Code], folder: Path, isolation: Isolation | None, memory: int | None
    ) -> None:
        """Start the worker whose job will be carried out in ``folder``."""
        self._waiting[folder] = Worker(python, code, folder, isolation, memory)

    def settle(self) -> None:
        """Return when all of them sleep. One that takes half a minute, or has ended, is none of them any more."""
        for folder, worker in tuple(self._waiting.items()):
            worker.wait_until_loaded(_LOADING_SECONDS)
            if not worker.waits:
                self._give_up(folder)

    def take(self, folder: Path) -> Worker | None:
        """The worker that is to carry out the job in ``folder``; None where there is none, or it has ended."""
        worker = self._waiting.get(folder)
        if worker is not None and worker.ended:
            self._give_up(folder)
        return self._waiting.pop(folder, None)

    def _give_up(self, folder: Path) -> None:
        self._waiting[folder].end()
        del self._waiting[folder]
        shutil.rmtree(folder, ignore_errors=True)


def plenty_of_memory() -> bool:
    """Whether a worker that waits with a framework loaded takes no memory that the measured one would need."""
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") >= _PLENTY
    except (AttributeError, ValueError, OSError):  # Windows; or a system that does not say
        return False
