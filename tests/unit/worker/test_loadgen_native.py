"""Our own engine: what it does with a system under test, in this process, and that LoadGen's figures are the same."""

from __future__ import annotations

import ctypes
import gc
import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import numpy as np
import pytest
from scipy import stats

from cmx.worker.loadgen import ENGINES, LoadError, Report, Settings, logs, native
from cmx.worker.loadgen.seam import Complete

SCENARIOS = ("single-stream", "multi-stream", "server", "offline")
QUICK: dict[str, dict[str, Any]] = {
    "single-stream": {"min_query_count": 70},
    "multi-stream": {"min_query_count": 40, "multi_stream_target_latency_percentile": 0.8},
    "server": {"server_target_qps": 500.0, "server_target_latency_percentile": 0.5, "min_query_count": 50},
    "offline": {"offline_expected_qps": 20_000.0, "min_query_count": 1},
}


class Library:
    """Twenty samples, eight at a time."""

    total, performance_count = 20, 8

    def __init__(self) -> None:
        self.loaded: set[int] = set()
        self.most = 0

    def load(self, indices: Sequence[int]) -> None:
        self.loaded |= set(indices)
        self.most = max(self.most, len(self.loaded))

    def unload(self, indices: Sequence[int]) -> None:
        self.loaded -= set(indices)


class System:
    """Answers at once, with the sample's index."""

    def __init__(self, library: Library) -> None:
        self.library, self.asked, self.flushed = library, [], 0  # type: ignore[var-annotated]

    def issue(self, ids: Sequence[int], indices: Sequence[int], complete: Complete) -> None:
        assert set(indices) <= self.library.loaded
        self.asked += indices
        self.answer(ids, indices, complete)

    def answer(self, ids: Sequence[int], indices: Sequence[int], complete: Complete) -> None:
        complete(ids, [str(index).encode() for index in indices])

    def flush(self) -> None:
        self.flushed += 1


class Threaded(System):
    """Answers from another thread, the last sample of a query first, one at a time."""

    def __init__(self, library: Library) -> None:
        super().__init__(library)
        self.queue: SimpleQueue[Any] = SimpleQueue()
        threading.Thread(target=self.work, daemon=True).start()

    def answer(self, ids: Sequence[int], indices: Sequence[int], complete: Complete) -> None:
        self.queue.put((ids, indices, complete))

    def work(self) -> None:
        while True:
            ids, indices, complete = self.queue.get()
            for number, index in reversed(list(zip(ids, indices, strict=True))):
                complete([number], [str(index).encode()])


class Doing(System):
    """Does what a function does in place of answering."""

    def __init__(self, library: Library, act: Callable[[Sequence[int], Complete], None]) -> None:
        super().__init__(library)
        self.act = act

    def answer(self, ids: Sequence[int], indices: Sequence[int], complete: Complete) -> None:
        self.act(ids, complete)


class Bare(System):
    """Answers at once, with nothing."""

    def answer(self, ids: Sequence[int], indices: Sequence[int], complete: Complete) -> None:
        complete(ids)


def told(*_: Any, **__: Any) -> None:
    """Progress that nobody looks at."""


def run(folder: Path, scenario: str, system: System | None = None, **settings: Any) -> tuple[Report, System]:
    system = system or System(Library())
    given = {"min_duration_ms": 20, **QUICK[scenario], **settings}
    return native.run(system, system.library, Settings(scenario=scenario, **given), folder, told), system


@pytest.mark.parametrize("system", [System, Threaded])
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_each_scenario_ends_with_a_verdict_and_logs(
    tmp_path: Path, scenario: str, system: Callable[[Library], System]
) -> None:
    report, asked = run(tmp_path, scenario, system(Library()), max_query_count=60_000)
    assert report.verdict == "VALID" or scenario == "offline", report.invalid_reasons
    assert (report.engine, report.version) == ("cmx-native", native.VERSION)
    assert report.samples == len(asked.asked)
    assert report.queries == report.summary["result_query_count"]
    assert len(report.latencies) == (report.samples if scenario == "offline" else report.queries)
    assert min(report.latencies) > 0
    assert (asked.flushed, asked.library.loaded, asked.library.most) == (1, set(), 8)
    assert report.files == (logs.DETAIL, logs.SUMMARY)
    text = (tmp_path / logs.SUMMARY).read_text()
    assert f"Result is : {report.verdict}\n" in text
    assert "not MLPerf LoadGen" in text
    assert report.settings["scenario"] == "".join(word.title() for word in scenario.split("-"))


