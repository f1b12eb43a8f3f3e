"""What a user does, in the order in which users do it: run, run again, look, bring a model of one's own."""

from __future__ import annotations

import csv
import importlib.util
import json
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from command_line import ROOT, SHORT, CommandLine, write_files

from cmx.schema import validate

Photo = Callable[[str], Path]


def test_the_first_run_of_a_new_user_provisions_and_prints_the_table(prepared: Any) -> None:
    first = prepared.first
    assert [line.split()[:2] for line in first.lines("provision")] == [
        ["provision", "environment"],
        ["provision", "model/efficientnet-lite0:"],
        ["provision", "environment"],
        ["provision", "dataset/imagenet-photos:"],
    ]
    assert "onnxruntime" in first.lines("provision")[0]
    assert not any(name in line for line in first.lines("provision") for name in (" torch ", ", torch"))
    head, row = (line.split() for line in first.out.strip().splitlines()[:2])
    assert " ".join(head) == "SCENARIO QUERIES SAMPLES P50 ms P90 ms P99 ms THROUGHPUT TOP-1 TOP-5 LOADGEN"
    assert row[0] == "single-stream"
    assert "18/20 = 0.900  19/20 = 0.950" in first.out
    assert row[-1] in ("VALID", "INVALID")  # a second is too short to be VALID on a slow machine


def test_the_second_run_fetches_and_builds_nothing(cmx: CommandLine) -> None:
    again = cmx("run", "benchmark", *SHORT, "--offline")
    assert again.lines("provision") == []
    assert [line.split()[-1] for step in ("convert", "compile") for line in again.lines(step)] == ["cached"] * 2
    assert "18/20 = 0.900  19/20 = 0.950" in again.out


def test_json_is_one_object_and_the_record_meets_its_schemas(cmx: CommandLine) -> None:
    answer = cmx("run", "benchmark", *SHORT, "--set", "scenario=offline", "--json", "--offline")
    assert answer.out.count("\n") == 1
    document = answer.document
    assert (document["schema"], document["ok"]) == (1, True)
    result = document["result"]
    validate(result, "result", source=Path("stdout"))
    folder = cmx.run_folder(result)
    assert json.loads((folder / "result.json").read_text(encoding="utf-8")) == result
    for step in ("benchmark", "validate"):
        validate(json.loads((folder / step / "outcome.json").read_text(encoding="utf-8")), "outcome", source=folder)
    job = json.loads((folder / "benchmark" / "job.json").read_text(encoding="utf-8"))
    assert (job["schema"], job["document"], job["parameters"]["scenario"]) == (1, "job", "offline")
    assert result["pins"]["framework"].startswith("software/onnxruntime==")
    assert result["request"]["parameters"] == {"scenario": "offline", "duration": "1", "min-query-count": "10"}
    benchmark = next(step for step in result["steps"] if step["id"] == "benchmark")["outcome"]["metrics"]
    assert benchmark["throughput"] > 0
    assert (folder / "benchmark" / "completions.npy").stat().st_size >= 8 * benchmark["samples"]


def test_loadgen_gets_the_settings_that_were_asked_for(cmx: CommandLine) -> None:
    settings = ("duration=30", "min-query-count=7", "max-query-count=9", "latency-percentile=0.8")
    result = cmx.json("run", "benchmark", "--seed", "5", *(word for each in settings for word in ("--set", each)))
    folder = cmx.run_folder(result["result"]) / "benchmark"
    lines = (folder / "mlperf_log_detail.txt").read_text(encoding="utf-8").splitlines()
    told = {entry["key"]: entry["value"] for entry in (json.loads(line.removeprefix(":::MLLOG ")) for line in lines)}
    assert told["effective_min_duration_ms"] == 30_000
    assert (told["effective_min_query_count"], told["effective_max_query_count"]) == (7, 9)
    assert told["effective_target_latency_percentile"] == 0.8
    assert told["result_query_count"] == 9
    seeds = {told[f"effective_{name}_rng_seed"] for name in ("qsl", "sample_index", "schedule")}
    other = cmx.json("run", "benchmark", "--seed", "6", *(word for each in settings for word in ("--set", each)))
    log = (cmx.run_folder(other["result"]) / "benchmark" / "mlperf_log_detail.txt").read_text(encoding="utf-8")
    assert not any(f'"value": {seed},' in log for seed in seeds)


