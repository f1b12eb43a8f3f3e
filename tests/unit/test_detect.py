"""The detection engine, on real executables in tmp_path."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import pytest
from fake_tools import component, detector, program, shell, starts, tool

from cmx.detect.probe import ProbeFailed, Prober
from cmx.errors import ResolutionError, UsageError


def versions(detection) -> list[str]:
    return [finding.version for finding in detection.findings]


def reasons(detection) -> list[str]:
    return [skipped.reason for skipped in detection.skipped]


def test_versions_side_by_side_are_all_found_in_the_order_of_path(tmp_path: Path) -> None:
    shell(tmp_path / "a" / "tool-2", "echo tool 2.0.1")
    shell(tmp_path / "a" / "tool", "echo tool 3.1.0")
    shell(tmp_path / "b" / "tool", "echo tool 9.0.0")
    detection = detector(tmp_path, tmp_path / "a", tmp_path / "b").detect(tool())
    assert versions(detection) == ["3.1.0", "2.0.1", "9.0.0"]
    assert detection.findings[0].path == tmp_path / "a" / "tool"


def test_names_of_one_file_are_one_finding_under_the_first_pattern(tmp_path: Path) -> None:
    program(tmp_path / "bin" / "tool-12", "tool 12.2.0")
    (tmp_path / "bin" / "tool").symlink_to("tool-12")
    detection = detector(tmp_path, tmp_path / "bin").detect(tool())
    assert [finding.path.name for finding in detection.findings] == ["tool"]


def test_a_folder_that_is_on_path_twice_is_looked_at_once(tmp_path: Path) -> None:
    shell(tmp_path / "usr" / "bin" / "tool", "echo tool 1.0")
    (tmp_path / "bin").symlink_to(tmp_path / "usr" / "bin")
    detection = detector(tmp_path, tmp_path / "usr" / "bin", tmp_path / "bin").detect(tool())
    assert [finding.path for finding in detection.findings] == [tmp_path / "usr" / "bin" / "tool"]


def test_folders_beyond_path_are_searched_by_glob(tmp_path: Path) -> None:
    shell(tmp_path / "opt" / "tool-1" / "bin" / "tool", "echo tool 1.0")
    shell(tmp_path / "opt" / "tool-2" / "bin" / "tool", "echo tool 2.0")
    search = {"executables": ["tool"], "paths": [f"{tmp_path}/opt/tool-*/bin", "~/opt/tool-*/bin", "relative/*"]}
    assert versions(detector(tmp_path).detect(tool(search=search))) == ["1.0", "2.0"]


def test_what_cmx_installed_is_found_after_path(tmp_path: Path) -> None:
    mine = shell(tmp_path / "cmx" / "store" / "tools" / "0a1b" / "files" / "bin" / "tool", "echo tool 9.0")
    shell(tmp_path / "bin" / "tool", "echo tool 1.0")
    detection = detector(tmp_path, tmp_path / "bin").detect(tool())
    assert versions(detection) == ["1.0", "9.0"]
    assert detection.findings[1].path == mine


def test_the_scripts_folder_is_that_of_the_python_that_runs_cmx(tmp_path: Path) -> None:
    shell(tmp_path / "venv" / "bin" / "tool", "echo tool 1.0")
    search = {"executables": ["tool"], "paths": ["{scripts}"]}
    found = detector(tmp_path, interpreter=tmp_path / "venv" / "bin" / "python").detect(tool(search=search))
    assert versions(found) == ["1.0"]


def test_nothing_is_started_from_a_relative_folder_on_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program(tmp_path / "tool", "tool 1.0")
    monkeypatch.chdir(tmp_path)
    assert detector(tmp_path, ".", "", "..").detect(tool()).findings == ()
    assert starts(tmp_path / "tool") == 0


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("echo 'pyenv: tool: command not found' >&2; exit 127", "exit 127: pyenv: tool: command not found"),
        ("exit 3", "exit 3"),
        ("kill -9 $$", "ended by signal 9"),
        ("echo hello", "printed no version: hello"),
        ("true", "printed no version: nothing"),
        ("while :; do echo tool 1.0 again and again and again; done", "printed more than 64 KiB"),
    ],
)
def test_a_tool_that_does_not_answer_is_skipped_with_the_reason(tmp_path: Path, body: str, reason: str) -> None:
    shell(tmp_path / "bad" / "tool", body)
    shell(tmp_path / "good" / "tool", "echo tool 1.0")
    detection = detector(tmp_path, tmp_path / "bad", tmp_path / "good").detect(tool())
    assert [str(skipped) for skipped in detection.skipped] == [f"{tmp_path}/bad/tool: {reason}"]
    assert versions(detection) == ["1.0"]


def test_a_file_that_is_no_program_is_skipped_with_the_reason(tmp_path: Path) -> None:
    path = tmp_path / "tool"
    path.write_bytes(b"\x7fELF of another machine")
    path.chmod(0o755)
    assert reasons(detector(tmp_path, tmp_path).detect(tool())) == ["cannot be started: Exec format error"]


def test_a_link_that_leads_nowhere_is_skipped_with_the_reason(tmp_path: Path) -> None:
    (tmp_path / "tool").symlink_to("gone")
    assert reasons(detector(tmp_path, tmp_path).detect(tool())) == ["a link that leads nowhere"]


def test_a_file_that_may_not_be_executed_is_nothing(tmp_path: Path) -> None:
    shell(tmp_path / "tool", "echo tool 1.0").chmod(0o644)
    detection = detector(tmp_path, tmp_path).detect(tool())
    assert (detection.findings, detection.skipped) == ((), ())


def test_a_tool_that_hangs_is_ended_with_all_it_started(tmp_path: Path) -> None:
    shell(tmp_path / "tool", f"/bin/sleep 600 & echo $! > {tmp_path}/child; echo tool 1.0; wait")
    detection = detector(tmp_path, tmp_path, time_limit=0.4).detect(tool())
    assert reasons(detection) == ["timed out after 0.4 s"]
    assert gone(int((tmp_path / "child").read_text()))


def test_what_a_tool_left_behind_is_ended_and_not_waited_for(tmp_path: Path) -> None:
    shell(tmp_path / "tool", f"echo tool 1.0; /bin/sleep 600 >/dev/null 2>&1 & echo $! > {tmp_path}/child")
    assert versions(detector(tmp_path, tmp_path).detect(tool())) == ["1.0"]
    assert gone(int((tmp_path / "child").read_text()))


def gone(process: int) -> bool:
    """Whether a process ends within ten seconds; a zombie that nobody collects has ended."""
    for _ in range(1000):
        try:
            state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
        except FileNotFoundError:
            return True
        if state == "Z":
            return True
        time.sleep(0.01)
    return False


def test_stopping_ends_a_probe_that_runs(tmp_path: Path) -> None:
    path = shell(tmp_path / "tool", f"echo $$ > {tmp_path}/pid; exec /bin/sleep 600")
    prober = Prober({}, time_limit=60)
    said: list[str] = []

    def run() -> None:
        try:
            prober.run([str(path)], tmp_path)
        except ProbeFailed as error:
            said.append(str(error))

    thread = threading.Thread(target=run)
    thread.start()
    while not (tmp_path / "pid").exists():
        time.sleep(0.01)
    prober.stop()
    thread.join(30)
    assert said == ["ended by signal 9"]


def test_a_probe_sees_an_english_minimal_environment_no_input_and_not_the_users_folder(tmp_path: Path) -> None:
    shell(tmp_path / "tool", f"env > {tmp_path}/env; pwd > {tmp_path}/pwd; cat > {tmp_path}/input; echo tool 1.0")
    found = detector(tmp_path, tmp_path, "/usr/bin", "/bin", environ={"SECRET": "x", "LC_ALL": "de_DE.UTF-8"})
    assert versions(found.detect(tool())) == ["1.0"]
    seen = dict(line.split("=", 1) for line in (tmp_path / "env").read_text().splitlines())
    assert seen["LC_ALL"] == "C"
    assert "SECRET" not in seen
    assert (tmp_path / "input").read_text() == ""
    folder = Path((tmp_path / "pwd").read_text().strip())
    assert folder != Path.cwd()
    assert not folder.exists()


def test_a_version_on_stderr_counts(tmp_path: Path) -> None:
    shell(tmp_path / "tool", "echo some warning; echo tool 2.7.18 >&2")
    assert versions(detector(tmp_path, tmp_path).detect(tool())) == ["2.7.18"]


def test_a_cross_compiler_says_its_target_and_exports_its_siblings(tmp_path: Path) -> None:
    body = 'case $1 in --version) echo "gcc 12.2.0";; *) echo aarch64-linux-gnu;; esac'
    for name in ("aarch64-linux-gnu-gcc-12", "aarch64-linux-gnu-g++-12"):
        shell(tmp_path / name, body)
    gcc = component(
        "gcc",
        search={"executables": [r"\S+-gcc-\d+"]},
        probe={"run": ["{path}", "--version"], "version": r"gcc (\S+)", "target": ["{path}", "-dumpmachine"]},
        exports={"CC": "{path}", "CXX": "{sibling:g++}", "FC": "{sibling:gfortran}", "WHAT": "{target} {version}"},
    )
    (finding,) = detector(tmp_path, tmp_path).detect(gcc).findings
    assert finding.target == "aarch64-linux-gnu"
    assert finding.exports == {
        "CC": f"{tmp_path}/aarch64-linux-gnu-gcc-12",
        "CXX": f"{tmp_path}/aarch64-linux-gnu-g++-12",
        "WHAT": "aarch64-linux-gnu 12.2.0",
    }


def test_a_range_moves_what_is_outside_to_the_skipped_with_the_reason(tmp_path: Path) -> None:
    shell(tmp_path / "tool", "echo tool 14.0.6")
    shell(tmp_path / "tool-17", "echo tool 17.0.1")
    detection = detector(tmp_path, tmp_path).detect(tool()).within(">=15")
    assert versions(detection) == ["17.0.1"]
    assert [str(skipped) for skipped in detection.skipped] == [f"{tmp_path}/tool: 14.0.6, wanted >=15"]


def test_a_component_that_cannot_be_asked_about_does_not_hide_the_others(tmp_path: Path) -> None:
    shell(tmp_path / "tool", "echo tool 1.0")
    bad = [
        tool("a", search={"executables": ["("]}),
        tool("b", search={"executables": ["tool"]}, probe={"run": ["{path}"], "version": "["}),
        component("c", search={"executables": ["tool"]}),
    ]
    found = detector(tmp_path, tmp_path).detect_all([*bad, tool()])
    assert versions(found["tool"]) == ["1.0"]
    assert reasons(found["a"])[0].startswith("search.executables: '(' is no pattern")
    assert reasons(found["b"])[0].startswith("probe.version: '[' is no pattern")
    assert reasons(found["c"]) == ["probe is missing: nothing says how to ask for a version"]


def test_a_program_that_acts_on_the_machine_is_never_started(tmp_path: Path) -> None:
    program(tmp_path / "sbin" / "shutdown", "tool 1.0")
    (tmp_path / "tool").symlink_to("sbin/shutdown")
    detection = detector(tmp_path, tmp_path).detect(tool())
    assert reasons(detection) == ["never started: it acts on the machine itself"]
    assert starts(tmp_path / "sbin" / "shutdown") == 0


def test_a_finding_knows_when_its_file_is_another_one(tmp_path: Path) -> None:
    shell(tmp_path / "tool", "echo tool 1.0")
    (finding,) = detector(tmp_path, tmp_path).detect(tool()).findings
    assert finding.current
    shell(tmp_path / "tool", "echo tool 1.0.1")
    assert not finding.current


def test_an_explicit_path_wins_over_what_was_found_before(tmp_path: Path) -> None:
    program(tmp_path / "bin" / "tool", "tool 1.0")
    other = program(tmp_path / "elsewhere" / "my-own-name", "tool 2.0")
    found = detector(tmp_path, tmp_path / "bin")
    assert versions(found.detect(tool())) == ["1.0"]
    assert [(one.version, one.path) for one in found.detect(tool(), explicit=other).findings] == [("2.0", other)]
    assert versions(found.detect(tool(), explicit=other)) == ["2.0"]
    assert starts(other) == 2


def test_an_explicit_folder_is_searched_with_its_bin(tmp_path: Path) -> None:
    shell(tmp_path / "opt" / "bin" / "tool-3", "echo tool 3.0")
    shell(tmp_path / "path" / "tool", "echo tool 1.0")
    detection = detector(tmp_path, tmp_path / "path").detect(tool(), explicit=tmp_path / "opt")
    assert versions(detection) == ["3.0"]


@pytest.mark.parametrize(("name", "words"), [("none", "does not exist"), ("text", "is no executable file")])
def test_an_explicit_path_that_is_no_executable_is_a_wrong_request(tmp_path: Path, name: str, words: str) -> None:
    (tmp_path / "text").write_text("x")
    with pytest.raises(UsageError, match=f"{name} {words}") as caught:
        detector(tmp_path).detect(tool(), explicit=tmp_path / name)
    assert caught.value.exit_code == 2


def test_an_explicit_folder_without_the_tool_is_a_wrong_request(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no tool in this folder"):
        detector(tmp_path).detect(tool(), explicit=tmp_path)


def test_an_explicit_path_that_does_not_answer_is_an_error_even_where_another_would_do(tmp_path: Path) -> None:
    shell(tmp_path / "bin" / "tool", "echo tool 1.0")
    broken = shell(tmp_path / "broken", "echo out of order; exit 1")
    with pytest.raises(ResolutionError, match="broken: exit 1: out of order") as caught:
        detector(tmp_path, tmp_path / "bin").detect(tool(), explicit=broken)
    assert caught.value.exit_code == 4
    assert "cmx detect tool" in caught.value.hint


def test_a_relative_explicit_path_is_meant_from_where_the_user_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shell(tmp_path / "mine", "echo tool 1.0")
    monkeypatch.chdir(tmp_path)
    (finding,) = detector(tmp_path).detect(tool(), explicit=Path("mine")).findings
    assert finding.path == tmp_path / "mine"
    assert os.access(finding.path, os.X_OK)
