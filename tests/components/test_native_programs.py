"""The native workflows: compiled by real compilers, run here and through qemu, held against their oracles.

What is not installed skips and says so. The classifier's model, photos and libraries come from the package registry.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
import yaml
from native_steps import ROOT, TRIPLES, Document, Steps, cross_tools, tool

STREAM = "--elements 100000 --passes 5"
EMULATED = "emulated: proves function, never speed"


def workflow(name: str) -> Path:
    return ROOT / "workflows" / name


@pytest.fixture(params=["gcc", "clang"])
def compiler(request: pytest.FixtureRequest) -> Document:
    found = tool(request.param, request.param)
    if found is None:
        pytest.skip(f"{request.param} is not installed")
    return found


@pytest.fixture
def gcc() -> Document:
    found = tool("gcc", "gcc")
    if found is None:
        pytest.skip("gcc is not installed")
    return found


@pytest.fixture(params=TRIPLES)
def cross(request: pytest.FixtureRequest) -> tuple[str, dict[str, Document]]:
    tools = cross_tools(request.param)
    if tools is None:
        pytest.skip(f"the compiler or qemu for {request.param} is not installed")
    return request.param, tools


def test_stream_has_every_element_right_and_says_its_bandwidth(compiler: Document, tmp_path: Path) -> None:
    steps = Steps(workflow("stream"), tmp_path, {"compiler": compiler})
    assert steps.run("compile")["status"] == "ok"
    timed = steps.run("benchmark", arguments=STREAM)["metrics"]
    assert (timed["valid"], timed["launches"], timed["emulated"]) == (True, 5, False)
    assert set(timed["measures"]) == {f"{k}{best}" for k in ("copy", "scale", "add", "triad") for best in ("", "-best")}
    assert (
        timed["measures"]["triad"]["min"] <= timed["measures"]["triad"]["median"] <= timed["measures"]["triad"]["max"]
    )
    checked = steps.run("validate", arguments=STREAM)["metrics"]
    assert (checked["passed"], checked["correct"], checked["count"]) == (True, 300_000, 300_000)
    assert checked["checksum"] == timed["checksum"]


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("a[i] = b[i] + SCALAR * c[i]", "a[i] = b[i] + SCALAR * c[i] + (i == 77) * 1e-12"),
        ("c[i] = a[i] + b[i]", "c[i] = i == elements - 1 ? 0.0 / 0.0 : a[i] + b[i]"),
        ("RUN[kernel]();", "if (pass != 2) RUN[kernel]();"),
    ],
)
def test_a_stream_with_one_wrong_element_is_found_out(gcc: Document, tmp_path: Path, right: str, wrong: str) -> None:
    folder = changed("stream", "stream.c", right, wrong, tmp_path)
    steps = Steps(folder, tmp_path, {"compiler": gcc})
    assert steps.run("compile")["status"] == "ok"
    checked = steps.run("validate", arguments=STREAM)["metrics"]
    assert not checked["passed"]
    assert checked["correct"] < checked["count"]


def changed(name: str, file: str, right: str, wrong: str, folder: Path) -> Path:
    """A copy of a workflow with one thing changed in its source."""
    copy = folder / "workflow"
    shutil.copytree(workflow(name), copy)
    text = (copy / file).read_text(encoding="utf-8")
    assert right in text
    (copy / file).write_text(text.replace(right, wrong), encoding="utf-8")
    return copy


@pytest.mark.parametrize("variant", ["naive", "blocked", "openmp"])
def test_matmul_is_right_in_each_variant(gcc: Document, tmp_path: Path, variant: str) -> None:
    steps = Steps(workflow("matmul"), tmp_path, {"compiler": gcc})
    assert steps.run("compile", openmp=variant == "openmp")["status"] == "ok"
    arguments = f"--variant {variant} --size 130 --passes 2"
    timed = steps.run("benchmark", arguments=arguments, repetitions=6, threads=2)["metrics"]
    assert timed["program"]["threads"] == (2 if variant == "openmp" else 1)
    assert timed["measures"]["speed"]["interval"]["confidence"] == 0.96875
    checked = steps.run("validate", arguments=arguments, threads=2)["metrics"]
    assert checked["accuracy"] == {"entries": 1.0, "rows": 1.0}
    assert checked["passed"]


@pytest.mark.parametrize(
    ("right", "wrong", "found_by"),
    [
        ("if (output) save", "c[size * 3 + 5] += 1e-6; if (output) save", "rows"),
        ("uint64_t state = 42", "uint64_t state = 43", "entries"),
        ("to[j] += factor * from[j]", "to[j] += (float)(factor * from[j])", "entries"),
    ],
)
def test_a_wrong_product_is_found_out(gcc: Document, tmp_path: Path, right: str, wrong: str, found_by: str) -> None:
    steps = Steps(changed("matmul", "matmul.c", right, wrong, tmp_path), tmp_path, {"compiler": gcc})
    assert steps.run("compile")["status"] == "ok"
    checked = steps.run("validate", arguments="--variant blocked --size 130 --passes 2")["metrics"]
    assert not checked["passed"]
    assert checked["accuracy"][found_by] < 1


def test_openmp_asked_of_a_program_without_it_is_an_error(gcc: Document, tmp_path: Path) -> None:
    steps = Steps(workflow("matmul"), tmp_path, {"compiler": gcc})
    steps.run("compile")
    outcome = steps.run("benchmark", arguments="--variant openmp --size 64 --passes 2")
    assert "openmp needs --set openmp=true" in outcome["error"]["message"]


@pytest.mark.parametrize(
    ("name", "arguments"), [("stream", STREAM), ("matmul", "--variant blocked --size 70 --passes 2")]
)
@pytest.mark.parametrize("static", [False, True])
def test_a_program_for_another_machine_runs_in_the_emulator_and_no_time_is_kept(
    cross: tuple[str, dict[str, Document]], tmp_path: Path, name: str, arguments: str, static: bool
) -> None:
    architecture, tools = cross
    steps = Steps(workflow(name), tmp_path, tools, target=f"linux-{architecture}")
    built = steps.run("compile", static=static)["metrics"]
    assert built["machine"] == {"armhf": "arm"}.get(architecture, architecture)
    assert bool(built["sysroot"]) is not static
    timed = steps.run("benchmark", arguments=arguments)["metrics"]
    assert (timed["emulated"], timed["launches"], timed["notes"]) == (True, 1, [EMULATED])
    assert not {"latency", "throughput", "measures", "samples_per_launch"} & set(timed)
    checked = steps.run("validate", arguments=arguments)
    assert checked["metrics"]["passed"]
    assert checked["summary"].endswith("emulated")


def test_a_program_for_another_machine_is_refused_without_an_emulator(
    cross: tuple[str, dict[str, Document]], tmp_path: Path
) -> None:
    architecture, tools = cross
    steps = Steps(workflow("stream"), tmp_path, {"compiler": tools["compiler"]}, target=f"linux-{architecture}")
    steps.run("compile", static=True)
    outcome = steps.run("benchmark", arguments=STREAM)
    assert "no emulator is named" in outcome["error"]["message"]


def test_a_compiler_for_this_machine_is_refused_where_another_is_the_target(gcc: Document, tmp_path: Path) -> None:
    steps = Steps(workflow("stream"), tmp_path, {"compiler": gcc}, target="linux-riscv64")
    outcome = steps.run("compile")
    assert "the target is linux-riscv64" in outcome["error"]["message"]


def fetched(name: str, options: list[str]) -> Path:
    """A folder with what uv installs for these options, kept for all tests of a session."""
    folder = Path(os.environ["CMX_NATIVE_CACHE"]) / name
    if not folder.is_dir():
        partial = folder.with_suffix(f".{os.getpid()}")
        command = [sys.executable, "-m", "uv", "pip", "install", "--no-deps", "--target", str(partial)]
        done = subprocess.run([*command, *options], capture_output=True, text=True)
        if done.returncode:
            pytest.skip(f"the package registry cannot be reached for {options[-1]}: {done.stderr.strip()[-300:]}")
        partial.replace(folder)
    return folder


@pytest.fixture(scope="module")
def classifier(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], dict[str, Document]]:
    """The roles of the classifier's workflow, model and photos with their real files."""
    with pytest.MonkeyPatch.context() as patch:
        kept = os.environ.get("CMX_TEST_CACHE")
        cache = Path(kept) / "native" if kept else tmp_path_factory.mktemp("packages")
        cache.mkdir(parents=True, exist_ok=True)
        patch.setenv("CMX_NATIVE_CACHE", str(cache))
        yield lambda: {"model": model(cache), "dataset": photos(), "framework": framework("")}


