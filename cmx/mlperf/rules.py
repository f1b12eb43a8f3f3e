"""What MLPerf Inference v6.1 asks of a tree in the open division, for the benchmarks of its edge suite.

The figures are those of MLCommons' own checker (mlcommons/inference, tools/submission).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

VERSION = "v6.1"
DIVISION = "open"
MIN_DURATION_MS = 600_000
MOST_ACCURACY_BYTES = 10 * 1024
SEEDS = {
    "qsl_rng_seed": 2085463073848966840,
    "sample_index_rng_seed": 2747215439041700203,
    "schedule_rng_seed": 16159082839903944936,
}
SCENARIOS = {
    "SingleStream": "early_stopping_latency_ss",
    "MultiStream": "early_stopping_latency_ms",
    "Server": "result_completed_samples_per_sec",
    "Offline": "result_samples_per_second",
}
"""The folders of scenarios, and the key of LoadGen's log that holds what is reported of each."""
INFERRED = {("SingleStream", "MultiStream"), ("MultiStream", "Offline"), ("SingleStream", "Offline")}
"""A system of the edge may give the result of the second by a run of the first."""
STATUSES = ("available", "preview", "rdi")
SYSTEM_TYPES = ("edge", "datacenter", "datacenter,edge", "edge,datacenter")

SYSTEM_FIELDS = (
    *("division", "submitter", "status", "system_type", "system_name", "number_of_nodes", "host_processor_model_name"),
    *("host_processors_per_node", "host_processor_core_count", "host_memory_capacity", "host_memory_configuration"),
    *("host_storage_capacity", "host_storage_type", "host_networking", "host_networking_topology"),
    *("host_network_card_count", "accelerators_per_node", "accelerator_model_name", "accelerator_memory_capacity"),
    *("accelerator_host_interconnect", "accelerator_interconnect", "accelerator_memory_configuration", "cooling"),
    *("framework", "operating_system", "other_software_stack"),
)
"""Of a system's description, what must say something."""
MAY_BE_EMPTY = (
    *("system_type_detail", "host_processor_frequency", "host_processor_caches", "host_processor_interconnect"),
    *("accelerator_frequency", "accelerator_interconnect_topology", "accelerator_on-chip_memories"),
    *("hw_notes", "sw_notes"),
)
"""Of a system's description, what must be there."""
COUNTS = ("number_of_nodes", "accelerators_per_node")
"""Of a system's description, what the checker multiplies."""
MEASUREMENTS = (
    *("input_data_types", "retraining", "starting_weights_filename", "weight_data_types", "weight_transformations"),
)


@dataclass(frozen=True)
class Metric:
    """How a benchmark's ``accuracy.txt`` says its accuracy.

    ``line`` is its form ("" where cmx counts no such thing), ``pattern`` what finds the number in it, ``scale`` what
    an accuracy of 1 is there.
    """

    line: str
    pattern: str
    scale: float = 100.0


_TOP_1 = Metric("accuracy={:.3f}%", r'^(?:\{"accuracy|accuracy)[": ]*=?\s*([\d.]+)')
_DICE = Metric("Accuracy: mean = {:.5f}", r"Accuracy:\s*mean\s*=\s*([\d.]+)", scale=1.0)
_F1 = Metric("", r"""^\{["']exact_match["']:\s*[\d.]+,\s*["']f1["']:\s*([\d.]+)\}""")
_MAP = Metric("mAP={:.3f}", r".*(?:mAP=|'Total':)\s*([\d.]+)")
_WORDS = Metric("", r"Word Error Rate:.*, accuracy=([\d.]+)%")


@dataclass(frozen=True)
class Benchmark:
    """One benchmark of the edge suite: samples kept in memory at least, samples of its dataset, accuracy's form.

    ``metric`` None is a form that cmx does not know; ``target_latency_ns`` bounds what may be asked of a scenario.
    """

    name: str
    performance_samples: int
    dataset_size: int
    metric: Metric | None
    target_latency_ns: Mapping[str, int] = field(default_factory=dict)
    tokens: bool = False


BENCHMARKS = {
    each.name: each
    for each in (
        Benchmark("resnet", 1024, 50_000, _TOP_1, {"Server": 15_000_000}),
        Benchmark("3d-unet-99", 43, 43, _DICE),
        Benchmark("3d-unet-99.9", 43, 43, _DICE),
        Benchmark("bert-99", 10_833, 10_833, _F1),
        Benchmark("bert-99.9", 10_833, 10_833, _F1),
        Benchmark("yolo-95", 64, 1525, _MAP),
        Benchmark("yolo-99", 64, 1525, _MAP),
        Benchmark("whisper", 1633, 1633, _WORDS),
        Benchmark("stable-diffusion-xl", 5000, 5000, None, {"Server": 20_000_000_000}),
        Benchmark("llama3.1-8b-edge", 5000, 5000, None, tokens=True),
        Benchmark("qwen3.6-27b", 995, 995, None),
    )
}
_OTHER_NAMES = {"mobilenet": "resnet", "resnet50": "resnet", "llama3_1-8b-edge": "llama3.1-8b-edge"}
_CONTAINED = {"mobilenet": "resnet", "efficientnet": "resnet", "resnet50": "resnet"}
_CONTAINED |= {"bert-99.9": "bert-99.9", "bert-99": "bert-99"}


def benchmark_of(model: str, mapping: Mapping[str, str]) -> Benchmark | None:
    """The benchmark that a model's results are held to, found as the official checker finds it; None for none.

    Its own name, another name, the submitter's ``mapping``, a name that it contains: in this order.
    """
    if model in BENCHMARKS:
        return BENCHMARKS[model]
    known = _OTHER_NAMES.get(model) or mapping.get(model)
    guess = next((name for part, name in _CONTAINED.items() if part in model), "")
    return BENCHMARKS.get(known or guess)


def as_json(document: object) -> str:
    """As the files of a tree have it."""
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"
