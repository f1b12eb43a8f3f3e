"""Native programs: how they are made and run, what they say, and what their launches prove."""

from __future__ import annotations

import json
import os
import shutil
import signal
import statistics
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from subprocess import PIPE
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import cmx
from cmx.worker import ActionError, Context, Role
from cmx.worker.native import Build, Check, Report, compile_program, expand, median_interval, open_program, verdict
from cmx.worker.native.elf import Elf, read_elf
from cmx.worker.native.spread import spread, summarise
from cmx.worker.native.sysroot import emulated_root

REPORT = {"metric": "speed", "kernel_ns": 5, "measures": {"speed": {"value": 2, "unit": "GB/s"}}, "checksum": "ab"}
PRINT = 'int puts(const char *); int main(void) {{ puts("{}"); return 0; }}'


def c_program(report: dict[str, Any] = REPORT) -> str:
    """A C program that prints a report."""
    return PRINT.format(json.dumps(report).replace('"', '\\"'))


@pytest.fixture
def gcc() -> Role:
    path = shutil.which("gcc")
    if path is None:
        pytest.skip("gcc is not installed")
    return Role("software/gcc==12.2.0", "", Path(path), {}, Path())


def build(source: str, gcc: Role, folder: Path, target: str = "", **options: Any) -> dict[str, Any]:
    (folder / "main.c").write_text(source, encoding="utf-8")
    return compile_program(Build("main.c", **options), folder, gcc, target, folder / "program")


def context(folder: Path, facts: dict[str, Any] | None = None, **roles: Role) -> Context:
    """One step after the program in ``folder`` was made."""
    (folder / "facts.json").write_text(json.dumps(facts or {}), encoding="utf-8")
    output = folder / "output"
    output.mkdir(exist_ok=True)
    products = {"compile": {"program": folder / "program", "facts": folder / "facts.json"}}
    return Context(roles, products, output)


# Compiling.


def test_a_program_is_compiled_and_says_for_what(gcc: Role, tmp_path: Path) -> None:
    facts = build(c_program(), gcc, tmp_path, defines="UNUSED", libraries="m")
    assert facts["arguments"] == ["-std=c11", "-O2", "-DUNUSED", "-lm"]
    assert facts["sources"] == ["main.c"]
    assert facts["compiler"] == "software/gcc==12.2.0"
    assert subprocess.run([tmp_path / "program"], capture_output=True, check=True).stdout.strip() == (
        json.dumps(REPORT).encode()
    )


def test_the_same_sources_make_the_same_bytes_in_any_folder(gcc: Role, tmp_path: Path) -> None:
    source = c_program().replace("return 0;", "puts(__FILE__); return 0;")
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        build(source, gcc, tmp_path / name, flags="-O2 -g")
    assert (tmp_path / "one/program").read_bytes() == (tmp_path / "two/program").read_bytes()


def test_the_compiler_s_first_errors_are_told_without_our_paths(gcc: Role, tmp_path: Path) -> None:
    with pytest.raises(ActionError, match=r"^software/gcc==12\.2\.0 refused: main\.c:1:\d+: error: ") as raised:
        build("int main(void) { return nothing_here; }", gcc, tmp_path)
    assert "nothing_here" in raised.value.message


def test_what_the_linker_lacks_is_told(gcc: Role, tmp_path: Path) -> None:
    with pytest.raises(ActionError, match="undefined reference to `elsewhere'"):
        build("int elsewhere(void); int main(void) { return elsewhere(); }", gcc, tmp_path)


@pytest.mark.parametrize("name", ["../main.c", "/etc/passwd", "link.c", "missing.c", "main.h", ""])
def test_a_source_outside_the_folder_or_none_is_refused(gcc: Role, tmp_path: Path, name: str) -> None:
    folder = tmp_path / "workflow"
    folder.mkdir()
    (tmp_path / "main.c").write_text(c_program(), encoding="utf-8")
    (folder / "main.h").touch()
    (folder / "link.c").symlink_to(tmp_path / "main.c")
    with pytest.raises(ActionError, match=r"^sources: "):
        compile_program(Build(name), folder, gcc, "", tmp_path / "program")


