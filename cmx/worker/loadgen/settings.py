"""What a load generator is asked to do."""

from __future__ import annotations

import random
from dataclasses import dataclass, fields
from typing import Any, Optional

SCENARIOS = ("single-stream", "offline")
MODES = ("performance", "accuracy")


@dataclass(frozen=True)
class Settings:
    """One run of a load generator; None leaves LoadGen's default.

    Fields have the names, units and meaning of LoadGen's TestSettings, so that an engine can hand them over as they
    are and a record reads like LoadGen's own log. ``performance_sample_count`` is what LoadGen asks its library:
    how many samples are kept in memory at once.
    """

    scenario: str = "single-stream"
    mode: str = "performance"
    min_duration_ms: Optional[int] = None
    max_duration_ms: Optional[int] = None
    min_query_count: Optional[int] = None
    max_query_count: Optional[int] = None
    single_stream_expected_latency_ns: Optional[int] = None
    single_stream_target_latency_percentile: Optional[float] = None
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

    def __post_init__(self) -> None:
        if self.scenario not in SCENARIOS:
            raise ValueError(f"scenario is {self.scenario!r}; there is: {', '.join(SCENARIOS)}")
        if self.mode not in MODES:
            raise ValueError(f"mode is {self.mode!r}; there is: {', '.join(MODES)}")

    def given(self) -> dict[str, Any]:
        """The fields that were set, without scenario and mode."""
        values = {field.name: getattr(self, field.name) for field in fields(self)[2:]}
        return {name: value for name, value in values.items() if value is not None}


def seeds(seed: int) -> dict[str, Any]:
    """LoadGen's four seeds, independent of each other, from one of ours; seed 0 gives LoadGen's own zeros."""
    names = ("qsl_rng_seed", "sample_index_rng_seed", "schedule_rng_seed", "accuracy_log_rng_seed")
    source = random.Random(seed)  # noqa: S311 - reproducible, not secret
    return {name: source.getrandbits(63) if seed else 0 for name in names}
