"""The four actions in the real process, with a model that tells red, green and blue apart."""

from __future__ import annotations

import inspect
import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import yaml
from frameworks import predictor_role
from PIL import Image

import cmx
from cmx.worker.component_code import load_entry
from cmx.worker.loadgen import conf

if TYPE_CHECKING:
    from tests.unit.worker.conftest import Worker

ACTIONS = Path(cmx.__file__).parent.parent / "actions"
COLOURS = [(200, 10, 10), (10, 200, 10), (10, 10, 200)]
MODEL = {
    "task": "image-classification",
    "inputs": [{"name": "image"}],
    "preprocess": [{"resize": {"size": 4}}, {"normalize": {"mean": 0, "std": 255}}, {"layout": "NCHW"}],
    "postprocess": [{"softmax": {}}, {"top_k": 2}],
    "reference": {"dataset": "colours", "top_1": 0.9, "tolerance": 0.05},
}
QUICK = {"duration": 0.05, "min_query_count": 70}


@pytest.fixture
def roles(tmp_path: Path) -> dict[str, Any]:
    """Six pictures, two of each colour; the last is labelled wrongly."""
    photos = tmp_path / "photos"
    photos.mkdir()
    for number in range(6):
        label = 1 if number == 5 else number % 3
        Image.new("RGB", (8, 6), COLOURS[number % 3]).save(photos / f"{number}_{label}.png")
    (tmp_path / "names.json").write_text(json.dumps(["red", "green", "blue"]))
    dataset = {"format": "image-folder", "samples": 6, "label": {"from": "filename", "pattern": r"\d_(\d)\.png"}}
    labels = {"format": "class-names", "samples": 3}
    return {
        "model": {"reference": "model/m==1.0.0", "path": str(model_file(tmp_path / "m.onnx")), "component": MODEL},
        "dataset": {"reference": "dataset/colours==1.0.0", "path": str(photos), "component": dataset},
        "labels": {"reference": "dataset/n==1.0.0", "path": str(tmp_path / "names.json"), "component": labels},
        "framework": framework("onnxruntime"),
    }


def framework(name: str, **settings: Any) -> dict[str, Any]:
    """The framework's role as a job has it."""
    role = predictor_role(name, **settings)
    return {
        "reference": f"software/{name}==1.0.0",
        "component": dict(role.component),
        "folder": str(role.folder),
        "settings": settings,
    }


def model_file(path: Path, batch: int | str = "batch") -> Path:
    """Logits are ten times the mean of each channel."""
    onnx = pytest.importorskip("onnx")
    tensors = onnx.helper.make_tensor_value_info
    weights = onnx.numpy_helper.from_array(np.eye(3, dtype=np.float32) * 10, "weights")
    nodes = [
        onnx.helper.make_node("GlobalAveragePool", ["image"], ["pooled"]),
        onnx.helper.make_node("Flatten", ["pooled"], ["flat"]),
        onnx.helper.make_node("MatMul", ["flat", "weights"], ["logits"]),
    ]
    image = tensors("image", onnx.TensorProto.FLOAT, [batch, 3, 4, 4])
    logits = tensors("logits", onnx.TensorProto.FLOAT, [batch, 3])
    graph = onnx.helper.make_graph(nodes, "colours", [image], [logits], [weights])
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, path)
    return path


def prepared(worker: Worker, name: str, parameters: dict[str, Any], **more: Any) -> Worker:
    entry = yaml.safe_load((ACTIONS / name / "component.yaml").read_text())["entry"]
    action = {"reference": f"action/{name}==1.0.0", "entry": str(ACTIONS / name / entry)}
    return worker.write(action, parameters, **more)


def performed(worker: Worker, name: str, roles: dict[str, Any], parameters: dict[str, Any], **more: Any) -> Any:
    """The outcome of an action that must succeed, in silence."""
    done = prepared(worker, name, parameters, roles=roles, **more).run()
    found = worker.outcome()
    assert (done.returncode, done.stdout, done.stderr) == (0, "", ""), found["error"]
    return found


def refused(worker: Worker, name: str, roles: dict[str, Any], parameters: dict[str, Any]) -> Any:
    """The error of an action that must fail."""
    assert prepared(worker, name, parameters, roles=roles).run().returncode == 1
    return worker.outcome()["error"]