def test_latencies_are_those_of_the_summary(tmp_path: Path) -> None:
    report, _ = run(tmp_path, "single-stream")
    assert min(report.latencies) == report.summary["result_min_latency_ns"]
    assert max(report.latencies) == report.summary["result_max_latency_ns"]
    assert report.throughput == report.summary["result_qps_with_loadgen_overhead"]


def test_a_servers_latency_counts_from_when_a_query_was_due(tmp_path: Path) -> None:
    """One thread that takes 2 ms a query, asked for a thousand a second, falls behind further and further."""
    slow = Doing(Library(), lambda ids, complete: (time.sleep(0.002), complete(ids))[0])
    report, _ = run(tmp_path, "server", slow, server_target_qps=1000.0, server_target_latency_ns=5_000_000)
    # Not by the first: a machine that stands still for a moment delays all of them alike.
    assert report.latencies[-1] > report.latencies[0] + 20_000_000
    assert report.verdict == "INVALID"
    assert any("the latency bound was not met" in reason for reason in report.invalid_reasons)
    assert report.summary["result_overlatency_query_count"] == sum(each > 5_000_000 for each in report.latencies)


def test_queries_that_are_due_are_coalesced_where_that_is_asked_for(tmp_path: Path) -> None:
    sizes: list[int] = []

    def act(ids: Sequence[int], complete: Complete) -> None:
        sizes.append(len(ids))
        time.sleep(0.005)
        complete(ids)

    report, _ = run(tmp_path, "server", Doing(Library(), act), server_coalesce_queries=True, server_target_qps=2000.0)
    assert max(sizes) > 1
    assert sum(sizes) == report.queries == report.summary["result_query_count"]


def test_several_threads_take_turns_in_issuing(tmp_path: Path) -> None:
    """Each takes 2 ms a query, so that one alone would fall behind; four need not."""
    who: set[int] = set()

    def act(ids: Sequence[int], complete: Complete) -> None:
        who.add(threading.get_ident())
        time.sleep(0.002)
        complete(ids)

    report, system = run(tmp_path, "server", Doing(Library(), act), server_num_issue_query_threads=4)
    assert len(who) > 1
    assert threading.get_ident() not in who
    assert len(system.asked) == report.queries == len(report.latencies)


def test_a_backlog_that_is_too_long_ends_a_server_run(tmp_path: Path) -> None:
    held: list[tuple[Sequence[int], Complete]] = []

    class Holding(System):
        def answer(self, ids: Sequence[int], indices: Sequence[int], complete: Complete) -> None:
            held.append((ids, complete))

        def flush(self) -> None:
            for ids, complete in held:
                complete(ids)

    report, _ = run(tmp_path, "server", Holding(Library()), server_max_async_queries=10)
    assert report.queries == 11
    assert any("Too many outstanding queries" in reason for reason in report.invalid_reasons)


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_accuracy_mode_keeps_the_answer_to_each_sample(tmp_path: Path, scenario: str) -> None:
    report, system = run(tmp_path, scenario, mode="accuracy", server_target_qps=5000.0)
    assert sorted(system.asked) == list(range(20))
    assert report.answers == logs.answers(tmp_path / logs.ACCURACY)
    assert report.answers == {index: str(index).encode() for index in range(20)}
    assert (report.valid, report.verdict, report.samples) == (True, "", 20)
    assert report.files == (logs.ACCURACY, logs.DETAIL, logs.SUMMARY)
    assert system.library.most == 8


def test_a_submission_run_answers_everything_and_then_measures(tmp_path: Path) -> None:
    report, system = run(tmp_path, "single-stream", mode="submission")
    assert sorted(system.asked[:20]) == list(range(20))
    assert (report.verdict, len(report.answers)) == ("VALID", 20)
    assert report.queries == len(system.asked) - 20 == report.summary["result_query_count"]


