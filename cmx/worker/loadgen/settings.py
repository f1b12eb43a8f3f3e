"""What a load generator is asked to do."""

from __future__ import annotations

import random
from dataclasses import dataclass, fields
from typing import Any, Optional

SCENARIOS = ("single-stream", "multi-stream", "server", "offline")
MODES = ("performance", "accuracy", "submission", "find-peak")
LOG_MODES = ("async-poll", "end-of-test", "synchronous")
NAMES = {"single-stream": "SingleStream", "multi-stream": "MultiStream", "server": "Server", "offline": "Offline"}
"""The scenarios as LoadGen's logs and configuration files call them."""
ANSWER_TIMEOUT = 60.0
SEEDS = ("qsl_rng_seed", "sample_index_rng_seed", "schedule_rng_seed", "accuracy_log_rng_seed")


@dataclass(frozen=True)
class Settings:
    """One run of a load generator; None leaves what ``user_conf`` or mlperf.conf says, or LoadGen's default.

    ``scenario`` to ``test05_schedule_rng_seed`` have the names, units and meaning of LoadGen's TestSettings, so that
    an engine can hand them over as they are and a record reads like LoadGen's own log. The rest is about the run:

    ``mlperf_model``    the name to look up in mlperf.conf, which is in LoadGen's wheel, and in ``user_conf``
    ``user_conf``       a file of LoadGen's user.conf format; it brings mlperf.conf along, as LoadGen does
    ``audit_config``    a file that overrides everything, as LoadGen reads audit.config
    ``trace``           keep mlperf_log_trace.json, for chrome://tracing
    ``log_mode``        when LoadGen writes its logs
    ``answer_timeout``  seconds without any answer, with queries unanswered, after which the run is given up
    """

    scenario: str = "single-stream"
    mode: str = "performance"
    min_duration_ms: Optional[int] = None
    max_duration_ms: Optional[int] = None
    min_query_count: Optional[int] = None
    max_query_count: Optional[int] = None
    single_stream_expected_latency_ns: Optional[int] = None
    single_stream_target_latency_percentile: Optional[float] = None
    multi_stream_expected_latency_ns: Optional[int] = None
    multi_stream_target_latency_percentile: Optional[float] = None
    multi_stream_samples_per_query: Optional[int] = None
    server_target_qps: Optional[float] = None
    server_target_latency_ns: Optional[int] = None
    server_target_latency_percentile: Optional[float] = None
    server_coalesce_queries: Optional[bool] = None
    server_max_async_queries: Optional[int] = None
    server_num_issue_query_threads: Optional[int] = None
    server_find_peak_qps_decimals_of_precision: Optional[int] = None
    server_find_peak_qps_boundary_step_size: Optional[float] = None
    offline_expected_qps: Optional[float] = None
    sample_concatenate_permutation: Optional[bool] = None
    qsl_rng_seed: Optional[int] = None
    sample_index_rng_seed: Optional[int] = None
    schedule_rng_seed: Optional[int] = None
    accuracy_log_rng_seed: Optional[int] = None
    accuracy_log_probability: Optional[float] = None
    accuracy_log_sampling_target: Optional[int] = None
    print_timestamps: Optional[bool] = None
    performance_issue_unique: Optional[bool] = None
    performance_issue_same: Optional[bool] = None
    performance_issue_same_index: Optional[int] = None
    performance_sample_count_override: Optional[int] = None
    accuracy_sample_count_override: Optional[int] = None
    use_token_latencies: Optional[bool] = None
    ttft_latency: Optional[int] = None
    tpot_latency: Optional[int] = None
    infer_token_latencies: Optional[bool] = None
    token_latency_scaling_factor: Optional[int] = None
    test05: Optional[bool] = None
    test05_qsl_rng_seed: Optional[int] = None
    test05_sample_index_rng_seed: Optional[int] = None
    test05_schedule_rng_seed: Optional[int] = None
    mlperf_model: str = ""
    user_conf: str = ""
    audit_config: str = ""
    trace: bool = False
    log_mode: str = "async-poll"
    answer_timeout: float = ANSWER_TIMEOUT

    def __post_init__(self) -> None:
        for name, known in (("scenario", SCENARIOS), ("mode", MODES), ("log_mode", LOG_MODES)):
            if getattr(self, name) not in known:
                raise ValueError(f"{name} is {getattr(self, name)!r}; there is: {', '.join(known)}")
        if self.mode == "find-peak" and self.scenario != "server":
            raise ValueError(f"mode find-peak is for scenario server, and scenario is {self.scenario}")

    @property
    def configured(self) -> bool:
        """Whether mlperf.conf is read, and with it the file ``user_conf`` where there is one."""
        return bool(self.mlperf_model or self.user_conf)

    @property
    def answers(self) -> bool:
        """Whether the log asks for answers: of every sample, or of some while measuring."""
        sampled = self.accuracy_log_probability or self.accuracy_log_sampling_target
        return self.mode in ("accuracy", "submission") or bool(sampled or self.audit_config)

    def given(self) -> dict[str, Any]:
        """The fields of TestSettings that were set, without scenario and mode."""
        values = {name: getattr(self, name) for name in TEST_SETTINGS}
        return {name: value for name, value in values.items() if value is not None}


_RUN = ("mlperf_model", "user_conf", "audit_config", "trace", "log_mode", "answer_timeout")
TEST_SETTINGS = tuple(field.name for field in fields(Settings) if field.name not in ("scenario", "mode", *_RUN))
"""The fields that LoadGen's TestSettings has, too, but for scenario and mode."""


def seeds(seed: int) -> dict[str, Any]:
    """LoadGen's four seeds, independent of each other, from one of ours; seed 0 gives LoadGen's own zeros."""
    source = random.Random(seed)  # noqa: S311 - reproducible, not secret
    return {name: source.getrandbits(63) if seed else 0 for name in SEEDS}
