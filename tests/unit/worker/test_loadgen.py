"""LoadGen behind its seam. Each run has a process of its own, as in a real run."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from cmx.worker.loadgen import Settings, logs, open_engine, seeds
from cmx.worker.loadgen.settings import TEST_SETTINGS

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


def test_the_completions_of_an_offline_submission_run_are_those_that_were_measured(worker: Worker) -> None:
    found = measured(worker, scenario="offline", mode="submission", min_duration_ms=50, offline_expected_qps=1000.0)
    assert len(found["latencies"]) == found["samples"] == len(found["asked"]) - 8
    assert found["latencies"][-1] / 1e9 == pytest.approx(found["samples"] / found["throughput"], rel=0.05)


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


THREADED = """
    import dataclasses, queue, threading, time
    from cmx.worker.loadgen import Settings, open_engine, seeds

    class Library:
        total, performance_count = 8, 8
        def load(self, indices): pass
        def unload(self, indices): pass

    class System:
        \"""Answers from two threads of its own; ``how`` at the fifth sample.\"""
        def __init__(self, how, seconds, tokens):
            self.how, self.seconds, self.tokens, self.asked, self.queue = how, seconds, tokens, 0, queue.SimpleQueue()
            for _ in range(2): threading.Thread(target=self.work, daemon=True).start()
        def issue(self, ids, indices, complete):
            for number, index in zip(ids, indices): self.queue.put((number, index, complete))
        def flush(self): pass
        def work(self):
            while True:
                number, index, complete = self.queue.get()
                self.asked += 1
                odd = self.how if self.asked == 5 else ""
                if odd == "fail": complete.fail(RuntimeError("the model broke"))
                if odd == "drop": continue
                if self.tokens:
                    time.sleep(self.seconds)
                    complete.first_token([number])
                time.sleep(self.seconds)
                for _ in range(2 if odd == "twice" else 1):
                    complete([number], [b"%d" % index], [3 + index] if self.tokens else None)

    def work(context, *, how="", seconds=0.001, **settings):
        settings = Settings(**settings, **seeds(context.seed))
        system = System(how, seconds, settings.use_token_latencies)
        report = open_engine()(system, Library(), settings, context.output, context.progress)
        fields = dataclasses.asdict(dataclasses.replace(report, answers={}, latencies=(), first_tokens=(), tokens=()))
        return Outcome("", {**fields, "latencies": list(report.latencies), "answered": sorted(report.answers),
            "first_tokens": list(report.first_tokens), "tokens": list(report.tokens), "asked": system.asked},
            files=report.files)
"""
SERVER = {"scenario": "server", "server_target_qps": 500.0, "min_duration_ms": 100, "min_query_count": 50}


def threaded(worker: Worker, **parameters: Any) -> dict[str, Any]:
    done = worker.job(THREADED, parameters).run()
    found = worker.outcome()
    assert (done.returncode, done.stdout, done.stderr) == (0, "", ""), found["error"]
    return found["metrics"]  # type: ignore[no-any-return]


def test_a_server_is_asked_at_random_times_and_answers_from_other_threads(worker: Worker) -> None:
    found = threaded(worker, **SERVER, server_target_latency_percentile=0.5)
    assert (found["verdict"], found["queries"], found["settings"]["scenario"]) == ("VALID", found["samples"], "Server")
    assert found["queries"] == len(found["latencies"]) == found["asked"] >= 50
    assert min(found["latencies"]) >= 1_000_000
    assert found["throughput"] == found["summary"]["result_completed_samples_per_sec"]


def test_multi_stream_times_a_query_of_several_samples_as_one(worker: Worker) -> None:
    few = {"min_duration_ms": 20, "min_query_count": 30, "multi_stream_target_latency_percentile": 0.5}
    found = threaded(worker, scenario="multi-stream", multi_stream_samples_per_query=4, **few)
    assert (found["verdict"], found["samples"], found["asked"]) == ("VALID", 4 * found["queries"], found["samples"])
    assert found["queries"] == len(found["latencies"])
    assert min(found["latencies"]) >= 2_000_000, "two threads, four samples"


def test_a_submission_run_answers_everything_and_measures(worker: Worker) -> None:
    found = threaded(worker, **SERVER, mode="submission", server_target_latency_percentile=0.5)
    assert (found["verdict"], found["answered"]) == ("VALID", list(range(8)))
    assert found["asked"] == 8 + found["samples"]
    assert found["queries"] == found["summary"]["result_query_count"] == len(found["latencies"])


def test_find_peak_ends_with_a_rate(worker: Worker) -> None:
    small = {"min_duration_ms": 100, "server_target_qps": 50.0, "server_target_latency_percentile": 0.5}
    found = threaded(
        worker, **{**SERVER, **small}, mode="find-peak", seconds=0.01, server_target_latency_ns=100_000_000
    )
    assert 50 <= found["peak_qps"] < 4000
    assert found["queries"] == found["summary"]["result_query_count"] < found["asked"]


def test_find_peak_from_too_high_a_rate_says_so(worker: Worker) -> None:
    found = threaded(
        worker, **{**SERVER, "server_target_qps": 9000.0}, mode="find-peak", server_target_latency_ns=2_000_000
    )
    assert found["peak_qps"] is None
    assert "Initial lower bound does not satisfy performance constraints" in "".join(found["invalid_reasons"])


