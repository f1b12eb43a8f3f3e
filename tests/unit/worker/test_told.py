"""A worker that is started before its job: what it loads, when it says so, and how it ends."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from subprocess import DEVNULL, PIPE
from typing import TYPE_CHECKING

import pytest
from command_line import wait_until

from cmx.errors import WorkerTimeout
from cmx.runner.ahead import Ahead
from cmx.runner.process import Code, Limits, code_of, uninterrupted
from cmx.runner.process import Worker as Process
from cmx.worker.component_code import load_module
from cmx.worker.process import ORPHANED

if TYPE_CHECKING:
    from tests.unit.worker.conftest import Worker

COUNTING = """
    from pathlib import Path
    with (Path(__file__).parent / "loads").open("a") as file:
        file.write("x")
    def work(context): return Outcome("done")
"""


LEAVING_ITS_PID = """
    import os
    from pathlib import Path
    (Path(__file__).parent / "pid").write_text(str(os.getpid()))
"""


@contextmanager
def started_ahead(worker: Worker, patience: float = 30.0) -> Iterator[tuple[Ahead, Path]]:
    """The worker for the job's action, which has loaded it or was given up, and the folder that its job will have."""
    folder = worker.folder / "run" / "step"
    with Ahead(patience) as ahead:
        action = Code(str(worker.folder / "action.py"), "action/try-it==1.0.0")
        ahead.add(Process(Path(sys.executable), [action], folder))
        ahead.settle()
        yield ahead, folder


@contextmanager
def told(worker: Worker, *lines: str) -> Iterator[subprocess.Popen[str]]:
    """The process, told so much and no more yet."""
    command = [*worker.command, "--told"]
    with subprocess.Popen(command, stdin=PIPE, stdout=DEVNULL, stderr=PIPE, text=True, bufsize=0) as process:
        tell(process, *lines)
        try:
            yield process
        finally:
            process.kill()


def tell(process: subprocess.Popen[str], *lines: str) -> None:
    assert process.stdin is not None
    for line in lines:
        process.stdin.write(line + "\n")


def code(worker: Worker, memory: int | None = None) -> str:
    return json.dumps({"code": [[str(worker.folder / "action.py"), "action/try-it==1.0.0"]], "memory_limit": memory})


def wait_for(file: Path) -> None:
    wait_until(file.exists, 30, file.name)


def test_the_action_is_loaded_before_the_job_is_there_and_once(worker: Worker) -> None:
    worker.job(COUNTING)
    job = worker.folder / "job.json"
    later = job.read_text()
    job.unlink()
    with told(worker, code(worker)) as process:
        wait_for(worker.folder / "loaded")
        assert (worker.folder / "loads").read_text() == "x"
        assert not (worker.output / "outcome.json").exists()
        job.write_text(later)
        tell(process, "go")
        assert process.wait(30) == 0
    assert worker.outcome()["summary"] == "done"
    assert (worker.folder / "loads").read_text() == "x"
    assert not (worker.folder / "loaded").exists()


def test_the_time_of_waiting_is_none_of_the_jobs(worker: Worker) -> None:
    worker.job("def work(context): return Outcome('done')")
    with told(worker, code(worker)) as process:
        wait_for(worker.folder / "loaded")
        time.sleep(0.5)
        told_ns = time.time_ns()
        tell(process, "go")
        assert process.wait(30) == 0
    assert worker.outcome()["started_ns"] >= told_ns


def test_only_what_the_action_loads_is_told_to_let_its_blas_threads_sleep(worker: Worker) -> None:
    worker.job("""
        import os
        seen = os.environ.get("OPENBLAS_THREAD_TIMEOUT")
        def work(context):
            return Outcome("done", {"loading": seen, "working": os.environ.get("OPENBLAS_THREAD_TIMEOUT")})
    """)
    for lines in ([], [code(worker), "go"]):
        if lines:
            with told(worker, *lines) as process:
                assert process.wait(30) == 0
        else:
            worker.run()
        assert worker.outcome()["metrics"] == {"loading": "20", "working": None}


@pytest.mark.parametrize("moment", ["before", "while loading", "loaded"])
def test_a_worker_whose_controller_goes_before_there_is_a_job_ends(worker: Worker, moment: str) -> None:
    endless = """
        import time
        from pathlib import Path
        (Path(__file__).parent / "loads").touch()
        time.sleep(1000)
    """
    worker.job(endless if moment == "while loading" else COUNTING)
    with told(worker, *([] if moment == "before" else [code(worker)])) as process:
        if moment != "before":
            wait_for(worker.folder / ("loads" if moment == "while loading" else "loaded"))
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait(30) == ORPHANED