@pytest.mark.parametrize(
    "folder", sorted(path.parent for path in ACTIONS.glob("*/component.yaml")), ids=lambda p: p.name
)
def test_an_action_s_function_has_the_parameters_of_its_component(folder: Path) -> None:
    document = yaml.safe_load((folder / "component.yaml").read_text())
    function = load_entry(str(folder / document["entry"]), f"action/{document['name']}==1.0.0")
    _, *keywords = inspect.signature(function).parameters.values()
    written = {k.name.replace("_", "-"): k.default for k in keywords if k.kind is k.KEYWORD_ONLY}
    others = len(written) < len(keywords)
    assert written == {
        name: schema.get("default", inspect.Parameter.empty)
        for name, schema in document["parameters"].items()
        if name in written or not others
    }


def test_benchmark_measures_single_stream(worker: Worker, roles: dict[str, Any]) -> None:
    found = performed(worker, "benchmark", roles, QUICK, progress=True)
    metrics = found["metrics"]
    assert (metrics["scenario"], metrics["verdict"], metrics["engine"]) == ("single-stream", "VALID", "mlperf-loadgen")
    raw = np.load(worker.output / "latencies.npy")
    assert (raw.dtype, len(raw)) == (np.int64, metrics["queries"])
    latency = metrics["latency"]
    assert (latency["min"], latency["max"]) == (raw.min(), raw.max())
    assert latency["min"] <= latency["p50"] <= latency["p90"] <= latency["p95"] <= latency["p99"] <= latency["max"]
    assert metrics["throughput"] == metrics["loadgen"]["result_qps_with_loadgen_overhead"]
    assert metrics["settings"]["min_duration_ms"] == 50
    assert len(metrics["warm_up"]["latencies"]) == metrics["warm_up"]["queries"] == 10
    assert metrics["predictor"]["threads"] == 1
    stages = metrics["stages"]
    assert stages["batch_size"] == 1
    assert all(stages[name]["median"] > 0 for name in ("preprocess", "predict", "postprocess"))
    assert "latencies.npy" in found["files"]
    last = json.loads((worker.output / "progress.jsonl").read_text().splitlines()[-1])
    assert last["done"] == last["total"] == metrics["samples"]


@pytest.mark.parametrize("batch_size", [1, 4])
def test_benchmark_measures_offline(worker: Worker, roles: dict[str, Any], batch_size: int) -> None:
    parameters = {"duration": 0.05, "scenario": "offline", "batch_size": batch_size, "expected_qps": 2_000}
    found = performed(worker, "benchmark", roles, parameters)
    metrics = found["metrics"]
    assert (metrics["queries"], metrics["latency"], metrics["batch_size"]) == (1, None, batch_size)
    assert metrics["samples"] == len(np.load(worker.output / "completions.npy")) >= 100
    assert metrics["throughput"] > 0


SERVER = {"scenario": "server", "duration": 0.05, "target_qps": 200, "target_latency": 5, "latency_percentile": 0.5}


@pytest.mark.parametrize("parameters", [{}, {"batch_size": 4, "batch_timeout": 0.05}, {"workers": 2}])
def test_benchmark_measures_a_server(worker: Worker, roles: dict[str, Any], parameters: dict[str, Any]) -> None:
    found = performed(worker, "benchmark", roles, {**SERVER, **parameters})
    metrics = found["metrics"]
    assert (metrics["verdict"], metrics["settings"]["target_qps"]) == ("VALID", 200)
    assert metrics["settings"]["target_latency_ns"] == 5_000_000_000
    assert metrics["queries"] == len(np.load(worker.output / "latencies.npy")) >= 100
    assert ("target-qps 200" in metrics["load"], "workers" in metrics["load"]) == (True, "workers" in parameters)
    assert metrics["notes"][0].startswith("200 queries/s arrived, and 50 % may take 5000 ms: p50, ")
    assert metrics["mean_batch"] > (1.5 if "batch_size" in parameters else 0.99)
    assert found["files"] == ["mlperf_log_detail.txt", "mlperf_log_summary.txt", "user.conf", "latencies.npy"]


