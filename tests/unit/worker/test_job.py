from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from cmx.worker.component_code import EntryError, load_entry
from cmx.worker.context import Role
from cmx.worker.job import Job, JobError


def document(**changes: Any) -> dict[str, Any]:
    return {
        "schema": 1,
        "document": "job",
        "action": {"reference": "action/benchmark==1.0.0", "entry": "/a/action.py:benchmark"},
        "output": "/runs/1/benchmark",
        **changes,
    }


def test_a_job_reads_its_roles_and_products() -> None:
    role = {"reference": "model/m==1.2.0", "variant": "onnx", "path": "/m.onnx", "component": {"name": "m"}}
    job = Job.from_document(document(roles={"model": role}, products={"compile": {"model": "/c.onnx"}}, seed=3))
    model = job.roles["model"]
    assert (model.name, model.version, model.variant, model.path) == ("m", "1.2.0", "onnx", Path("/m.onnx"))
    assert job.products["compile"]["model"] == Path("/c.onnx")
    assert (job.seed, job.memory_limit, job.progress) == (3, None, False)


def test_a_role_without_a_file_has_no_path() -> None:
    job = Job.from_document(document(roles={"framework": {"reference": "software/ort==1.31.1", "path": ""}}))
    assert job.roles["framework"].path is None
    with pytest.raises(FileNotFoundError, match=r"software/ort==1\.31\.1 has no file"):
        _ = job.roles["framework"].file


def test_a_role_with_a_folder_of_one_file_is_that_file(tmp_path: Path) -> None:
    (tmp_path / "names.json").write_text("[]")
    role = {"reference": "dataset/d==1.0.0", "path": str(tmp_path)}
    job = Job.from_document(document(roles={"labels": role}))
    assert job.roles["labels"].file == tmp_path / "names.json"
    (tmp_path / "more.json").write_text("[]")
    with pytest.raises(FileNotFoundError, match="holds 2 files, expected one"):
        _ = job.roles["labels"].file
    assert job.roles["labels"].place == tmp_path


def test_a_variant_s_own_properties_take_the_place_of_the_model_s() -> None:
    variants = {
        "onnx": {"format": "onnx"},
        "keras": {"preprocess": [{"layout": "NHWC"}], "from": "checkpoint"},
        "tflite": {"from": "keras"},
    }
    component = {"name": "m", "preprocess": [{"layout": "NCHW"}], "variants": variants}

    def role(variant: str) -> Role:
        body = {"reference": "model/m==1.0.0", "variant": variant, "component": component}
        return Job.from_document(document(roles={"model": body})).roles["model"]

    assert role("onnx").get("preprocess") == [{"layout": "NCHW"}]
    assert role("keras").get("preprocess") == [{"layout": "NHWC"}]
    assert role("tflite").get("preprocess") == [{"layout": "NHWC"}]
    assert (role("keras").get("name"), role("keras").get("from", "nothing")) == ("m", "nothing")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"document": "plan"}, "expected document 'job' of schema 1"),
        ({"schema": 2}, "expected document 'job' of schema 1"),
        ({"action": {"entry": "/a.py:f"}}, "reference: missing"),
        ({"output": ""}, "output: expected text"),
        ({"seed": "0"}, "seed: expected a whole number, found '0'"),
        ({"memory_limit": True}, "memory_limit: expected a whole number"),
        ({"roles": []}, "roles: expected an object, found list"),
        ({"roles": {"model": {}}}, r"roles\.model\.reference: missing"),
        ({"products": {"compile": "m.onnx"}}, r"products\.compile: expected an object, found str"),
    ],
)
def test_a_field_that_is_wrong_is_named(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(JobError, match=message):
        Job.from_document(document(**changes))


def test_a_job_that_is_not_json_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "job.json"
    path.write_text("{")
    with pytest.raises(JobError, match=r"job\.json: not JSON"):
        Job.read(path)


def test_a_job_is_read_from_its_file(tmp_path: Path) -> None:
    path = tmp_path / "job.json"
    path.write_text(json.dumps(document(parameters={"batch_size": 4})))
    assert Job.read(path).parameters == {"batch_size": 4}


def test_an_entry_is_loaded_under_its_component_s_name(tmp_path: Path) -> None:
    neighbours = "from . import network\nfrom .network import depth\n"
    (tmp_path / "convert.py").write_text(f"{neighbours}def convert(): return network.depth, depth, __name__\n")
    (tmp_path / "network.py").write_text("depth = 16\n")
    found = load_entry(f"{tmp_path}/convert.py:convert", "model/efficient-net==1.0.0")
    assert found() == (16, 16, "cmx_components.model.efficient-net")


def test_loading_an_entry_leaves_no_bytecode_beside_it(tmp_path: Path) -> None:
    (tmp_path / "action.py").write_text("def work(): pass\n")
    load_entry(f"{tmp_path}/action.py:work", "action/a==1.0.0")
    assert [path.name for path in tmp_path.iterdir()] == ["action.py"]


@pytest.mark.parametrize(
    ("entry", "reference", "message"),
    [
        ("{folder}/action.py:gone", "action/a==1.0.0", "has no function 'gone'"),
        ("{folder}/action.sh:work", "action/a==1.0.0", "cannot load"),
        ("{folder}/action.py:work", "benchmark", "cannot load .* of 'benchmark'"),
    ],
)
def test_an_entry_that_cannot_be_loaded_is_named(tmp_path: Path, entry: str, reference: str, message: str) -> None:
    (tmp_path / "action.py").write_text("def work(): pass\n")
    with pytest.raises(EntryError, match=message):
        load_entry(entry.format(folder=tmp_path), reference)