def test_the_native_engine_needs_no_loadgen_and_is_not_taken_for_it(cmx: CommandLine) -> None:
    native = cmx.json("run", "benchmark", *SHORT, "--engine", "native")["result"]
    steps = {step["id"]: step["outcome"]["metrics"] for step in native["steps"] if step["outcome"]}
    assert {steps[name]["engine"] for name in ("benchmark", "validate")} == {"cmx-native"}
    assert steps["validate"]["passed"] is True
    shown = cmx("result", "show", native["id"]).out
    assert "measured by cmx's native engine, not MLPerf LoadGen, with 1 thread" in shown
    assert (" VERDICT\n" in shown, " LOADGEN\n" in shown) == (True, False)

    loadgen = cmx.json("run", "benchmark", *SHORT, "--offline")["result"]
    assert native["pins"].keys() == loadgen["pins"].keys() - {"loadgen"} != loadgen["pins"].keys()
    (found,) = cmx("result", "compare", loadgen["id"], native["id"], "--invalid", "--json").document["comparisons"]
    assert {"group": "setting", "name": "engine", "a": "loadgen", "b": "native"} in found["differences"]

    refused = cmx("run", "benchmark", "--without", "mlcommons-loadgen", code=4)
    assert "action/benchmark with engine loadgen needs software/mlcommons-loadgen" in refused.error
    assert refused.hint == "give --set engine=native, which needs no software/mlcommons-loadgen"


def test_accuracy_mode_classifies_every_photo_once(cmx: CommandLine) -> None:
    result = cmx.json("run", "benchmark", "--mode", "accuracy")["result"]
    metrics = next(step for step in result["steps"] if step["id"] == "benchmark")["outcome"]["metrics"]
    assert (metrics["samples"], metrics["counts"]) == (20, {"top_1": 18, "top_5": 19, "total": 20})


def test_a_picture_is_named(cmx: CommandLine, photo: Photo) -> None:
    answer = cmx("run", "run", "--input", photo("_243"), "--offline")
    assert "bullmastiff" in answer.out.lower()
    classes = cmx.json("run", "run", "--set", f"input={photo('_243')}", "--set", "top=3")["result"]["steps"][-1]
    best = classes["outcome"]["metrics"]["classes"]
    assert (len(best), best[0]["index"]) == (3, 243)
    assert best[0]["probability"] > best[1]["probability"] > best[2]["probability"]


def test_a_relative_path_means_what_it_means_to_the_user(cmx: CommandLine, photo: Photo) -> None:
    (cmx.folder / "dog.jpg").write_bytes(photo("_243").read_bytes())
    assert "bullmastiff" in cmx("run", "run", "--input", "dog.jpg").out.lower()


def test_a_saved_plan_is_carried_out_with_the_same_pins(cmx: CommandLine) -> None:
    plan = cmx("run", "benchmark", *SHORT, "--plan-only").out
    document = json.loads(plan)
    validate(document, "plan", source=Path("stdout"))
    assert cmx.results() == []
    (cmx.folder / "plan.json").write_text(plan, encoding="utf-8")
    result = cmx.json("run", "--plan", "plan.json", "--offline")["result"]
    assert result["plan"] == document
    assert result["pins"] == {role: f"{p['kind']}/{p['name']}=={p['version']}" for role, p in document["pins"].items()}


def test_a_plan_moves_to_a_home_that_has_nothing(cmx: CommandLine) -> None:
    plan = cmx("run", "compile", "--plan-only").out
    (cmx.folder / "plan.json").write_text(plan, encoding="utf-8")
    elsewhere = cmx.at(cmx.folder / "another-home")
    answer = elsewhere("run", "--plan", "plan.json", "--json")
    assert "environment" in answer.lines("provision")[0]
    assert answer.document["result"]["plan"] == json.loads(plan)
    assert elsewhere("store", "verify").code == 0