def test_an_audit_keeps_answers_while_measuring(tmp_path: Path) -> None:
    _, system = run(tmp_path, "single-stream", accuracy_log_probability=0.5, accuracy_log_rng_seed=3)
    entries = json.loads((tmp_path / logs.ACCURACY).read_text())
    assert 0 < len(entries) < len(system.asked)
    for entry in entries:
        assert system.asked[entry["seq_id"]] == entry["qsl_idx"] == int(bytes.fromhex(entry["data"]))


def test_the_greatest_rate_that_is_valid_is_found(tmp_path: Path) -> None:
    """A system that stops for 0.4 s at the 80th query of a run of 0.2 s: what comes after it is late."""

    def act(ids: Sequence[int], complete: Complete) -> None:
        time.sleep(0.4 if ids[0] == 80 else 0)
        complete(ids)

    system = Doing(Library(), act)
    settings = {"server_target_latency_ns": 200_000_000, "server_target_latency_percentile": 0.9}
    settings |= {"server_find_peak_qps_decimals_of_precision": -1, "min_duration_ms": 200, "server_target_qps": 100.0}
    report, _ = run(tmp_path, "server", system, mode="find-peak", **settings)
    assert report.peak_qps is not None
    assert 200 <= report.peak_qps < 800
    assert report.verdict == "VALID"
    assert report.settings["target_qps"] == 100.0


def test_a_peak_below_the_first_rate_is_not_looked_for(tmp_path: Path) -> None:
    slow = Doing(Library(), lambda ids, complete: (time.sleep(0.002), complete(ids))[0])
    report, _ = run(tmp_path, "server", slow, mode="find-peak", server_target_qps=2000.0, server_target_latency_ns=1)
    assert (report.peak_qps, report.verdict) == (None, "INVALID")
    assert any("Initial lower bound" in reason for reason in report.invalid_reasons)


@pytest.mark.parametrize("scenario", ["single-stream", "server"])
def test_an_early_end_is_invalid_and_says_why(tmp_path: Path, scenario: str) -> None:
    report, _ = run(tmp_path, scenario, max_query_count=5, min_duration_ms=10_000)
    assert (report.valid, report.verdict, report.queries) == (False, "INVALID", 5)
    reasons = "\n".join(report.invalid_reasons)
    for words in ("before the minimum duration", "minimum number of queries", "too few queries", "Max query count"):
        assert words in reasons
    assert "1 ERROR encountered" in (tmp_path / logs.SUMMARY).read_text()


def test_the_maximum_duration_ends_a_run(tmp_path: Path) -> None:
    report, _ = run(tmp_path, "single-stream", min_query_count=10**6, max_duration_ms=20)
    assert any("Max test duration reached" in reason for reason in report.invalid_reasons)


def test_samples_that_are_asked_for_once_run_out(tmp_path: Path) -> None:
    report, system = run(tmp_path, "single-stream", performance_issue_unique=True)
    assert len(system.asked) == len(set(system.asked)) == 8
    assert any("Ran out of generated queries" in reason for reason in report.invalid_reasons)


def _break(ids: Sequence[int], complete: Complete) -> None:
    raise OSError("the model broke")


def _break_elsewhere(ids: Sequence[int], complete: Complete) -> None:
    threading.Thread(target=complete.fail, args=[OSError("the model broke")]).start()


@pytest.mark.parametrize("mode", ["performance", "accuracy"])
@pytest.mark.parametrize("scenario", SCENARIOS)
@pytest.mark.parametrize("act", [_break, _break_elsewhere])
def test_a_broken_system_ends_the_run(tmp_path: Path, scenario: str, act: Any, mode: str) -> None:
    with pytest.raises(OSError, match="the model broke"):
        run(tmp_path, scenario, Doing(Library(), act), mode=mode)
    assert gc.isenabled()


