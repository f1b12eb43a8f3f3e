"""The rules behind ``cmx check``: each with a component that breaks it, and all with those that come with cmx."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import pytest
from component_files import action, dataset, model, package, put, put_all, uid, workflow

from cmx.errors import ComponentInvalid, UsageError
from cmx.install import fetch
from cmx.reference import COMPONENT_KINDS
from cmx.repository import Catalog, Repository
from cmx.repository.conformance import check, notes
from cmx.repository.templates import create, new_uid
from cmx.schema import parse_yaml, validate_value
from cmx.settings import Settings, builtin_repository
from cmx.store import Store

ACTION = "def act(context, *, threads: int = 1): ...\n"
THREADS = "parameters: {threads: {type: integer, default: 1, description: Threads}}\n"


def faults(settings: Settings, root: Path) -> list[str]:
    """What is wrong below ``root``, with paths relative to it."""
    found = check(root, Catalog([Repository.open(root)], settings))[1]
    return [fault.message.replace(f"{root}/", "") for fault in found]


def one_action(root: Path, code: str, more: str = THREADS, requires: str = "{model: model}") -> Path:
    """A repository with an action; returns its root."""
    put(root, "act", action("act", requires, more))
    (root / "act" / "action.py").write_text(code)
    return root


def test_every_built_in_component_passes(settings: Settings) -> None:
    components, found = check(builtin_repository(), Catalog.default(settings))
    assert found == []
    assert {component.kind for component in components} == set(COMPONENT_KINDS)
    assert len({component.uid for component in components}) == len(components)


def test_a_component_that_does_not_load_is_a_fault_beside_the_others(settings: Settings, tmp_path: Path) -> None:
    put(tmp_path, "bad", "schema: 1\nkind: modle\n")
    put(tmp_path, "good", workflow("good", "{}", "[{id: a, action: act}]"))
    one_action(tmp_path, ACTION)
    components, found = check(tmp_path, Catalog([Repository.open(tmp_path)], settings))
    assert [component.name for component in components] == ["act", "good"]
    assert [(fault.message, fault.hint) for fault in found] == [
        (f"{tmp_path}/bad/component.yaml:2: kind: unknown kind 'modle'", "did you mean 'model'?")
    ]


HASH = f"sha256: {'a' * 64}"
MEMBERLESS = {
    "pypi": f"{{pypi: thing==1.0, {HASH}}}",
    "sdist": f"{{sdist: thing==1.0, {HASH}}}",
    "npm": f"{{npm: thing@1.0.0, {HASH}}}",
    "apt": f"{{apt: thing=1.0, {HASH}}}",
    "git": f"{{git: 'https://host.test/thing', commit: {'a' * 40}}}",
}


@pytest.mark.parametrize("kind", MEMBERLESS)
def test_a_package_says_which_of_its_files_as_its_installer_demands(
    settings: Settings, tmp_path: Path, kind: str
) -> None:
    put(tmp_path, "net", model("net", f"{{onnx: {{source: {MEMBERLESS[kind]}}}}}"))
    [said] = faults(settings, tmp_path)
    assert said.startswith("net/component.yaml: variants.onnx.source: ")
    assert said.endswith(" holds many files, and nothing says which")
    source = parse_yaml(f"source: {MEMBERLESS[kind]}", "source")["source"]
    with pytest.raises(ComponentInvalid, match="give either member") as caught:
        fetch(source, store=Store(settings), folder=tmp_path / "net", offline=True)
    assert caught.value.exit_code == 3


@pytest.mark.parametrize(
    ("source", "said"),
    [
        (f"{{pypi: a==1, {HASH}, member: x, members: y}}", "source: both member and members"),
        (f"{{url: 'https://host.test/a.zip', {HASH}, member: x, members: y}}", "source: both member and members"),
        (f"{{pypi: a==1, {HASH}, members: x/*, member-{HASH}}}", "source.member-sha256: is of a single file"),
        (f"{{parts: [{{file: x}}, {{pypi: a==1, {HASH}}}]}}", "source.parts.1: a==1 holds many files"),
        (f"{{parts: [{{pypi: a==1, {HASH}, members: x/*, as: y}}]}}", "source.parts.0.as: names a single file"),
    ],
)
def test_what_a_source_says_of_members_fits_together(
    settings: Settings, tmp_path: Path, source: str, said: str
) -> None:
    put(tmp_path, "words", dataset("words").replace("{file: files}", source))
    [found] = faults(settings, tmp_path)
    assert found.startswith(f"words/component.yaml: {said}")


def test_one_component_may_be_checked_alone(settings: Settings, tmp_path: Path) -> None:
    put(tmp_path, "bad", "[")
    one_action(tmp_path, ACTION)
    components, found = check(tmp_path / "act", Catalog([Repository.open(tmp_path)], settings))
    assert ([component.name for component in components], found) == (["act"], [])


def test_the_folder_has_the_components_name_or_its_version(settings: Settings, tmp_path: Path) -> None:
    for place in ("photos", "films/1.0.0", "sounds", "words/2.0.0"):
        name = {"sounds": "audio"}.get(place, place.split("/")[0])
        put(tmp_path, place, dataset(name))
        (tmp_path / place / "files").write_text("")
    assert faults(settings, tmp_path) == [
        "sounds/component.yaml: the folder is called 'sounds', the component 'audio'",
        "words/2.0.0/component.yaml: the folder is called '2.0.0', the component 'words'",
    ]


def test_a_uid_belongs_to_one_component(settings: Settings, tmp_path: Path) -> None:
    for name in ("audio", "photos"):
        put(tmp_path, name, dataset(name, of="dataset/audio"))
        (tmp_path / name / "files").write_text("")
    assert faults(settings, tmp_path) == [
        f"photos/component.yaml: uid {uid('dataset/audio')} belongs to dataset/audio (audio/component.yaml)"
    ]


def test_a_file_that_a_component_names_is_there(settings: Settings, tmp_path: Path) -> None:
    variants = "{a: {source: {file: weights.pth}}, b: {from: a, convert: {entry: convert.py:to_b}}}"
    put_all(tmp_path, dataset("photos"), model("net", variants), action("act", "{model: model}"))
    assert faults(settings, tmp_path) == [
        "actions/act/component.yaml: action.py is not there",
        "datasets/photos/component.yaml: files is not there",
        "models/net/component.yaml: weights.pth is not there",
        "models/net/component.yaml: convert.py is not there",
    ]


def test_the_files_that_a_step_names_are_in_the_workflow(settings: Settings, tmp_path: Path) -> None:
    more = "parameters: {oracle: {type: string, format: own-file, description: what checks}}\n"
    root = one_action(tmp_path, "def act(context, *, oracle): ...\n", more)
    for name, oracle in (("good", "oracle.py:check"), ("gone", "judge.py:check"), ("bad", "oracle.py:chek")):
        put(
            root,
            name,
            workflow(name, "{}", "[{id: a, action: act, with: {oracle: 'ORACLE'}}]".replace("ORACLE", oracle)),
        )
        (root / name / "oracle.py").write_text("def check(context): ...\n")
    put(root, "out", workflow("out", "{}", "[{id: a, action: act, with: {oracle: '../good/oracle.py:check'}}]"))
    assert faults(settings, root) == [
        "bad/oracle.py: there is no function 'chek'",
        "gone/component.yaml: steps.a: judge.py is not there",
        "out/component.yaml: ../good/oracle.py leads out of the component's folder",
    ]


@pytest.mark.parametrize(
    ("partner", "message"),
    [
        ("goes-with: {thread: [1]}", "goes-with.thread: there is no such parameter"),
        ("goes-with: {threads: [many]}", 'goes-with.threads: "many" is not of type integer'),
        ("values-go-with: {'2': {threads: [1]}}", "values-go-with.2: batch has no such value"),
        ("values-go-with: {'1': {thread: [1]}}", "values-go-with.1.thread: there is no such parameter"),
    ],
)
def test_what_a_parameter_goes_with_is_another_one(
    settings: Settings, tmp_path: Path, partner: str, message: str
) -> None:
    more = THREADS.replace("}}", f"}}, batch: {{enum: [1], default: 1, description: B, {partner}}}}}")
    root = one_action(tmp_path, "def act(context, *, threads: int = 1, batch: int = 1): ...\n", more)
    assert faults(settings, root) == [f"act/component.yaml: parameters.batch.{message}"]


def test_a_link_that_leaves_the_component_is_a_fault(settings: Settings, tmp_path: Path) -> None:
    put(tmp_path / "mine", "photos", dataset("photos"))
    (tmp_path / "secret").write_text("")
    (tmp_path / "mine/photos/files").symlink_to("../../secret")
    message = "photos/component.yaml: files leads out of the component's folder"
    assert set(faults(settings, tmp_path / "mine")) == {message}


def test_what_is_referred_to_is_in_the_catalog(settings: Settings, tmp_path: Path) -> None:
    variants = "{a: {source: {file: component.yaml}, requires: {numpy: software/nunpy}}}"
    put_all(
        tmp_path,
        package("numpy"),
        model("net", variants, "requires: {labels: dataset/labels>=1}\n"),
        workflow("flow", "{model: model/nat}", "[{id: a, action: akt}]"),
    )
    one_action(tmp_path, ACTION, requires="{numpy: software/numpy, pillow: software/pillow>=9}")
    found = check(tmp_path, Catalog([Repository.open(tmp_path)], settings))[1]
    assert [(fault.message.rpartition(": ")[2], fault.hint) for fault in found] == [
        ("software/pillow>=9 is in no repository of the catalog", "known here: numpy"),
        ("dataset/labels>=1 is in no repository of the catalog", "there is none"),
        ("software/nunpy is in no repository of the catalog", "did you mean 'numpy'?"),
        ("model/nat is in no repository of the catalog", "did you mean 'net'?"),
        ("action/akt is in no repository of the catalog", "did you mean 'act'?"),
    ]


MISSPELT_FLOW = """schema: 1
kind: workflow
uid: {uid}
name: flow
version: 1.0.0
description: A workflow
requires:
  model: dataset/photos
  datset: dataset/photos
  framwork: software/numpy
  metrics: software/nunpy
  plots: software/numpy