@pytest.mark.parametrize("parameters", [{}, {"workers": 2, "batch_size": 2}])
def test_benchmark_measures_multi_stream(worker: Worker, roles: dict[str, Any], parameters: dict[str, Any]) -> None:
    few = {"scenario": "multi-stream", "samples_per_query": 4, "duration": 0.05, "latency_percentile": 0.9}
    metrics = performed(worker, "benchmark", roles, {**few, **parameters})["metrics"]
    assert (metrics["verdict"], metrics["samples"]) == ("VALID", 4 * metrics["queries"])
    assert metrics["queries"] == len(np.load(worker.output / "latencies.npy")) >= 100
    assert metrics["latency"]["p90"] > 0


def test_offline_is_answered_by_several_workers(worker: Worker, roles: dict[str, Any]) -> None:
    parameters = {"duration": 0.05, "scenario": "offline", "batch_size": 4, "expected_qps": 2_000, "workers": 2}
    metrics = performed(worker, "benchmark", roles, parameters)["metrics"]
    assert (metrics["queries"], metrics["load"]) == (1, "workers 2")
    assert metrics["samples"] == len(np.load(worker.output / "completions.npy"))


def test_a_percentile_gets_the_queries_that_it_needs(worker: Worker, roles: dict[str, Any]) -> None:
    metrics = performed(worker, "benchmark", roles, {"duration": 0.01, "latency_percentile": 0.95})["metrics"]
    assert (metrics["verdict"], metrics["settings"]["min_query_count"]) == ("VALID", 130)


def test_too_few_queries_are_told_of_the_percentile_that_was_asked_for(worker: Worker, roles: dict[str, Any]) -> None:
    few = {"duration": 0.01, "latency_percentile": 0.5, "max_query_count": 9, "min_query_count": 1}
    metrics = performed(worker, "benchmark", roles, few)["metrics"]
    told = next(reason for reason in metrics["invalid_reasons"] if "percentile" in reason)
    assert told.startswith("too few queries for the percentile asked for, the 50th: Only processed 9 queries. Need to ")
    assert "at least 11 queries" in told


@pytest.mark.parametrize("scenario", ["single-stream", "multi-stream", "server", "offline"])
def test_a_submission_run_measures_and_scores(worker: Worker, roles: dict[str, Any], scenario: str) -> None:
    parameters = {"scenario": scenario, "duration": 0.05, "min_query_count": 20, "mode": "submission"}
    own = {"server": {"target_qps": 200}, "offline": {"expected_qps": 2000}}.get(scenario, {})
    found = performed(worker, "benchmark", roles, {**parameters, **own})
    metrics = found["metrics"]
    assert metrics["counts"] == {"top_1": 5, "total": 6}
    assert metrics["verdict"] in ("VALID", "INVALID")
    assert {"mlperf_log_accuracy.json", "mlperf_log_summary.txt"} <= set(found["files"])


def test_find_peak_ends_with_a_rate_that_a_valid_run_confirms(worker: Worker, roles: dict[str, Any]) -> None:
    small = {"scenario": "server", "duration": 0.1, "latency_percentile": 0.5, "target_latency": 0.1}
    parameters = {**small, "mode": "find-peak", "target_qps": 500, "min_query_count": 20, "find_peak_decimals": 0}
    # Not in silence: LoadGen itself may print that it had to enlarge a buffer at thousands of queries a second.
    assert prepared(worker, "benchmark", parameters, roles=roles).run().returncode == 0
    found = worker.outcome()
    peak, metrics = found["metrics"]["peak"], found["metrics"]
    assert metrics["verdict"] == "VALID"
    assert 0 < peak["confirmed_qps"] < peak["searched_qps"]
    assert metrics["settings"]["target_qps"] == peak["confirmed_qps"] == peak["tried_qps"][-1]
    assert "find-peak/mlperf_log_detail.txt" in found["files"]
    verdicts = [
        line for line in (worker.output / "mlperf_log_summary.txt").read_text().splitlines() if "Result" in line
    ]
    assert "Result is : VALID" in verdicts, "the log that stays is the confirming run's"