@pytest.mark.parametrize("mode", ["performance", "accuracy"])
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_a_query_that_is_dropped_ends_the_run(tmp_path: Path, scenario: str, mode: str) -> None:
    dropped = Doing(Library(), lambda ids, complete: complete([number for number in ids if number != 7]))
    with pytest.raises(LoadError, match=r"1 of .* samples asked for were not answered") as caught:
        run(tmp_path, scenario, dropped, mode=mode, answer_timeout=0.2, server_target_qps=5000.0)
    assert "answer-timeout" in caught.value.hint


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_a_query_that_is_answered_twice_ends_the_run(tmp_path: Path, scenario: str) -> None:
    twice = Doing(Library(), lambda ids, complete: (complete(ids), complete(ids[:1]))[0])
    with pytest.raises(LoadError, match="answered sample 0 of the run twice"):
        run(tmp_path, scenario, twice)


@pytest.mark.parametrize(
    ("scenario", "odd"),
    [
        *((scenario, odd) for scenario in SCENARIOS for odd in (1_000_000, -1)),
        *((scenario, 100) for scenario in ("single-stream", "multi-stream")),  # it would come: there is room for it
    ],
)
def test_an_id_that_was_never_given_is_an_error(tmp_path: Path, scenario: str, odd: int) -> None:
    with pytest.raises(LoadError, match=f"answered sample {odd} of the run that it was never asked for"):
        run(tmp_path, scenario, Doing(Library(), lambda ids, complete: (complete([odd]), complete(ids))[0]))


@pytest.mark.parametrize("scenario", ["single-stream", "multi-stream"])
@pytest.mark.parametrize("queries", [1, 4096, 4097, 10_000])
def test_a_run_of_any_length_asks_for_exactly_that(tmp_path: Path, scenario: str, queries: int) -> None:
    limits = {"min_query_count": queries, "max_query_count": queries, "min_duration_ms": 0}
    report, system = run(tmp_path, scenario, Bare(Library()), **limits)
    size = 8 if scenario == "multi-stream" else 1
    assert (report.queries, report.samples, len(system.asked)) == (queries, queries * size, queries * size)
    assert len(report.latencies) == queries
    assert min(report.latencies) > 0


def test_progress_is_told_five_times_a_second(tmp_path: Path) -> None:
    events: list[int] = []
    system = Bare(Library())
    settings = Settings(scenario="single-stream", min_duration_ms=1100, min_query_count=70)
    report = native.run(system, system.library, settings, tmp_path, lambda done, *_, **__: events.append(done))
    assert 2 <= len(events) <= 7
    assert events == sorted(set(events))
    assert 1 <= events[0] <= events[-1] <= report.samples


@pytest.mark.parametrize(
    ("settings", "what"),
    [
        ({"user_conf": "user.conf"}, "user.conf"),
        ({"trace": True}, "trace"),
        ({"use_token_latencies": True}, "token latencies"),
    ],
)
def test_what_only_loadgen_does_is_refused(tmp_path: Path, settings: dict[str, Any], what: str) -> None:
    with pytest.raises(LoadError, match=f"no {what}") as caught:
        run(tmp_path, "single-stream", **settings)
    assert "--engine loadgen" in caught.value.hint
    assert list(tmp_path.iterdir()) == []


def test_the_garbage_collector_is_restored(tmp_path: Path) -> None:
    run(tmp_path, "single-stream")
    assert (gc.isenabled(), gc.get_freeze_count()) == (True, 0)


