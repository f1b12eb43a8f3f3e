"""What is said of a run beside what a solution's maker had; what is asked for before anything of it is run."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from solutions import contents, forged, small_archive, small_result, zipped

from cmx.cli.main import main
from cmx.errors import StoreError, Unavailable, UsageError
from cmx.settings import Settings
from cmx.signing.keys import Keyring
from cmx.solution import Archive, check, sign
from cmx.solution.archive import write_signed
from cmx.solution.contents import expected_result, lock
from cmx.solution.installing import Installed, check_worker, folder_of, opened, require_trust
from cmx.solution.manifest import canonical
from cmx.solution.running import Validation, plan_for, validated_against, walls
from cmx.worker_interface import INTERFACE


@pytest.fixture
def installed(tmp_path: Path) -> Installed:
    """A small solution, unpacked."""
    archive, settings = small_archive(tmp_path), Settings(tmp_path / "home")
    archive.unpack(folder_of(archive, settings))
    return opened(archive, lock(archive, "linux-x86_64"), folder_of(archive, settings), settings)


def validation(installed: Installed, **changed: object) -> Validation:
    """Of a result that differs from the expected one."""
    plan = installed.plan.document()
    result = small_result(installed.catalog, **{"id": "aa3f91c200000000", "plan": plan, **changed})
    return validated_against(installed, result)


def test_the_same_answers_by_the_same_lock_pass_whatever_the_speed(installed: Installed) -> None:
    found = validation(installed)
    assert (found.passed, found.same_lock) == (True, True)
    assert found.speed and found.speed.ratio.low is None  # one launch there, one here: no interval is claimed
    assert [(each.name, each.tolerance, each.within) for each in found.accuracies]


def test_an_accuracy_outside_its_tolerance_does_not(installed: Installed) -> None:
    expected = expected_result(installed.archive)
    worse = {**expected.accuracy, "top_1": expected.accuracy["top_1"] - 0.06}
    found = validation(installed)
    [top_1] = [each for each in found.accuracies if each.name == "top_1"]
    assert not replace(top_1, found=worse["top_1"]).within and not replace(top_1, found=None).within
    assert replace(top_1, found=top_1.expected - 0.05).within and replace(top_1, found=top_1.expected + 0.05).within
    assert not replace(found, accuracies=(replace(top_1, found=worse["top_1"]),)).passed


def test_other_packages_do_not_pass(installed: Installed) -> None:
    main = installed.plan.environments["main"]
    other = replace(installed.plan, environments={"main": replace(main, python="3.12.1")})
    assert not validation(installed, plan=other.document()).passed


def test_the_lock_is_carried_out_as_it_is_and_settings_are_laid_over_it(installed: Installed) -> None:
    assert plan_for(installed, "benchmark", {}) == installed.plan
    with pytest.raises(UsageError, match="has no step for action 'fly'"):
        plan_for(installed, "fly", {})


def test_an_archive_for_another_worker_is_refused_before_anything_is_installed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], settings: Settings
) -> None:
    path = small_archive(tmp_path).path
    forged(path, {}, worker=INTERFACE + 1)
    for words in (
        ["init"],
        ["init", "--dry-run"],
        ["run", "benchmark", "--allow-untrusted"],
        ["validate", "--dry-run"],
    ):
        assert main(["solution", *words[:2], str(path), *words[2:], "--platform", "linux-x86_64"]) == 4
        said = capsys.readouterr().err
        assert f"flow.cmx.zip was made by cmx 0.1.0, for worker interface {INTERFACE + 1}; this is cmx" in said
        assert "install a newer cmx" in said
    assert not settings.solutions.exists()


def test_one_for_an_older_worker_is_told_which_cmx_runs_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, installed: Installed
) -> None:
    monkeypatch.setattr("cmx.solution.installing.OLDEST", 2)
    monkeypatch.setattr("cmx.solution.installing.INTERFACE", 3)
    with pytest.raises(Unavailable, match=r"for worker interface 1; this is cmx .*, which has 2 to 3") as caught:
        check_worker(installed.archive, installed.plan)
    assert "use cmx 0.1.0 for it" in caught.value.hint


def test_an_archive_without_a_number_is_of_the_first_interface(tmp_path: Path) -> None:
    path = small_archive(tmp_path).path
    members = contents(path)
    document = json.loads(members["manifest.json"])
    assert document.pop("worker") == INTERFACE
    old = Archive.open(zipped(path, {**members, "manifest.json": canonical(document)}))
    check(old)
    check_worker(old, lock(old, "linux-x86_64"))
    assert old.manifest.worker == 1


def test_an_unsigned_archive_is_only_run_where_that_is_allowed(installed: Installed, settings: Settings) -> None:
    with pytest.raises(UsageError, match=r"flow.cmx.zip is unsigned: nobody vouches for it") as caught:
        require_trust(installed.archive, settings, allowed=False)
    assert "--dry-run shows what it would do, and --allow-untrusted does it" in caught.value.hint
    assert not require_trust(installed.archive, settings, allowed=True).trusted


def test_one_that_a_trusted_key_signed_is_run_and_one_that_was_changed_since_never(
    tmp_path: Path, settings: Settings
) -> None:
    Keyring(settings).new("me")
    archive, _ = sign(small_archive(tmp_path), "me", settings, tmp_path / "signed.cmx.zip")
    assert require_trust(archive, settings, allowed=False).trusted
    changed = forged(tmp_path / "flow.cmx.zip", {}, description="another")
    write_signed(Archive.open(changed), archive.signature or b"", changed)
    with pytest.raises(StoreError, match="bad signature"):
        require_trust(Archive.open(changed), settings, allowed=True)


def test_the_network_is_not_granted_unasked(settings: Settings) -> None:
    with pytest.raises(UsageError, match="--allow-network: the solution asks for no network"):
        walls(settings, False, network=True, isolated=True)
    assert walls(settings, False, network=False, isolated=False) is None


def test_a_solution_is_removed_by_its_name_and_nothing_else_is(
    installed: Installed, settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    name, folder = installed.archive.manifest.name, folder_of(installed.archive, settings)
    installed.folder.parent.mkdir(parents=True, exist_ok=True)
    for version in ("1.0.0", "2.0.0"):
        other = settings.solutions / f"{name}-{version}-aaaa"
        other.mkdir(parents=True)
        document = {"name": name, "version": version}
        (other / "manifest.json").write_text(json.dumps(document), encoding="utf-8")
    installed.archive.unpack(folder)
    assert main(["solution", "remove", name, "--yes"]) == 2
    assert f"{name} is installed 3 times" in capsys.readouterr().err
    assert main(["solution", "remove", "nam", "--yes"]) == 2
    assert "no solution 'nam' is installed" in capsys.readouterr().err
    assert main(["solution", "remove", str(installed.archive.path)]) == 2
    assert f"hint: cmx solution remove {installed.archive.path} --yes" in capsys.readouterr().err
    assert folder.is_dir()
    assert main(["solution", "remove", str(installed.archive.path), "--yes"]) == 0
    assert capsys.readouterr().out.startswith(f"removed {name}==")
    assert main(["solution", "remove", f"{name}==2.0.0", "--yes"]) == 0
    assert [each.name for each in settings.solutions.iterdir() if each.name[0] != "."] == [f"{name}-1.0.0-aaaa"]
    assert installed.archive.path.is_file()


def test_a_link_in_place_of_a_solution_goes_and_what_it_leads_to_stays(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/manifest.json").write_text('{"name": "linked", "version": "1.0.0"}', encoding="utf-8")
    settings.solutions.mkdir(parents=True)
    (settings.solutions / "linked-1.0.0-bbbb").symlink_to(tmp_path / "mine")
    assert main(["solution", "remove", "linked", "--yes"]) == 0
    assert (tmp_path / "mine/manifest.json").is_file()
    assert [each for each in settings.solutions.iterdir() if each.name[0] != "."] == []


def test_what_is_installed_finds_components_in_its_own_folder_alone(installed: Installed) -> None:
    assert {entry.file.is_relative_to(installed.folder) for entry in installed.catalog.entries()} == {True}
