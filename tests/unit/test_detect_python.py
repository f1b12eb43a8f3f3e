"""Python packages and interpreters, without importing or running what is looked for."""

from __future__ import annotations

import importlib.metadata
import sys
from pathlib import Path

import pytest
from fake_tools import component, detector, interpreter, package, shell, starts

from cmx.detect import Detection, Detector
from cmx.errors import ResolutionError, UsageError
from cmx.settings import Settings

NUMPY = component("numpy", python_package="NumPy")


def found(detection: Detection) -> list[tuple[str, str]]:
    return [(finding.version, finding.place) for finding in detection.findings]


def test_a_package_of_the_python_that_runs_cmx_is_found_first(tmp_path: Path) -> None:
    running = Detector(Settings(tmp_path), {"PATH": ""})
    detection = running.detect(component("pytest", python_package="PyTest"))
    assert found(detection) == [(importlib.metadata.version("pytest"), sys.executable)]
    assert detection.findings[0].current


def test_the_running_python_describes_itself(tmp_path: Path) -> None:
    (python,) = Detector(Settings(tmp_path), {"PATH": ""}).interpreters()
    assert python.path == Path(sys.executable)
    assert python.version == ".".join(map(str, sys.version_info[:3]))
    assert python.prefix == Path(sys.prefix)
    assert python.is_virtual == (sys.prefix != sys.base_prefix)


def test_installed_lists_what_an_interpreter_can_import(tmp_path: Path) -> None:
    running = Detector(Settings(tmp_path), {"PATH": ""})
    (python,) = running.interpreters()
    installed = running.installed(python)
    assert installed["pytest"] == importlib.metadata.version("pytest")


def test_each_interpreter_on_path_is_a_place_and_the_running_one_is_first(tmp_path: Path) -> None:
    mine = interpreter(tmp_path / "mine" / "python", tmp_path / "a")
    system = interpreter(tmp_path / "bin" / "python3", tmp_path / "b")
    package(tmp_path / "a", "numpy", "2.0.0")
    package(tmp_path / "b", "numpy", "1.26.4")
    detection = detector(tmp_path, system.parent, interpreter=mine).detect(NUMPY)
    assert found(detection) == [("2.0.0", str(mine)), ("1.26.4", str(system))]


def test_the_first_folder_that_has_a_package_wins_as_on_import(tmp_path: Path) -> None:
    python = interpreter(tmp_path / "bin" / "python3", tmp_path / "a", tmp_path / "b")
    package(tmp_path / "a", "numpy", "2.0.0")
    package(tmp_path / "b", "numpy", "1.26.4")
    package(tmp_path / "b", "mlcommons-loadgen", "6.0.17")
    look = detector(tmp_path, python.parent)
    assert [version for version, _ in found(look.detect(NUMPY))] == ["2.0.0"]
    assert look.installed(look.interpreters()[0]) == {"numpy": "2.0.0", "mlcommons-loadgen": "6.0.17"}


def test_an_interpreter_is_asked_once_and_its_packages_are_read_each_time(tmp_path: Path) -> None:
    python = interpreter(tmp_path / "bin" / "python3", tmp_path / "site")
    look = detector(tmp_path, python.parent)
    assert look.detect(NUMPY).findings == ()
    package(tmp_path / "site", "numpy", "2.0.0")
    assert [version for version, _ in found(look.detect(NUMPY))] == ["2.0.0"]
    assert starts(python) == 1


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"record": "numpy/core.py,,\n"}, "numpy itself is gone (numpy/core.py is missing): removed in part"),
        ({"metadata": None}, "no METADATA: removed in part"),
        ({"metadata": "Name: numpy\n\nVersion: 1.0\n"}, "METADATA names no version of numpy"),
        ({"metadata": "Name: other\nVersion: 1.0\n"}, "METADATA names no version of numpy"),
        ({"metadata": "\x00\x01"}, "METADATA names no version of numpy"),
    ],
)
def test_metadata_that_is_broken_is_skipped_with_the_reason(tmp_path: Path, options: dict, reason: str) -> None:
    python = interpreter(tmp_path / "bin" / "python3", tmp_path / "site")
    folder = package(tmp_path / "site", "numpy", "1.0", **options)
    detection = detector(tmp_path, python.parent).detect(NUMPY)
    assert detection.findings == ()
    assert [str(skipped) for skipped in detection.skipped] == [f"{folder}: {reason}"]


def test_without_a_record_the_modules_that_top_level_names_are_looked_for(tmp_path: Path) -> None:
    python = interpreter(tmp_path / "bin" / "python3", tmp_path / "site")
    folder = package(tmp_path / "site", "numpy", "1.0", record=None)
    look = detector(tmp_path, python.parent)
    (folder / "top_level.txt").write_text("numpy\n")
    assert [version for version, _ in found(look.detect(NUMPY))] == ["1.0"]
    (folder / "top_level.txt").write_text("gone\n")
    assert [skipped.reason for skipped in look.detect(NUMPY).skipped] == ["numpy itself is gone: removed in part"]
    (folder / "top_level.txt").unlink()
    assert [version for version, _ in found(look.detect(NUMPY))] == ["1.0"]


