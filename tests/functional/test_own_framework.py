"""docs/frameworks.md: a framework in a repository of a user's own, from the page's two files."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from command_line import ROOT, SHORT, CommandLine

PAGE = (ROOT / "docs" / "frameworks.md").read_text(encoding="utf-8")
FILES = re.findall(r"```(?:yaml|python)\n# (\S+)\n(.*?)```", PAGE, re.DOTALL)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    for name, text in FILES:
        file = tmp_path / "mine" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    return tmp_path / "mine"


@pytest.mark.slow
def test_a_framework_of_a_user_s_own_is_two_files(cmx: CommandLine, repository: Path) -> None:
    assert [name for name, _ in FILES] == [f"software-detect/opencv/{n}" for n in ("component.yaml", "predictor.py")]
    cmx("repo", "add", repository)
    cmx("check", repository)
    compared = ("--matrix", "framework=opencv,onnxruntime", "--set", "opencv.winograd=false", "--launches", "1")
    found = cmx("run", "benchmark", *compared, *SHORT, "--json", timeout=600).document["results"]
    own, ours = (point["result"] for point in found)
    steps = [{each["id"]: (each["outcome"] or {}).get("metrics") for each in point["steps"]} for point in (own, ours)]
    assert [each["validate"]["accuracy"] for each in steps] == [{"top_1": 0.9, "top_5": 0.95}] * 2
    predictor = steps[0]["benchmark"]["predictor"]
    assert (predictor["framework"], predictor["winograd"], predictor["compiled"]) == ("opencv", False, None)
    assert own["plan"]["pins"]["framework"]["settings"] == {"winograd": False}
    assert ours["plan"]["pins"]["framework"]["settings"]["spinning"] is False
    refused = cmx("run", "benchmark", "--use", "framework=opencv", "--set", "winogard=false", code=2)
    assert (refused.error, refused.hint) == ("--set winogard: no such parameter or setting", "did you mean 'winograd'?")