def test_more_samples_in_memory_than_there_are_are_refused(worker: Worker, roles: dict[str, Any]) -> None:
    error = refused(worker, "benchmark", roles, {"duration": 0.05, "performance_sample_count": 7})
    assert error["message"] == "performance-sample-count is 7, and the dataset has 6 samples"
    assert error["hint"] == "leave it out, or take a dataset that has them: --use dataset=NAME"


def test_find_peak_from_too_high_a_rate_tells_where_to_begin(worker: Worker, roles: dict[str, Any]) -> None:
    parameters = {"scenario": "server", "mode": "find-peak", "duration": 0.05, "min_query_count": 20}
    error = refused(worker, "benchmark", roles, {**parameters, "target_qps": 1000, "target_latency": 0.000001})
    assert error["message"].startswith(
        "find-peak began at 1000, 250, 62.5 queries/s, and even that is too many: the latency bound"
    )
    assert error["hint"].startswith("begin lower (--set target-qps=16)")


def test_find_peak_from_too_high_a_rate_begins_again_lower(worker: Worker, roles: dict[str, Any]) -> None:
    bound = {"latency_percentile": 0.5, "target_latency": 0.02, "duration": 0.05, "min_query_count": 4000}
    parameters = {"scenario": "server", "mode": "find-peak", "target_qps": 100_000, **bound}
    assert prepared(worker, "benchmark", parameters, roles=roles).run().returncode == 0
    assert 0 < worker.outcome()["metrics"]["peak"]["searched_qps"] < 100_000


def test_a_user_conf_holds_under_what_is_set_and_is_written_again(worker: Worker, roles: dict[str, Any]) -> None:
    given = worker.folder / "user.conf"
    given.write_text("*.Server.target_qps = 200\nmine.Server.target_qps = 300\n*.Server.min_duration = 50\n")
    parameters = {"scenario": "server", "user_conf": str(given), "mlperf_model": "mine", "min_query_count": 12}
    metrics = performed(worker, "benchmark", roles, {**parameters, "target_latency": 4})["metrics"]
    settings = metrics["settings"]
    assert (settings["target_qps"], settings["min_duration_ms"], settings["min_query_count"]) == (300, 50, 12)
    assert (settings["target_latency_ns"], settings["qsl_rng_seed"] > 10**15) == (4_000_000_000, True)
    written = conf.read(worker.output / "user.conf", "any", "server")
    assert (written["server_target_qps"], written["server_target_latency_ns"]) == (300, 4_000_000_000)
    assert (written["min_duration_ms"], written["min_query_count"]) == (50, 12)
    assert written["server_target_latency_percentile"] == 0.99


def test_a_misspelt_user_conf_is_an_error_with_its_line(worker: Worker, roles: dict[str, Any]) -> None:
    given = worker.folder / "user.conf"
    given.write_text("# mine\n*.Server.target_qsp = 200\n")
    error = refused(worker, "benchmark", roles, {"scenario": "server", "user_conf": str(given)})
    assert error["message"] == f"{given}:2: LoadGen knows no 'target_qsp'"
    assert error["hint"] == "did you mean 'target_qps'?"


def test_benchmark_s_accuracy_mode_classifies_every_sample(worker: Worker, roles: dict[str, Any]) -> None:
    metrics = performed(worker, "benchmark", roles, {"mode": "accuracy"})["metrics"]
    assert (metrics["samples"], metrics["valid"], metrics["counts"]) == (6, True, {"top_1": 5, "total": 6})


def test_single_stream_refuses_batches(worker: Worker, roles: dict[str, Any]) -> None:
    error = refused(worker, "benchmark", roles, {"batch_size": 2})
    assert (error["type"], error["hint"]) == ("ActionError", "--set scenario=offline")


def test_a_model_of_a_fixed_batch_refuses_another(worker: Worker, roles: dict[str, Any], tmp_path: Path) -> None:
    roles["model"]["path"] = str(model_file(tmp_path / "fixed.onnx", batch=4))
    error = refused(worker, "validate", roles, {})
    assert error["message"] == "the model takes batches of 4 only, batch-size is 1"
    metrics = performed(worker, "validate", roles, {"batch_size": 4})["metrics"]
    assert metrics["counts"] == {"top_1": 5, "total": 6}