def test_what_is_no_compiler_is_refused(tmp_path: Path) -> None:
    rustc = Role("software/rustc==1.80.0", "", Path("/usr/bin/rustc"), {}, Path())
    with pytest.raises(ActionError, match="cannot compile"):
        build(c_program(), rustc, tmp_path)


# What an executable is for.


def test_this_interpreter_s_own_file_is_read_as_elf() -> None:
    found = read_elf(Path(sys.executable).resolve())
    if not sys.platform.startswith("linux"):
        assert found is None
        return
    assert found is not None
    assert found.bits == struct.calcsize("P") * 8
    assert Path(found.interpreter).exists()


def test_a_big_endian_32_bit_header_is_read(tmp_path: Path) -> None:
    ident = b"\x7fELF\x01\x02\x01" + bytes(9)
    header = struct.pack(">HHIIIIIHHH", 2, 8, 1, 0, 52, 0, 0, 52, 32, 1)
    (tmp_path / "program").write_bytes(
        (ident + header).ljust(52, b"\0") + struct.pack(">IIIII", 3, 84, 0, 0, 8) + bytes(12) + b"/lib/ld\0"
    )
    assert read_elf(tmp_path / "program") == Elf("mips", 32, "/lib/ld")


@pytest.mark.parametrize("content", [b"", b"#!/bin/sh\n", b"\x7fELF\x02\x01\x01", b"\x7fELF\x09\x01" + bytes(100)])
def test_anything_else_is_no_elf(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "file").write_bytes(content)
    assert read_elf(tmp_path / "file") is None


# What a program says.


def test_a_report_is_the_last_line() -> None:
    report = Report.parse(f"warming up\n{json.dumps({**REPORT, 'facts': {'n': 3}, 'notes': ['small']})}\n\n")
    assert (report.kernel_ns, report.measures["speed"].value, report.facts, report.notes) == (
        5,
        2.0,
        {"n": 3},
        ("small",),
    )


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Segmentation fault",
        "[1]",
        json.dumps({**REPORT, "kernel_ns": 0}),
        json.dumps({**REPORT, "metric": "other"}),
        json.dumps({**REPORT, "measures": [1]}),
        json.dumps({key: value for key, value in REPORT.items() if key != "checksum"}),
        json.dumps({**REPORT, "measures": {"speed": {"value": "fast", "unit": ""}}}),
    ],
)
def test_what_is_no_report_is_an_error_that_shows_it(text: str) -> None:
    with pytest.raises(ActionError, match="is no report"):
        Report.parse(text)


def test_a_program_that_ran_something_else_than_asked_is_found_out() -> None:
    report = Report.parse(json.dumps({**REPORT, "facts": {"size": 64}}))
    report.check_asked(["--size", "512", "--other", "1", "--size", "64"])
    with pytest.raises(ActionError, match="asked for --size 512 and says size 64"):
        report.check_asked(["--size", "512"])


# Arguments.


def test_places_of_files_are_filled_in(tmp_path: Path) -> None:
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib/libfoo.so.1").touch()
    roles = {
        "model": Role("model/m==1.0.0", "", tmp_path / "a model.onnx", {}, Path()),
        "framework": Role("software/foo==1", "", tmp_path, {}, Path()),
    }
    job = Context(roles, {"samples": {"samples": tmp_path / "s.npy"}}, tmp_path)
    text = "--m {model} --s={samples.samples} --l {framework:libfoo.*} --t 'two words'"
    assert expand(text, job) == [
        "--m", f"{tmp_path}/a model.onnx", f"--s={tmp_path}/s.npy", "--l", f"{tmp_path}/lib/libfoo.so.1",
        "--t", "two words",
    ]  # fmt: skip


def test_a_file_of_an_installed_package_is_found_without_importing_it(tmp_path: Path) -> None:
    role = Role("software/json==1", "", None, {}, Path())
    (found,) = expand("{framework:scanner.py}", Context({"framework": role}, {}, tmp_path))
    assert Path(found).parent.name == "json"