def test_packages_of_the_distributions_own_kind_are_found(tmp_path: Path) -> None:
    python = interpreter(tmp_path / "bin" / "python3", tmp_path / "site")
    folder = tmp_path / "site" / "numpy-1.24.2-py3.11.egg-info"
    folder.mkdir(parents=True)
    (folder / "PKG-INFO").write_text("Metadata-Version: 2.1\nName: numpy\nVersion: 1.24.2\n")
    (tmp_path / "site" / "PyJWT-2.6.0.egg-info").write_text("Name: PyJWT\nVersion: 2.6.0\n")
    look = detector(tmp_path, python.parent)
    assert look.installed(look.interpreters()[0]) == {"numpy": "1.24.2", "pyjwt": "2.6.0"}


def test_a_package_with_nothing_to_import_is_believed(tmp_path: Path) -> None:
    python = interpreter(tmp_path / "bin" / "python3", tmp_path / "site")
    package(tmp_path / "site", "numpy", "1.0", record="numpy-1.0.dist-info/METADATA,,\n")
    assert [version for version, _ in found(detector(tmp_path, python.parent).detect(NUMPY))] == ["1.0"]


def test_a_python_that_is_too_old_or_answers_nonsense_is_not_used(tmp_path: Path) -> None:
    interpreter(tmp_path / "old" / "python3", version="3.8.18")
    shell(tmp_path / "odd" / "python3", "echo hello")
    shell(tmp_path / "two" / "python", "echo 'Unknown option: -I' >&2; exit 2")
    good = interpreter(tmp_path / "good" / "python3.9", version="3.9.18")
    look = detector(tmp_path, *(tmp_path / name for name in ("old", "odd", "two", "good")))
    assert [python.path for python in look.interpreters()] == [good]
    with pytest.raises(ResolutionError, match=r"3\.8\.18, wanted >=3\.9"):
        look.interpreter(tmp_path / "old" / "python3")


def test_a_virtual_environment_is_a_place_of_its_own_though_its_python_is_a_link(tmp_path: Path) -> None:
    base = interpreter(tmp_path / "usr" / "bin" / "python3", tmp_path / "site")
    (tmp_path / "venv" / "bin").mkdir(parents=True)
    (tmp_path / "venv" / "bin" / "python3").symlink_to(base)
    (tmp_path / "venv" / "bin" / "python").symlink_to("python3")
    (tmp_path / "venv" / "pyvenv.cfg").write_text("home = /usr/bin\n")
    (tmp_path / "usr" / "bin" / "python").symlink_to("python3")
    look = detector(tmp_path, tmp_path / "venv" / "bin", tmp_path / "usr" / "bin")
    assert [python.path for python in look.interpreters()] == [tmp_path / "venv" / "bin" / "python3", base]


def test_a_virtual_environment_whose_settings_change_is_asked_again(tmp_path: Path) -> None:
    python = interpreter(tmp_path / "venv" / "bin" / "python3", tmp_path / "site")
    settings = tmp_path / "venv" / "pyvenv.cfg"
    settings.write_text("include-system-site-packages = false\n")
    look = detector(tmp_path, python.parent)
    look.interpreters()
    settings.unlink()
    settings.write_text("include-system-site-packages = true\n")
    look.interpreters()
    assert starts(python) == 2


def test_an_explicit_interpreter_or_environment_is_the_only_one_looked_at(tmp_path: Path) -> None:
    python = interpreter(tmp_path / "venv" / "bin" / "python3", tmp_path / "a")
    other = interpreter(tmp_path / "bin" / "python3", tmp_path / "b")
    package(tmp_path / "a", "numpy", "2.0.0")
    package(tmp_path / "b", "numpy", "1.0.0")
    look = detector(tmp_path, other.parent)
    assert found(look.detect(NUMPY, explicit=python)) == [("2.0.0", str(python))]
    assert found(look.detect(NUMPY, explicit=tmp_path / "venv")) == [("2.0.0", str(python))]


def test_an_explicit_interpreter_without_the_package_is_an_error(tmp_path: Path) -> None:
    python = interpreter(tmp_path / "bin" / "python3", tmp_path / "a")
    with pytest.raises(ResolutionError, match="this Python has no NumPy") as caught:
        detector(tmp_path).detect(NUMPY, explicit=python)
    assert caught.value.hint == f"{python} -m pip install NumPy"
    with pytest.raises(UsageError, match="does not exist"):
        detector(tmp_path).detect(NUMPY, explicit=tmp_path / "nowhere")
