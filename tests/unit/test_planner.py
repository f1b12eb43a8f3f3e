"""From a request to a plan, on machines that are plain values."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from component_files import action, component, dataset, model, package, put_all, workflow

from cmx.component import SoftwareDetect
from cmx.errors import CmxError, ComponentInvalid, ComponentNotFound, Unavailable, Unsatisfiable, UsageError
from cmx.repository import Catalog, Repository
from cmx.repository.task_rules import takes_words
from cmx.resolver.candidate import Source
from cmx.resolver.plan import Plan, Request
from cmx.resolver.planner import Refusal, make_plan, narrowed
from cmx.resolver.world import Found, Offer, Place
from cmx.runner.matrix import read_axes, requests
from cmx.schema import validate
from cmx.settings import Settings
from cmx.store import Package

OFFERED = {
    "runner": ["2.0", "1.9", "1.8"],
    "torchlike": ["3.0"],
    "numpy": ["2.4", "2.3", "1.26"],
    "onnx": ["1.16"],
}
SHA = "0" * 64
ONNX = f"""
  checkpoint: {{source: {{pypi: net-weights==1.0, sha256: "{SHA}", member: net.pth}}}}
  onnx:
    from: checkpoint
    convert: {{entry: convert.py:to_onnx, with: {{depth: 2}}}}
    requires: {{onnx: software/onnx>=1.16}}"""
CHAIN = f"""{ONNX}
  onnx-int8:
    format: onnx
    from: onnx
    convert: {{entry: convert.py:to_int8}}
    requires: {{calibration: dataset/photos, runner: software/runner}}"""


RUNNER = """
predictor: predictor.py
aliases: [rnr]
settings:
  level: {enum: [basic, all], default: all, description: Level}
  fast: {type: boolean, default: false, description: Whether it is fast}
"""


QUANTISING = """predictor: predictor.py
settings:
  quantised:
    type: boolean
    default: false
    description: Whether in 8 bits
    requires: {'True': {onnx: software/onnx>=1.16, calibration: dataset}}
