"""The parameters of an action that drives a load generator, as its Settings.

A parameter is called as LoadGen's field is, without the scenario's name, and with ``-`` for ``_``; times are in
seconds. ``_NAMES`` and ``_PER_SCENARIO`` have those that are called otherwise.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Optional

from cmx.worker.loadgen.settings import ANSWER_TIMEOUT, TEST_SETTINGS, Settings

_PREFIX = {"single-stream": "single_stream_", "multi-stream": "multi_stream_", "server": "server_"}
_NAMES = {
    "duration": "min_duration_ms",
    "max_duration": "max_duration_ms",
    "target_qps": "server_target_qps",
    "target_latency": "server_target_latency_ns",
    "coalesce_queries": "server_coalesce_queries",
    "max_async_queries": "server_max_async_queries",
    "issue_threads": "server_num_issue_query_threads",
    "find_peak_decimals": "server_find_peak_qps_decimals_of_precision",
    "find_peak_step": "server_find_peak_qps_boundary_step_size",
    "expected_qps": "offline_expected_qps",
    "samples_per_query": "multi_stream_samples_per_query",
}
_PER_SCENARIO = {"expected_latency": "expected_latency_ns", "latency_percentile": "target_latency_percentile"}
_PER_SECOND = {"_ms": 1e3, "_ns": 1e9, "ttft_latency": 1e9, "tpot_latency": 1e9}
_RUN = ("mlperf_model", "user_conf", "audit_config", "trace", "log_mode", "answer_timeout")


def field_of(parameter: str, scenario: str) -> Optional[str]:
    """The field of Settings that a parameter is in a scenario; None where the scenario has none.

    Raises ValueError for what is no parameter of a load generator.
    """
    if parameter in _PER_SCENARIO:
        field = _PREFIX.get(scenario, "none_") + _PER_SCENARIO[parameter]
        return field if field in TEST_SETTINGS else None
    field = _NAMES.get(parameter, parameter)
    if field not in TEST_SETTINGS and field not in _RUN:
        raise ValueError(f"{parameter!r} is no parameter of a load generator")
    return field


def settings(scenario: str, mode: str, parameters: Mapping[str, Any], defaults: Mapping[str, Any]) -> Settings:
    """The settings for the parameters that are not None.

    ``defaults`` are fields that hold where neither a parameter nor a configuration file says anything. Raises
    ValueError as ``field_of`` and Settings do.
    """
    fields: dict[str, Any] = {}
    for parameter, value in parameters.items():
        field = field_of(parameter, scenario)
        if value is not None and field is not None:
            fields[field] = _in_units(field, value)
    return Settings(scenario=scenario, mode=mode, **{"answer_timeout": ANSWER_TIMEOUT, **defaults, **fields})


def _in_units(field: str, value: Any) -> Any:
    """Seconds as the field counts them."""
    factor = next((each for ending, each in _PER_SECOND.items() if field.endswith(ending)), None)
    return value if factor is None else max(round(value * factor), 1 if value else 0)
