"""LoadGen behind its seam. Each run has a process of its own, as in a real run."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from cmx.worker.loadgen import Settings, logs, open_engine, seeds

if TYPE_CHECKING:
    from tests.unit.worker.conftest import Worker

SOURCE = """
    import dataclasses, gc, time
    from cmx.worker.loadgen import Settings, open_engine, seeds

    class Library:
        total, performance_count = 8, 4
        def __init__(self, broken): self.loaded, self.most, self.broken = set(), 0, broken
        def load(self, indices):
            if self.broken: raise OSError("photo.jpg is no picture")
            self.loaded |= set(indices)
            self.most = max(self.most, len(self.loaded))
        def unload(self, indices): self.loaded -= set(indices)

    class System:
        def __init__(self, library, fail_at, context): self.library, self.fail_at, self.asked = library, fail_at, []
        def issue(self, ids, indices, complete):
            for number, index in zip(ids, indices):
                assert index in self.library.loaded
                if len(self.asked) == self.fail_at: raise RuntimeError("the model broke")
                self.asked.append(index)
                time.sleep(0.001)
                complete([number], [b"%d" % (index * 100)])
        def flush(self): pass

    def work(context, *, fail_at=-1, broken=False, **settings):
        library = Library(broken)
        system = System(library, fail_at, context)
        settings = Settings(**settings, **seeds(context.seed))
        (context.output / "started").touch()
        report = open_engine()(system, library, settings, context.output, context.progress)
        metrics = {**dataclasses.asdict(dataclasses.replace(report, latencies=list(report.latencies), answers={})),
                   "answers": {str(k): v.decode() for k, v in report.answers.items()},
                   "asked": system.asked, "most": library.most, "left": len(library.loaded),
                   "gc": [gc.isenabled(), gc.get_freeze_count()]}
        return Outcome("", metrics, files=report.files)