@pytest.mark.parametrize("text", ["{nothing}", "{a.b}", "{framework:*}", "{framework:none}", "{}", "'open"])
def test_a_place_that_is_not_there_is_an_error(tmp_path: Path, text: str) -> None:
    for name in ("one", "two"):
        (tmp_path / name).touch()
    roles = {"framework": Role("software/foo==1", "", tmp_path, {}, Path())}
    with pytest.raises(ActionError, match=r"^arguments: "):
        expand(text, Context(roles, {}, tmp_path))


# What launches prove.


@given(st.lists(st.integers(1, 10**9), min_size=1, max_size=40))
def test_a_spread_lies_in_order_and_its_interval_around_the_median(values: list[int]) -> None:
    found = spread(values)
    interval = found["interval"]
    assert found["min"] <= found["median"] <= found["max"]
    assert (interval is None) == (len(values) < 6)
    assert interval is None or interval["low"] <= found["median"] <= interval["high"]


@pytest.mark.parametrize("count", range(6, 14))
def test_the_interval_s_confidence_is_the_share_of_coin_tosses(count: int) -> None:
    found = median_interval(range(count))
    assert found is not None
    rank = found["low"]
    heads = [sum(tosses) for tosses in product((0, 1), repeat=count)]
    inside = sum(rank < each < count - rank for each in heads) / len(heads)
    assert found["confidence"] == pytest.approx(inside, abs=1e-6)
    narrower = sum(rank + 1 < each < count - rank - 1 for each in heads) / len(heads)
    assert inside >= 0.95 > narrower


@given(st.lists(st.integers(1, 10**9), min_size=1, max_size=40))
def test_a_summary_s_median_is_a_time_that_was_measured(times: list[int]) -> None:
    found = summarise(times)
    assert found["p50"] == statistics.median_low(times)
    assert set(found) == {"min", "mean", "p50", "max"}


def test_the_headline_is_the_first_check_that_failed() -> None:
    checks = [Check("top_1", 18, 20, 0.85), Check("same", 19, 20), Check("rows", 5, 6)]
    found = verdict(checks)
    assert (found["metric"], found["value"], found["at_least"], found["passed"]) == ("same", 0.95, 1.0, False)
    assert found["counts"] == {"top_1": 18, "same": 19, "total": 20}
    assert found["accuracy"]["rows"] == 5 / 6


def test_nothing_checked_is_nothing_proved() -> None:
    assert not verdict([Check("entries", 0, 0)])["passed"]
    with pytest.raises(ActionError, match="checked nothing"):
        verdict([])


# Running.


def test_a_launch_is_timed_and_read(gcc: Role, tmp_path: Path) -> None:
    facts = build(c_program(), gcc, tmp_path)
    (tmp_path / "program").chmod(0o444)  # as the store keeps it
    with open_program(context(tmp_path, facts)) as program:
        launch = program.launch([], threads=1, seconds=60)
    assert not program.emulated
    assert launch.wall_ns > 0
    assert launch.report.checksum == "ab"


def test_threads_reach_the_program(gcc: Role, tmp_path: Path) -> None:
    source = (
        '#include <stdio.h>\n#include <stdlib.h>\nint main(void) { printf("{\\"kernel_ns\\": 1, \\"measures\\": {},'
        ' \\"checksum\\": \\"%s\\"}\\n", getenv("OMP_NUM_THREADS")); }'
    )
    build(source, gcc, tmp_path)
    with open_program(context(tmp_path)) as program:
        assert program.launch([], threads=3, seconds=60).report.checksum == "3"


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("for (;;) pause();", "did not end within 0.3 s"),
        ("raise(SIGSEGV);", "ended with signal SIGSEGV"),
        ('fputs("no such file", stderr); return 3;', "ended with exit status 3: no such file"),
        ("", "is no report"),
    ],
)
def test_a_program_that_fails_is_an_error_that_says_how(gcc: Role, tmp_path: Path, body: str, message: str) -> None:
    source = "#include <signal.h>\n#include <stdio.h>\n#include <unistd.h>\n"
    build(f"{source}int main(void) {{ {body} return 0; }}", gcc, tmp_path, standard="gnu11")
    with open_program(context(tmp_path)) as program, pytest.raises(ActionError, match=message):
        program.launch([], threads=1, seconds=0.3 if "pause" in body else 60)


