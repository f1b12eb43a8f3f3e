"""How long a test will take, as it is told before it begins."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from cmx.worker.context import Progress
from cmx.worker.loadgen import Settings
from cmx.worker.loadgen.effective import effective
from cmx.worker.loadgen.forecast import forecast, tell

CASES: dict[str, tuple[dict[str, Any], float, tuple[float, bool]]] = {
    "the rule": ({"min_duration_ms": 60_000}, 0.001, (60.0, True)),
    "as many queries as are needed, of a slow model": ({"min_query_count": 662}, 0.5, (331.0, False)),
    "a pace that nobody knows": ({"min_query_count": 662}, 0.0, (10.0, True)),
    "a query of several samples": (
        {"scenario": "multi-stream", "min_query_count": 662, "multi_stream_samples_per_query": 8},
        0.01,
        (52.96, False),
    ),
    "arrivals": ({"scenario": "server", "server_target_qps": 10.0, "min_query_count": 662}, 0.001, (66.2, False)),
    "one large query": ({"scenario": "offline", "offline_expected_qps": 100.0}, 0.01, (11.0, False)),
    "an end by time": ({"min_query_count": 662, "max_duration_ms": 20_000}, 0.5, (20.0, False)),
    "an end by count": ({"min_duration_ms": 60_000, "max_query_count": 10, "min_query_count": 1}, 0.5, (5.0, False)),
    "every sample once": ({"mode": "accuracy", "scenario": "offline"}, 0.1, (2.0, False)),
    "every sample once, at a pace that nobody knows": ({"mode": "accuracy"}, 0.0, (0.0, False)),
    "both": ({"mode": "submission", "min_duration_ms": 600_000}, 0.1, (602.0, True)),
    "a search": ({"mode": "find-peak", "scenario": "server", "min_query_count": 1}, 0.1, (10.0, True)),
}


@pytest.mark.parametrize("name", CASES)
def test_a_test_takes_what_its_rules_demand_or_what_it_takes_at_the_warm_ups_pace(name: str) -> None:
    given, sample_s, expected = CASES[name]
    settings = Settings(**given)
    seconds, at_least = forecast(settings.mode, effective(settings, 20, 20), sample_s)
    assert (round(seconds, 6), at_least) == expected


@dataclass
class Library:
    """Twenty samples."""

    total: int = 20
    performance_count: int = 20
    loaded: list[int] = field(default_factory=list)

    def load(self, indices: list[int]) -> None:
        self.loaded += indices

    def unload(self, indices: list[int]) -> None:
        self.loaded.clear()


def test_every_event_says_how_long_it_will_take_and_the_first_comes_at_once(tmp_path: Path) -> None:
    progress = Progress(tmp_path / "progress.jsonl")
    progress.sample_s = 0.5
    tell(progress, Settings(min_query_count=100), Library())
    progress.finish(100)
    progress.close()
    events = [json.loads(line) for line in (tmp_path / "progress.jsonl").read_text().splitlines()]
    assert [(event["done"], event["lasts"], event["at_least"]) for event in events] == [
        (0, 50, False),
        (100, 50, False),
    ]


def test_what_contradicts_itself_is_left_to_the_engine(tmp_path: Path) -> None:
    progress = Progress(tmp_path / "progress.jsonl")
    tell(progress, Settings(performance_issue_unique=True, performance_issue_same=True), Library())
    tell(lambda done, total=None, *, now_ns=None: pytest.fail("no sink that asks for it"), Settings(), Library())
    progress.close()
    assert (tmp_path / "progress.jsonl").read_text() == ""