def component(kind: str, name: str) -> Document:
    text = (ROOT / "components" / kind / name / "component.yaml").read_text(encoding="utf-8")
    loaded: Document = yaml.safe_load(text)
    return loaded


def packaged(source: Document) -> Path:
    return fetched(re.sub(r"\W+", "-", source["pypi"]), [source["pypi"]])


def model(cache: Path) -> Document:
    """The model's role, converted once."""
    document = component("models", "efficientnet-lite0")
    role = {"reference": "model/efficientnet-lite0==1.0.0", "component": document, "variant": "onnx"}
    file = cache / "converted/model.onnx"
    if not file.is_file():
        checkpoint = document["variants"]["checkpoint"]["source"]
        job = {
            "schema": 1,
            "document": "job",
            "action": {
                "reference": "model/efficientnet-lite0==1.0.0",
                "entry": f"{ROOT}/components/models/efficientnet-lite0/convert.py:to_onnx",
            },
            "parameters": document["variants"]["onnx"]["convert"]["with"],
            "roles": {"source": {**role, "path": str(packaged(checkpoint) / checkpoint["member"])}},
            "output": str(cache / "converted"),
        }
        (cache / "job.json").write_text(json.dumps(job), encoding="utf-8")
        subprocess.run(
            [sys.executable, "-I", str(ROOT / "cmx/worker/__main__.py"), str(cache / "job.json")], check=True
        )
    return {**role, "path": str(file)}


