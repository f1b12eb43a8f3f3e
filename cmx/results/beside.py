"""Published results as points of a chart: those that may stand beside one's own, and what was left out of it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from cmx.errors import UsageError
from cmx.results.chart_points import Point
from cmx.results.mlperf import ACCURACIES, STATISTICS, TASKS
from cmx.results.published import Published, printable
from cmx.results.result import Result

# Frameworks as submitters name them, by what their texts hold; the first that fits.
_FAMILIES = (
    *(("TensorRT", "tensorrt"), ("ArmNN", "armnn"), ("TFLite", "tflite"), ("ONNX Runtime", "onnx"), ("TVM", "tvm")),
    *(("DeepSparse", "deepsparse"), ("OpenVINO", "openvino"), ("PyTorch", "torch"), ("TensorFlow", "tensorflow|^tf ")),
    *(("Qualcomm AIC", "qaic|kilt|aic"), ("ncnn", "ncnn"), ("rknn", "rknn")),
)
_MOST_FAMILIES = 6


class Beside(NamedTuple):
    """The points, what kind of work they are of, and how the latency and the accuracy are to be titled."""

    points: tuple[Point, ...]
    benchmark: str
    scenario: str
    cost: str
    gain: str
    told: str


def beside(rows: Sequence[Published], own: Sequence[Result]) -> Beside:
    """The rows with an accuracy, of one benchmark and scenario: that of one's own results, or else the most frequent.

    Rates become the time that a sample takes. Raises UsageError when nothing is left.
    """
    known = [row for row in rows if row.accuracy is not None]
    benchmark = _chosen([row.benchmark for row in known], [TASKS.get(task, "") for task in map(_task, own)])
    known = [row for row in known if row.benchmark == benchmark]
    scenario = _chosen([row.scenario for row in known], [result.scenario for result in own])
    chosen = [row for row in known if row.scenario == scenario]
    if not chosen:
        raise UsageError("none of these published results has an accuracy", hint="take a condition away")
    systems = {row.system for row in chosen}
    families = _families(chosen)
    points = tuple(_point(row, families.get(_family(row), "other")) for row in chosen)
    statistic = STATISTICS.get(scenario)
    where = printable(next(iter(systems))) if len(systems) == 1 else f"{len(systems)} systems"
    models = len({row.model for row in chosen})
    return Beside(
        points,
        benchmark,
        scenario,
        f"latency ({statistic}), ms" if statistic else "time per sample, ms",
        ACCURACIES.get(benchmark, f"accuracy of {benchmark}"),
        f"{len(chosen):,} published results: {benchmark}, {scenario}, {models} models on {where}",
    )


def _chosen(found: Sequence[str], wanted: Sequence[str]) -> str:
    """The most frequent of those wanted that there are, or else of those found; "" for none."""
    both = [name for name in wanted if name in set(found)]
    return Counter(both or found).most_common(1)[0][0] if found else ""


def _task(result: Result) -> str:
    """The workflow's name, which is its task's in those that come with cmx."""
    return result.workflow.split("/", 1)[-1].partition("==")[0]


def _family(row: Published) -> str:
    text = row.framework.lower()
    return next((name for name, pattern in _FAMILIES if re.search(pattern, text)), "other")


def _families(rows: Sequence[Published]) -> dict[str, str]:
    """The most frequent frameworks, which have a colour each."""
    counted = Counter(map(_family, rows))
    counted.pop("other", None)
    return {name: name for name, _ in counted.most_common(_MOST_FAMILIES)}


def _point(row: Published, family: str) -> Point:
    milliseconds = row.value if row.unit == "ms" else 1000 / row.value
    by = printable(f"{row.submitter}: {row.system}, {row.framework} (MLPerf {row.round} {row.division})")
    return Point(printable(row.model), family, 0, milliseconds, None, None, 1, row.accuracy or 0.0, own=False, by=by)