def test_a_second_model_of_the_family_is_used_by_name(cmx: CommandLine) -> None:
    result = cmx.json("run", "benchmark", "--use", "model=efficientnet-lite1", *SHORT)["result"]
    assert result["pins"]["model"] == "model/efficientnet-lite1==1.1.0"
    validation = next(step for step in result["steps"] if step["id"] == "validate")["outcome"]["metrics"]
    assert (validation["passed"], validation["counts"]) == (True, {"top_1": 18, "top_5": 20, "total": 20})


def test_results_are_listed_shown_and_exported(cmx: CommandLine) -> None:
    first = cmx.json("run", "validate")["result"]
    second = cmx.json("run", "benchmark", *SHORT, "--scenario", "offline")["result"]
    listed = cmx("result", "list").out.splitlines()
    assert [line.split()[0] for line in listed[1:]] == [second["id"][:8], first["id"][:8]]
    shown = cmx("result", "show", first["id"][:8]).out
    assert "18/20 = 0.900" in shown and "software/onnxruntime==" in shown and "cpu_model" in shown
    only = cmx("result", "export", "--scenario", "offline").document
    exported = only if isinstance(only, list) else only["results"]
    assert [each["id"] for each in exported] == [second["id"]]
    cmx("result", "export", "--output", "results.csv")
    with (cmx.folder / "results.csv").open(newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    assert {row["id"] for row in rows} == {first["id"], second["id"]}


def test_the_same_from_python(cmx: CommandLine) -> None:
    told = json.loads(cmx.program(_PROGRAM))
    assert told["pin"].startswith("software/onnxruntime==")
    assert told["top_1"] == 0.9
    assert told["p99"] > 0
    assert told["access"]["ok"] is True
    assert told["access"]["result"]["request"]["parameters"]["scenario"] == "offline"
    assert told["wrong"]["ok"] is False
    assert told["wrong"]["error"] == {
        "type": "UsageError",
        "message": "--set scenari: no such parameter or setting",
        "hint": "did you mean 'scenario'?",
    }
    assert len(cmx.results()) == 2


_PROGRAM = """
import json
import cmx

catalog = cmx.Catalog.default()
plan = cmx.resolve(catalog, "workflow/image-classification", host=cmx.Host.detect())
result = cmx.run(plan, action="benchmark", seed=0, duration=0.5, min_query_count=10)
short = {"duration": 0.5, "min-query-count": 10, "scenario": "offline"}
print(json.dumps({
    "pin": plan.pins["framework"].reference,
    "p99": result.latency.p99,
    "top_1": result.accuracy["top_1"],
    "access": cmx.access({"action": "benchmark", "workflow": "image-classification", "set": short}),
    "wrong": cmx.access({"action": "benchmark", "set": {"scenari": "offline"}}),
}))
"""


def test_access_answers_json_with_json(cmx: CommandLine) -> None:
    request = {"action": "validate", "workflow": "image-classification", "offline": True}
    by_argument = cmx("access", json.dumps(request)).document
    assert by_argument["ok"] is True
    by_input = cmx("access", "-", stdin=json.dumps({"action": "result", "limit": 1})).document
    assert by_input["results"][0]["id"] == by_argument["result"]["id"]
    wrong = cmx("access", '{"action": "benchmrk"}', code=2).document
    assert (wrong["ok"], wrong["error"]["type"]) == (False, "UsageError")


def test_an_interpreter_that_has_everything_is_used_as_it_is(fresh: CommandLine, prepared: Any) -> None:
    needed = ("onnxruntime", "numpy", "PIL", "mlperf_loadgen", "onnx")
    if missing := [name for name in needed if importlib.util.find_spec(name) is None]:
        pytest.skip(f"the tests' own interpreter has no {', '.join(missing)}")
    cmx = replace(fresh, python=Path(sys.executable), environ={**fresh.environ, "PYTHONPATH": str(ROOT)})
    answer = cmx("run", "benchmark", *SHORT, "--json")
    assert not any("environment" in line for line in answer.lines("provision"))
    plan = answer.document["result"]["plan"]
    assert plan["environments"]["main"]["source"] == "detected"
    assert Path(plan["environments"]["main"]["place"]).samefile(sys.executable)
    assert not (cmx.home / "environments").exists()


# A user's own model: a linear classifier over the mean of each colour, written by the user's own tool.

MODEL = """
schema: 1
kind: model
uid: a1b2c3d4e5f60718
name: colours
version: 1.0.0
description: Tells red from green from blue
task: image-classification
inputs: [{name: image, dtype: float32, shape: [batch, 3, 8, 8]}]
outputs: [{name: logits, dtype: float32, shape: [batch, 3]}]
preprocess: [{resize: {size: 8, filter: bilinear}}, {normalize: {mean: 0, std: 255}}, {layout: NCHW}]
postprocess: [{softmax: {}}, {top_k: 1}]
variants:
  onnx: {source: {file: colours.onnx}}
reference: {dataset: plain-colours, top_1: REFERENCE}
"""

DATASET = """
schema: 1
kind: dataset
uid: b1b2c3d4e5f60718
name: plain-colours
version: 1.0.0
description: Six plain pictures
task: image-classification
samples: 6
format: image-folder
label: {from: filename, pattern: '\\d+_(\\d+)\\.png'}
source: {file: pictures}
"""

WORKFLOW = """
schema: 1
kind: workflow
uid: c1b2c3d4e5f60718
name: colours
version: 1.0.0
description: Tell colours apart
requires: {model: model/colours, dataset: dataset/plain-colours, framework: software/onnxruntime}
steps:
  - {id: benchmark, action: benchmark}
  - {id: validate, action: validate}
"""


def own_repository(folder: Path, reference: str) -> Path:
    """A folder as a user would make it, with pictures and a model made by tools that cmx knows nothing of."""
    from PIL import Image

    write_files(
        folder,
        {
            "repo.yaml": "schema: 1\nname: mine\ndescription: My own\n",
            "models/colours/component.yaml": MODEL.replace("REFERENCE", reference),
            "datasets/plain-colours/component.yaml": DATASET,
            "workflows/colours/component.yaml": WORKFLOW,
        },
    )
    pictures = folder / "datasets" / "plain-colours" / "pictures"
    pictures.mkdir()
    for number, (label, colour) in enumerate([(0, "red"), (1, "lime"), (2, "blue")] * 2):
        Image.new("RGB", (10 + number, 12), colour).save(pictures / f"{number}_{label}.png")
    _save_model(folder / "models" / "colours" / "colours.onnx")
    return folder


def _save_model(path: Path) -> None:
    from onnx import TensorProto, helper, save

    pool = helper.make_node("GlobalAveragePool", ["image"], ["pooled"])
    flat = helper.make_node("Flatten", ["pooled"], ["logits"])
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, ["batch", 3, 8, 8])
    logits = helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", 3])
    graph = helper.make_graph([pool, flat], "colours", [image], [logits])
    save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)


