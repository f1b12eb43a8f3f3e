"""The host and its description, on captured machines and on this one."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from host_cases import SYSTEMS, expected, put, unpack

from cmx.errors import ComponentInvalid
from cmx.host import Accelerator, Description, Field, Host, Unavailable, describe
from cmx.host.tree import Tree, cpu_list

LINUX = Host(os="linux", architecture="x86_64")


@pytest.mark.parametrize("system", SYSTEMS)
def test_a_captured_machine_is_read_as_the_host_it_was(system: str, tmp_path: Path) -> None:
    document = Host.detect(unpack(system, tmp_path)).document()
    assert {name: document[name] for name in expected(system)["host"]} == expected(system)["host"]


@pytest.mark.parametrize("system", SYSTEMS)
def test_a_captured_machine_is_described_field_by_field(system: str, tmp_path: Path) -> None:
    root = unpack(system, tmp_path)
    description = describe(Host.detect(root), root)
    found = {
        name: field.value if isinstance(field, Field) else {"unavailable": field.why}
        for name, field in description.fields.items()
        if name != "python"
    }
    assert found == expected(system)["description"]


@pytest.mark.parametrize("system", SYSTEMS)
def test_every_field_has_a_source_or_a_reason(system: str, tmp_path: Path) -> None:
    root = unpack(system, tmp_path)
    for name, field in describe(LINUX, root).fields.items():
        assert field.source if isinstance(field, Field) else field.why, name


def test_an_empty_root_is_all_unavailable_and_raises_nothing(tmp_path: Path) -> None:
    description = describe(LINUX, tmp_path)
    known = {name for name, field in description.fields.items() if isinstance(field, Field)}
    assert known == {"python", "container", "accelerators"}
    assert "/proc/cpuinfo is not there" in str(description["cpu_model"])
    assert Host.detect(tmp_path).cores == 0


def test_files_of_unheard_of_content_are_unavailable_with_the_reason(tmp_path: Path) -> None:
    for path in ("/proc/cpuinfo", "/proc/meminfo", "/proc/self/cgroup", "/proc/self/mountinfo", "/proc/self/status"):
        put(tmp_path, path, "!!\x00 gibberish : : \n\n[")
    put(tmp_path, "/sys/devices/system/cpu/online", "many")
    description = describe(LINUX, tmp_path)
    assert isinstance(description["threads"], Unavailable)
    assert str(description["threads"]).startswith("unavailable: not understood")
    assert isinstance(description["memory_limit"], Unavailable)


def test_this_machine_is_detected_with_what_python_says_of_it() -> None:
    host = Host.detect()
    assert host.platform == f"{host.os}-{host.architecture}"
    assert host.python == ".".join(map(str, sys.version_info[:3]))
    assert host.threads >= 1
    assert host.memory > 1 << 28


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_the_sources_on_this_machine_are_files_that_are_there() -> None:
    description = describe(Host.detect())
    for name in ("architecture", "memory", "affinity", "cpu_flags"):
        field = description[name]
        assert isinstance(field, Field), field
        assert Path(field.source.split(" ")[0]).exists()


def test_a_host_survives_the_way_through_its_document() -> None:
    host = Host(
        os="linux",
        architecture="aarch64",
        libc="glibc 2.36",
        cores=4,
        threads=4,
        memory=1 << 32,
        accelerators=(Accelerator("nvidia", "Orin", "540.3.0"),),
    )
    assert Host.from_document(host.document()) == host


def test_a_misspelt_field_of_a_host_document_is_an_error_that_names_the_right_one() -> None:
    document = {**LINUX.document(), "memroy": 1}
    with pytest.raises(ComponentInvalid, match="memroy") as error:
        Host.from_document(document)
    assert "memory" in error.value.hint


def test_an_anonymous_description_has_no_host_name(tmp_path: Path) -> None:
    root = unpack("raspberry-pi-4", tmp_path)
    named, anonymous = describe(LINUX, root), describe(LINUX, root, anonymous=True)
    assert str(named["hostname"]) == "raspberrypi"
    assert "raspberrypi" not in str(anonymous.document())
    assert set(named.fields) - set(anonymous.fields) == {"hostname"}


def test_a_serial_number_is_never_recorded(tmp_path: Path) -> None:
    root = unpack("raspberry-pi-4", tmp_path)
    assert "10000000abcdef01" in (root / "proc/cpuinfo").read_text()
    assert "10000000abcdef01" not in str(describe(LINUX, root).document())


def test_a_description_survives_the_way_through_its_document(tmp_path: Path) -> None:
    description = describe(LINUX, unpack("desktop-x86_64", tmp_path))
    assert Description.from_document(description.document()) == description


def test_the_tightest_limit_of_nested_groups_counts(tmp_path: Path) -> None:
    root = unpack("desktop-x86_64", tmp_path)
    put(root, "/sys/fs/cgroup/user.slice/cpu.max", "100000 100000\n")
    assert describe(LINUX, root)["cpu_limit"] == Field(1.0, "/sys/fs/cgroup/user.slice/cpu.max")


def test_two_kinds_of_arm_cores_are_both_named_and_an_unknown_one_by_its_numbers(tmp_path: Path) -> None:
    blocks = [
        f"processor : {i}\nCPU implementer : 0x41\nCPU part : {part}" for i, part in enumerate(("0xd05", "0xfff"))
    ]
    put(tmp_path, "/proc/cpuinfo", "\n\n".join(blocks))
    assert str(describe(LINUX, tmp_path)["cpu_model"]) == "Cortex-A55 + implementer 0x41 part 0xfff"


def test_another_system_than_linux_says_what_is_not_read_there() -> None:
    description = describe(Host(os="windows", architecture="x86_64"))
    assert description["governor"] == Unavailable("not read on windows")
    assert set(description.fields) == set(describe(LINUX).fields)


def test_a_file_that_may_not_be_read_says_so(tmp_path: Path) -> None:
    (tmp_path / "proc" / "cpuinfo").mkdir(parents=True)
    assert str(describe(LINUX, tmp_path)["cpu_model"]) == "unavailable: /proc/cpuinfo: Is a directory"


def test_a_cpu_list_is_ranges_and_single_cpus() -> None:
    assert cpu_list("0-2,8,10-11") == [0, 1, 2, 8, 10, 11]
    assert cpu_list("") == []


def test_a_device_tree_text_loses_its_nul(tmp_path: Path) -> None:
    put(tmp_path, "/proc/device-tree/model", "A Board\0")
    assert Tree(tmp_path).read("/proc/device-tree/model") == "A Board"


@pytest.mark.parametrize(
    ("vendor", "family", "model", "stepping", "name"),
    [
        ("GenuineIntel", 6, 207, 2, "Emerald Rapids"),
        ("GenuineIntel", 6, 0x55, 4, "Skylake server"),
        ("GenuineIntel", 6, 0x55, 7, "Cascade Lake"),
        ("GenuineIntel", 6, 0x55, 11, "Cooper Lake"),
        ("AuthenticAMD", 0x17, 0x01, 2, "Zen"),
        ("AuthenticAMD", 0x17, 0x08, 2, "Zen+"),
        ("AuthenticAMD", 0x17, 0x31, 0, "Zen 2"),
        ("AuthenticAMD", 0x19, 0x21, 0, "Zen 3"),
        ("AuthenticAMD", 0x19, 0x11, 1, "Zen 4"),
        ("AuthenticAMD", 0x1A, 0x44, 0, "Zen 5"),
    ],
)
def test_a_microarchitecture_has_its_name(
    vendor: str, family: int, model: int, stepping: int, name: str, tmp_path: Path
) -> None:
    facts = f"vendor_id : {vendor}\ncpu family : {family}\nmodel : {model}\nstepping : {stepping}\n"
    put(tmp_path, "/proc/cpuinfo", f"processor : 0\n{facts}")
    assert str(describe(LINUX, tmp_path)["microarchitecture"]) == name


def test_a_processor_that_no_table_has_is_not_guessed(tmp_path: Path) -> None:
    put(tmp_path, "/proc/cpuinfo", "processor : 0\nvendor_id : GenuineIntel\ncpu family : 6\nmodel : 255\n")
    found = str(describe(LINUX, tmp_path)["microarchitecture"])
    assert found == "unavailable: no name is known for GenuineIntel family 6 model 255"


V1 = "fpu lm cmov cx8 fxsr mmx syscall sse sse2"
V2 = f"{V1} cx16 lahf_lm popcnt pni sse4_1 sse4_2 ssse3"
V3 = f"{V2} avx avx2 bmi1 bmi2 f16c fma abm movbe xsave"


@pytest.mark.parametrize(
    ("flags", "level"),
    [
        (V1, "x86-64-v1"),
        (V2, "x86-64-v2"),
        (V3.replace(" fma", ""), "x86-64-v2"),
        (V3, "x86-64-v3"),
        (f"{V3} avx512f avx512bw avx512cd avx512dq avx512vl", "x86-64-v4"),
        ("fpu", "unavailable: /proc/cpuinfo (flags) reaches no level of x86-64"),
    ],
)
def test_the_level_is_the_highest_whose_flags_are_all_there(flags: str, level: str, tmp_path: Path) -> None:
    put(tmp_path, "/proc/cpuinfo", f"processor : 0\nflags : {flags}\n")
    assert str(describe(LINUX, tmp_path)["isa_level"]) == level