steps:
  - {{id: first, action: act, needs: [zeroth]}}
  - {{id: second, action: act, needs: [frist], with: {{threds: 2}}}}
"""
ROLES = "{model: model, dataset: dataset, framework: software, labels: dataset?}"


def test_all_faults_of_a_workflow_are_said_each_with_its_line(settings: Settings, tmp_path: Path) -> None:
    put_all(tmp_path, package("numpy"), dataset("photos").replace("files", "component.yaml"))
    one_action(tmp_path, ACTION, requires=ROLES)
    text = MISSPELT_FLOW.format(uid=uid("workflow/flow"))
    file = put(tmp_path, "flow", text)

    def said() -> list[tuple[str, str]]:
        found = check(tmp_path, Catalog([Repository.open(tmp_path)], settings))[1]
        return [(fault.message.removeprefix(f"{file}:"), fault.hint) for fault in found]

    assert said() == [
        ("14: steps.0.needs: no earlier step 'zeroth'", "there is none"),
        ("15: steps.1.needs: no earlier step 'frist'", "did you mean 'first'?"),
        ("11: requires.metrics: software/nunpy is in no repository of the catalog", "did you mean 'numpy'?"),
        ("15: steps.1.with.threds: action/act has no parameter 'threds'", "did you mean 'threads'?"),
        ("8: requires.model: dataset/photos is no model, which action/act takes", "name a model/NAME"),
        ("9: requires.datset: no step takes a role 'datset'", "did you mean 'dataset'?"),
        ("10: requires.framwork: no step takes a role 'framwork'", "did you mean 'framework'?"),
    ]
    file.write_text(text.replace("id: first, action: act", "id: first, action: akt"))
    # What an unknown action takes is not known, so that no role is said to be too many.
    assert said()[3:] == [
        ("14: steps.0.action: action/akt is in no repository of the catalog", "did you mean 'act'?"),
        ("15: steps.1.with.threds: action/act has no parameter 'threds'", "did you mean 'threads'?"),
        ("8: requires.model: dataset/photos is no model, which action/act takes", "name a model/NAME"),
    ]


def test_a_step_that_names_a_model_for_an_action_is_one_fault_of_several(settings: Settings, tmp_path: Path) -> None:
    put_all(tmp_path, model("net").replace("model.onnx", "component.yaml"))
    one_action(tmp_path, ACTION)
    put(
        tmp_path,
        "flow",
        workflow("flow", "{}", "[{id: a, action: model/net}, {id: b, action: act, with: {thread: 1}}]"),
    )
    assert [each.rpartition("flow/component.yaml:")[2] for each in faults(settings, tmp_path)] == [
        "9: steps.0.action: model/net is not an action",
        "9: steps.1.with.thread: action/act has no parameter 'thread'",
    ]


def test_all_keys_that_are_misspelt_are_said_and_not_that_they_are_missing(settings: Settings, tmp_path: Path) -> None:
    text = (
        workflow("flow", "{}", "[{id: a, acton: act, neds: []}]").replace("version", "versoin").replace("tags", "tgas")
    )
    put(tmp_path, "flow", text)
    assert [each.rpartition(": ")[2] for each in faults(settings, tmp_path)] == [
        "unknown key 'versoin'",
        "unknown key 'tgas'",
        "unknown key 'acton'",
        "unknown key 'neds'",
    ]


def test_components_of_a_repository_that_is_not_added_know_each_other(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "repo.yaml").write_text("schema: 1\nname: mine\n")
    put_all(tmp_path, workflow("flow", "{}", "[{id: a, action: act}]"))
    one_action(tmp_path, ACTION)
    assert check(tmp_path / "workflows" / "flow", Catalog.default(settings))[1] == []


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("import cmx.settings\n", "act/action.py:1: imports cmx.settings"),
        ("import os\nfrom cmx.store import Store\n", "act/action.py:2: imports cmx.store.Store"),
        ("from cmx import api\n", "act/action.py:1: imports cmx.api"),
        ("import cmx\n", "act/action.py:1: imports cmx"),
        ("def f():\n    import cmx.host\n", "act/action.py:2: imports cmx.host"),
    ],
)
def test_a_component_imports_nothing_of_cmx_but_the_worker(
    settings: Settings, tmp_path: Path, code: str, message: str
) -> None:
    assert faults(settings, one_action(tmp_path, code + ACTION)) == [message]


def test_a_component_may_import_the_worker_and_whatever_its_plan_pins(settings: Settings, tmp_path: Path) -> None:
    code = "import numpy\nfrom cmx import worker\nfrom cmx.worker import Outcome\nimport cmx.worker.datasets\n"
    assert faults(settings, one_action(tmp_path, code + ACTION)) == []


def test_what_is_not_in_the_worker_s_interface_is_named_with_what_is_near(settings: Settings, tmp_path: Path) -> None:
    one_action(tmp_path, "from cmx.worker.inference import Sample\n" + ACTION)
    [fault] = check(tmp_path, Catalog([Repository.open(tmp_path)], settings))[1]
    assert fault.message.endswith("act/action.py:1: imports cmx.worker.inference.Sample")
    assert fault.hint.endswith("did you mean 'cmx.worker.inference.Samples'?")


def test_the_rules_for_python_hold_in_folders_of_a_component_too(settings: Settings, tmp_path: Path) -> None:
    one_action(tmp_path, ACTION)
    (tmp_path / "act" / "parts").mkdir()
    (tmp_path / "act" / "parts" / "part.py").write_text("import cmx.api\n")
    assert faults(settings, tmp_path) == ["act/parts/part.py:1: imports cmx.api"]


@pytest.mark.parametrize("code", ["x = (\n", "y = 1\nmatch y:\n    case 1: pass\n", "def f(:\n"])
def test_python_that_python_3_9_cannot_read_is_a_fault(settings: Settings, tmp_path: Path, code: str) -> None:
    found = faults(settings, one_action(tmp_path, code + ACTION))
    assert len(found) == 1
    assert re.match(r"act/action\.py:[1-4]: not Python 3\.9: ", found[0])


def test_the_function_that_an_action_names_is_there(settings: Settings, tmp_path: Path) -> None:
    assert faults(settings, one_action(tmp_path, "def akt(context): ...\n")) == [
        "act/action.py: there is no function 'act'"
    ]


def test_the_function_that_converts_is_there(settings: Settings, tmp_path: Path) -> None:
    variants = "{a: {source: {file: component.yaml}}, b: {from: a, convert: {entry: convert.py:to_b}}}"
    put(tmp_path, "net", model("net", variants))
    (tmp_path / "net" / "convert.py").write_text("def to_c(context): ...\n")
    assert faults(settings, tmp_path) == ["net/convert.py: there is no function 'to_b'"]


@pytest.mark.parametrize(
    ("code", "messages"),
    [
        ("def act(context): ...\n", ["act takes no keyword 'threads'"]),
        ("def act(context, *, thread=1): ...\n", [
            "act takes a keyword that component.yaml lacks: 'thread'",
            "act takes no keyword 'threads'",
        ]),
        ("def act(context, *, threads=2): ...\n", ["act: default of 'threads' is 2, in component.yaml 1"]),
        ("def act(context, *, threads): ...\n", []),
    ],
)  # fmt: skip
def test_the_functions_keywords_are_the_parameters_with_the_same_defaults(
    settings: Settings, tmp_path: Path, code: str, messages: list[str]
) -> None:
    assert faults(settings, one_action(tmp_path, code)) == [f"act/action.py:1: {message}" for message in messages]


@pytest.mark.parametrize(
    ("fragment", "problem"),
    [
        ("{enum: [fast, slow], default: quick, description: Speed}", '"quick" is not one of fast, slow'),
        ("{type: integer, minimum: 1, default: 0, description: Number}", "0 is less than 1"),
        ("{type: integer, default: null, description: Number}", "null is not of type integer"),
    ],
)
def test_a_default_is_a_value_that_its_parameter_may_have(
    settings: Settings, tmp_path: Path, fragment: str, problem: str
) -> None:
    one_action(tmp_path, "def act(context, *, speed): ...\n", f"parameters: {{speed: {fragment}}}\n")
    assert faults(settings, tmp_path) == [f"act/component.yaml: parameters.speed.default: {problem}"]


# New components.


@pytest.mark.parametrize("kind", COMPONENT_KINDS)
@pytest.mark.parametrize("name", ["mine", "2nd-try", "class", "1e5", "123", "null", "a.b_c-d"])
def test_a_new_component_loads_and_lacks_nothing_but_what_its_author_must_add(
    settings: Settings, kind: str, name: str
) -> None:
    folder = create(settings.repository, kind, name).parent
    components, found = check(folder, Catalog.default(settings))
    assert [(component.kind, component.name) for component in components] == [(kind, name)]
    expected = [f"{folder}/component.yaml: model.onnx is not there"] if kind == "model" else []
    assert [fault.message for fault in found] == expected


@pytest.mark.parametrize("name", ["Net", "../net", "a/b", "", "-x", "x" * 81, "net>=1"])
def test_a_bad_name_is_refused_and_nothing_is_written(settings: Settings, name: str) -> None:
    with pytest.raises(UsageError, match="is not a name"):
        create(settings.repository, "model", name)
    assert not settings.home.exists()


def test_a_component_is_not_written_over(settings: Settings) -> None:
    file = create(settings.repository, "workflow", "mine")
    with pytest.raises(UsageError, match="is there already"):
        create(settings.repository, "workflow", "mine")
    assert file.is_file()


def test_an_unknown_kind_names_the_nearest(settings: Settings) -> None:
    with pytest.raises(UsageError) as caught:
        create(settings.repository, "modle", "mine")
    assert (caught.value.message, caught.value.hint) == ("there is no kind 'modle'", "did you mean 'model'?")


def test_a_new_uid_is_16_hex_digits_that_begin_with_a_letter() -> None:
    found = {new_uid() for _ in range(200)}
    assert len(found) == 200
    assert all(len(each) == 16 and each[0] in "abcdef" and int(each, 16) for each in found)


FRAMEWORK = "predictor: predictor.py\nsettings: {level: {type: integer, default: 1, description: Level}}\n"
LOAD = "def load(model, component, settings): ...\n"


def one_framework(root: Path, code: str, more: str = FRAMEWORK) -> Path:
    put(root, "mine", package("mine", formats="[onnx]", more=more))
    (root / "mine" / "predictor.py").write_text(code)
    return root


def test_a_framework_s_predictor_defines_load_and_maybe_optimise(settings: Settings, tmp_path: Path) -> None:
    optimise = "def optimise(source, destination, settings): ...\n"
    assert faults(settings, one_framework(tmp_path, LOAD)) == []
    assert faults(settings, one_framework(tmp_path, LOAD + optimise)) == []
    assert faults(settings, one_framework(tmp_path, optimise)) == [
        "mine/predictor.py: there is no function 'load'",
    ]
    assert faults(settings, one_framework(tmp_path, LOAD + "def optimise(model): ...\n")) == [
        "mine/predictor.py:2: optimise takes other arguments",
    ]
    (tmp_path / "mine" / "predictor.py").unlink()
    assert faults(settings, tmp_path) == ["mine/component.yaml: predictor.py is not there"]


def test_the_default_of_a_setting_is_a_value_that_it_may_have(settings: Settings, tmp_path: Path) -> None:
    more = FRAMEWORK.replace("default: 1", "default: high")
    assert faults(settings, one_framework(tmp_path, LOAD, more)) == [
        'mine/component.yaml: settings.level.default: "high" is not of type integer'
    ]


def test_an_alias_is_nobody_else_s_name_or_alias(settings: Settings, tmp_path: Path) -> None:
    put(tmp_path, "mine", package("mine", more="aliases: [other, m, own]\n"))
    put(tmp_path, "other", package("other", more="aliases: [m]\n"))
    assert sorted(faults(settings, tmp_path)) == [
        "mine/component.yaml: aliases: 'other' means software-detect/other already",
        "other/component.yaml: aliases: 'm' means software-detect/mine already",
    ]


STEPS = """preprocess: [{center_crop: {fraction: 0.875}}, {resize: {sise: 224}}, {normalise: {mean: 127, std: 128}}]
postprocess: [{softmax: 3}, {top_k: 1}]
"""


def test_operators_and_their_parameters_are_held_against_those_there_are(settings: Settings, tmp_path: Path) -> None:
    variants = "{onnx: {source: {file: net.onnx}, preprocess: [{layout: NCHW}, {normalize: {mean: 1}}]}}"
    put(tmp_path, "net", model("net", variants, STEPS))
    (tmp_path / "net" / "net.onnx").write_bytes(b"")
    file = "net/component.yaml"
    found = check(tmp_path, Catalog([Repository.open(tmp_path)], settings))[1]
    assert [(fault.message.replace(f"{tmp_path}/", ""), fault.hint) for fault in found] == [
        (f"{file}: preprocess.1: resize has no parameter 'sise'", "did you mean 'size'?"),
        (f"{file}: preprocess.1: resize lacks size", "write {resize: {size: …}}"),
        (f"{file}: preprocess.2: there is no operator 'normalise'", "did you mean 'normalize'?"),
        (f"{file}: postprocess.0: softmax takes no parameter, not 3", "write {softmax: {}}"),
        (f"{file}: variants.onnx.preprocess.1: normalize lacks std", "write {normalize: {std: …}}"),
    ]


@pytest.mark.parametrize(
    ("step", "said", "hint"),
    [
        ("top_k: five", 'top_k: k: "five" is not of type integer', ""),
        ("center_crop: {fraction: 3}", "center_crop: fraction: 3 is more than 1", ""),
        ("resize: {size: -1}", "resize: size: -1 is less than 1", ""),
        ("resize: {size: 224, filter: bicubik}", 'resize: filter: "bicubik" is not one of ', "did you mean 'bicubic'?"),
        ("normalize: {mean: 127, std: 0}", "normalize: std: 0 is not allowed", ""),
        ("prompt: hello", 'prompt: template: "hello" ', "it has to be a text that says {text} once"),
    ],
)
def test_a_parameter_of_an_operator_is_what_it_may_be(
    settings: Settings, tmp_path: Path, step: str, said: str, hint: str
) -> None:
    put(tmp_path, "net", model("net", "{onnx: {source: {file: component.yaml}}}", f"preprocess: [{{{step}}}]\n"))
    [fault] = check(tmp_path, Catalog([Repository.open(tmp_path)], settings))[1]
    assert fault.message.startswith(f"{tmp_path}/net/component.yaml: preprocess.0: {said}")
    assert fault.hint == hint


CLAIMS = """schema: 1
kind: model
uid: {uid}
name: net
version: 1.0.0
description: A classifier
task: image-classification
inputs: [{{name: x, dtype: float32, shape: [1]}}]
outputs: [{{name: y, dtype: float32, shape: [1]}}]
variants:
  weights: {{source: {{file: component.yaml}}}}
  onnx: {{source: {{file: component.yaml}}}}
  other: {{from: weights, convert: {{entry: convert.py:to_other}}, format: onnx}}