"""


@dataclass
class Fake:
    """A machine: what is here, what an index offers, and what its installer refuses (a requirement's text: why)."""

    here: Sequence[Place] = ()
    offered: Mapping[str, Sequence[str]] = field(default_factory=lambda: OFFERED)
    refuses: Mapping[str, str] = field(default_factory=dict)
    detected: Mapping[str, Sequence[Found]] = field(default_factory=dict)
    tool_offers: Mapping[str, Offer] = field(default_factory=dict)
    stored: frozenset[str] = frozenset()
    platform: str = "linux-x86_64"
    asked: list[str] = field(default_factory=list)
    locked: list[list[str]] = field(default_factory=list)

    def places(self) -> Sequence[Place]:
        return self.here

    def tools(self, component: SoftwareDetect, path: str = "") -> Sequence[Found]:
        return [tool for tool in self.detected.get(component.name, ()) if path in ("", tool.path)]

    def advice(self, component: SoftwareDetect) -> str:
        return next((f"get {component.name}" for rule in component.install if rule.hint), "")

    def offer(self, component: SoftwareDetect, target: str = "") -> Offer | None:
        self.asked.append(component.name)
        return self.tool_offers.get(component.name)

    def versions(self, packages: Sequence[str], platform: str = "") -> Mapping[str, Sequence[str]]:
        self.asked += packages
        missing = [name for name in packages if name not in self.offered]
        if missing:
            raise Unavailable("no index answers", missing=missing)
        return {name: self.offered[name] for name in packages}

    def held(self, source: Mapping[str, object]) -> bool:
        return source.get("pypi") in self.stored

    def lock(self, requirements: Sequence[str], python: str, platform: str = "") -> Sequence[Package]:
        self.locked.append(list(requirements))
        for each in requirements:
            if each in self.refuses:
                raise Refusal(self.refuses[each])
        return [Package(*each.split("=="), hashes=(f"sha256:{SHA}",)) for each in requirements]

    def host(self) -> Mapping[str, Any]:
        return {"os": "linux", "arch": "x86_64"}


def detected(name: str = "/usr/bin/python3", python: str = "3.11.2", **packages: str) -> Place:
    return Place(name, python, Source.DETECTED, packages, name)


def stored(name: str = "environment 3f9c21aa", **packages: str) -> Place:
    lock = tuple(Package(each, version, (f"sha256:{SHA}",)) for each, version in packages.items())
    return Place(name, "3.11.2", Source.STORED, packages, "/store/python", "3f9c21aa", lock)


@pytest.fixture
def catalog(settings: Settings, tmp_path: Path) -> Catalog:
    """Two frameworks, two models, a workflow of three steps."""
    root = put_all(
        tmp_path / "zoo",
        package("runner", formats="[onnx]", more=RUNNER),
        package("torchlike", formats="[torch]"),
        package("numpy"),
        package("onnx"),
        component("software-detect", "cc", "search: {executables: [cc]}\ninstall: [{hint: apt install cc}]\n"),
        model("net", ONNX, "requires: {labels: dataset/labels}\n"),
        model("plain", "{torch: {source: {file: net.pt}}}"),
        dataset("photos"),
        dataset("labels"),
        action("compile", "{model: model, framework: software}"),
        action(
            "measure",
            "{model: model, dataset: dataset, framework: software, numpy: software/numpy>=1.24}",
            "checked-by: [verify]\nmeasures: true\n"
            "parameters: {threads: {type: integer, minimum: 1, default: 1, description: Threads}}\n",
        ),
        action("verify", "{model: model, dataset: dataset, framework: software}"),
        action("probe", "{model: model, framework: software, dataset: 'dataset?'}", "for-steps-of: measure\n"),
        action("name", "{model: model, framework: software, labels: 'dataset?'}"),
        action("build", "{compiler: software}"),
        workflow(
            "flow",
            "{model: model/net, dataset: dataset/photos, framework: software/runner>=1.8}",
            "[{id: compile, action: compile}, {id: measure, action: measure, needs: [compile]},"
            " {id: verify, action: verify}, {id: name, action: name}]",
        ),
        workflow("make", "{compiler: software/cc>=10}", "[{id: build, action: build}]"),
        workflow("hollow", "{model: model/net}", "[{id: compile, action: compile}]"),
    )
    return Catalog([Repository.open(root)], settings)


@pytest.fixture
def chained(settings: Settings, tmp_path: Path, catalog: Catalog) -> Catalog:
    """The same, where the model has an int8 variant that is made from another and calibrated."""
    put_all(tmp_path / "zoo", model("net", CHAIN, "requires: {labels: dataset/labels}\n"))
    return Catalog([Repository.open(tmp_path / "zoo")], settings)


@pytest.fixture
def quantising(settings: Settings, tmp_path: Path, catalog: Catalog) -> Catalog:
    """The same, where the framework has a setting that needs more, and there is a model that is not converted."""
    put_all(
        tmp_path / "zoo",
        package("runner", formats="[onnx]", more=QUANTISING),
        action("compile", "{model: model, framework: software, calibration: 'dataset?'}"),
        model("other", "{onnx: {source: {file: net.onnx}}}"),
    )
    return Catalog([Repository.open(tmp_path / "zoo")], settings)


def plan(catalog: Catalog, machine: Fake, *, offline: bool = False, **request: Any) -> Plan:
    wanted = Request(**{"workflow": "flow", "action": "measure", **request})
    return make_plan(catalog, wanted, machine, version="1.0", offline=offline)


def pins(found: Plan) -> dict[str, str]:
    return {role: f"{pin.reference}{f' [{pin.variant}]' if pin.variant else ''}" for role, pin in found.pins.items()}


# What is chosen.


def test_software_that_a_workflow_brings_for_its_task_is_in_the_environment(catalog: Catalog) -> None:
    root = catalog.repositories[0].root
    flow = "{model: model/net, dataset: dataset/photos, framework: software/runner, metric: software/onnx}"
    put_all(root, workflow("scored", flow, "[{id: verify, action: verify}, {id: build, action: build}]"))
    found = plan(Catalog([Repository.open(root)], catalog.settings), Fake(), workflow="scored", action="verify")
    assert (found.pins["metric"].reference, found.pins["metric"].environment) == ("software/onnx==1.16", "main")
    assert "onnx==1.16" in map(str, found.environments["main"].packages)
    assert "metric" not in found.steps[0].roles


def test_everything_that_a_step_needs_is_pinned(catalog: Catalog) -> None:
    assert pins(plan(catalog, Fake())) == {
        "numpy": "software/numpy==2.4",
        "model": "model/net==1.0.0 [onnx]",
        "dataset": "dataset/photos==1.0.0",
        "framework": "software/runner==2.0",
        "convert-onnx.onnx": "software/onnx==1.16",
    }


def test_what_is_detected_is_used_before_newer_versions_that_could_be_installed(catalog: Catalog) -> None:
    machine = Fake([detected(runner="1.8", numpy="1.26", onnx="1.16")])
    found = plan(catalog, machine)
    assert pins(found)["framework"] == "software/runner==1.8"
    assert found.pins["framework"].source == "detected"
    assert found.environments["main"].place == "/usr/bin/python3"
    assert [str(each) for each in found.environments["main"].packages] == ["numpy==1.26", "runner==1.8"]


def test_no_index_is_asked_where_this_machine_has_everything(catalog: Catalog) -> None:
    machine = Fake([detected(runner="1.8", numpy="1.26", onnx="1.16")])
    plan(catalog, machine)
    assert (machine.asked, machine.locked) == ([], [])


SLIM = """python-package: runner
formats: [onnx]
install: [{with: pip, target: linux-x86_64, package: Runner_Slim}, {with: pip, package: runner}]
"""


@pytest.mark.parametrize(
    ("machine", "expected"),
    [
        (Fake(offered={**OFFERED, "Runner_Slim": ["1.9"]}), ("installable", "runner-slim==1.9")),
        (Fake(platform="linux-aarch64"), ("installable", "runner==2.0")),
        (Fake([detected(**{"runner-slim": "1.8", "numpy": "1.26", "onnx": "1.16"})]), ("detected", "runner-slim==1.8")),
        (Fake([detected(runner="1.8", numpy="1.26", onnx="1.16")]), ("detected", "runner==1.8")),
    ],
    ids=["rule-for-this-platform", "rule-for-others", "detected-by-another-name", "detected-by-its-own"],
)
def test_a_package_may_have_another_name_on_a_platform(
    catalog: Catalog, machine: Fake, expected: tuple[str, str]
) -> None:
    root = catalog.repositories[0].root
    put_all(root, component("software-detect", "runner", SLIM))
    found = plan(Catalog([Repository.open(root)], catalog.settings), machine)
    source, package = expected
    assert (found.pins["framework"].name, found.pins["framework"].source) == ("runner", source)
    assert package in map(str, found.environments["main"].packages)


def test_a_stored_environment_comes_after_detected_and_before_installable(catalog: Catalog) -> None:
    machine = Fake([detected(runner="1.7", numpy="1.26", onnx="1.16"), stored(runner="1.8", numpy="2.3")])
    found = plan(catalog, machine)
    assert found.pins["framework"].source == "stored"
    assert (found.environments["main"].source, found.environments["main"].place) == ("stored", "3f9c21aa")
    assert [str(each) for each in found.environments["main"].packages] == ["runner==1.8", "numpy==2.3"]
    assert found.environments["convert-onnx"].source == "detected"


def test_packages_of_one_environment_are_not_gathered_from_two_interpreters(catalog: Catalog) -> None:
    machine = Fake([detected("/a/python", runner="1.8"), detected("/b/python", numpy="1.26")])
    found = plan(catalog, machine)
    assert found.environments["main"].source == "installable"
    assert machine.locked[-1] in (["numpy==2.4", "runner==2.0"], ["onnx==1.16"])


def test_an_interpreter_too_old_for_a_worker_is_not_used(catalog: Catalog) -> None:
    machine = Fake([detected(python="3.8.18", runner="1.8", numpy="1.26", onnx="1.16")])
    assert plan(catalog, machine).pins["framework"].source == "installable"


def test_the_framework_decides_the_variant_of_the_model(catalog: Catalog) -> None:
    found = plan(catalog, Fake(), use={"model": "plain", "framework": "torchlike"})
    assert pins(found)["model"] == "model/plain==1.0.0 [torch]"
    with pytest.raises(Unsatisfiable) as caught:
        plan(catalog, Fake(), use={"model": "plain"})
    assert any("model/plain[onnx]" in fact for fact in caught.value.facts)


def test_a_model_says_how_it_is_made_with_everything_that_goes_into_it(catalog: Catalog) -> None:
    artifact = plan(catalog, Fake()).pins["model"].artifact
    assert artifact is not None
    assert artifact["from"] == {
        "variant": "checkpoint",
        "source": {"pypi": "net-weights==1.0", "sha256": SHA, "member": "net.pth"},
    }
    assert artifact["convert"]["recipe"] == "model/net==1.0.0"
    assert (artifact["convert"]["entry"], artifact["convert"]["with"]) == ("convert.py:to_onnx", {"depth": 2})
    assert artifact["environment"] == "convert-onnx"


def test_the_converters_packages_have_an_environment_of_their_own(catalog: Catalog) -> None:
    found = plan(catalog, Fake([detected(runner="1.8", numpy="1.26")]))
    assert {name: each.source for name, each in found.environments.items()} == {
        "main": "detected",
        "convert-onnx": "installable",
    }
    assert found.pins["convert-onnx.onnx"].environment == "convert-onnx"


def test_of_several_variants_of_a_format_the_first_is_taken_and_another_on_request(chained: Catalog) -> None:
    assert pins(plan(chained, Fake()))["model"] == "model/net==1.0.0 [onnx]"
    assert pins(plan(chained, Fake(), use={"model": "net[onnx-int8]"}))["model"] == "model/net==1.0.0 [onnx-int8]"


def test_each_link_of_a_chain_has_an_environment_and_the_data_it_asks_for(chained: Catalog) -> None:
    found = plan(chained, Fake(), use={"model": "net[onnx-int8]"})
    assert {name: [str(each) for each in one.packages] for name, one in found.environments.items()} == {
        "main": ["numpy==2.4", "runner==2.0"],
        "convert-onnx": ["onnx==1.16"],
        "convert-onnx-int8": ["runner==2.0"],
    }
    assert found.pins["convert-onnx-int8.calibration"].reference == "dataset/photos==1.0.0"
    artifact = found.pins["model"].artifact
    assert artifact is not None
    assert artifact["data"] == {"calibration": "convert-onnx-int8.calibration"}
    assert artifact["from"]["data"] == {}


def test_a_tool_is_detected_and_belongs_to_no_environment(catalog: Catalog) -> None:
    machine = Fake(detected={"cc": [Found("12.2.0", "/usr/bin/cc"), Found("9.1.0", "/opt/cc")]})
    pin = plan(catalog, machine, workflow="make", action="build").pins["compiler"]
    assert (pin.version, pin.source, pin.how, pin.environment) == ("12.2.0", "detected", "/usr/bin/cc", "")


def test_a_model_and_a_dataset_of_different_tasks_are_refused_before_anything_is_chosen(
    catalog: Catalog, tmp_path: Path
) -> None:
    put_all(
        tmp_path / "zoo",
        component("dataset", "pairs", "task: text-embedding\nformat: image-folder\nsource: {file: files}\n"),
    )
    with pytest.raises(UsageError, match="dataset/pairs is for text-embedding, model/net is for classification"):
        plan(catalog, Fake(), use={"dataset": "pairs"})


def test_a_tool_that_is_missing_is_offered_by_an_installer(catalog: Catalog) -> None:
    machine = Fake(tool_offers={"cc": Offer("12.2.0", "apt")})
    pin = plan(catalog, machine, workflow="make", action="build").pins["compiler"]
    assert str(pin) == "software/cc==12.2.0 (installable, apt)"


def test_a_tool_that_is_too_old_is_passed_over_for_one_that_can_be_installed(catalog: Catalog) -> None:
    machine = Fake(detected={"cc": [Found("9.1.0", "/opt/cc")]}, tool_offers={"cc": Offer("12.2.0", "apt")})
    assert (
        str(plan(catalog, machine, workflow="make", action="build").pins["compiler"])
        == "software/cc==12.2.0 (installable, apt)"
    )


def test_no_installer_is_asked_where_a_tool_that_is_here_will_do(catalog: Catalog) -> None:
    machine = Fake(detected={"cc": [Found("12.2.0", "/usr/bin/cc")]}, tool_offers={"cc": Offer("13.1.0", "apt")})
    assert (
        str(plan(catalog, machine, workflow="make", action="build").pins["compiler"])
        == "software/cc==12.2.0 (detected, /usr/bin/cc)"
    )
    assert "cc" not in machine.asked


def test_a_tool_that_is_too_old_is_said_to_be_there(catalog: Catalog) -> None:
    machine = Fake(detected={"cc": [Found("9.1.0", "/opt/cc")]})
    with pytest.raises(Unsatisfiable) as caught:
        plan(catalog, machine, workflow="make", action="build")
    said = " ".join(caught.value.facts)
    assert "software/cc" in said
    assert ">=10" in said
    assert "9.1.0" in said


# Steps and roles.


CC = "search: {executables: [cc]}\ninstall: [{hint: apt install cc}]\n"
HERE = {"cc": [Found("12.2.0", "/usr/bin/cc")]}


def test_a_tool_that_nobody_can_install_comes_with_advice(catalog: Catalog) -> None:
    with pytest.raises(Unsatisfiable) as caught:
        plan(catalog, Fake(), workflow="make", action="build")
    assert caught.value.facts[-1] == "software/cc is not on this machine, and no installer here offers it (try: get cc)"


def test_a_package_that_is_not_made_for_the_target_says_so(catalog: Catalog) -> None:
    machine = Fake([detected(runner="2.0", numpy="2.0")], offered={**OFFERED, "runner": []})
    with pytest.raises(Unsatisfiable, match="no installer here has software/runner for linux-aarch64"):
        plan(catalog, machine, target="linux-aarch64")


def test_a_tool_that_needs_another_that_is_missing_says_so(catalog: Catalog) -> None:
    root = catalog.repositories[0].root
    put_all(root, component("software-detect", "cc", f"{CC}requires: {{driver: software/gpu-driver}}\n"))
    put_all(root, component("software-detect", "gpu-driver", CC))
    with pytest.raises(Unsatisfiable) as caught:
        plan(Catalog([Repository.open(root)], catalog.settings), Fake(), workflow="make", action="build")
    assert caught.value.facts[-1] == (
        "software/cc is not on this machine, and it needs software/gpu-driver: "
        "software/gpu-driver is not on this machine, and no installer here offers it (try: get gpu-driver)"
    )


def test_what_works_elsewhere_only_is_no_candidate(catalog: Catalog, tmp_path: Path) -> None:
    put_all(tmp_path / "zoo", component("software-detect", "cc", CC + "platforms: [macos, windows-x86_64]\n"))
    with pytest.raises(Unsatisfiable) as caught:
        plan(catalog, Fake(detected=HERE), workflow="make", action="build")
    assert caught.value.facts[-1] == "software/cc works on macos and windows-x86_64 only, and this is linux-x86_64"
    put_all(tmp_path / "zoo", component("software-detect", "cc", CC + "platforms: [macos, linux]\n"))
    found = plan(catalog, Fake(detected=HERE), workflow="make", action="build")
    assert found.pins["compiler"].version == "12.2.0"


def test_a_workflow_says_where_it_works(catalog: Catalog, tmp_path: Path) -> None:
    steps = "platforms: [linux-aarch64]\nrequires: {}\nsteps: [{id: build, action: build}]\n"
    put_all(tmp_path / "zoo", component("workflow", "far", steps))
    with pytest.raises(Unsatisfiable, match="workflow/far works on linux-aarch64 only, and this is linux-x86_64"):
        plan(catalog, Fake(), workflow="far", action="build")


def test_a_hint_does_not_ask_for_what_was_left_out(catalog: Catalog) -> None:
    with pytest.raises(Unsatisfiable) as caught:
        plan(catalog, Fake(detected=HERE), workflow="make", action="build", without=("cc",))
    assert "--without leaves software/cc out" in caught.value.facts
    assert caught.value.hint == "leave out --without software/cc, or fill the role with another: --use ROLE=REF"


def test_an_action_brings_what_checks_it_and_what_it_needs(catalog: Catalog) -> None:
    assert [step.id for step in plan(catalog, Fake()).steps] == ["compile", "measure", "verify"]
    assert [step.id for step in plan(catalog, Fake(), action="name").steps] == ["name"]
    assert [step.id for step in plan(catalog, Fake(), action="").steps] == ["compile", "measure", "verify", "name"]


def test_an_action_for_steps_of_another_goes_with_every_workflow_that_has_such_a_step(catalog: Catalog) -> None:
    found = plan(catalog, Fake(), action="probe")
    assert [(step.id, step.action, step.needs) for step in found.steps] == [
        ("compile", "action/compile==1.0.0", ()),
        ("probe", "action/probe==1.0.0", ("compile",)),
    ]
    assert "dataset" in found.pins
    with pytest.raises(UsageError, match="workflow/flow has no step for action 'prob'") as caught:
        plan(catalog, Fake(), action="prob")
    assert caught.value.hint == "did you mean 'probe'?"
    with pytest.raises(UsageError, match="workflow/make has no step for action 'probe'"):
        plan(catalog, Fake(), workflow="make", action="probe")


def test_a_role_that_the_model_brings_is_pinned_only_where_a_step_asks_for_it(catalog: Catalog) -> None:
    assert "labels" not in pins(plan(catalog, Fake()))
    named = plan(catalog, Fake(), action="name")
    assert pins(named)["labels"] == "dataset/labels==1.0.0"
    assert named.step("name").roles == {"model": "model", "framework": "framework", "labels": "labels"}


def test_an_optional_role_may_stay_empty(catalog: Catalog) -> None:
    found = plan(catalog, Fake(), action="name", use={"model": "plain", "framework": "torchlike"})
    assert "labels" not in found.pins
    assert found.step("name").roles == {"model": "model", "framework": "framework"}


def test_a_role_that_nothing_fills_is_an_invalid_workflow(catalog: Catalog) -> None:
    with pytest.raises(ComponentInvalid) as caught:
        plan(catalog, Fake(), workflow="hollow", action="compile")
    assert caught.value.message.endswith("steps.compile: nothing fills the role 'framework' of action/compile")
    assert caught.value.hint == "add it under requires, or give --use framework=REFERENCE"


def test_use_puts_a_reference_in_a_roles_place(catalog: Catalog) -> None:
    assert pins(plan(catalog, Fake(), use={"framework": "runner==1.8"}))["framework"] == "software/runner==1.8"
    assert pins(plan(catalog, Fake(), use={"numpy": "software/numpy<2"}))["numpy"] == "software/numpy==1.26"
    found = plan(catalog, Fake(), workflow="hollow", action="compile", use={"framework": "runner"})
    assert pins(found)["framework"] == "software/runner==2.0"


def test_a_pre_release_is_not_used_where_the_workflow_does_not_name_it(catalog: Catalog) -> None:
    machine = Fake(offered={**OFFERED, "runner": ["2.1rc1", "2.0"]})
    assert pins(plan(catalog, machine))["framework"] == "software/runner==2.0"
    with pytest.raises(Unsatisfiable) as caught:
        plan(catalog, machine, use={"framework": "runner==2.1rc1"})
    assert "workflow/flow needs software/runner>=1.8" in caught.value.facts


def test_a_use_that_the_workflow_excludes_is_explained(catalog: Catalog) -> None:
    with pytest.raises(Unsatisfiable) as caught:
        plan(catalog, Fake(), use={"framework": "runner<1.8"})
    assert any("software/runner<1.8" in fact for fact in caught.value.facts)


@pytest.mark.parametrize(
    ("request_", "message", "hint"),
    [
        ({"use": {"modl": "net"}}, "--use modl=net: there is no role 'modl'", "did you mean 'model'?"),
        ({"action": "mesure"}, "workflow/flow has no step for action 'mesure'", "did you mean 'measure'?"),
        ({"parameters": {"thread": "2"}}, "--set thread: no such parameter or setting", "did you mean 'threads'?"),
        ({"parameters": {"threads": "0"}}, "threads: 0 is less than 1", "threads: Threads"),
    ],
)
def test_a_misspelt_request_is_a_usage_error(
    catalog: Catalog, request_: dict[str, Any], message: str, hint: str
) -> None:
    with pytest.raises(UsageError) as caught:
        plan(catalog, Fake(), **request_)
    assert (caught.value.message, caught.value.hint) == (message, hint)


def test_a_role_takes_only_its_own_kind(catalog: Catalog) -> None:
    with pytest.raises(UsageError, match="role 'model'"):
        plan(catalog, Fake(), use={"model": "dataset/photos"})


def test_a_misspelt_workflow_names_the_nearest(catalog: Catalog) -> None:
    with pytest.raises(ComponentNotFound) as caught:
        plan(catalog, Fake(), workflow="flw")
    assert (caught.value.message, caught.value.hint) == ("there is no workflow/flw", "did you mean 'flow'?")


def test_what_stands_for_a_reference_must_be_given_where_the_model_has_none(catalog: Catalog) -> None:
    root = catalog.repositories[0].root
    bar = "{type: [number, 'null'], default: null, instead-of: reference, description: What is enough}"
    needs = "{model: model, dataset: dataset, framework: software}"
    put_all(root, action("verify", needs, f"parameters: {{at-least: {bar}}}\n"))
    net = ("requires: {labels: dataset/labels}\n", "reference: {dataset: photos, top_1: 0.9}\n")
    for given, reference in (({}, net[1]), ({"at-least": "0.8"}, ""), ({}, "reference: {none: it is for tests}\n")):
        put_all(root, model("net", ONNX, net[0] + reference))
        there = Catalog([Repository.open(root)], catalog.settings)
        assert plan(there, Fake(), parameters=given).steps[-1].parameters["at-least"] == (0.8 if given else None)
    put_all(root, model("net", ONNX, net[0] + net[1].replace("photos", "labels")))
    there = Catalog([Repository.open(root)], catalog.settings)
    with pytest.raises(UsageError) as caught:
        plan(there, Fake())
    assert caught.value.message == (
        "action/verify needs --at-least: model/net==1.0.0 has no reference on dataset/photos==1.0.0, "
        "so nothing says what is enough"
    )
    assert caught.value.hint == "give --at-least VALUE, or add it under reference: in model/net's component.yaml"
    assert plan(there, Fake(), action="").pins, "what would be used can be asked all the same"


# Offline, refusals.


def test_offline_uses_what_is_here(catalog: Catalog) -> None:
    machine = Fake([detected(runner="1.8", numpy="1.26", onnx="1.16")], stored=frozenset({"net-weights==1.0"}))
    found = plan(catalog, machine, offline=True)
    assert {pin.source for pin in found.pins.values()} == {"detected", "stored"}
    assert machine.asked == []


def test_a_variant_that_is_converted_is_said_to_be_made_from_what_is_stored(catalog: Catalog) -> None:
    machine = Fake([detected(runner="1.8", numpy="1.26", onnx="1.16")], stored=frozenset({"net-weights==1.0"}))
    model = plan(catalog, machine).pins["model"]
    assert str(model) == "model/net==1.0.0 [onnx] (from checkpoint: stored, pypi)"
    assert [other.partition("):")[0] for other in model.others] == ["1.0.0 [checkpoint] (stored"]
    machine = Fake([detected(torchlike="1.8", numpy="1.26")])
    plain = plan(catalog, machine, use={"framework": "torchlike", "model": "plain"}).pins["model"]
    assert str(plain) == "model/plain==1.0.0 [torch] (stored, file)"


def test_offline_asks_nobody_and_names_what_is_missing(catalog: Catalog) -> None:
    machine = Fake(stored=frozenset({"net-weights==1.0"}))
    with pytest.raises((Unsatisfiable, Unavailable)) as caught:
        plan(catalog, machine, offline=True)
    assert "software/runner" in caught.value.message
    assert caught.value.hint == "without --offline, what is missing here would be fetched"
    assert caught.value.exit_code == 4
    assert machine.asked == []


def test_an_index_that_does_not_answer_is_said(catalog: Catalog) -> None:
    with pytest.raises(Unavailable) as caught:
        plan(catalog, Fake(offered={}))
    assert set(caught.value.missing) >= {"runner", "numpy", "onnx"}


def test_a_version_that_the_installer_refuses_is_not_tried_with_others_again(catalog: Catalog) -> None:
    machine = Fake(refuses={"runner==2.0": "no wheel for this Python"})
    found = plan(catalog, machine)
    assert pins(found)["framework"] == "software/runner==1.9"
    assert pins(found)["numpy"] == "software/numpy==2.4"
    assert [lock for lock in machine.locked if "runner==2.0" in lock] == [
        ["numpy==2.4", "runner==2.0"],
        ["runner==2.0"],
    ]


def test_two_versions_that_are_refused_only_together_are_not_tried_together_again(catalog: Catalog) -> None:
    @dataclass
    class Picky(Fake):
        def lock(self, requirements: Sequence[str], python: str, platform: str = "") -> Sequence[Package]:
            if {"runner==2.0", "numpy==2.4"} <= set(requirements):
                raise Refusal("runner 2.0 needs numpy < 2.4")
            return super().lock(requirements, python, platform)

    found = pins(plan(catalog, Picky()))
    assert (found["framework"], found["numpy"]) in {
        ("software/runner==2.0", "software/numpy==2.3"),
        ("software/runner==1.9", "software/numpy==2.4"),
    }


def test_where_every_version_is_refused_the_reason_is_told(catalog: Catalog) -> None:
    machine = Fake(refuses={f"runner=={version}": "no wheel for this Python" for version in OFFERED["runner"]})
    with pytest.raises(Unsatisfiable) as caught:
        plan(catalog, machine)
    assert "no wheel for this Python" in caught.value.message


# What a task takes.


@pytest.mark.parametrize("name", ["image-classification", "object-detection", "voice-activity", "text-recognition"])
def test_words_for_a_task_that_takes_a_file_are_refused_before_the_machine_is_asked(
    settings: Settings, name: str
) -> None:
    machine = Fake()
    with pytest.raises(UsageError) as caught:
        plan(Catalog.default(settings), machine, workflow=name, action="run", parameters={"input": "nosuch"})
    assert caught.value.message == f"input: there is no file 'nosuch', and {name} takes no words"
    assert caught.value.hint.startswith("give a file that is there, as in --input ./FILE; 'cmx install dataset/")
    assert machine.asked == []


def test_tasks_that_take_words_are_those_that_read_them() -> None:
    tasks = {component.document["task"] for component in Catalog.default().newest("model")}
    assert {task for task in tasks if takes_words(task)} == {"text-embedding", "text-generation"}
    assert takes_words("a-task-of-another-cmx")


# The plan as a document.


def test_a_plan_is_read_back_as_it_was_written(catalog: Catalog, tmp_path: Path) -> None:
    found = plan(catalog, Fake([detected(numpy="1.26")]), seed=7, parameters={"threads": 2}, use={"model": "net"})
    document = found.document()
    validate(document, "plan", source="plan.json")
    assert Plan.from_document(json.loads(json.dumps(document))) == found
    file = tmp_path / "plan.json"
    file.write_text(json.dumps(document))
    assert Plan.read(file) == found


def test_a_plan_is_the_same_when_it_is_made_again(catalog: Catalog) -> None:
    assert plan(catalog, Fake()).document() == plan(catalog, Fake()).document()


def test_a_plan_says_why_each_was_chosen_and_why_the_nearest_others_were_not(catalog: Catalog) -> None:
    pin = plan(catalog, Fake()).pins["framework"]
    assert "workflow/flow" in pin.why
    assert pin.others[0].startswith("1.9 (installable): ")
    assert str(pin) == "software/runner==2.0 (installable, pip)"


def why(found: Plan, role: str) -> str:
    """How the pin of a role stands among others."""
    return found.pins[role].why.rpartition("; ")[2]


def test_the_only_one_left_says_what_ruled_out_the_others(catalog: Catalog) -> None:
    build = {"workflow": "make", "action": "build"}
    two = [Found("12.2.0", "/usr/bin/cc", "x86_64-linux-gnu"), Found("9.1.0", "/opt/cc", "arm-linux-gnueabihf")]
    made = plan(catalog, Fake(detected={"cc": two}), **build)
    assert why(made, "compiler") == "the only one left, without 9.1.0 at /opt/cc (not for linux-x86_64)"
    machine = Fake(detected={"cc": [two[0], Found("11.0", "/usr/bin/cc-11")]})
    made = plan(catalog, machine, **build, without=("cc<12",))
    assert why(made, "compiler") == "the only one left, without 11.0 (--without software/cc<12)"
    made = plan(catalog, machine, **build, parameters={"cc.path": "/usr/bin/cc"})
    assert why(made, "compiler") == "the only one left, without all others (cc.path=/usr/bin/cc)"
    assert why(plan(catalog, Fake(detected=HERE), **build), "compiler") == "the only one there is"


def test_the_only_one_here_says_that_no_others_were_asked_for(catalog: Catalog) -> None:
    machine = Fake([detected(runner="2.0", numpy="1.26", onnx="1.16")], stored=frozenset({"net-weights==1.0"}))
    assert why(plan(catalog, machine), "framework") == "the only one here (no installer was asked for others)"
    made = plan(catalog, machine, offline=True)
    assert why(made, "framework") == "the only one here (--offline forbids asking for others)"
    assert why(made, "dataset") == "the only one there is"


@pytest.mark.parametrize(
    ("text", "message"),
    [("{", "plan.json: not JSON: "), ("{}", "plan.json: 'schema' is missing"), ("[]", "plan.json: [] is not of type")],
)
def test_what_is_no_plan_is_refused_by_name(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "plan.json").write_text(text)
    with pytest.raises((UsageError, ComponentInvalid)) as caught:
        Plan.read(tmp_path / "plan.json")
    assert message in caught.value.message
    with pytest.raises(UsageError, match="No such file"):
        Plan.read(tmp_path / "nowhere.json")


def test_a_plan_is_narrowed_to_other_parameters_without_choosing_anew(catalog: Catalog) -> None:
    machine = Fake()
    before = plan(catalog, machine)
    asked = len(machine.asked), len(machine.locked)
    after = narrowed(before, catalog, replace(before.request, parameters={"threads": "3"}, seed=5))
    assert after.step("measure").parameters == {"threads": 3}
    assert (after.pins, after.environments, after.request.seed) == (before.pins, before.environments, 5)
    assert (len(machine.asked), len(machine.locked)) == asked


def test_a_plan_is_narrowed_to_one_of_its_actions(catalog: Catalog) -> None:
    before = plan(catalog, Fake())
    after = narrowed(before, catalog, replace(before.request, action="verify"))
    assert [step.id for step in after.steps] == ["verify"]


def test_a_plan_cannot_be_narrowed_to_what_it_has_no_pin_for(catalog: Catalog) -> None:
    before = plan(catalog, Fake(), action="compile")
    with pytest.raises(ComponentInvalid, match="nothing fills the role 'dataset'"):
        narrowed(before, catalog, replace(before.request, action="measure"))


def test_a_framework_s_settings_are_pinned_with_it_and_replayed(catalog: Catalog) -> None:
    machine = Fake([detected(runner="1.9", numpy="2.0")])
    found = plan(catalog, machine, parameters={"fast": "yes", "measure.threads": "2"})
    assert found.pins["framework"].settings == {"level": "all", "fast": True}
    assert found.step("measure").parameters == {"threads": 2}
    assert found.pins["model"].settings == {}
    assert Plan.from_document(found.document()) == found
    validate(found.document(), "plan", source="plan.json")


def test_the_value_of_a_setting_may_need_software_and_what_fills_another_role(quantising: Catalog) -> None:
    assert set(plan(quantising, Fake()).pins) == {"numpy", "model", "dataset", "framework", "convert-onnx.onnx"}
    found = plan(quantising, Fake(), action="compile", parameters={"quantised": "yes"})
    assert (pins(found)["onnx"], pins(found)["calibration"]) == ("software/onnx==1.16", "dataset/photos==1.0.0")
    assert [str(each) for each in found.environments["main"].packages] == ["onnx==1.16", "runner==2.0"]
    assert found.step("compile").roles == {"model": "model", "framework": "framework", "calibration": "calibration"}


def test_who_needs_software_for_a_value_is_said_where_it_cannot_be_had(quantising: Catalog) -> None:
    machine = Fake([detected(runner="1.9", numpy="2.0")], offered={**OFFERED, "onnx": []})
    with pytest.raises(Unsatisfiable) as caught:
        plan(quantising, machine, use={"model": "other"}, action="compile", parameters={"quantised": "yes"})
    assert any("software/runner with quantised True needs software/onnx>=1.16" in fact for fact in caught.value.facts)


def test_data_for_the_value_of_a_setting_may_be_named(quantising: Catalog) -> None:
    use = {"calibration": "dataset/labels"}
    found = plan(quantising, Fake(), action="compile", use=use, parameters={"quantised": "yes"})
    assert pins(found)["calibration"] == "dataset/labels==1.0.0"


def test_a_plan_is_not_narrowed_to_what_it_has_no_pins_for(quantising: Catalog) -> None:
    before = plan(quantising, Fake(), action="compile")
    with pytest.raises(UsageError, match=r"software/runner with quantised True needs software/onnx>=1\.16"):
        narrowed(before, quantising, replace(before.request, parameters={"quantised": "yes"}))


def test_a_plan_is_narrowed_to_other_settings(catalog: Catalog) -> None:
    before = plan(catalog, Fake([detected(runner="1.9", numpy="2.0")]), parameters={"level": "basic"})
    after = narrowed(before, catalog, replace(before.request, parameters={"framework.fast": "yes"}))
    assert after.pins["framework"].settings == {"level": "all", "fast": True}


def test_a_setting_of_another_framework_is_an_error(catalog: Catalog) -> None:
    with pytest.raises(UsageError, match="--set fast: no such parameter or setting"):
        plan(catalog, Fake(), use={"framework": "torchlike", "model": "plain"}, parameters={"fast": "yes"})


def test_software_that_runs_no_models_is_no_framework(catalog: Catalog) -> None:
    with pytest.raises(UsageError, match="software/numpy runs no models"):
        plan(catalog, Fake([detected(runner="1.9", numpy="2.0")]), use={"framework": "numpy"})


def test_a_framework_may_be_named_by_its_alias(catalog: Catalog) -> None:
    machine = Fake([detected(runner="1.9", numpy="2.0")])
    assert plan(catalog, machine, use={"framework": "rnr>=1.9"}).pins["framework"].reference == "software/runner==1.9"


def test_the_axes_of_a_matrix_may_be_settings_of_any_framework_in_it(catalog: Catalog) -> None:
    request = Request("flow", "measure", use={"model": "plain"})
    axes = read_axes(["framework=torchlike,rnr==1.9", "runner.level=basic,all"])
    found = requests(catalog, request, axes)
    assert [list(point.items()) for point, _ in found] == [
        [("framework", "torchlike")],
        [("framework", "rnr==1.9"), ("runner.level", "basic")],
        [("framework", "rnr==1.9"), ("runner.level", "all")],
    ]
    assert [each.parameters for _, each in found] == [{}, {"runner.level": "basic"}, {"runner.level": "all"}]
    with pytest.raises(UsageError, match=r"--matrix runner\.levl: no such role, parameter or setting"):
        requests(catalog, request, read_axes(["framework=runner", "runner.levl=basic"]))
    with pytest.raises(UsageError, match="--matrix level: no such role, parameter or setting"):
        requests(catalog, request, read_axes(["framework=torchlike", "level=basic"]))


@pytest.mark.parametrize(
    ("axes", "error", "message"),
    [
        (["runner.level=basic,al", "model=plain"], UsageError, 'level: "al" is not one of '),
        (["threads=1,many"], UsageError, 'threads: "many" is not of type integer'),
        (["framework=runner,runer"], ComponentNotFound, "there is no software-detect/runer"),
        (["model=plain,plane"], ComponentNotFound, "there is no model/plane"),
    ],
)
def test_each_value_of_a_matrix_is_checked_before_anything_is_done(
    catalog: Catalog, axes: list[str], error: type[CmxError], message: str
) -> None:
    with pytest.raises(error) as caught:
        requests(catalog, Request("flow", "measure", use={"framework": "runner"}), read_axes(axes))
    assert caught.value.message.startswith(message)
