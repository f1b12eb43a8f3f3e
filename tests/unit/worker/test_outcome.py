from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from cmx.worker import ActionError, Outcome, latency
from cmx.worker.context import Progress
from cmx.worker.outcome import check, error_document, is_out_of_memory, plain, write


def raised(error: BaseException) -> BaseException:
    try:
        raise error
    except BaseException as caught:
        return caught


def test_an_outcome_s_files_must_exist(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"names 'model\.onnx', but made no such file"):
        check(Outcome(products={"model": "model.onnx"}), tmp_path)


def test_an_outcome_s_files_stay_in_its_folder(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("")
    with pytest.raises(ValueError, match="outside its output folder"):
        check(Outcome(files=["../secret"]), tmp_path / "output")


def test_a_product_may_be_a_folder_and_a_file_may_not(tmp_path: Path) -> None:
    (tmp_path / "saved-model").mkdir()
    check(Outcome(products={"model": "saved-model"}), tmp_path)
    with pytest.raises(ValueError, match="made no such file"):
        check(Outcome(files=["saved-model"]), tmp_path)


def test_an_outcome_with_its_files_is_returned(tmp_path: Path) -> None:
    (tmp_path / "log.txt").write_text("")
    outcome = Outcome(files=["log.txt"])
    assert check(outcome, tmp_path) is outcome


def test_an_error_for_the_user_has_its_hint_and_no_traceback() -> None:
    found = error_document(ActionError("x.jpg is not a picture", "give a photo"))
    assert found == {
        "type": "ActionError", "message": "x.jpg is not a picture", "hint": "give a photo", "traceback": "",
    }  # fmt: skip


def test_any_other_error_has_its_traceback() -> None:
    found = error_document(raised(KeyError("model")))
    assert (found["type"], found["message"]) == ("KeyError", "'model'")
    assert "raise error" in found["traceback"]


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        RuntimeError("Exception during run: std::bad_alloc"),
        ImportError("libort.so: failed to map segment from shared object"),
    ],
)
def test_running_out_of_memory_is_told_from_other_errors(error: Exception) -> None:
    assert error_document(raised(error))["type"] == "out-of-memory"


def test_running_out_of_memory_is_seen_through_another_error() -> None:
    outer = ValueError("cannot load")
    outer.__cause__ = MemoryError()
    assert is_out_of_memory(outer)
    assert not is_out_of_memory(ValueError("cannot load"))
    assert not is_out_of_memory(ImportError("x.so: failed to map segment from shared object: Permission denied"))


def test_numpy_values_become_plain_json() -> None:
    found = plain({"n": np.int64(3), "a": np.arange(2), "p": Path("x"), "f": np.float32(0.5), "nan": float("nan")})
    assert found == {"n": 3, "a": [0, 1], "p": "x", "f": 0.5, "nan": None}


def test_an_outcome_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    write({"status": "ok"}, tmp_path)

    class Unprintable:
        def __str__(self) -> str:
            raise RuntimeError("no")

    with pytest.raises(RuntimeError):
        write({"status": Unprintable()}, tmp_path)
    assert json.loads((tmp_path / "outcome.json").read_text()) == {"status": "ok"}
    assert [path.name for path in tmp_path.iterdir()] == ["outcome.json"]


def test_progress_writes_few_events_however_often_it_is_told(tmp_path: Path) -> None:
    progress = Progress(tmp_path / "progress.jsonl")
    for done in range(1000):
        progress(done, 1000, now_ns=progress._begin + done * 1_000_000)
    progress.finish(1000, 1000)
    progress.close()
    events = [json.loads(line) for line in (tmp_path / "progress.jsonl").read_text().splitlines()]
    assert [event["done"] for event in events] == [0, 200, 400, 600, 800, 1000]
    assert events[1] == {"done": 200, "total": 1000, "seconds": 0.2}


def test_progress_without_a_file_writes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    progress = Progress(None)
    progress(1)
    progress.finish(2)
    assert list(tmp_path.iterdir()) == []


def test_percentiles_are_latencies_that_were_measured() -> None:
    found = latency.summarise([40, 10, 30, 20])
    assert found == {"min": 10, "mean": 25, "p50": 20, "p90": 40, "p95": 40, "p99": 40, "max": 40}


@pytest.mark.parametrize("count", [1, 2, 3, 10, 99, 100, 101])
def test_a_percentile_is_the_least_value_that_so_many_do_not_exceed(count: int) -> None:
    values = list(range(count))
    found = latency.summarise(values)
    for percentile in latency.PERCENTILES:
        enough = [v for v in values if 100 * sum(other <= v for other in values) >= percentile * count]
        assert found[f"p{percentile}"] == enough[0]


def test_no_latency_has_no_summary() -> None:
    with pytest.raises(ValueError, match="no latency was measured"):
        latency.summarise([])


def test_raw_latencies_are_kept_as_int64_in_order(tmp_path: Path) -> None:
    latency.save([3, 1, 2**40], tmp_path / "latencies.npy")
    found = np.load(tmp_path / "latencies.npy", allow_pickle=False)
    assert found.dtype == np.int64
    assert found.tolist() == [3, 1, 2**40]
