"""Workers started before there are jobs for them: they load their code while this process checks files."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from cmx.runner.process import Worker, uninterrupted

# TensorFlow and torch take about half of one GiB each, only loaded.
_PLENTY = 4 << 30


class Ahead:
    """The workers of a run that wait for their jobs. After the block none is left, nor the folder of one not used.

    One that has not loaded its code after ``patience`` seconds is given up.
    """

    def __init__(self, patience: float = 30.0) -> None:
        self._patience = patience
        self._waiting: dict[Path, Worker] = {}

    def __enter__(self) -> Ahead:
        return self

    def __exit__(self, *_: object) -> None:
        with uninterrupted():
            for folder in tuple(self._waiting):
                self._give_up(folder)

    def add(self, worker: Worker) -> None:
        """Keep a worker until there is a job for its folder."""
        self._waiting[worker.folder] = worker

    def settle(self) -> None:
        """Return when all of them sleep. One that takes too long, or has ended, is none of them any more."""
        for folder, worker in tuple(self._waiting.items()):
            worker.wait_until_loaded(self._patience)
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