@pytest.mark.parametrize("source", ["def work(context) return", "raise SystemExit(3)", "import no_such_module"])
def test_code_that_cannot_be_loaded_is_a_failure_of_the_job(worker: Worker, source: str) -> None:
    worker.job(source)
    with told(worker, code(worker), "go") as process:
        assert process.wait(30) == 1
    assert worker.outcome()["error"]["type"] in {"SyntaxError", "SystemExit", "ModuleNotFoundError"}


def test_a_file_that_fails_is_loaded_anew_the_next_time(tmp_path: Path) -> None:
    file, reference = tmp_path / "code.py", "action/fails-at-first==1.0.0"
    file.write_text("raise ValueError('not yet')")
    with pytest.raises(ValueError, match="not yet"):
        load_module(file, reference)
    file.write_text("HERE = True")
    assert load_module(file, reference).HERE
    assert load_module(file, reference) is load_module(file, reference)


def test_the_files_that_carry_out_a_job_are_the_actions_and_its_frameworks() -> None:
    job = {
        "action": {"reference": "action/benchmark==1.0.0", "entry": "/actions/benchmark/action.py:benchmark"},
        "roles": {
            "framework": {"reference": "software/x==2", "folder": "/x", "component": {"predictor": "predictor.py"}},
            "model": {"reference": "model/net==1", "folder": "/net", "component": {}},
        },
    }
    action = Code("/actions/benchmark/action.py", "action/benchmark==1.0.0")
    assert code_of(job, frameworks=False) == [action]
    assert code_of(job, frameworks=True) == [action, Code("/x/predictor.py", "software/x==2")]


def test_a_worker_started_ahead_is_the_one_that_gets_the_job(worker: Worker) -> None:
    document = json.loads((worker.job(COUNTING).folder / "job.json").read_text())
    with started_ahead(worker) as (ahead, folder):
        assert (worker.folder / "loads").read_text() == "x"
        taken = ahead.take(folder)
        assert taken is not None
        assert ahead.take(folder) is None
        with taken:
            outcome = taken.carry_out({**document, "output": str(folder)}, Limits(30), lambda event: None)
    assert (outcome["status"], outcome["summary"]) == ("ok", "done")
    assert sorted(path.name for path in folder.iterdir()) == ["job.json", "outcome.json", "output.txt"]


def test_a_worker_that_gets_no_job_is_gone_with_its_folder(worker: Worker) -> None:
    worker.job(LEAVING_ITS_PID)
    with started_ahead(worker) as (_, folder):
        pid = int((worker.folder / "pid").read_text())
        os.kill(pid, 0)
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    assert not folder.exists()


@pytest.mark.parametrize("source", ["import os\nos.abort()", "import time\ntime.sleep(1000)"])
def test_one_that_ends_or_takes_too_long_before_its_job_came_is_given_up(worker: Worker, source: str) -> None:
    worker.job(source)
    with started_ahead(worker, patience=2.0) as (ahead, folder):
        assert ahead.take(folder) is None
        assert not folder.exists()


def test_one_that_is_killed_while_it_sleeps_is_not_given_a_job(worker: Worker) -> None:
    worker.job(LEAVING_ITS_PID)
    with started_ahead(worker) as (ahead, folder):
        pid = int((worker.folder / "pid").read_text())
        os.kill(pid, signal.SIGKILL)
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
        assert ahead.take(folder) is None


def test_the_time_of_loading_counts_for_the_time_limit(worker: Worker) -> None:
    document = json.loads((worker.job("import time\ntime.sleep(1000)").folder / "job.json").read_text())
    folder = worker.folder / "run" / "step"
    begin = time.monotonic()
    code = code_of({**document, "roles": {}}, frameworks=False)
    with Process(Path(sys.executable), code, folder) as process, pytest.raises(WorkerTimeout, match="after 5 s"):
        process.wait_until_loaded(5)
        process.carry_out({**document, "output": str(folder)}, Limits(5), lambda event: None)
    assert time.monotonic() - begin < 5 + 4.5


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits a process's address space")
def test_the_memory_limit_holds_while_code_is_loaded(worker: Worker) -> None:
    worker.job("HELD = bytearray(2_000_000_000)", memory_limit=500_000_000)
    with told(worker, code(worker, 500_000_000), "go") as process:
        assert process.wait(30) == 1
    found = worker.outcome()
    assert found["error"]["type"] == "out-of-memory"
    assert found["memory_peak"] < 500_000_000


def test_another_ctrl_c_waits_until_what_the_first_one_ended_is_cleaned_up() -> None:
    done = []
    with pytest.raises(KeyboardInterrupt), uninterrupted():
        with uninterrupted():
            signal.raise_signal(signal.SIGINT)
            done.append("inner")
        done.append("outer")
    assert done == ["inner", "outer"]
