"""What is kept of detecting, and when it must not be believed."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from fake_tools import detector, later, program, shell, starts, tool

from cmx.detect import Detection


def versions(detection: Detection) -> list[str]:
    return [finding.version for finding in detection.findings]


def test_a_tool_that_is_the_same_is_not_started_again(tmp_path: Path) -> None:
    path = program(tmp_path / "bin" / "tool", "tool 1.0")
    for _ in range(3):
        assert versions(detector(tmp_path, tmp_path / "bin").detect(tool())) == ["1.0"]
    assert starts(path) == 1


def test_a_tool_replaced_in_place_is_noticed(tmp_path: Path) -> None:
    path = program(tmp_path / "bin" / "tool", "tool 1.0")
    found = detector(tmp_path, tmp_path / "bin")
    assert versions(found.detect(tool())) == ["1.0"]
    program(path, "tool 2.0")
    assert versions(found.detect(tool())) == ["2.0"]
    assert versions(detector(tmp_path, tmp_path / "bin").detect(tool())) == ["2.0"]


def test_a_link_that_leads_elsewhere_now_is_noticed(tmp_path: Path) -> None:
    program(tmp_path / "bin" / "tool-1", "tool 1.0")
    program(tmp_path / "bin" / "tool-2", "tool 2.0")
    link = tmp_path / "bin" / "tool"
    link.symlink_to("tool-1")
    found = detector(tmp_path, tmp_path / "bin")
    assert versions(found.detect(tool())) == ["1.0", "2.0"]
    link.unlink()
    link.symlink_to("tool-2")
    assert versions(found.detect(tool())) == ["2.0", "1.0"]


def test_a_tool_that_was_removed_is_gone(tmp_path: Path) -> None:
    path = program(tmp_path / "bin" / "tool", "tool 1.0")
    found = detector(tmp_path, tmp_path / "bin")
    assert versions(found.detect(tool())) == ["1.0"]
    path.unlink()
    assert found.detect(tool()).findings == ()


def test_a_new_tool_is_noticed_and_only_it_is_started(tmp_path: Path) -> None:
    old = program(tmp_path / "bin" / "tool-1", "tool 1.0")
    found = detector(tmp_path, tmp_path / "bin")
    assert versions(found.detect(tool())) == ["1.0"]
    program(tmp_path / "bin" / "tool", "tool 2.0")
    assert versions(found.detect(tool())) == ["2.0", "1.0"]
    assert starts(old) == 1


def test_a_component_with_another_pattern_asks_anew(tmp_path: Path) -> None:
    path = program(tmp_path / "bin" / "tool", "tool 1.0 build 77")
    found = detector(tmp_path, tmp_path / "bin")
    assert versions(found.detect(tool())) == ["1.0"]
    changed = tool(probe={"run": ["{path}", "--version"], "version": r"build (\d+)"})
    assert versions(found.detect(changed)) == ["77"]
    assert starts(path) == 2


def test_a_shell_script_is_asked_each_time_for_what_it_starts_may_change(tmp_path: Path) -> None:
    inner = program(tmp_path / "real", "tool 1.0")
    shell(tmp_path / "bin" / "tool", f"exec {inner}")
    found = detector(tmp_path, tmp_path / "bin")
    assert versions(found.detect(tool())) == ["1.0"]
    program(inner, "tool 2.0")
    assert versions(found.detect(tool())) == ["2.0"]


def test_a_link_to_a_program_of_another_name_is_asked_each_time(tmp_path: Path) -> None:
    chooser = program(tmp_path / "ccache", "tool 1.0")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "tool").symlink_to(chooser)
    found = detector(tmp_path, tmp_path / "bin")
    assert versions(found.detect(tool())) == ["1.0"]
    assert versions(found.detect(tool())) == ["1.0"]
    assert starts(chooser) == 2


def test_an_answer_got_right_after_a_write_is_not_kept(tmp_path: Path) -> None:
    path = program(tmp_path / "bin" / "tool", "tool 1.0")
    found = detector(tmp_path, tmp_path / "bin", clock=time.time_ns)
    found.detect(tool())
    found.detect(tool())
    assert starts(path) == 2


def test_a_failure_is_tried_again_after_ten_minutes(tmp_path: Path) -> None:
    path = program(tmp_path / "bin" / "tool", "no version here")
    ahead = [0]
    found = detector(tmp_path, tmp_path / "bin", clock=lambda: later() + ahead[0])
    for seconds, expected in ((0, 1), (60, 1), (601, 2)):
        ahead[0] = seconds * 1_000_000_000
        assert "printed no version" in found.detect(tool()).skipped[0].reason
        assert starts(path) == expected


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b'{"schema": 99}', b'{"schema": 1, "answers": 5}', b"\xff\xfe", b'{"schema": 1}']
)
def test_a_cache_file_that_cannot_be_read_is_as_none(tmp_path: Path, content: bytes) -> None:
    program(tmp_path / "bin" / "tool", "tool 1.0")
    file = tmp_path / "cmx" / "cache" / "findings.json"
    file.parent.mkdir(parents=True)
    file.write_bytes(content)
    assert versions(detector(tmp_path, tmp_path / "bin").detect(tool())) == ["1.0"]


def test_entries_of_another_shape_are_asked_anew(tmp_path: Path) -> None:
    program(tmp_path / "bin" / "tool", "tool 1.0")
    detector(tmp_path, tmp_path / "bin").detect(tool())
    file = tmp_path / "cmx" / "cache" / "findings.json"
    spoilt = file.read_text().replace('"version": "1.0"', '"verse": "1.0"')
    assert spoilt != file.read_text()
    file.write_text(spoilt)
    assert versions(detector(tmp_path, tmp_path / "bin").detect(tool())) == ["1.0"]


def test_without_a_home_to_write_to_everything_works_and_is_kept_in_memory(tmp_path: Path) -> None:
    path = program(tmp_path / "bin" / "tool", "tool 1.0")
    (tmp_path / "cmx").write_text("a file where the home should be")
    found = detector(tmp_path, tmp_path / "bin")
    assert versions(found.detect(tool())) == ["1.0"]
    assert versions(found.detect(tool())) == ["1.0"]
    assert starts(path) == 1


def test_two_that_detect_at_once_keep_each_others_answers(tmp_path: Path) -> None:
    paths = [program(tmp_path / name / name, f"{name} 1.0") for name in ("one", "two")]
    first, second = (detector(tmp_path, path.parent) for path in paths)
    first.detect(tool("two"))
    second.detect(tool("two"))
    first.detect(tool("one"))
    both = detector(tmp_path, *(path.parent for path in paths)).detect_all([tool("one"), tool("two")])
    assert [versions(detection) for detection in both.values()] == [["1.0"], ["1.0"]]
    assert [starts(path) for path in paths] == [1, 1]


def test_what_is_gone_leaves_the_cache_with_the_next_write(tmp_path: Path) -> None:
    program(tmp_path / "bin" / "tool", "tool 1.0")
    found = detector(tmp_path, tmp_path / "bin")
    found.detect(tool())
    (tmp_path / "bin" / "tool").unlink()
    program(tmp_path / "bin" / "tool-2", "tool 2.0")
    found.detect(tool())
    text = (tmp_path / "cmx" / "cache" / "findings.json").read_text()
    assert "tool-2" in text
    assert f'{tmp_path}/bin/tool"' not in text
