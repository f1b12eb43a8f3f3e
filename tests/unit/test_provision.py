"""What a plan names is held against what is here before it is used."""

from __future__ import annotations

import platform
import shutil
import sys
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

import pytest
from fake_tools import shell, tool

from cmx.detect import Detector
from cmx.errors import Unavailable, UsageError
from cmx.reporter import Reporter
from cmx.resolver.plan import Pin, Plan, PlannedEnvironment, Request
from cmx.runner.provision import _interpreter
from cmx.runner.tools import Tools
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


def test_a_tool_of_a_portable_lock_is_the_one_of_its_version_wherever_it_lies(
    tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    for folder, number in (("newer", "2.0.1"), ("right", "1.2.3")):
        (tmp_path / folder).mkdir()
        shell(tmp_path / folder / "tool", f"echo tool {number}")
    monkeypatch.setenv("PATH", f"{tmp_path / 'newer'}:{tmp_path / 'right'}")
    plan = Plan(Request("workflow/w"), "workflow/w==1.0.0", "", {}, {}, {}, (), "0.1.0")
    tools = Tools(plan, settings, True, Reporter())
    pin = Pin("tool", "software", "tool", "1.2.3", source="detected")
    assert tools.find(pin, tool()).path == tmp_path / "right" / "tool"
    monkeypatch.setenv("PATH", str(tmp_path / "newer"))
    with pytest.raises(Unavailable, match=r"the plan was made with tool 1\.2\.3, and here is 2\.0\.1"):
        tools.find(pin, tool())


@pytest.mark.skipif(shutil.which("dpkg") is None, reason="only on Debian and what is made from it")
def test_a_tool_that_apt_would_fetch_is_the_systems_own_where_the_system_has_it(settings: Settings) -> None:
    probe = {"run": ["{path}", "--version"], "version": r"^GNU bash, version (\d+\.\d+\.\d+)"}
    bash = tool("bash", probe=probe, install=[{"with": "apt", "package": "bash"}])
    (found,) = {each.version for each in Detector(settings).detect(bash).findings}
    plan = Plan(Request("workflow/w"), "workflow/w==1.0.0", "", {}, {}, {}, (), "0.1.0")
    tools = Tools(plan, settings, True, Reporter())
    pin = Pin("shell", "software", "bash", found.rpartition(".")[0], source="installable", how="apt")
    assert tools.find(pin, bash).version == found
    with pytest.raises(Unavailable, match=r"bash: "):  # of no other version: apt is asked for that
        tools.find(replace(pin, version="1.0"), bash)
