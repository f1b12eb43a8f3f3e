"""Several predictors behind a queue, and how their batches are filled."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest

from cmx.worker.serving import ServingSut

Made = Callable[..., tuple[ServingSut, "Done"]]


class Done:
    """What was completed, and the error; waits until ``count`` samples are done."""

    def __init__(self) -> None:
        self.ids: list[int] = []
        self.error: BaseException | None = None
        self._more = threading.Condition()

    def __call__(self, ids: Sequence[int], answers: Any = None, tokens: Any = None) -> None:
        with self._more:
            self.ids += ids
            self._more.notify_all()

    def first_token(self, ids: Sequence[int], answers: Any = None) -> None:
        raise AssertionError("nothing here makes tokens")

    def fail(self, error: BaseException) -> None:
        with self._more:
            self.error = error
            self._more.notify_all()

    def wait(self, count: int) -> list[int]:
        with self._more:
            assert self._more.wait_for(lambda: len(self.ids) >= count or self.error, timeout=20)
        return self.ids


class Predicting:
    """Answers at once, or when it may; ``threads`` are those it was called from."""

    def __init__(self, gate: threading.Event, breaks: bool) -> None:
        self.gate, self.breaks, self.threads = gate, breaks, set[str]()

    def issue(self, ids: Sequence[int], indices: Sequence[int], complete: Any) -> None:
        self.threads.add(threading.current_thread().name)
        assert self.gate.wait(20)
        if self.breaks:
            raise RuntimeError("the model broke")
        complete(ids)


@pytest.fixture
def opened() -> Iterator[list[ServingSut]]:
    systems: list[ServingSut] = []
    yield systems
    for system in systems:
        system.close()


def serving(
    opened: list[ServingSut], *, workers: int = 1, breaks: bool = False, closed: bool = False, **options: Any
) -> tuple[ServingSut, Done, threading.Event, list[Predicting]]:
    gate = threading.Event()
    if not closed:
        gate.set()
    predictors = [Predicting(gate, breaks) for _ in range(workers)]
    system = ServingSut(predictors, **options)  # type: ignore[arg-type]
    opened.append(system)
    return system, Done(), gate, predictors


def ask(system: ServingSut, done: Done, *numbers: int) -> None:
    for number in numbers:
        system.issue([number], [number], done)


def test_a_batch_is_filled_from_queries_of_one_sample(opened: list[ServingSut]) -> None:
    system, done, _, _ = serving(opened, batch_size=3, batch_timeout=20)
    ask(system, done, *range(6))
    assert sorted(done.wait(6)) == list(range(6))
    assert system.batches == [3, 3]


def test_a_batch_waits_no_longer_than_its_time(opened: list[ServingSut]) -> None:
    system, done, _, _ = serving(opened, batch_size=100, batch_timeout=0.05)
    begin = time.perf_counter()
    ask(system, done, 1, 2)
    assert sorted(done.wait(2)) == [1, 2]
    assert time.perf_counter() - begin >= 0.05
    assert sum(system.batches) == 2


def test_a_flush_lets_go_of_a_batch_that_waits(opened: list[ServingSut]) -> None:
    system, done, _, _ = serving(opened, batch_size=100, batch_timeout=600)
    ask(system, done, 1, 2, 3)
    system.flush()
    assert sorted(done.wait(3)) == [1, 2, 3]


def test_after_a_flush_batches_are_filled_again(opened: list[ServingSut]) -> None:
    system, done, _, _ = serving(opened, batch_size=2, batch_timeout=20)
    system.flush()
    ask(system, done, 1, 2, 3, 4)
    done.wait(4)
    assert system.batches == [2, 2]


def test_a_query_of_several_samples_is_cut_and_waits_for_nothing(opened: list[ServingSut]) -> None:
    system, done, _, _ = serving(opened, batch_size=4, batch_timeout=600)
    system.issue(range(10), range(10), done)
    assert sorted(done.wait(10)) == list(range(10))
    assert system.batches == [4, 4, 2]


def test_several_predictors_work_side_by_side(opened: list[ServingSut]) -> None:
    system, done, gate, predictors = serving(opened, workers=3, closed=True)
    ask(system, done, *range(3))
    deadline = time.monotonic() + 20
    while not all(each.threads for each in predictors):
        assert time.monotonic() < deadline
        time.sleep(0.005)
    gate.set()
    assert sorted(done.wait(3)) == [0, 1, 2]
    assert len(set.union(*(each.threads for each in predictors))) == 3


def test_a_predictor_that_breaks_fails_the_run(opened: list[ServingSut]) -> None:
    system, done, _, _ = serving(opened, breaks=True)
    ask(system, done, 1)
    done.wait(1)
    assert str(done.error) == "the model broke"
