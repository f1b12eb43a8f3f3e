"""What a sample's way through the pipeline takes, stage by stage."""

from __future__ import annotations

from statistics import median
from time import perf_counter_ns
from typing import Any

from cmx.worker.inference import Sut
from cmx.worker.tasks import Task

_LEAST = 5
_MOST = 50
_ENOUGH_NS = 300_000_000


def stage_times(task: Task, sut: Sut, batch_size: int) -> dict[str, Any]:
    """The median of each stage, in ns, over ``count`` batches of ``batch_size`` different samples.

    ``preprocess`` is from a sample's file to what the model takes, ``predict`` the prediction, ``postprocess`` from
    its outputs to the answers; one thread goes through them, so nothing overlaps. Takes a third of a second, or five
    batches: apart from the load generator's loop, where the samples are ready and no answer is made.
    """
    times: dict[str, list[int]] = {"preprocess": [], "predict": [], "postprocess": []}
    begin, number = perf_counter_ns(), 0
    while number < _LEAST or (number < _MOST and perf_counter_ns() - begin < _ENOUGH_NS):
        indices = [(number * batch_size + offset) % len(task) for offset in range(batch_size)]
        marks = [perf_counter_ns()]
        feeds = sut.batch([task.sample(index) for index in indices])
        marks.append(perf_counter_ns())
        outputs = sut.infer(feeds)
        marks.append(perf_counter_ns())
        task.answers(feeds, outputs)
        marks.append(perf_counter_ns())
        for name, start, end in zip(times, marks, marks[1:]):
            times[name].append(end - start)
        number += 1
    medians = {name: {"median": round(median(taken)), "count": number} for name, taken in times.items()}
    return {**medians, "batch_size": batch_size}
