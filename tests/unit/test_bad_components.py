"""Every folder of tests/cases/bad-components is a component.yaml and, in expected.txt, the message and hint it gives.

FILE stands for the path of the component.yaml. CMX_GOLDEN=write writes the files anew, for reading over.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from cmx.component_file import examine, load
from cmx.errors import ComponentInvalid
from cmx.repository.reading import read

CASES = sorted(path.parent for path in Path(__file__).parents[1].glob("cases/bad-components/*/component.yaml"))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_bad_component_gives_its_message(case: Path) -> None:
    file = case / "component.yaml"
    with pytest.raises(ComponentInvalid) as caught:
        load(file)
    said = f"{caught.value.message}\n{caught.value.hint}\n".replace(str(file), "FILE")
    if os.environ.get("CMX_GOLDEN") == "write":
        (case / "expected.txt").write_text(said, encoding="utf-8")
    assert said == (case / "expected.txt").read_text(encoding="utf-8")


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_message_is_one_line_that_begins_with_file_and_line(case: Path) -> None:
    message = (case / "expected.txt").read_text(encoding="utf-8").splitlines()
    assert len(message) == 2
    assert message[0].startswith("FILE:")
    assert message[0].split(":")[1].isdigit()


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_an_index_keeps_the_message_and_raises_nothing(case: Path) -> None:
    file = str(case / "component.yaml")
    [[*rest, error, _]] = read([file])
    assert error.replace(file, "FILE") == (case / "expected.txt").read_text("utf-8").splitlines()[0]
    assert not any(rest)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_who_asks_for_all_faults_is_told_the_same_one_first(case: Path) -> None:
    file = case / "component.yaml"
    first, *others = [error.message.replace(str(file), "FILE") for error in examine(file)[1]]
    assert first == (case / "expected.txt").read_text("utf-8").splitlines()[0]
    assert first not in others


def test_a_component_yaml_that_is_a_folder_is_said(tmp_path: Path) -> None:
    (tmp_path / "component.yaml").mkdir()
    with pytest.raises(ComponentInvalid, match=r"component\.yaml: Is a directory"):
        load(tmp_path / "component.yaml")


def test_there_are_cases() -> None:
    assert len(CASES) >= 50