def test_a_users_own_repository_is_benchmarked_as_any_other(cmx: CommandLine) -> None:
    repository = own_repository(cmx.folder / "mine", "1.0")
    cmx("check", repository)
    assert cmx.json("repo", "add", repository)["name"] == "mine"
    result = cmx.json("run", "benchmark", "colours", *SHORT)["result"]
    assert (result["status"], result["pins"]["model"]) == ("ok", "model/colours==1.0.0")
    validation = next(step for step in result["steps"] if step["id"] == "validate")["outcome"]["metrics"]
    assert (validation["passed"], validation["correct"], validation["count"]) == (True, 6, 6)
    cmx("repo", "remove", "mine")
    assert "there is no workflow/colours" in cmx("run", "benchmark", "colours", code=3).error


def test_a_model_that_answers_worse_than_its_reference_is_not_valid(cmx: CommandLine) -> None:
    repository = own_repository(cmx.home / "repository", "1.0")
    pictures = repository / "datasets" / "plain-colours" / "pictures"
    (pictures / "0_0.png").rename(pictures / "0_2.png")
    answer = cmx("run", "benchmark", "colours", *SHORT, "--json", code=1)
    document = answer.document
    assert document["ok"] is False
    result = document["result"]
    assert (result["status"], result["valid"]) == ("ok", False)
    assert any("top-1" in reason or "top_1" in reason for reason in result["reasons"]), result["reasons"]
    text = cmx("run", "validate", "colours", code=1).err
    assert "top-1 5/6 = 0.833 < 1.000" in text