def test_token_latencies_are_taken_and_judged(worker: Worker) -> None:
    found = threaded(
        worker,
        **{**SERVER, "server_target_qps": 200.0},
        use_token_latencies=True,
        ttft_latency=10**9,
        server_target_latency_percentile=0.5,
    )
    assert found["verdict"] == "VALID"
    assert len(found["first_tokens"]) == len(found["tokens"]) == found["queries"]
    assert all(1_000_000 <= first < last for first, last in zip(found["first_tokens"], found["latencies"], strict=True))
    assert all(3 <= count < 11 for count in found["tokens"])
    assert found["summary"]["result_first_token_min_latency_ns"] >= 1_000_000


def test_a_server_slower_than_its_target_is_invalid_with_the_figures(worker: Worker) -> None:
    found = threaded(worker, **SERVER, seconds=0.02, server_target_latency_ns=30_000_000)
    [bound, advice] = found["invalid_reasons"]
    assert bound.startswith("the latency bound was not met: p99 is ")
    assert bound.endswith(" ms, and may be 30 ms")
    assert advice == "advice: Reduce target QPS to improve latency."


def test_a_server_that_falls_behind_is_not_asked_for_ever(worker: Worker) -> None:
    found = threaded(worker, **{**SERVER, "min_duration_ms": 60_000}, seconds=0.02, server_max_async_queries=20)
    assert found["invalid_reasons"][0].startswith("the system is slower than target-qps")
    assert "Increase" not in "".join(found["invalid_reasons"])


@pytest.mark.parametrize("scenario", ["single-stream", "multi-stream", "server", "offline"])
@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("drop", "1 of .* samples were never answered: nothing came for 0.5 s"),
        ("twice", "the system under test answered a query twice, or one that it was never asked"),
        ("fail", "the model broke"),
    ],
)
def test_a_system_that_drops_repeats_or_breaks_ends_the_run(
    worker: Worker, scenario: str, how: str, message: str
) -> None:
    few = {"max_query_count": 30, "min_duration_ms": 60_000, "offline_expected_qps": 0.001, "server_target_qps": 100}
    done = worker.job(THREADED, {"how": how, "scenario": scenario, "answer_timeout": 0.5, **few}).run()
    error = worker.outcome()["error"]
    assert done.returncode == 1
    assert re.fullmatch(message, error["message"]), error
    assert (error["traceback"] == "") is (how != "fail"), error
    assert error.get("hint") or how == "fail"


def test_what_loadgen_s_module_cannot_do_is_refused(worker: Worker) -> None:
    worker.job(THREADED, {**SERVER, "server_num_issue_query_threads": 2}).run()
    error = worker.outcome()["error"]
    assert error["message"] == "MLPerf LoadGen's Python module cannot issue queries from several threads"


def test_the_trace_is_kept_where_it_is_asked_for(worker: Worker) -> None:
    threaded(worker, **SERVER, trace=True)
    trace = json.loads((worker.output / "mlperf_log_trace.json").read_text())
    assert [event["name"] for event in trace["traceEvents"]].count("Sample") >= 50
    assert "mlperf_log_trace.json" in worker.outcome()["files"]


def test_mlperf_conf_and_user_conf_are_read_by_loadgen_and_settings_win(worker: Worker) -> None:
    conf = worker.folder / "user.conf"
    conf.write_text("*.Server.target_qps = 300\n*.Server.min_duration = 100\n*.Server.qsl_rng_seed = 7\n")
    source = THREADED.replace("**settings, **seeds(context.seed)", "**settings")
    worker.job(source, {"scenario": "server", "user_conf": str(conf), "mlperf_model": "resnet50", "min_query_count": 9})
    worker.run()
    found = worker.outcome()["metrics"]["settings"]
    assert (found["target_qps"], found["min_duration_ms"], found["min_query_count"]) == (300, 100, 9)
    assert found["target_latency_ns"] == 15_000_000, "mlperf.conf of resnet50"
    assert found["qsl_rng_seed"] > 10**15, "of mlperf.conf: LoadGen takes no seed from a user.conf"
    assert worker.outcome()["metrics"]["summary"]["num_errors"] == 0


def test_settings_has_each_field_of_loadgen_s(worker: Worker) -> None:
    lg = pytest.importorskip("mlperf_loadgen")
    names = {name for name in dir(lg.TestSettings()) if not name.startswith("_")}
    assert names - {"FromConfig", "scenario", "mode"} == set(TEST_SETTINGS)


def test_settings_that_are_not_given_are_left_to_loadgen() -> None:
    assert Settings(min_query_count=64).given() == {"min_query_count": 64}


@pytest.mark.parametrize(("field", "value"), [("scenario", "multi"), ("mode", "fast")])
def test_an_unknown_scenario_or_mode_is_an_error(field: str, value: str) -> None:
    with pytest.raises(ValueError, match=f"{field} is '{value}'; there is: "):
        Settings(**{field: value})  # type: ignore[arg-type]


def test_an_unknown_engine_is_an_error() -> None:
    with pytest.raises(ValueError, match="no load generator 'other'"):
        open_engine("other")


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


def test_of_a_sample_that_was_asked_for_again_the_first_answer_counts(tmp_path: Path) -> None:
    path = tmp_path / "mlperf_log_accuracy.json"
    path.write_text('[{"seq_id": 0, "qsl_idx": 3, "data": "01"}, {"seq_id": 1, "qsl_idx": 3, "data": "02"}]')
    assert logs.answers(path) == {3: b"\x01"}