def test_a_program_of_another_machine_needs_an_emulator(tmp_path: Path) -> None:
    ident = b"\x7fELF\x02\x01\x01" + bytes(9)
    header = struct.pack("<HHIQQQIHHH", 2, 22, 1, 0, 64, 0, 0, 64, 56, 0)
    (tmp_path / "program").write_bytes(ident + header)
    with (
        pytest.raises(ActionError, match=r"is for s390x, this machine is .*, and no emulator"),
        open_program(context(tmp_path)),
    ):
        pytest.fail("it was opened")


def test_the_emulator_gets_the_libraries_and_a_processor_s_description(gcc: Role, tmp_path: Path) -> None:
    build(c_program(), gcc, tmp_path)
    shell = tmp_path / "emulator"
    shell.write_text('#!/bin/sh\ntest -e "$2/lib/it" || exit 9\nshift 2\nexec "$@"\n', encoding="utf-8")
    shell.chmod(0o755)
    (tmp_path / "sysroot/lib").mkdir(parents=True)
    (tmp_path / "sysroot/lib/it").touch()
    role = Role("software/qemu-user==7.2", "", shell, {}, Path())
    with open_program(context(tmp_path, {"sysroot": str(tmp_path / "sysroot")}, emulator=role)) as program:
        launch = program.launch([], threads=1, seconds=60)
        assert program.emulated
    assert launch.report.checksum == "ab"
    assert [path.name for path in (tmp_path / "output").iterdir() if path.is_dir()] == []


def test_an_emulated_arm_machine_has_an_arm_processor(tmp_path: Path) -> None:
    with emulated_root("", "aarch64", tmp_path) as root:
        assert "CPU implementer" in (root / "proc/cpuinfo").read_text(encoding="ascii")
    with pytest.raises(ActionError, match="is not there"), emulated_root(str(tmp_path / "gone"), "aarch64", tmp_path):
        pytest.fail("it was opened")


def test_no_program_before_this_step_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ActionError, match="0 steps"), open_program(Context({}, {}, tmp_path)):
        pytest.fail("it was opened")


# The worker around it.


@pytest.fixture
def sleeping(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A worker that runs a program which sleeps, as a controller starts it: with a group of its own."""
    action = tmp_path / "action.py"
    action.write_text(
        "import subprocess, sys\nfrom pathlib import Path\nfrom cmx.worker import Outcome\n"
        "def work(context):\n"
        "    child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n"
        "    Path('child').write_text(str(child.pid))\n    child.wait()\n    return Outcome()\n",
        encoding="utf-8",
    )
    job = {
        "schema": 1,
        "document": "job",
        "action": {"reference": "action/try-it==1.0.0", "entry": f"{action}:work"},
        "output": str(tmp_path),
    }
    (tmp_path / "job.json").write_text(json.dumps(job), encoding="utf-8")
    main = Path(cmx.__file__).parent / "worker/__main__.py"
    command = [sys.executable, "-I", str(main), str(tmp_path / "job.json")]
    with subprocess.Popen(command, cwd=tmp_path, stdin=PIPE, start_new_session=True) as process:
        yield process
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)


@pytest.mark.skipif(not hasattr(os, "killpg"), reason="this system has no process groups")
def test_a_program_does_not_outlive_the_controller(sleeping: subprocess.Popen[bytes], tmp_path: Path) -> None:
    child = int(waited_for(tmp_path / "child"))
    assert sleeping.stdin is not None
    sleeping.stdin.close()
    sleeping.wait(timeout=20)
    deadline = time.monotonic() + 20
    while alive(child) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not alive(child)


def waited_for(file: Path) -> str:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        if file.is_file() and file.read_text():
            return file.read_text()
        time.sleep(0.02)
    pytest.fail(f"{file} did not appear")


def alive(pid: int) -> bool:
    """Whether a process runs; one that ended and that nobody waited for does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"