def test_a_picture_that_is_no_picture_stops_a_benchmark_by_name(worker: Worker, roles: dict[str, Any]) -> None:
    (Path(roles["dataset"]["path"]) / "3_0.png").write_text("hello")
    error = refused(worker, "benchmark", roles, QUICK)
    assert error["type"] == "ActionError"
    assert "3_0.png: not a picture" in error["message"]


@pytest.mark.parametrize("batch_size", [1, 4, 6])
def test_validate_counts_right_answers_whatever_the_batch(
    worker: Worker, roles: dict[str, Any], batch_size: int
) -> None:
    found = performed(worker, "validate", roles, {"at_least": 0.8, "batch_size": batch_size})
    assert found["summary"] == "top-1 5/6 = 0.833 ≥ 0.800 (asked for)"
    metrics = found["metrics"]
    assert (metrics["passed"], metrics["correct"], metrics["count"]) == (True, 5, 6)
    assert metrics["accuracy"] == {"top_1": 5 / 6}
    assert "mlperf_log_accuracy.json" in found["files"]


def test_validate_holds_against_the_model_s_reference(worker: Worker, roles: dict[str, Any]) -> None:
    found = performed(worker, "validate", roles, {})
    assert found["status"] == "ok"
    assert found["metrics"]["passed"] is False
    assert found["summary"] == "top-1 5/6 = 0.833 < 0.850 (reference 0.900 − tolerance 0.050)"


def test_validate_takes_a_tolerance(worker: Worker, roles: dict[str, Any]) -> None:
    assert performed(worker, "validate", roles, {"tolerance": 0.07})["metrics"]["passed"] is True


def test_validate_needs_a_bar_for_another_dataset(worker: Worker, roles: dict[str, Any]) -> None:
    roles["dataset"]["reference"] = "dataset/mine==1.0.0"
    error = refused(worker, "validate", roles, {})
    assert error["type"] == "ActionError"
    assert "model/m==1.0.0 has no reference for top_1 on dataset/mine==1.0.0" in error["message"]
    assert error["hint"].startswith("--set at-least=")


def test_run_names_the_best_classes(worker: Worker, roles: dict[str, Any], tmp_path: Path) -> None:
    picture = tmp_path / "mine.png"
    Image.new("RGB", (5, 5), (10, 10, 250)).save(picture)
    found = performed(worker, "run", roles, {"input": str(picture), "top": 3})
    classes = found["metrics"]["classes"]
    assert classes[0]["name"] == "blue"
    assert sum(found["probability"] for found in classes) == pytest.approx(1, abs=1e-5)
    assert found["metrics"]["input"] == "mine.png"
    assert found["summary"] == f"mine.png: blue {classes[0]['probability']:.3f}"


def test_run_does_without_names(worker: Worker, roles: dict[str, Any]) -> None:
    del roles["labels"]
    picture = next(Path(roles["dataset"]["path"]).iterdir())
    classes = performed(worker, "run", roles, {"input": str(picture), "top": 1})["metrics"]["classes"]
    assert [found["name"] for found in classes] == [f"class {classes[0]['index']}"]


def test_run_leaves_out_what_is_below_the_threshold(worker: Worker, roles: dict[str, Any]) -> None:
    picture = next(Path(roles["dataset"]["path"]).iterdir())
    found = performed(worker, "run", roles, {"input": str(picture), "threshold": 0.5})["metrics"]
    assert (found["shows"], len(found["classes"])) == ("classes", 1)


def test_a_task_that_there_is_none_of_is_an_error(worker: Worker, roles: dict[str, Any]) -> None:
    roles["model"]["component"] = {**MODEL, "task": "image-clasification"}
    error = refused(worker, "validate", roles, {"at_least": 0.5})
    assert error["message"] == "model/m==1.0.0: unknown task 'image-clasification'"
    assert error["hint"] == "did you mean 'image-classification'?"


def test_a_dataset_of_another_task_is_an_error(worker: Worker, roles: dict[str, Any]) -> None:
    roles["dataset"]["component"] = {**roles["dataset"]["component"], "task": "object-detection"}
    error = refused(worker, "validate", roles, {"at_least": 0.5})
    assert error["message"] == "dataset/colours==1.0.0 is for object-detection, model/m==1.0.0 for image-classification"


