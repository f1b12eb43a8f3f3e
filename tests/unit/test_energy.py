"""Energy counters, on files that count as a test says."""

from __future__ import annotations

from pathlib import Path

from host_cases import put

from cmx.host import EnergyMonitor
from cmx.host.energy import Counter
from cmx.host.tree import Missing

ZONES = "/sys/class/powercap"


def no_gpus() -> dict[str, Counter]:
    raise Missing("there is none")


def count(root: Path, microjoules: int, zone: str = "intel-rapl:0", name: str = "package-0") -> None:
    put(root, f"{ZONES}/{zone}/name", f"{name}\n")
    put(root, f"{ZONES}/{zone}/energy_uj", f"{microjoules}\n")
    put(root, f"{ZONES}/{zone}/max_energy_range_uj", "262143328850\n")


def test_the_difference_of_a_packages_counter_is_its_energy(tmp_path: Path) -> None:
    count(tmp_path, 1_000_000)
    count(tmp_path, 5, "intel-rapl:0:0", "core")
    monitor = EnergyMonitor(tmp_path, gpus=no_gpus)
    count(tmp_path, 13_500_000)
    found = monitor.finish()
    assert found.document() == {
        "joules": 12.5,
        "domains": {"package-0": 12.5},
        "unavailable": {"nvml": "there is none"},
    }


def test_a_counter_that_began_again_has_not_run_backwards(tmp_path: Path) -> None:
    count(tmp_path, 262_143_000_000)
    monitor = EnergyMonitor(tmp_path, gpus=no_gpus)
    count(tmp_path, 1_000_000)
    assert monitor.finish().joules == 1.329


def test_packages_and_gpus_are_added_up(tmp_path: Path) -> None:
    gpu = iter([{"gpu-0": (100.0, 0.0)}, {"gpu-0": (150.0, 0.0)}])
    for zone in ("intel-rapl:0", "intel-rapl:1"):
        count(tmp_path, 0, zone, f"package-{zone[-1]}")
    monitor = EnergyMonitor(tmp_path, gpus=lambda: next(gpu))
    for zone in ("intel-rapl:0", "intel-rapl:1"):
        count(tmp_path, 2_000_000, zone, f"package-{zone[-1]}")
    found = monitor.finish()
    assert (found.joules, dict(found.domains)) == (54.0, {"package-0": 2.0, "package-1": 2.0, "gpu-0": 50.0})


def test_what_cannot_be_read_is_unavailable_with_the_reason(tmp_path: Path) -> None:
    found = EnergyMonitor(tmp_path, gpus=no_gpus).finish()
    assert (found.joules, dict(found.domains)) == (None, {})
    assert found.unavailable["rapl"] == "/sys/class/powercap/*-rapl:* is not there"
    count(tmp_path, 1)
    (tmp_path / ZONES[1:] / "intel-rapl:0" / "energy_uj").unlink()
    (tmp_path / ZONES[1:] / "intel-rapl:0" / "energy_uj").mkdir()
    assert "Is a directory" in EnergyMonitor(tmp_path, gpus=no_gpus).finish().unavailable["rapl"]


def test_this_machine_has_energy_or_says_why_not() -> None:
    found = EnergyMonitor().finish()
    assert set(found.unavailable) <= {"rapl", "nvml"}
    assert found.domains or set(found.unavailable) == {"rapl", "nvml"}
