"""What cannot be packed, each with its remedy, and what is left out of what is packed."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from solutions import small_catalog, small_plan, small_result

from cmx.cli.main import main
from cmx.errors import CmxError, UsageError
from cmx.resolver.plan import Plan
from cmx.signing.keys import Keyring
from cmx.solution import About, Subject, pack, sign
from cmx.solution.contents import lock
from cmx.solution.portable import portable
from cmx.store import Package

Captured = pytest.CaptureFixture[str]


def with_environment(plan: Plan, **changes: object) -> Plan:
    return replace(plan, environments={"main": replace(plan.environments["main"], **changes)})  # type: ignore[arg-type]


def with_pin(plan: Plan, role: str, **changes: object) -> Plan:
    return replace(plan, pins={**plan.pins, role: replace(plan.pins[role], **changes)})  # type: ignore[arg-type]


def with_parameter(plan: Plan, name: str, value: object) -> Plan:
    return replace(plan, request=replace(plan.request, parameters={name: value}))


UNPACKABLE: dict[str, tuple[Callable[[Plan], Plan], str, str]] = {
    "an interpreter of this machine": (
        lambda plan: with_environment(plan, source="detected", packages=(Package("runner", "2.1"),)),
        "the environment 'main' of the plan is an interpreter of this machine: runner 2.1 has no hash",
        "--prefer installed",
    ),
    "data from this disk": (
        lambda plan: with_pin(plan, "dataset", artifact={"on-disk": True}, source="detected"),
        "dataset/photos==1.0.0 lies on this machine's disk, and its component names no source for others",
        "add a source",
    ),
    "a file of the user's": (
        lambda plan: with_parameter(plan, "input", "/home/you/photo.jpg"),
        "request.parameters.input is a path of this machine: /home/you/photo.jpg",
        "leave it out",
    ),
    "a component that is gone": (
        lambda plan: with_pin(plan, "model", recipe="model/net==0.9.0"),
        "no version of model/net is ==0.9.0",
        "there is 1.0.0",
    ),
}


@pytest.mark.parametrize("name", UNPACKABLE)
def test_what_others_cannot_have_is_refused_with_a_remedy(tmp_path: Path, name: str) -> None:
    change, message, hint = UNPACKABLE[name]
    catalog = small_catalog(tmp_path)
    with pytest.raises(CmxError) as caught:
        pack(Subject(change(small_plan(catalog))), catalog, to=tmp_path)
    assert caught.value.message == message
    assert hint in caught.value.hint
    assert not list(tmp_path.glob("*.zip"))


def test_a_tool_of_the_system_is_looked_for_anew_and_a_stored_environment_built_anew(tmp_path: Path) -> None:
    plan = with_environment(small_plan(small_catalog(tmp_path)), source="stored", place="f" * 64)
    plan = with_pin(plan, "framework", source="detected", how="/usr/bin/gcc-12", environment="", why="found")
    plan = with_parameter(plan, "runner.path", "/usr/bin/gcc-12")
    clean = portable(plan)
    assert (clean.pins["framework"].source, clean.pins["framework"].how) == ("detected", "")
    assert (clean.environments["main"].source, clean.environments["main"].place) == ("installable", "3.11")
    assert clean.request.parameters == {}
    assert "/usr/bin" not in json.dumps(clean.document())
    assert portable(clean) == clean


@pytest.mark.parametrize(
    ("about", "message"),
    [
        ({"name": "../x"}, 'the solution: name: "../x" is not valid'),
        ({"name": "X"}, 'the solution: name: "X" is not valid'),
        ({"version": "1.0"}, 'the solution: version: "1.0" is not valid'),
        ({"citation": "\x1b[2J"}, r'the solution: citation: "\u001b[2J" holds characters that cannot be seen'),
    ],
)
def test_a_name_or_a_version_that_is_none_is_refused_before_anything_is_written(
    tmp_path: Path, about: dict[str, str], message: str
) -> None:
    catalog = small_catalog(tmp_path / "making")
    (tmp_path / "out").mkdir()
    with pytest.raises(UsageError) as caught:
        pack(Subject(small_plan(catalog)), catalog, about=About(**about), to=tmp_path / "out")
    assert caught.value.message == message
    assert list((tmp_path / "out").iterdir()) == []


def test_a_tolerance_is_of_an_accuracy_that_the_result_has(tmp_path: Path) -> None:
    catalog = small_catalog(tmp_path)
    subject = Subject.of_result(small_result(catalog))
    with pytest.raises(UsageError, match=r"--tolerance top_9: result 7f3a91c2 has no accuracy of this name") as caught:
        pack(subject, catalog, tolerances={"top_9": 0.1}, to=tmp_path)
    assert caught.value.hint == "it has top_1, top_5"


def test_a_file_that_is_no_archive_is_not_replaced(tmp_path: Path) -> None:
    catalog = small_catalog(tmp_path)
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(UsageError, match=r"notes.txt is there already, and no archive of cmx"):
        pack(Subject(small_plan(catalog)), catalog, to=tmp_path / "notes.txt")
    assert (tmp_path / "notes.txt").read_text() == "mine"
    first = pack(Subject(small_plan(catalog)), catalog, to=tmp_path)
    assert pack(Subject(small_plan(catalog)), catalog, to=tmp_path).digest == first.digest


def test_another_archive_is_replaced_only_by_whoever_says_so(tmp_path: Path) -> None:
    catalog = small_catalog(tmp_path)
    first = pack(Subject(small_plan(catalog)), catalog, to=tmp_path)
    before = first.path.read_bytes()
    other = Subject(small_plan(catalog), small_result(catalog))
    with pytest.raises(
        UsageError, match=r"flow-1\.0\.0\.cmx\.zip is there already, and holds something else"
    ) as caught:
        pack(other, catalog, to=tmp_path)
    assert caught.value.hint == "give this one a --version of its own, name another file (--output), or --replace it"
    assert first.path.read_bytes() == before
    assert pack(other, catalog, to=tmp_path, over=True).manifest.expected is not None


def test_packing_the_same_again_leaves_its_signature_and_mends_what_is_damaged(tmp_path: Path) -> None:
    catalog = small_catalog(tmp_path)
    Keyring(catalog.settings).new("me")
    archive = pack(Subject(small_plan(catalog)), catalog, to=tmp_path)
    archive, _ = sign(archive, "me", catalog.settings)
    whole = archive.path.read_bytes()
    archive.path.write_bytes(whole.replace(b"a network", b"A network"))
    assert pack(Subject(small_plan(catalog)), catalog, to=tmp_path).signature == archive.signature
    assert archive.path.read_bytes() == whole


def test_a_file_that_a_system_cannot_keep_is_not_packed(tmp_path: Path) -> None:
    catalog = small_catalog(tmp_path)
    (tmp_path / "zoo/models/net/aux.txt").write_text("")
    with pytest.raises(
        UsageError, match=r"'repository/models/net/aux.txt' is no name for a file on Windows, so it can"
    ):
        pack(Subject(small_plan(catalog)), catalog, to=tmp_path)


def test_a_plan_without_a_result_expects_nothing(tmp_path: Path) -> None:
    catalog = small_catalog(tmp_path)
    archive = pack(Subject(small_plan(catalog)), catalog, to=tmp_path)
    assert archive.manifest.expected is None
    assert lock(archive, "linux-x86_64").request.seed == 3


def test_a_word_that_means_nothing_is_told_what_there_is(
    tmp_path: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    small_catalog(tmp_path)
    monkeypatch.setattr("cmx.repository.catalog.builtin_repository", lambda: tmp_path / "zoo")
    for word, message, hint in (
        ("folw", "'folw' is no workflow, no result and no file", "did you mean 'flow'?"),
        ("model/net", "model/net==1.0.0 is no workflow", "cmx list workflow"),
        ("./nope.json", "./nope.json: there is no such file", "a plan or a result in a file"),
        ("plans/nope.json", "plans/nope.json: there is no such file", "cmx list workflow"),
        (str(tmp_path), f"{tmp_path}: is a folder, and a file is asked for", "cmx list workflow"),
        ("workflow/none", "there is no workflow/none", "known here: flow"),
    ):
        assert main(["solution", "pack", word]) in (2, 3)
        err = capsys.readouterr().err
        assert message in err
        assert hint in err