ALONE = """
import sys, numpy.random
numpys = {name.partition(".")[0] for name in sys.modules}
from pathlib import Path
from cmx.worker.loadgen import Settings, open_engine
class Library:
    total = performance_count = 4
    def load(self, indices): pass
    unload = load
class System:
    def issue(self, ids, indices, complete): complete(ids)
    def flush(self): pass
settings = Settings(min_query_count=64, min_duration_ms=0)
report = open_engine("native")(System(), Library(), settings, Path(sys.argv[1]), lambda *_, **__: None)
others = {name.partition(".")[0] for name in sys.modules} - set(sys.stdlib_module_names) - numpys
print(report.verdict, *sorted(others))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux lets a thread's sleep last longer")
def test_a_server_sleeps_without_slack_and_gives_it_back(tmp_path: Path) -> None:
    slack, get = ctypes.CDLL(None).prctl, 30
    before, seen = slack(get), set()

    def answer(ids: Sequence[int], complete: Complete) -> None:
        seen.add(slack(get))
        complete(ids)

    run(tmp_path, "server", Doing(Library(), answer), server_num_issue_query_threads=2)
    assert (seen, slack(get)) == ({1}, before)
    assert before > 1


def test_it_needs_nothing_but_numpy(tmp_path: Path) -> None:
    root = Path(native.__file__).parents[3]
    script = f"import sys; sys.path.insert(0, {str(root)!r})\n{ALONE}"
    done = subprocess.run([sys.executable, "-I", "-c", script, str(tmp_path)], capture_output=True, text=True)
    assert (done.stdout.split(), done.stderr) == (["VALID", "cmx"], "")


BOTH = """
import json, random, sys, time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from cmx.worker.loadgen import Settings, open_engine
engine, scenario, seed, folder = sys.argv[1:]
class Library:
    total = performance_count = 8
    def load(self, indices): pass
    unload = load
class System:
    pauses = random.Random(int(seed))
    threads = ThreadPoolExecutor(64)
    def issue(self, ids, indices, complete):
        for number in ids:
            pause = self.pauses.expovariate(100 if scenario == "server" else 300)
            if scenario == "server":
                self.threads.submit(self.answer, number, pause, complete)
            else:
                self.answer(number, pause, complete)
    def answer(self, number, pause, complete):
        time.sleep(pause)
        complete([number])
    def flush(self): pass
settings = Settings(
    scenario=scenario, trace=scenario == "server" and engine == "loadgen",
    min_query_count=200, max_query_count=200, min_duration_ms=0, schedule_rng_seed=int(seed),
    multi_stream_samples_per_query=2, server_target_qps=300.0, server_target_latency_ns=50_000_000,
    server_target_latency_percentile=0.9, single_stream_expected_latency_ns=10_000,
    multi_stream_expected_latency_ns=10_000, multi_stream_target_latency_percentile=0.9,
)
report = open_engine(engine)(System(), Library(), settings, Path(folder), lambda *_, **__: None)
latencies = list(report.latencies)
if settings.trace:  # beside LoadGen we time from the issue; only its trace has each latency from when a query was due
    trace = json.loads((Path(folder) / "mlperf_log_trace.json").read_text())["traceEvents"]
    latencies = [event["args"]["complete_ns"] for event in trace if event["name"] == "Sample" and event["ph"] == "b"]
print(json.dumps({"latencies": latencies, "throughput": report.throughput, "queries": report.queries,
                  "samples": report.samples, "keys": sorted(report.summary), "settings": dict(report.settings)}))
"""


def measured(folder: Path, engine: str, scenario: str, *, seed: int) -> dict[str, Any]:
    output = folder / f"{engine}-{seed}"
    output.mkdir()
    command = [sys.executable, "-c", BOTH, engine, scenario, str(seed), str(output)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)  # type: ignore[no-any-return]


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_a_sleeping_system_is_the_same_to_both_engines(tmp_path: Path, scenario: str) -> None:
    """The sleeps are exponential: the latencies spread far more than an engine, or a busy machine, shifts them.

    What is tested is that they come from one distribution; in offline, where they are sums, the times in between. In
    server each query sleeps in a thread of its own, so that none waits for another.
    """
    theirs, ours = (measured(tmp_path, each, scenario, seed=1) for each in ENGINES)
    read = np.diff if scenario == "offline" else np.asarray
    assert len(theirs["latencies"]) == len(ours["latencies"]) >= 200
    assert stats.ks_2samp(read(theirs["latencies"]), read(ours["latencies"])).pvalue > 1e-4
    assert (theirs["queries"], theirs["samples"]) == (ours["queries"], ours["samples"])
    assert theirs["settings"].keys() == ours["settings"].keys()
    missing = set(theirs["keys"]) - set(ours["keys"])
    assert all(key.startswith("loadgen_") for key in missing), missing