def photos(count: int = 20) -> Document:
    """The dataset's role: all of its photos, or the first few."""
    document = {**component("datasets", "imagenet-photos"), "samples": count}
    folder = packaged(document["source"]) / Path(document["source"]["members"]).parent
    chosen = folder.parent / f"photos-{count}"
    if not chosen.is_dir():
        chosen.mkdir()
        for photo in sorted(folder.glob(Path(document["source"]["members"]).name))[:count]:
            shutil.copy(photo, chosen)
    return {"reference": "dataset/imagenet-photos==1.0.0", "component": document, "path": str(chosen)}


def framework(architecture: str) -> Document:
    """onnxruntime in this environment, or its package for another machine, unpacked."""
    found = version("onnxruntime")
    role: dict[str, Any] = {
        "reference": f"software/onnxruntime=={found}",
        "component": component("software-detect", "onnxruntime"),
        "folder": str(ROOT / "components" / "software-detect" / "onnxruntime"),
    }
    if architecture:
        platform = ["--python-platform", f"{architecture}-manylinux_2_28", "--only-binary", ":all:"]
        role["path"] = str(fetched(f"onnxruntime-{architecture}", [*platform, f"onnxruntime=={found}"]))
    return role


def classify(steps: Steps) -> tuple[Document, Document]:
    for step in ("compile", "samples"):
        outcome = steps.run(step)
        assert outcome["status"] == "ok", outcome["error"]
    timed, checked = steps.run("benchmark"), steps.run("validate")
    assert timed["error"] is None, timed["error"]
    assert checked["error"] is None, checked["error"]
    return timed["metrics"], checked["metrics"]


def test_the_native_classifier_answers_as_python_does(
    classifier: Callable[[], dict[str, Document]], compiler: Document, tmp_path: Path
) -> None:
    pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    steps = Steps(workflow("image-classification-native"), tmp_path, {**classifier(), "compiler": compiler})
    timed, checked = classify(steps)
    assert timed["program"] == {
        "onnxruntime": version("onnxruntime"), "sample_count": 20, "classes": 1000, "passes": 5, "threads": 1
    }  # fmt: skip
    assert timed["valid"] and timed["latency"]["p50"] > 0
    assert checked["counts"] == {"top_1": 18, "top_5": 19, "as_python": 20, "total": 20}
    assert checked["passed"]


@pytest.mark.slow
def test_the_native_classifier_answers_as_python_does_on_aarch64(
    classifier: Callable[[], dict[str, Document]], tmp_path: Path
) -> None:
    pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    tools = cross_tools("aarch64")
    if tools is None:
        pytest.skip("the compiler or qemu for aarch64 is not installed")
    # The emulator takes seconds for a photo; every one has a thousand numbers to compare.
    roles = {**classifier(), **tools, "framework": framework("aarch64"), "dataset": photos(4)}
    steps = Steps(workflow("image-classification-native"), tmp_path, roles, target="linux-aarch64")
    timed, checked = classify(steps)
    assert timed["emulated"] and "latency" not in timed
    assert timed["program"]["onnxruntime"] == version("onnxruntime")
    assert checked["counts"] == {"top_1": 4, "top_5": 4, "as_python": 4, "total": 4}
    assert checked["passed"] and checked["notes"] == [EMULATED]
