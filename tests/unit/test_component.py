"""From a component.yaml to a typed component, its digest, and the files that are its own."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from component_files import action, component, dataset, model, package, put, workflow

from cmx.component import Action, Dataset, Model, SoftwareDetect, Workflow
from cmx.component_file import load
from cmx.errors import ComponentInvalid
from cmx.reference import Reference


def test_what_every_component_has(tmp_path: Path) -> None:
    file = put(tmp_path, "photos", dataset("photos", version="1.2.0", tags="[images, small]"))
    found = load(file, repository="mine")
    assert (found.kind, found.name, found.version, found.repository) == ("dataset", "photos", "1.2.0", "mine")
    assert (found.key, found.reference) == ("dataset/photos", "dataset/photos==1.2.0")
    assert (found.tags, found.license, found.folder) == (("images", "small"), "MIT", tmp_path / "photos")
    with pytest.raises(dataclasses.FrozenInstanceError):
        found.name = "other"  # type: ignore[misc]


def test_a_dataset_has_a_format_and_a_source(tmp_path: Path) -> None:
    found = load(put(tmp_path, "photos", dataset("photos")))
    assert isinstance(found, Dataset)
    assert (found.format, found.source) == ("image-folder", {"file": "files"})


def test_a_model_has_variants_that_are_fetched_or_converted(tmp_path: Path) -> None:
    variants = """
  checkpoint: {source: {file: weights.pth}}
  onnx:
    from: checkpoint
    convert: {recipe: model/base>=1, entry: convert.py:to_onnx, with: {depth: 1.1}}
    requires: {onnx: software/onnx>=1.16}"""
    found = load(put(tmp_path, "net", model("net", variants, "requires: {labels: dataset/classes}\n")))
    assert isinstance(found, Model)
    assert found.requires == {"labels": Reference("dataset", "classes")}
    assert found.variants["checkpoint"].source == {"file": "weights.pth"}
    onnx = found.variants["onnx"]
    assert (onnx.source, onnx.origin) == (None, "checkpoint")
    assert onnx.requires == {"onnx": Reference("software", "onnx", ">=1.16")}
    assert onnx.conversion is not None
    assert (onnx.conversion.entry, onnx.conversion.arguments) == ("convert.py:to_onnx", {"depth": 1.1})
    assert onnx.conversion.recipe == Reference("model", "base", ">=1")


def test_a_detector_has_a_search_a_probe_and_rules_to_install(tmp_path: Path) -> None:
    body = (
        "provides: [compiler.c]\nsearch: {executables: ['gcc'], paths: ['/opt/gcc-*/bin']}\n"
        "probe: {run: ['{path}', --version], version: '(\\d+)', target: ['{path}', -dumpmachine]}\n"
        "exports: {CC: '{path}'}\ninstall: [{on: debian, hint: apt-get install gcc}, {with: pip, package: x}]\n"
    )
    found = load(put(tmp_path, "gcc", component("software-detect", "gcc", body)))
    assert isinstance(found, SoftwareDetect)
    assert (found.search.executables, found.search.paths) == (("gcc",), ("/opt/gcc-*/bin",))
    assert found.probe is not None
    assert (found.probe.run, found.probe.target) == (("{path}", "--version"), ("{path}", "-dumpmachine"))
    assert [(rule.on, rule.with_, rule.package, rule.hint) for rule in found.install] == [
        ("debian", "", "", "apt-get install gcc"),
        ("", "pip", "x", ""),
    ]


def test_a_python_package_needs_no_probe(tmp_path: Path) -> None:
    found = load(put(tmp_path, "onnxruntime", package("onnxruntime", formats="[onnx]")))
    assert isinstance(found, SoftwareDetect)
    assert (found.python_package, found.formats, found.probe) == ("onnxruntime", ("onnx",), None)


def test_an_action_tells_open_roles_from_its_own_needs(tmp_path: Path) -> None:
    text = action("classify", "{model: model, labels: 'dataset?', numpy: software/numpy>=1.24}", "measures: true\n")
    found = load(put(tmp_path, "classify", text))
    assert isinstance(found, Action)
    assert found.open_roles == {"model": "model", "labels": "dataset"}
    assert found.optional_roles == {"labels"}
    assert found.own_needs == {"numpy": Reference("software", "numpy", ">=1.24")}
    assert (found.measures, found.cached, found.checked_by) == (True, False, ())


def test_a_workflow_has_steps_in_order(tmp_path: Path) -> None:
    steps = "[{id: a, action: compile}, {id: b, action: action/measure>=2, needs: [a], with: {threads: 2}}]"
    found = load(put(tmp_path, "flow", workflow("flow", "{model: model/net}", steps)))
    assert isinstance(found, Workflow)
    assert [str(step.action) for step in found.steps] == ["action/compile", "action/measure>=2"]
    assert (found.steps[1].needs, found.steps[1].parameters) == (("a",), {"threads": 2})


def test_a_pre_release_may_be_a_version(tmp_path: Path) -> None:
    assert load(put(tmp_path, "photos", dataset("photos", version="2.0.0rc1"))).version == "2.0.0rc1"


def test_the_digest_changes_with_any_file_and_only_with_the_components_own(tmp_path: Path) -> None:
    file = put(tmp_path, "photos", dataset("photos"))
    before = load(file).digest
    for ignored in (".hidden", "__pycache__/x.pyc", "inner/component.yaml", "inner/other.txt"):
        (tmp_path / "photos" / ignored).parent.mkdir(exist_ok=True)
        (tmp_path / "photos" / ignored).write_text("x")
    assert load(file).digest == before
    (tmp_path / "photos" / "notes").mkdir()
    (tmp_path / "photos" / "notes" / "a.txt").write_text("x")
    added = load(file).digest
    (tmp_path / "photos" / "notes" / "a.txt").rename(tmp_path / "photos" / "notes" / "b.txt")
    assert len({before, added, load(file).digest}) == 3


def test_the_digest_does_not_depend_on_where_the_component_lies(tmp_path: Path) -> None:
    first, second = put(tmp_path, "a/photos", dataset("photos")), put(tmp_path, "b/photos", dataset("photos"))
    assert load(first).digest == load(second).digest


@pytest.mark.parametrize("target", ["../secret.txt", "/etc", "../.."])
def test_a_symbolic_link_that_leaves_the_component_is_refused(tmp_path: Path, target: str) -> None:
    (tmp_path / "secret.txt").write_text("secret")
    file = put(tmp_path, "photos", dataset("photos"))
    (tmp_path / "photos" / "files").symlink_to(target)
    with pytest.raises(ComponentInvalid) as caught:
        _ = load(file).digest
    assert caught.value.message == f"{file}: files leads out of the component's folder"
    assert caught.value.hint == "keep every file of a component inside its folder"


def test_a_symbolic_link_inside_the_component_is_followed(tmp_path: Path) -> None:
    found = load(put(tmp_path, "photos", dataset("photos")))
    (tmp_path / "photos" / "a.txt").write_text("x")
    (tmp_path / "photos" / "b.txt").symlink_to("a.txt")
    assert [path.name for path in found.files()] == ["a.txt", "b.txt", "component.yaml"]


@pytest.mark.parametrize("path", ["../x", "/etc/passwd", "a/../../x"])
def test_a_path_that_leaves_the_component_is_refused(tmp_path: Path, path: str) -> None:
    found = load(put(tmp_path, "photos", dataset("photos")))
    with pytest.raises(ComponentInvalid, match="leads out of the component's folder"):
        found.inside(path)