def test_a_metric_that_the_task_has_not_is_an_error(worker: Worker, roles: dict[str, Any]) -> None:
    error = refused(worker, "validate", roles, {"at_least": 0.5, "metric": "mAP"})
    assert "unknown metric 'mAP'; there is: top_1, top_5 and so on" in error["message"]


def test_run_refuses_what_is_no_picture(worker: Worker, roles: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("hello")
    error = refused(worker, "run", roles, {"input": str(tmp_path / "notes.txt"), "top": 1})
    assert error["type"] == "ActionError"
    assert error["message"].startswith(f"{tmp_path / 'notes.txt'}: not a picture")


def test_run_refuses_more_classes_than_there_are(worker: Worker, roles: dict[str, Any]) -> None:
    picture = next(Path(roles["dataset"]["path"]).iterdir())
    error = refused(worker, "run", roles, {"input": str(picture), "top": 5})
    assert (error["message"], error["hint"]) == ("top is 5, the model knows 3 classes", "--set top=3")


@pytest.mark.parametrize("action", ["run", "benchmark", "validate"])
def test_a_model_that_is_not_what_its_component_declares_is_refused_when_it_is_loaded(
    worker: Worker, roles: dict[str, Any], tmp_path: Path, action: str
) -> None:
    wrong = {**MODEL, "inputs": [{"name": "image", "dtype": "float32", "shape": ["batch", 8, 8, 3]}]}
    roles["model"] |= {"component": wrong, "folder": str(tmp_path / "zoo/m"), "variant": "onnx"}
    given = {"input": str(next((tmp_path / "photos").glob("*.png")))} if action == "run" else {}
    error = refused(worker, action, roles, given)
    assert error["message"] == (
        f"{tmp_path}/zoo/m/component.yaml: inputs: declared image [batch, 8, 8, 3], "
        "and the model [onnx] has image [batch, 3, 4, 4]"
    )
    assert error["hint"].startswith("write there what the model has")
    assert not error["traceback"]


def test_a_compiled_model_is_used_and_not_optimised_again(
    worker: Worker, roles: dict[str, Any], tmp_path: Path
) -> None:
    roles["framework"] = framework("onnxruntime", **{"graph-optimisation": "extended"})
    made = performed(worker, "compile", roles, {})
    assert made["products"] == {"model": "model.onnx", "facts": "facts.json"}
    for name in made["products"].values():
        (worker.output / name).rename(tmp_path / name)
    roles["model"]["path"] = "/gone.onnx"
    products = {"compile": {key: str(tmp_path / name) for key, name in made["products"].items()}}
    predictor = performed(worker, "benchmark", roles, QUICK, products=products)["metrics"]["predictor"]
    assert predictor["graph_optimisation"] == "disable"
    assert predictor["compiled"]["graph_optimisation"] == "extended"


def test_a_framework_that_has_nothing_to_compile_says_so_and_loads_the_variant(
    worker: Worker, roles: dict[str, Any], tmp_path: Path
) -> None:
    """A framework of a user's own: its predictor is onnxruntime's, without the function ``optimise``."""
    own = framework("onnxruntime")
    folder = shutil.copytree(own["folder"], tmp_path / "mine", ignore=shutil.ignore_patterns("__pycache__"))
    predictor_file = folder / "predictor.py"
    predictor_file.write_text(predictor_file.read_text().replace("def optimise(", "def _optimise("))
    roles["framework"] = {**own, "reference": "software/mine==1.0.0", "folder": str(folder)}
    made = performed(worker, "compile", roles, {})
    assert (made["summary"], list(made["products"])) == ("nothing to compile for mine", ["facts"])
    (worker.output / "facts.json").rename(tmp_path / "facts.json")
    products = {"compile": {"facts": str(tmp_path / "facts.json")}}
    predictor = performed(worker, "benchmark", roles, QUICK, products=products)["metrics"]["predictor"]
    assert (predictor["graph_optimisation"], predictor["compiled"]) == ("all", None)
