"""How long a step may take."""

from __future__ import annotations

from typing import Any

import pytest

from cmx.resolver.plan import PlannedStep
from cmx.runner.state import duration_of


@pytest.mark.parametrize(
    ("parameters", "seconds"),
    [
        ({"duration": 30.0, "mlperf-model": "resnet50"}, 30.0),
        ({"duration": None, "mlperf-model": None, "user-conf": None}, 0.0),
        ({"duration": None, "mlperf-model": "resnet50"}, 3600.0),
        ({"duration": None, "user-conf": "user.conf"}, 3600.0),
        ({"size": 512}, 0.0),
    ],
)
def test_a_step_has_the_time_it_measures_and_an_hour_where_a_configuration_says_it(
    parameters: dict[str, Any], seconds: float
) -> None:
    step = PlannedStep("benchmark", "action/benchmark==1.0.0", "0" * 64, "main", {}, parameters)
    assert duration_of(step) == seconds
