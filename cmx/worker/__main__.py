"""One step in a process of its own: ``python -I cmx/worker/__main__.py job.json`` or ``python -m cmx.worker job.json``.

With ``--told`` it is started before there is a job (``cmx.worker.told``).
Exit status: 0 done, 1 failed and ``outcome.json`` says why, 2 there was no job to do, 70 the controller is gone.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import NoReturn


def _bootstrap() -> None:
    """Make ``cmx.worker`` importable when this file is run by its path.

    ``cmx`` becomes a bare package: its own ``__init__`` is the controller's, and with ``-I`` nothing else of the
    user's is on the path. A cmx that is installed in this environment stays out of the way.
    """
    if __package__ or "cmx" in sys.modules:
        return
    from types import ModuleType

    package = ModuleType("cmx")
    package.__path__ = [str(Path(__file__).resolve().parent.parent)]
    sys.modules["cmx"] = package
    here = str(Path(__file__).resolve().parent)
    # Without -I Python puts this folder first, where our `operators` or `loadgen` would hide others of that name.
    sys.path[:] = [entry for entry in sys.path if entry != here]


_bootstrap()

from cmx.worker import Context, Outcome, outcome, process  # noqa: E402
from cmx.worker.component_code import load_entry  # noqa: E402
from cmx.worker.context import Progress  # noqa: E402
from cmx.worker.job import Job, JobError  # noqa: E402
from cmx.worker.libraries import libraries  # noqa: E402
from cmx.worker.told import wait_for_job  # noqa: E402


def main(arguments: list[str]) -> int:
    """Carry out the job; returns the exit status."""
    import faulthandler

    told = arguments[1:] == ["--told"]
    if len(arguments) != 1 and not told:
        print("usage: python -m cmx.worker job.json [--told]", file=sys.stderr)
        return 2
    faulthandler.enable()
    process.end_on_signals()
    process.volunteer_for_oom_killer()
    lines, file = process.end_with_parent(), Path(arguments[0])
    if told:
        wait_for_job(file, lines)
    try:
        job = Job.read(file)
    except (JobError, OSError) as error:
        print(f"cmx.worker: {error}", file=sys.stderr)
        return 2
    process.limit_memory(job.memory_limit)
    return perform(job)


def perform(job: Job) -> int:
    """Call the action and write ``outcome.json``, whatever happens; returns the exit status."""
    started, begin, cpu = time.time_ns(), time.perf_counter_ns(), process.cpu_ns()
    job.output.mkdir(parents=True, exist_ok=True)
    # A library may end the process on its own; an older outcome must not be taken for this one.
    (job.output / outcome.FILE).unlink(missing_ok=True)
    done, error = Outcome(), None
    try:
        done = call(job)
    except BaseException as caught:  # also SystemExit: an action does not decide how the worker ends
        process.lift_memory_limit()
        error = outcome.error_document(caught)
    spent = {
        "started_ns": started,
        "wall_ns": time.perf_counter_ns() - begin,
        "cpu_ns": process.cpu_ns() - cpu,
        "memory_peak": process.memory_peak(),
    }
    outcome.write(
        {
            "schema": 1,
            "document": "outcome",
            "status": "failed" if error else "ok",
            "error": error,
            "summary": done.summary,
            "metrics": done.metrics,
            "files": list(done.files),
            "products": dict(done.products),
            "versions": process.versions(),
            "libraries": libraries(),
            "threads": process.threads(),
            **spent,
        },
        job.output,
    )
    return 1 if error else 0


def call(job: Job) -> Outcome:
    """What the job's action returns; raises what it raises, TypeError if it is not an Outcome."""
    with process.drowsy_blas():
        action = load_entry(job.entry, job.reference)
    progress = Progress(job.output / "progress.jsonl" if job.progress else None)
    context = Context(job.roles, job.products, job.output, job.seed, progress, job.workflow, job.target)
    try:
        done = action(context, **job.parameters)
    finally:
        progress.close()
    if not isinstance(done, Outcome):
        raise TypeError(f"{job.reference} returned {type(done).__name__}, expected cmx.worker.Outcome")
    return outcome.check(done, job.output)


def end(status: int) -> NoReturn:
    """End now: the outcome is on disk, and some frameworks take long to unload, or crash while they do."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


if __name__ == "__main__":
    end(main(sys.argv[1:]))