"""
QUICK = {"min_duration_ms": 50, "min_query_count": 70, "single_stream_expected_latency_ns": 500_000}


def measured(worker: Worker, *, seed: int = 0, **parameters: Any) -> dict[str, Any]:
    done = worker.job(SOURCE, parameters, seed=seed).run()
    found = worker.outcome()
    assert (done.returncode, done.stdout, done.stderr) == (0, "", ""), found["error"]
    return found["metrics"]  # type: ignore[no-any-return]


def test_single_stream_asks_one_at_a_time_until_both_minima_are_met(worker: Worker) -> None:
    found = measured(worker, **QUICK)
    assert (found["verdict"], found["valid"], found["invalid_reasons"]) == ("VALID", True, [])
    assert found["queries"] == found["samples"] == len(found["latencies"]) == found["summary"]["result_query_count"]
    assert found["queries"] >= 70
    assert min(found["latencies"]) >= 1_000_000
    assert min(found["latencies"]) <= found["summary"]["result_min_latency_ns"]


def test_a_run_names_its_engine_and_the_settings_in_effect(worker: Worker) -> None:
    found = measured(worker, **QUICK, single_stream_target_latency_percentile=0.8)
    assert found["engine"] == "mlperf-loadgen"
    assert found["version"].split(".")[0].isdigit()
    settings = found["settings"]
    assert (settings["scenario"], settings["min_duration_ms"], settings["min_query_count"]) == ("SingleStream", 50, 70)
    assert settings["target_latency_percentile"] == 0.8
    assert settings["performance_sample_count"] == 4


def test_the_logs_stay_in_the_output_folder(worker: Worker) -> None:
    measured(worker, **QUICK)
    assert worker.outcome()["files"] == ["mlperf_log_detail.txt", "mlperf_log_summary.txt"]
    assert "Result is : VALID" in (worker.output / "mlperf_log_summary.txt").read_text()


def test_offline_asks_for_all_at_once(worker: Worker) -> None:
    found = measured(worker, scenario="offline", min_duration_ms=50, offline_expected_qps=1000.0)
    assert (found["verdict"], found["queries"]) == ("VALID", 1)
    assert found["samples"] == len(found["asked"]) >= 50
    assert found["latencies"] == sorted(found["latencies"])
    assert found["throughput"] == found["summary"]["result_samples_per_second"] < 1000


def test_no_more_samples_are_in_memory_than_were_promised(worker: Worker) -> None:
    found = measured(worker, **QUICK)
    assert (found["most"], found["left"]) == (4, 0)


@pytest.mark.parametrize("scenario", ["single-stream", "offline"])
def test_accuracy_mode_asks_for_each_sample_once(worker: Worker, scenario: str) -> None:
    found = measured(worker, scenario=scenario, mode="accuracy")
    assert sorted(found["asked"]) == list(range(8))
    assert found["answers"] == {str(index): str(index * 100) for index in range(8)}
    assert (found["valid"], found["verdict"]) == (True, "")


def test_an_invalid_run_says_why(worker: Worker) -> None:
    found = measured(worker, **QUICK, max_query_count=5)
    assert (found["valid"], found["verdict"], found["queries"]) == (False, "INVALID", 5)
    reasons = "\n".join(found["invalid_reasons"])
    for words in ("before the minimum duration", "minimum number of queries", "too few queries", "Max query count"):
        assert words in reasons


def test_a_seed_decides_which_samples_are_asked_for(worker: Worker) -> None:
    first, again, other = (measured(worker, seed=seed, **QUICK)["asked"][:70] for seed in (1, 1, 2))
    assert first == again
    assert first != other


def test_the_garbage_collector_is_restored(worker: Worker) -> None:
    assert measured(worker, **QUICK)["gc"] == [True, 0]


@pytest.mark.parametrize(
    "parameters",
    [
        {**QUICK, "fail_at": 3},
        {"scenario": "offline", "min_duration_ms": 50, "offline_expected_qps": 1000.0, "fail_at": 3},
        {"mode": "accuracy", "fail_at": 0},
    ],
)
def test_an_error_of_the_system_under_test_fails_the_run_and_does_not_hang_it(
    worker: Worker, parameters: dict[str, Any]
) -> None:
    done = worker.job(SOURCE, parameters).run()
    error = worker.outcome()["error"]
    assert (done.returncode, error["type"], error["message"]) == (1, "RuntimeError", "the model broke")
    assert "in issue" in error["traceback"]


def test_an_error_while_loading_samples_fails_the_run(worker: Worker) -> None:
    worker.job(SOURCE, {**QUICK, "broken": True}).run()
    assert worker.outcome()["error"]["message"] == "photo.jpg is no picture"


def test_ctrl_c_ends_a_run_inside_loadgen(worker: Worker) -> None:
    worker.job(SOURCE, {"min_duration_ms": 60_000, "single_stream_expected_latency_ns": 1_000_000})
    process = subprocess.Popen(worker.command, cwd=worker.output, stdin=subprocess.PIPE)
    while not (worker.output / "mlperf_log_detail.txt").exists():
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=10)
    assert process.returncode == -signal.SIGINT
    assert not (worker.output / "outcome.json").exists()


def test_settings_that_are_not_given_are_left_to_loadgen() -> None:
    assert Settings(min_query_count=64).given() == {"min_query_count": 64}


@pytest.mark.parametrize(("field", "value"), [("scenario", "multi"), ("mode", "fast")])
def test_an_unknown_scenario_or_mode_is_an_error(field: str, value: str) -> None:
    with pytest.raises(ValueError, match=f"{field} is '{value}'; there is: "):
        Settings(**{field: value})  # type: ignore[arg-type]


def test_an_unknown_engine_is_an_error() -> None:
    with pytest.raises(ValueError, match="no load generator 'native'"):
        open_engine("native")


def test_one_seed_gives_four_that_differ() -> None:
    assert len(set(seeds(1).values())) == 4
    assert seeds(1) == seeds(1) != seeds(2)
    assert set(seeds(0).values()) == {0}


def detail(path: Path, *entries: tuple[str, Any, bool]) -> Path:
    lines = [{"key": key, "value": value, "metadata": {"is_error": error}} for key, value, error in entries]
    path.write_text("".join(f":::MLLOG {json.dumps(line)}\n" for line in lines))
    return path


def test_times_in_a_log_become_whole_numbers(tmp_path: Path) -> None:
    path = detail(tmp_path / "log", ("effective_target_latency_ns", 1e6, False), ("result_qps", 66.5, False))
    log = logs.read(path)
    assert logs.settings(log) == {"target_latency_ns": 1_000_000}
    assert isinstance(logs.settings(log)["target_latency_ns"], int)
    assert logs.summary(log) == {"result_qps": 66.5}


def test_a_line_that_is_not_of_a_log_is_passed_over(tmp_path: Path) -> None:
    path = detail(tmp_path / "log", ("error_runtime", "it broke", True))
    path.write_text("hello\n:::MLLOG {not json\n:::MLLOG [1]\n" + path.read_text())
    log = logs.read(path)
    assert dict(log.values) == {"error_runtime": "it broke"}
    assert logs.invalid_reasons(log) == ("it broke",)


def test_a_sample_answered_twice_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "mlperf_log_accuracy.json"
    path.write_text('[{"seq_id": 0, "qsl_idx": 3, "data": "01"}, {"seq_id": 1, "qsl_idx": 3, "data": "01"}]')
    with pytest.raises(ValueError, match="sample 3 was answered twice"):
        logs.answers(path)
