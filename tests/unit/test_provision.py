"""What a plan names is held against what is here before it is used."""

from __future__ import annotations

import platform
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from cmx.detect import Detector
from cmx.errors import UsageError
from cmx.resolver.plan import PlannedEnvironment
from cmx.runner.provision import _interpreter
from cmx.settings import Settings
from cmx.store import Package


def planned(place: str, python: str, **packages: str) -> PlannedEnvironment:
    found = tuple(Package(name, version) for name, version in packages.items())
    return PlannedEnvironment("main", "detected", place, python, found)


def test_a_plan_may_name_the_interpreter_that_runs_cmx(settings: Settings) -> None:
    wanted = planned(sys.executable, platform.python_version(), numpy=version("numpy"))
    assert _interpreter(wanted, Detector(settings)) == Path(sys.executable)


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        (planned("/bin/sh", "3.11.2"), "the plan's interpreter /bin/sh is none that is detected on this machine"),
        (planned(sys.executable, "3.2.1"), f"{sys.executable}: Python is {platform.python_version()}, and the plan"),
        (
            planned(sys.executable, platform.python_version(), numpy="0.1"),
            f"numpy is {version('numpy')}, and the plan was made with 0.1",
        ),
        (planned(sys.executable, platform.python_version(), nought="1.0"), "nought is not there, and the plan"),
    ],
)
def test_an_interpreter_that_is_another_than_the_plan_says_is_not_started(
    settings: Settings, wanted: PlannedEnvironment, message: str
) -> None:
    with pytest.raises(UsageError) as caught:
        _interpreter(wanted, Detector(settings))
    assert message in caught.value.message
    assert caught.value.hint.startswith("resolve again")
