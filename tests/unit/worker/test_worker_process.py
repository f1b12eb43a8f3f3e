"""The real process: what it leaves when an action succeeds, fails, is ended, or its controller dies."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy
import pytest

import cmx
from cmx.worker.process import ORPHANED

if TYPE_CHECKING:
    from tests.unit.worker.conftest import Worker

PACKAGE = Path(cmx.__file__).parent

SLEEPER = """
    import time
    def work(context):
        (context.output / "started").touch()
        time.sleep(60)
"""


def started(worker: Worker, **options: object) -> subprocess.Popen[bytes]:
    process = subprocess.Popen(worker.command, cwd=worker.output, **options)  # type: ignore[call-overload]
    deadline = time.monotonic() + 30
    while not (worker.output / "started").exists():
        assert process.poll() is None, "the worker ended before its action began"
        assert time.monotonic() < deadline, "the action never began"
        time.sleep(0.01)
    return process  # type: ignore[no-any-return]


def test_an_action_s_outcome_is_written(worker: Worker) -> None:
    worker.job(
        """
        def work(context, *, words, times=1):
            (context.output / "said.txt").write_text(words * times)
            context.progress(1, 2)
            return Outcome("said it", {"length": 4}, {"speech": "said.txt"}, ["said.txt"])
        """,
        {"words": "ab", "times": 2},
        progress=True,
    )
    done = worker.run()
    found = worker.outcome()
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert (found["status"], found["error"], found["summary"]) == ("ok", None, "said it")
    assert (found["metrics"], found["products"], found["files"]) == (
        {"length": 4}, {"speech": "said.txt"}, ["said.txt"],
    )  # fmt: skip
    assert (worker.output / "said.txt").read_text() == "abab"
    assert json.loads((worker.output / "progress.jsonl").read_text())["done"] == 1


def test_an_outcome_says_what_it_cost_and_what_it_ran_on(worker: Worker) -> None:
    worker.job(
        """
        import numpy
        def work(context):
            numpy.ones(20_000_000)
            return Outcome()
        """
    ).run()
    found = worker.outcome()
    assert found["versions"]["python"] == sys.version.split()[0]
    assert found["versions"]["numpy"] == numpy.__version__
    assert "onnx" not in found["versions"]
    assert found["memory_peak"] > 160_000_000
    assert 0 < found["cpu_ns"] < 30e9
    assert found["wall_ns"] > 0
    assert abs(found["started_ns"] - time.time_ns()) < 60e9
    assert found["threads"]["processors"] >= 1


def test_the_worker_sees_nothing_of_cmx_but_itself(worker: Worker) -> None:
    worker.job(
        """
        import sys
        def work(context):
            cmx = [name for name in sys.modules if name.split(".")[0] == "cmx"]
            return Outcome(metrics={"cmx": cmx, "file": str(getattr(sys.modules["cmx"], "__file__", None))})
        """
    ).run()
    found = worker.outcome()["metrics"]
    assert found["file"] == "None"
    assert set(found["cmx"]) == {
        "cmx", "cmx.worker", "cmx.worker.component_code", "cmx.worker.context", "cmx.worker.job", "cmx.worker.outcome",
        "cmx.worker.process", "cmx.worker.libraries", "cmx.worker.told",
    }  # fmt: skip


def test_the_worker_runs_as_a_module_too(worker: Worker) -> None:
    worker.job("def work(context): return Outcome('done')")
    environment = {**os.environ, "PYTHONPATH": str(PACKAGE.parent)}
    command = [sys.executable, "-m", "cmx.worker", str(worker.folder / "job.json")]
    done = subprocess.run(command, env=environment, capture_output=True, stdin=subprocess.DEVNULL, timeout=60)
    assert (done.returncode, worker.outcome()["summary"]) == (0, "done")


def test_an_error_in_an_action_is_recorded_with_its_traceback(worker: Worker) -> None:
    done = worker.job("def work(context): return {}['model']").run()
    found = worker.outcome()
    assert (done.returncode, found["status"], found["error"]["type"]) == (1, "failed", "KeyError")
    assert "action.py" in found["error"]["traceback"]


def test_an_error_for_the_user_is_recorded_with_its_hint(worker: Worker) -> None:
    done = worker.job("def work(context): raise ActionError('x.jpg is not a picture', 'give a photo')").run()
    error = worker.outcome()["error"]
    assert (done.returncode, error["type"]) == (1, "ActionError")
    assert (error["message"], error["hint"]) == ("x.jpg is not a picture", "give a photo")


def test_a_parameter_the_action_does_not_have_is_recorded(worker: Worker) -> None:
    worker.job("def work(context): return Outcome()", {"speed": 3}).run()
    error = worker.outcome()["error"]
    assert error["type"] == "TypeError"
    assert "speed" in error["message"]


def test_an_action_that_cannot_be_loaded_is_recorded(worker: Worker) -> None:
    worker.job("def work(context) return").run()
    assert worker.outcome()["error"]["type"] == "SyntaxError"


def test_an_action_that_exits_is_recorded(worker: Worker) -> None:
    done = worker.job("def work(context): raise SystemExit(0)").run()
    assert (done.returncode, worker.outcome()["error"]["type"]) == (1, "SystemExit")


def test_an_action_must_return_an_outcome(worker: Worker) -> None:
    worker.job("def work(context): return 3").run()
    assert worker.outcome()["error"]["message"].startswith("action/try-it==1.0.0 returned int, expected")


def test_a_product_that_was_not_made_is_recorded(worker: Worker) -> None:
    worker.job("def work(context): return Outcome(products={'model': 'model.onnx'})").run()
    assert "made no such file" in worker.outcome()["error"]["message"]


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits a process's address space")
def test_a_memory_limit_ends_in_a_recorded_failure(worker: Worker) -> None:
    source = """
        def work(context):
            held = []
            while True:
                held.append(bytearray(10_000_000))
    """
    done = worker.job(source, memory_limit=500_000_000).run()
    found = worker.outcome()
    assert (done.returncode, found["status"], found["error"]["type"]) == (1, "failed", "out-of-memory")
    assert found["memory_peak"] < 500_000_000


def test_a_job_that_is_not_there_leaves_status_2(worker: Worker) -> None:
    worker.output.mkdir()
    done = worker.run()
    assert done.returncode == 2
    assert "job.json" in done.stderr


def test_a_worker_without_arguments_says_how_it_is_used() -> None:
    done = subprocess.run(
        [sys.executable, "-I", PACKAGE / "worker" / "__main__.py"], capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stderr) == (2, "usage: python -m cmx.worker job.json [--told]\n")


def test_a_crash_leaves_a_traceback_and_no_outcome(worker: Worker) -> None:
    done = worker.job("import os\ndef work(context): os.kill(os.getpid(), 11)").run()
    assert done.returncode == -signal.SIGSEGV
    assert "Segmentation fault" in done.stderr
    assert not (worker.output / "outcome.json").exists()


def test_an_older_outcome_is_not_taken_for_this_one(worker: Worker) -> None:
    worker.job("def work(context): return Outcome('first')").run()
    done = worker.job("import os\ndef work(context): os._exit(1)").run()
    assert done.returncode == 1
    assert not (worker.output / "outcome.json").exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_worker_at_once_and_leaves_no_half_file(worker: Worker, number: signal.Signals) -> None:
    process = started(worker.job(SLEEPER), stdin=subprocess.PIPE)
    process.send_signal(number)
    process.communicate(timeout=10)
    assert process.returncode == -number
    assert [path.name for path in worker.output.iterdir()] == ["started"]


def test_the_worker_ends_when_its_controller_is_gone(worker: Worker) -> None:
    process = started(worker.job(SLEEPER), stdin=subprocess.PIPE)
    assert process.stdin is not None
    process.stdin.close()
    assert process.wait(timeout=10) == ORPHANED


def test_the_worker_runs_with_its_standard_input_closed(worker: Worker) -> None:
    worker.job("def work(context): return Outcome('done')")
    shell = "import os, sys; os.close(0); os.execv(sys.executable, sys.argv[1:])"
    done = subprocess.run([sys.executable, "-c", shell, *worker.command], capture_output=True, timeout=60)
    assert (done.returncode, worker.outcome()["summary"]) == (0, "done")


def test_the_worker_runs_without_a_pipe_on_its_standard_input(worker: Worker) -> None:
    worker.job("def work(context): return Outcome('done')")
    done = subprocess.run(worker.command, stdin=subprocess.DEVNULL, capture_output=True, timeout=60)
    assert (done.returncode, worker.outcome()["summary"]) == (0, "done")


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux lets a process offer itself to the OOM killer")
def test_the_worker_offers_itself_to_the_oom_killer(worker: Worker) -> None:
    source = """
        def work(context):
            return Outcome(metrics={"score": int(open("/proc/self/oom_score_adj").read())})
    """
    worker.job(source).run()
    assert worker.outcome()["metrics"]["score"] == 500