reference: {{dataset: photos, top_1: 0.9, top_3: 1, tolerance: 0.05}}
"""


def claims(settings: Settings, root: Path, old: str, new: str) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """The faults and the notes of a good model, of which something was replaced; each with its hint."""
    text = CLAIMS.format(uid=uid("model/net"))
    assert old in text
    put_all(root, package("runner", formats="[onnx, torch]"), dataset("photos"), dataset("more"))
    file = put(root, "net", text.replace(old, new))
    (root / "net" / "convert.py").write_text("def to_other(context): ...\n")
    catalog = Catalog([Repository.open(root)], settings)
    components, found = check(root / "net", catalog)
    both = (found, notes(root / "net", components, catalog))
    faults, noted = ([(each.message.removeprefix(f"{file}: "), each.hint) for each in some] for some in both)
    return faults, noted


NUMBER = "write a share of 1"


@pytest.mark.parametrize(
    ("old", "new", "message", "hint"),
    [
        (
            "x, dtype: float32",
            "x, dtype: flot32",
            "inputs.0.dtype: there is no type 'flot32'",
            "did you mean 'float32'?",
        ),
        ("top_1: 0.9", "top_1: 90", "reference.top_1: 90 is not between 0 and 1", f"{NUMBER}, as in 0.9 for 90 %"),
        ("top_1: 0.9", "top_1: -0.1", "reference.top_1: -0.1 is not between 0 and 1", NUMBER),
        ("0.05", "5", "reference.tolerance: 5 is not between 0 and 1", f"{NUMBER}, as in 0.05 for 5 %"),
        (
            "top_1",
            "top_one",
            "reference.top_one: image-classification has no such metric",
            "did you mean 'top_1' or 'top_5'?",
        ),
        (
            "top_3",
            "top_0",
            "reference.top_0: image-classification has no such metric",
            "did you mean 'top_1' or 'top_5'?",
        ),
        (
            "  onnx:",
            "  onx:",
            "variants.onx: no framework of the catalog reads the format 'onx'",
            "did you mean 'onnx'?",
        ),
        (
            "format: onnx",
            "format: onx",
            "variants.other.format: no framework of the catalog reads the format 'onx'",
            "did you mean 'onnx'?",
        ),
    ],
)
def test_what_a_model_says_of_itself_is_held_against_what_there_is(
    settings: Settings, tmp_path: Path, old: str, new: str, message: str, hint: str
) -> None:
    assert claims(settings, tmp_path, old, new) == ([(message, hint)], [])


TENSORS = "outputs: [{name: y, dtype: float32, shape: [1, 10]}]\npostprocess: [{softmax: {}}, {top_k: 10}]"


@pytest.mark.parametrize(
    ("new", "said"),
    [
        (TENSORS, []),
        (TENSORS.replace("top_k: 10", "top_k: 20"), [("postprocess.1", 20, "y", 10)]),
        (TENSORS.replace("top_k: 10", "top_k: {k: 11}"), [("postprocess.1", 11, "y", 10)]),
        (TENSORS.replace("1, 10", "batch, classes").replace("top_k: 10", "top_k: 20"), []),
        (TENSORS.replace("{name: y", "{name: z, dtype: int8, shape: [1, 12]}, {name: y"), []),
        (
            TENSORS.replace("{name: y", "{name: z, dtype: int8, shape: [1, 12]}, {name: y").replace("k: 10", "k: 13"),
            [("postprocess.1", 13, "z", 12)],
        ),
    ],
)
def test_no_more_of_the_best_are_kept_than_an_output_has(
    settings: Settings, tmp_path: Path, new: str, said: list[tuple[str, int, str, int]]
) -> None:
    old = "outputs: [{name: y, dtype: float32, shape: [1]}]"
    text = "{}: top_k is {}, and the last axis of the output {!r} has {}"
    hint = "write top_k: {3} or less, or correct the shape"
    assert claims(settings, tmp_path, old, new) == ([(text.format(*each), hint.format(*each)) for each in said], [])


def test_what_a_variant_is_made_from_says_how_many_values_its_outputs_have(settings: Settings, tmp_path: Path) -> None:
    old = "weights: {source: {file: component.yaml}}"
    outputs = "outputs: [{name: y, dtype: float32, shape: [1, 10]}], postprocess: [{top_k: 11}]"
    found, _ = claims(settings, tmp_path, old, f"{old[:-1]}, {outputs}}}")
    assert [message for message, _ in found] == [
        "variants.weights.postprocess.0: top_k is 11, and the last axis of the output 'y' has 10"
    ]


@pytest.mark.parametrize(
    "new", ["{none: constant weights}", "[{dataset: photos, top_1: 0.9}, {dataset: more, top_5: 1}]"]
)
def test_a_model_s_claims_that_fit_are_no_faults(settings: Settings, tmp_path: Path, new: str) -> None:
    old = "{dataset: photos, top_1: 0.9, top_3: 1, tolerance: 0.05}"
    assert claims(settings, tmp_path, old, new) == ([], [])
    assert claims(settings, tmp_path, "x, dtype: float32", "x, dtype: int8") == ([], [])


def test_what_may_be_meant_is_noted_only(settings: Settings, tmp_path: Path) -> None:
    faults, [(message, hint)] = claims(settings, tmp_path, "image-classification", "image-clasification")
    assert (faults, message) == ([], "task: cmx has no task 'image-clasification'")
    assert hint.startswith("did you mean 'image-classification'? ")
    assert claims(settings, tmp_path, "image-classification", "weather") == ([], [])
    said = ("variants.mine: no framework of the catalog reads the format 'mine'", "known here: onnx, torch")
    assert claims(settings, tmp_path, "  onnx:", "  mine:") == ([], [said])


def test_a_reference_on_a_dataset_that_is_not_there_is_noted(settings: Settings, tmp_path: Path) -> None:
    said = ("reference.dataset: there is no dataset 'photoes' in the catalog", "did you mean 'photos'?")
    assert claims(settings, tmp_path, "dataset: photos", "dataset: photoes") == ([], [said])
    several = "[{dataset: photos, top_1: 0.9}, {dataset: films, top_5: 1}]"
    old = "{dataset: photos, top_1: 0.9, top_3: 1, tolerance: 0.05}"
    said = ("reference.1.dataset: there is no dataset 'films' in the catalog", "known here: more, photos")
    assert claims(settings, tmp_path, old, several) == ([], [said])


@pytest.mark.parametrize(
    ("word", "kind", "hint"),
    [
        ("image-folderr", "fault", "did you mean 'image-folder'?"),
        ("imagefolder", "fault", "did you mean 'image-folder'?"),
        ("class_names", "fault", "did you mean 'class-names'?"),
        ("ImageFolder", "fault", "did you mean 'image-folder'?"),
        ("class-names-csv", "note", "did you mean 'class-names'? A word of your own is fine where "),
        ("picture", "", ""),
        ("image-list", "", ""),
        ("tokenizer", "", ""),
        ("image-folder", "", ""),
    ],
)
def test_a_misspelt_format_of_a_dataset_is_a_fault_and_one_like_it_a_note(
    settings: Settings, tmp_path: Path, word: str, kind: str, hint: str
) -> None:
    put_all(tmp_path, dataset("photos").replace("image-folder", word).replace("files", "component.yaml"))
    catalog = Catalog([Repository.open(tmp_path)], settings)
    components, found = check(tmp_path, catalog)
    said = [*((each, "fault") for each in found), *((each, "note") for each in notes(tmp_path, components, catalog))]
    file = tmp_path / "datasets/photos/component.yaml"
    expected = [(f"{file}: format: cmx reads no format {word!r}", kind)] if kind else []
    assert [(fault.message, of) for fault, of in said] == expected
    assert all(fault.hint.startswith(hint) for fault, _ in said)


def test_the_formats_of_datasets_that_check_knows_are_the_worker_s() -> None:
    from cmx.repository import dataset_rules
    from cmx.worker import datasets

    assert dataset_rules.formats() == datasets.formats()


def test_the_tasks_and_metrics_that_check_knows_are_the_worker_s() -> None:
    from cmx.repository import task_rules
    from cmx.worker import tasks

    assert task_rules.tasks() == tasks.tasks()
    for name in tasks.tasks():
        module = importlib.import_module(f"cmx.worker.tasks.{name.replace('-', '_')}")
        task = getattr(module, "".join(map(str.capitalize, name.split("-"))))
        assert (task_rules.metrics(name), task_rules.takes_words(name)) == (task.metrics, task.words)
        assert task_rules.has_metric(name, "top_7") is (name == "image-classification")


VALUES = [5, 0, -1, 0.5, 1.5, 5.0, True, None, "five", "", "a {text}", "{text} {text}", "NCHW", "BGR", "bicubic"]
VALUES += [[], [1], [1, 2], [1, 0], [1, 2, 3], [1.5, 2], ["a", "b"], {}]


def test_check_and_the_worker_agree_on_what_a_parameter_may_be() -> None:
    from cmx.repository.operator_rules import _operators
    from cmx.worker.operators.registry import _RULES
    from cmx.worker.operators.values import problem

    assert {name: each.rules for name, each in _operators().items()} == _RULES
    for rule in (rule for rules in _RULES.values() for rule in rules.values()):
        assert [not validate_value(value, rule) for value in VALUES] == [not problem(value, rule) for value in VALUES]


def test_the_operators_that_check_knows_are_those_that_the_worker_binds() -> None:
    from inspect import Parameter, signature

    from cmx.repository.operator_rules import _operators
    from cmx.worker.operators import registry

    bound = {name: list(signature(f).parameters.values())[1:] for name, f in registry._OPERATORS.items()}
    assert {name: each.parameters for name, each in _operators().items()} == {
        name: tuple(parameter.name for parameter in parameters) for name, parameters in bound.items()
    }
    assert {name: each.required for name, each in _operators().items()} == {
        name: frozenset(p.name for p in parameters if p.default is Parameter.empty)
        for name, parameters in bound.items()
    }
