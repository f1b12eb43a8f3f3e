"""Software that cannot share an environment: explained when it is asked for in one, run when each has its own."""

from __future__ import annotations

import pytest
from command_line import SHORT, CommandLine, write_files

_ACTION = """
schema: 1
kind: action
uid: {uid}
name: {name}
version: 1.0.0
description: Adds two arrays in {name}
entry: action.py:add
runs-in: worker
requires: {requires}
"""

_WORKFLOW = """
schema: 1
kind: workflow
uid: {uid}
name: {name}
version: 1.0.0
description: One step
requires: {{}}
steps: {steps}
"""

_MXNET = '''
import mxnet
import numpy

from cmx.worker import Context, Outcome


def add(context: Context) -> Outcome:
    """One and two."""
    total = float((mxnet.nd.array([1.0]) + mxnet.nd.array([2.0])).asscalar())
    return Outcome(summary=f"mxnet {mxnet.__version__} numpy {numpy.__version__} {total}")
'''

_ONNXRUNTIME = '''
from pathlib import Path

import numpy
import onnxruntime

from cmx.worker import Context, Outcome


def add(context: Context) -> Outcome:
    """What there is, also in the home, where telemetry would lie."""
    home = sorted(each.name for each in Path.home().iterdir())
    return Outcome(summary=f"onnxruntime {onnxruntime.__version__} numpy {numpy.__version__} home {home}")
'''

_OLD = "{mxnet: software/mxnet==1.9.1, numpy: software/numpy}"
_NEW = "{onnxruntime: software/onnxruntime, numpy: software/numpy>=1.24}"


@pytest.fixture
def frameworks(cmx: CommandLine) -> CommandLine:
    """A home whose own repository has an action for each framework, and workflows with one and with both."""
    old, new = "{id: old, action: add-mxnet}", "{id: new, action: add-onnxruntime}"
    write_files(
        cmx.home / "repository",
        {
            "actions/add-mxnet/component.yaml": _ACTION.format(uid="a" * 16, name="add-mxnet", requires=_OLD),
            "actions/add-mxnet/action.py": _MXNET,
            "actions/add-onnxruntime/component.yaml": _ACTION.format(
                uid="b" * 16, name="add-onnxruntime", requires=_NEW
            ),
            "actions/add-onnxruntime/action.py": _ONNXRUNTIME,
            "workflows/old/component.yaml": _WORKFLOW.format(uid="c" * 16, name="old", steps=f"[{old}]"),
            "workflows/new/component.yaml": _WORKFLOW.format(uid="d" * 16, name="new", steps=f"[{new}]"),
            "workflows/both/component.yaml": _WORKFLOW.format(uid="e" * 16, name="both", steps=f"[{old}, {new}]"),
        },
    )
    return cmx


@pytest.mark.slow
def test_in_one_environment_it_is_explained(frameworks: CommandLine) -> None:
    answer = frameworks("resolve", "both", "--json", code=4)
    facts = answer.document["error"]["facts"]
    assert any("add-onnxruntime needs software/numpy>=1.24" in fact for fact in facts)
    assert any("software/mxnet" in fact and "software/numpy<1.24" in fact for fact in facts)
    assert answer.document["error"]["repairs"]


@pytest.mark.slow
def test_in_two_workflows_both_run(frameworks: CommandLine) -> None:
    old = frameworks("run", "add-mxnet", "old")
    assert "mxnet 1.9.1 numpy 1.23." in old.err and old.err.count("3.0") >= 1
    new = frameworks("run", "add-onnxruntime", "new")
    assert "onnxruntime " in new.err and "numpy 2." in new.err and "home ['intel']" in new.err


@pytest.mark.slow
def test_two_versions_of_a_framework_run_side_by_side_and_each_says_its_own(cmx: CommandLine) -> None:
    axis = "framework=onnxruntime==1.20.1,onnxruntime"
    table = cmx("run", "benchmark", "--matrix", axis, *SHORT, timeout=600).out
    results = [cmx.json("result", "show", each["id"])["result"] for each in cmx.results()]
    planned = {result["plan"]["pins"]["framework"]["version"]: result for result in results}
    assert len(results) == len(planned) == 2 and "1.20.1" in planned
    for version, result in planned.items():
        said = {each["id"]: each["outcome"]["metrics"]["predictor"]["version"] for each in result["steps"][1:]}
        assert said == {"benchmark": version, "validate": version}
        packages = {each["name"]: each["version"] for each in result["plan"]["environments"]["main"]["packages"]}
        assert packages["onnxruntime"] == version
    assert "onnxruntime==1.20.1" in table
