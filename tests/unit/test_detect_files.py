"""Software and data that are recognised by files; nothing is started."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from fake_tools import component, detector, program, shell, starts, tool

from cmx.component import Dataset, Model
from cmx.component_file import from_document
from cmx.errors import ResolutionError, UsageError


def library(root: Path, **document: Any) -> Any:
    """A component for libtool.so, whose version stands in its name or in a header."""
    search = {"files": [r"libtool\.so\.\d+", r"libtool\.so(\.\d+)*"], "paths": [f"{root}/lib", f"{root}/lib64"]}
    read = [
        {"version": r"libtool\.so\.(\d+\.\d+)"},
        {"file": "../include/tool*.h", "version": r"TOOL_MAJOR (\d+)\D+(\d+)"},
    ]
    return component("tool", **({"search": search, "read": read} | document))


def write(path: Path, text: str = "") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_the_version_of_a_library_stands_in_the_name_of_the_file_that_it_is(tmp_path: Path) -> None:
    write(tmp_path / "lib" / "libtool.so.3.7")
    (tmp_path / "lib" / "libtool.so.3").symlink_to("libtool.so.3.7")
    (tmp_path / "lib" / "libtool.so").symlink_to("libtool.so.3")
    (tmp_path / "lib64").symlink_to("lib")
    (finding,) = detector(tmp_path).detect(library(tmp_path)).findings
    assert (finding.version, finding.path) == ("3.7", tmp_path / "lib" / "libtool.so.3")


def test_or_in_a_header_beside_it_and_the_groups_are_joined(tmp_path: Path) -> None:
    write(tmp_path / "lib" / "libtool.so.3")
    write(tmp_path / "include" / "tool_version.h", "#define TOOL_MAJOR 3\n#define TOOL_MINOR 9\n")
    assert [each.version for each in detector(tmp_path).detect(library(tmp_path)).findings] == ["3.9"]


def test_a_library_that_does_not_say_its_version_is_skipped_with_the_reason(tmp_path: Path) -> None:
    path = write(tmp_path / "lib" / "libtool.so.3")
    (tmp_path / "lib" / "libtool.so.4").symlink_to("gone")
    detection = detector(tmp_path).detect(library(tmp_path))
    assert detection.findings == ()
    assert sorted(map(str, detection.skipped)) == [
        f"{path}: nothing says its version",
        f"{path.with_name('libtool.so.4')}: a link that leads nowhere",
    ]


def test_a_library_replaced_in_place_is_noticed_and_a_removed_one_is_gone(tmp_path: Path) -> None:
    write(tmp_path / "lib" / "libtool.so.3")
    header = write(tmp_path / "include" / "tool.h", "TOOL_MAJOR 3 TOOL_MINOR 1")
    found = detector(tmp_path)
    assert [each.version for each in found.detect(library(tmp_path)).findings] == ["3.1"]
    header.write_text("TOOL_MAJOR 3 TOOL_MINOR 2")
    assert [each.version for each in found.detect(library(tmp_path)).findings] == ["3.2"]
    (tmp_path / "lib" / "libtool.so.3").unlink()
    assert found.detect(library(tmp_path)).findings == ()


@pytest.mark.parametrize("said", ["hunter2 is the password", "-----BEGIN KEY-----", "1" * 70])
def test_what_is_not_a_version_is_not_read_as_one(tmp_path: Path, said: str) -> None:
    write(tmp_path / "lib" / "libtool.so.3", said)
    read = [{"file": "{path}", "version": r"(\S+.*)"}]
    assert detector(tmp_path).detect(library(tmp_path, read=read)).findings == ()


def test_a_pipe_is_never_opened(tmp_path: Path) -> None:
    write(tmp_path / "lib" / "libtool.so.3")
    (tmp_path / "include").mkdir()
    os.mkfifo(tmp_path / "include" / "tool.h")
    assert detector(tmp_path).detect(library(tmp_path)).findings == ()


def test_an_explicit_library_or_its_folder_wins(tmp_path: Path) -> None:
    write(tmp_path / "lib" / "libtool.so.3.7")
    mine = write(tmp_path / "mine" / "lib" / "libtool.so.9.1")
    for explicit in (mine, tmp_path / "mine"):
        (finding,) = detector(tmp_path).detect(library(tmp_path), explicit=explicit).findings
        assert (finding.version, finding.path) == ("9.1", mine)


def test_an_explicit_library_that_is_not_there_or_says_nothing_is_an_error(tmp_path: Path) -> None:
    write(tmp_path / "lib" / "libtool.so.3.7")
    silent = write(tmp_path / "other" / "libtool.so")
    with pytest.raises(UsageError, match="there is no tool here"):
        detector(tmp_path).detect(library(tmp_path), explicit=tmp_path / "gone" / "libtool.so")
    with pytest.raises(ResolutionError, match="nothing says its version"):
        detector(tmp_path).detect(library(tmp_path), explicit=silent)


def test_a_component_of_files_that_does_not_say_how_to_read_them_is_said(tmp_path: Path) -> None:
    write(tmp_path / "lib" / "libtool.so.3")
    (skipped,) = detector(tmp_path).detect(library(tmp_path, read=[])).skipped
    assert skipped.reason == "read is missing: nothing says where a version stands"


def test_a_component_may_have_executables_and_files(tmp_path: Path) -> None:
    write(tmp_path / "lib" / "libtool.so.3.7")
    shell(tmp_path / "bin" / "tool", "echo tool 4.0")
    search = {"executables": ["tool"], "files": [r"libtool\.so\..*"], "paths": [f"{tmp_path}/lib"]}
    both = tool(search=search, read=[{"version": r"\.so\.(\d+\.\d+)"}])
    assert [each.version for each in detector(tmp_path, tmp_path / "bin").detect(both).findings] == ["4.0", "3.7"]


def test_the_target_of_an_emulator_is_read_off_its_name(tmp_path: Path) -> None:
    for name in ("emu-aarch64", "emu-riscv64-static"):
        program(tmp_path / name, "emu 1.0")
    probe = {"run": ["{path}", "--version"], "version": r"emu (\S+)", "target-name": r"^emu-(\w+)"}
    emulator = component("emu", search={"executables": [r"emu-\w+(-static)?"]}, probe=probe)
    found = detector(tmp_path, tmp_path).detect(emulator).findings
    assert [(each.path.name, each.target) for each in found] == [
        ("emu-aarch64", "aarch64"),
        ("emu-riscv64-static", "riscv64"),
    ]


def test_equal_scripts_of_one_folder_are_asked_once(tmp_path: Path) -> None:
    text = program(tmp_path / "tool", "tool 1.0").read_text()
    (tmp_path / "tool-1").write_text(text)
    (tmp_path / "tool-1").chmod(0o755)
    assert len(detector(tmp_path, tmp_path).detect(tool()).findings) == 1
    assert starts(tmp_path / "tool") == 1


def test_a_script_of_one_exec_line_is_followed_and_not_started(tmp_path: Path) -> None:
    real = program(tmp_path / "opt" / "tool", "tool 1.0")
    shell(tmp_path / "bin" / "tool", f'exec {real} "$@"')
    found = detector(tmp_path, tmp_path / "bin")
    for _ in range(2):
        assert [(each.path, each.version) for each in found.detect(tool()).findings] == [(real, "1.0")]
    assert starts(real) == 1


@pytest.fixture
def rustup(tmp_path: Path) -> Path:
    """A rustup with stable and nightly; the stand-ins fail when they are started."""
    for name in ("stable", "nightly"):
        program(
            tmp_path / ".rustup" / "toolchains" / f"{name}-x86_64-unknown-linux-gnu" / "bin" / "tool", f"tool 1.{name}"
        )
    program(tmp_path / "cargo" / "rustup", "never to be started")
    (tmp_path / "cargo" / "tool").symlink_to("rustup")
    settings = 'version = "12"\ndefault_toolchain = "stable-x86_64-unknown-linux-gnu"\n\n[overrides]\n'
    write(tmp_path / ".rustup" / "settings.toml", f'{settings}"{tmp_path}/over" = "nightly"\n')
    return tmp_path


@pytest.mark.parametrize(
    ("folder", "file", "environ", "chosen"),
    [
        ("", "", {}, "stable"),
        ("over/deep", "", {}, "nightly"),
        ("project", '[toolchain]\nchannel = "nightly"\n', {}, "nightly"),
        ("project", "nightly\n", {"RUSTUP_TOOLCHAIN": "stable"}, "stable"),
    ],
)
def test_a_stand_in_of_rustup_leads_to_the_toolchain_that_rustup_would_choose(
    rustup: Path, folder: str, file: str, environ: dict[str, str], chosen: str
) -> None:
    (rustup / folder).mkdir(parents=True, exist_ok=True)
    if file:
        write(rustup / folder / ("rust-toolchain.toml" if "[" in file else "rust-toolchain"), file)
    found = detector(rustup, rustup / "cargo", folder=rustup / folder, environ=environ)
    read = tool(probe={"run": ["{path}", "--version"], "version": r"tool 1\.(\w+)"})
    (skipped,) = found.detect(read).skipped
    assert skipped.path.parent.parent.name.startswith(chosen)
    assert starts(rustup / "cargo" / "rustup") == 0


def test_a_toolchain_that_is_gone_makes_a_broken_shim(rustup: Path) -> None:
    found = detector(rustup, rustup / "cargo", environ={"RUSTUP_TOOLCHAIN": "beta"})
    (skipped,) = found.detect(tool()).skipped
    assert skipped.reason == "broken shim: not in beta, the toolchain chosen in rustup"


def dataset(*paths: str, marker: Any = "a.jpg") -> Dataset:
    document = {"kind": "dataset", "uid": "a" * 16, "name": "photos", "version": "1.2.0", "description": "Photos"}
    made = from_document(document | {"format": "image-folder", "detect": {"paths": paths, "marker": marker}}, Path("x"))
    assert isinstance(made, Dataset)
    return made


def test_data_is_recognised_by_what_lies_inside(tmp_path: Path) -> None:
    write(tmp_path / "cmx" / "data" / "photos" / "a.jpg")
    write(tmp_path / "elsewhere" / "photos-2" / "a.jpg")
    (finding, other) = detector(tmp_path).data(dataset("{data}/photos", f"{tmp_path}/elsewhere/*")).findings
    assert (finding.name, finding.version, finding.path) == ("photos", "1.2.0", tmp_path / "cmx" / "data" / "photos")
    assert other.path.name == "photos-2"
    assert finding.current


def test_half_of_a_download_is_skipped_with_the_reason(tmp_path: Path) -> None:
    write(tmp_path / "photos" / "a.jpg")
    detection = detector(tmp_path).data(dataset(f"{tmp_path}/*", marker=["a.jpg", "z/z.jpg"]))
    assert detection.findings == ()
    assert f"{tmp_path}/photos: z/z.jpg is not in it" in map(str, detection.skipped)


def test_the_same_data_under_two_names_is_one_finding_and_what_is_not_there_is_nothing(tmp_path: Path) -> None:
    write(tmp_path / "photos" / "a.jpg")
    (tmp_path / "link").symlink_to("photos")
    found = detector(tmp_path).data(dataset(f"{tmp_path}/photos", f"{tmp_path}/link", f"{tmp_path}/gone"))
    assert [each.path.name for each in found.findings] == ["photos"]
    assert found.skipped == ()


def test_a_variant_of_a_model_may_be_a_file_on_the_machine(tmp_path: Path) -> None:
    file = write(tmp_path / "cmx" / "data" / "net.onnx")
    tensor = {"name": "x", "dtype": "float32", "shape": [1]}
    document = {"kind": "model", "uid": "a" * 16, "name": "net", "version": "1.0.0", "description": "Net", "task": "t"}
    variants = {"onnx": {"detect": {"paths": ["{data}/net.onnx"]}}, "torch": {"source": {"file": "net.pt"}}}
    model = from_document(document | {"inputs": [tensor], "outputs": [tensor], "variants": variants}, Path("x"))
    assert isinstance(model, Model)
    assert [each.path for each in detector(tmp_path).data(model, "onnx").findings] == [file]
    assert detector(tmp_path).data(model, "torch").findings == ()
