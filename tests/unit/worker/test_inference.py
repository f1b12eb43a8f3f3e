"""Samples in memory, and what a task does where it says nothing of its own."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest

from cmx.worker import ActionError, Context, Role, inference
from cmx.worker.inference import Samples
from cmx.worker.tasks import Feeds, Infer, Outputs, Score, Shown, Task


class Numbers(Task):
    """Ten samples of 16 bytes: their number, twice."""

    def __len__(self) -> int:
        return 10

    def sample(self, index: int) -> Feeds:
        return {"a": np.full((1, 2), index, np.int32), "b": np.full((1, 1), index, np.int64)}

    def answers(self, feeds: Feeds, outputs: Outputs) -> Sequence[bytes]:
        return [output.tobytes() for output in outputs["a"]]

    def score(self, answers: Mapping[int, bytes], metric: str) -> Score:
        return Score.counted({"answered": sum(map(bool, answers.values()))}, len(answers))

    def show(self, path: Path, infer: Infer, *, top: int | None, threshold: float | None) -> Shown:
        return Shown(path.name, "numbers", [])


@pytest.fixture
def numbers(tmp_path: Path) -> Iterator[Numbers]:
    model = Role("model/m==1.0.0", "", None, {"task": "numbers"}, tmp_path)
    yield Numbers(Context({"model": model}, {}, tmp_path), ["a", "b"])


def test_all_samples_are_kept_where_they_fit(numbers: Numbers) -> None:
    assert Samples(numbers).performance_count == 10
    assert Samples(numbers, 4).performance_count == 4
    with pytest.raises(ActionError, match="performance-sample-count is 40, and the dataset has 10 samples"):
        Samples(numbers, 40)


@pytest.mark.parametrize(("room", "count"), [(64, 4), (1, 1)])
def test_no_more_samples_are_kept_than_there_is_room_for(
    numbers: Numbers, monkeypatch: pytest.MonkeyPatch, room: int, count: int
) -> None:
    monkeypatch.setattr(inference, "MOST_BYTES", room)
    assert Samples(numbers).performance_count == count


class Slow(Numbers):
    """Prepares a sample once it is let, and none of number 3."""

    def __init__(self, context: Context, inputs: Sequence[str]) -> None:
        super().__init__(context, inputs)
        self.let = threading.Event()

    def sample(self, index: int) -> Feeds:
        self.let.wait(0 if index == 0 else 30)
        if index == 3:
            raise ValueError("number 3 is no picture")
        return super().sample(index)


def test_samples_are_prepared_while_others_are_answered_where_nothing_is_timed(numbers: Numbers) -> None:
    slow = Slow(numbers.context, numbers.inputs)
    samples = Samples(slow, timed=False)
    samples.load(range(4))
    assert 2 not in samples.feeds
    slow.let.set()
    assert samples.feeds[2]["a"].tolist() == numbers.sample(2)["a"].tolist()
    with pytest.raises(ValueError, match="number 3"):
        samples.feeds[3]
    samples.unload(range(4))
    assert not samples.feeds and not samples.feeds.coming


def test_samples_are_all_ready_before_something_is_timed(numbers: Numbers) -> None:
    slow = Slow(numbers.context, numbers.inputs)
    slow.let.set()
    samples = Samples(slow)
    samples.load([0, 1, 2])
    assert sorted(samples.feeds) == [0, 1, 2]
    with pytest.raises(ValueError, match="number 3"):
        samples.load([3, 4])


def test_several_inputs_become_one_batch_in_memory_that_is_used_again(numbers: Numbers) -> None:
    first = numbers.collate([numbers.sample(index) for index in (1, 2, 3)])
    assert {name: array.tolist() for name, array in first.items()} == {
        "a": [[1, 1], [2, 2], [3, 3]],
        "b": [[1], [2], [3]],
    }
    again = numbers.collate([numbers.sample(index) for index in (7, 8)])
    assert again["a"].tolist() == [[7, 7], [8, 8]]
    assert np.shares_memory(again["a"], first["a"])
