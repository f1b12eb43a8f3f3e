"""pyenv's shims: where they lead is read from pyenv's files, and no shim is started."""

from __future__ import annotations

from pathlib import Path

import pytest
from fake_tools import detector, program, shell, tool

from cmx.detect import Detection, Detector


@pytest.fixture
def pyenv(tmp_path: Path) -> Path:
    """A pyenv with tool 1.0.0, 1.9.0 and 1.10.0; its shims fail when they are started."""
    root = tmp_path / "pyenv"
    for version in ("1.0.0", "1.9.0", "1.10.0"):
        program(root / "versions" / version / "bin" / "tool", f"tool {version}")
    program(root / "versions" / "1.0.0" / "bin" / "tool-1", "tool 1.0.0")
    for name in ("tool", "tool-1"):
        shell(root / "shims" / name, f'echo started >&2; exit 99\nexec "{root}/libexec/pyenv" exec tool')
    return root


def look(pyenv: Path, folder: Path | None = None, **environ: str) -> Detector:
    return detector(pyenv.parent, pyenv / "shims", folder=folder or pyenv.parent, environ=environ)


def paths(pyenv: Path, detection: Detection) -> list[str]:
    return [str(finding.path.relative_to(pyenv / "versions")) for finding in detection.findings]


def test_the_global_version_is_what_a_shim_leads_to(pyenv: Path) -> None:
    (pyenv / "version").write_text("1.9.0\n")
    detection = look(pyenv).detect(tool())
    assert paths(pyenv, detection) == ["1.9.0/bin/tool"]
    assert [str(skipped) for skipped in detection.skipped] == [
        f"{pyenv}/shims/tool-1: broken shim: not in 1.9.0, the version chosen in pyenv; 1.0.0 has it"
    ]


def test_another_global_version_is_noticed_at_once(pyenv: Path) -> None:
    detecting = look(pyenv)
    for version in ("1.9.0", "1.10.0"):
        (pyenv / "version").write_text(version)
        assert [finding.version for finding in detecting.detect(tool()).findings] == [version]


def test_the_folder_the_user_is_in_chooses_before_the_global_version(pyenv: Path, tmp_path: Path) -> None:
    (pyenv / "version").write_text("1.9.0\n")
    project = tmp_path / "project" / "deep"
    project.mkdir(parents=True)
    (tmp_path / "project" / ".python-version").write_text("# ours\n1.0.0\n")
    assert paths(pyenv, look(pyenv, project).detect(tool())) == ["1.0.0/bin/tool"]


def test_the_variable_chooses_before_any_file_and_may_name_several(pyenv: Path) -> None:
    (pyenv / "version").write_text("1.9.0\n")
    detection = look(pyenv, PYENV_VERSION="1.10.0:1.0.0").detect(tool())
    assert paths(pyenv, detection) == ["1.10.0/bin/tool", "1.0.0/bin/tool-1"]


def test_the_beginning_of_a_version_means_its_newest(pyenv: Path) -> None:
    (pyenv / "version").write_text("1\n")
    assert paths(pyenv, look(pyenv).detect(tool())) == ["1.10.0/bin/tool"]


def test_the_systems_own_version_leads_to_nothing_in_pyenv(pyenv: Path) -> None:
    detection = look(pyenv).detect(tool())
    assert detection.findings == ()
    assert detection.skipped[0].reason.startswith("broken shim: not in system, the version chosen in pyenv")


def test_a_folder_called_shims_is_not_yet_a_pyenv(tmp_path: Path) -> None:
    shell(tmp_path / "shims" / "tool", "echo tool 5.0")
    (tmp_path / "versions").mkdir()
    assert [one.version for one in detector(tmp_path, tmp_path / "shims").detect(tool()).findings] == ["5.0"]
