"""The description of a system, from a result's host: what is not known is said to be unknown."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from cmx.errors import UsageError, nearest
from cmx.files import readable
from cmx.host import Field
from cmx.mlperf import rules
from cmx.results import Result

UNKNOWN = "unknown: cmx does not read it"
NONE = "N/A: no accelerator was used"
_ACCELERATOR = ("model_name", "memory_capacity", "host_interconnect", "interconnect", "memory_configuration")


def describe(
    results: Sequence[Result], submitter: str, name: str, given: Mapping[str, str], devices: Iterable[str]
) -> dict[str, str]:
    """All 35 fields as texts; ``given`` are the user's own words, ``devices`` what the models ran on ("cpu").

    Raises UsageError for a field that there is not.
    """
    fields = (*rules.SYSTEM_FIELDS, *rules.MAY_BE_EMPTY)
    for key in given:
        if key not in fields:
            raise UsageError(f"--set {key}: a system's description has no such field", hint=nearest(key, fields))
    result = results[0]
    known = {
        "division": rules.DIVISION,
        "submitter": submitter,
        "status": "rdi",
        "system_type": "edge",
        "system_name": name,
        "number_of_nodes": "1",
        **_processor(result),
        **_accelerators(result, devices),
        **_software(results),
        "system_type_detail": _surroundings(result),
        "hw_notes": "described by cmx from what the machine says of itself",
        "sw_notes": "a self-test of cmx, no submission to MLPerf",
        **given,
    }
    return {key: known.get(key, UNKNOWN) for key in fields}


def _processor(result: Result) -> dict[str, str]:
    sockets, cores = _value(result, "sockets"), _value(result, "cores")
    each = cores // sockets if isinstance(cores, int) and isinstance(sockets, int) and sockets else None
    memory = _value(result, "memory")
    frequency = _value(result, "frequency")
    caches = _value(result, "caches") or ()
    return {
        "host_processor_model_name": _said(result, "cpu_model"),
        "host_processors_per_node": _said(result, "sockets"),
        "host_processor_core_count": _said(result, "cores") if each is None else str(each),
        "host_memory_capacity": readable(memory) if isinstance(memory, int) else _said(result, "memory"),
        "host_processor_frequency": f"{max(frequency) / 1e9:.2f} GHz when it was read" if frequency else "",
        "host_processor_caches": ", ".join(_cache(each) for each in caches),
        "host_processor_interconnect": "",
    }


def _cache(cache: Mapping[str, Any]) -> str:
    kind = {"data": "d", "instruction": "i"}.get(cache["type"], "")
    return f"L{cache['level']}{kind} {cache['bytes'] // 1024} KiB"


def _accelerators(result: Result, devices: Iterable[str]) -> dict[str, str]:
    """What the models ran on, which need not be all that the machine has."""
    empty = {"accelerator_frequency": "", "accelerator_interconnect_topology": "", "accelerator_on-chip_memories": ""}
    if all(device == "cpu" for device in devices):
        return {"accelerators_per_node": "0", **{f"accelerator_{key}": NONE for key in _ACCELERATOR}, **empty}
    found = _value(result, "accelerators") or []
    names = ", ".join(f"{each['vendor']} {each['model']}".strip() for each in found)
    return {"accelerators_per_node": str(len(found)), "accelerator_model_name": names or UNKNOWN, **empty}


def _software(results: Sequence[Result]) -> dict[str, str]:
    frameworks = {_pin(result.pins["framework"]): None for result in results if "framework" in result.pins}
    versions: dict[str, str] = {}
    for result in results:
        for step in result.steps:
            versions |= step.outcome.get("versions") or {}
    return {
        "framework": ", ".join(frameworks) or "unknown: the results name none",
        "operating_system": f"{_said(results[0], 'distribution')}, {_said(results[0], 'kernel')}",
        "other_software_stack": ", ".join(f"{name} {version}" for name, version in sorted(versions.items())) or UNKNOWN,
    }


def _surroundings(result: Result) -> str:
    names = {"board": "board", "hypervisor": "virtual machine, hypervisor", "container": "container"}
    return ", ".join(f"{text} {value}" for key, text in names.items() if (value := _value(result, key)))


def _pin(reference: str) -> str:
    """ "onnxruntime 1.31.1" of "software/onnxruntime==1.31.1"."""
    return reference.partition("/")[2].replace("==", " ")


def _value(result: Result, name: str) -> Any:
    field = result.host.fields.get(name)
    return field.value if isinstance(field, Field) else None


def _said(result: Result, name: str) -> str:
    field = result.host.fields.get(name)
    if field is None:
        return "unknown: the result does not say"
    return str(field.value) if isinstance(field, Field) else f"unknown: {field.why}"
