"""Results written as MLPerf's tree: what goes into it, and what makes none."""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from mlperf_trees import FULL_LENGTH, OFFLINE, SINGLE_STREAM
from result_samples import COMPARABILITY, checked, make, timed

from cmx.cli.main import main
from cmx.errors import StoreError, UsageError
from cmx.host import Description, Field, Unavailable
from cmx.mlperf import rules
from cmx.mlperf.check import check_tree
from cmx.mlperf.export import export_tree
from cmx.results import Database, Result
from cmx.settings import Settings

DETAIL, SUMMARY, ACCURACY = "mlperf_log_detail.txt", "mlperf_log_summary.txt", "mlperf_log_accuracy.json"
MAPPING = {"efficientnet-lite0": "3d-unet-99"}
HOST = Description(
    {
        "hostname": Field("here", "uname"),
        "cpu_model": Field("Cortex-A72", "/proc/cpuinfo"),
        "sockets": Field(2, "/sys"),
        "cores": Field(8, "/sys"),
        "memory": Field(4_000_000_000, "/proc/meminfo"),
        "distribution": Unavailable("/etc/os-release is not there"),
        "kernel": Field("Linux 6.1", "uname"),
        "caches": Field([{"level": 1, "type": "data", "bytes": 32768, "threads": 1}], "/sys"),
        "accelerators": Field([], "/sys"),
    }
)


def result(folder: Path, scenario: str, *, performance: bool = True, accuracy: bool = True, **changes: Any) -> Result:
    """A result with the logs of a full-length run: a benchmark, and the check of its answers in the same scenario."""
    steps = []
    engine = {"engine": "mlperf-loadgen", "predictor": {"device": "cpu", "compiled": None}}
    if performance:
        copy(FULL_LENGTH / scenario / "performance/run_1", folder / "benchmark", (DETAIL, SUMMARY))
        step = timed(**engine)
        steps.append(replace(step, outcome={**step.outcome, "files": [DETAIL, SUMMARY]}))
    if accuracy:
        copy(FULL_LENGTH / scenario / "accuracy", folder / "validate", (DETAIL, SUMMARY, ACCURACY))
        step = checked(counts={"total": 43}, **engine)
        steps.append(replace(step, outcome={**step.outcome, "files": [DETAIL, SUMMARY, ACCURACY]}))
    return make(*steps, **{"folder": folder, "host": HOST, **changes})


def copy(source: Path, folder: Path, names: tuple[str, ...]) -> None:
    """Some files of a folder into another."""
    folder.mkdir(parents=True)
    for name in names:
        shutil.copyfile(source / name, folder / name)


@pytest.fixture
def both(tmp_path: Path) -> list[Result]:
    """Results of two scenarios."""
    return [result(tmp_path / "one", SINGLE_STREAM), result(tmp_path / "two", OFFLINE)]


def export(results: list[Result], tree: Path, **changes: Any) -> Path:
    """The folder of the submitter."""
    export_tree(results, tree, **{"submitter": "me", "name": "board", "mapping": MAPPING, **changes})
    return tree / "open" / "me"


def test_what_is_exported_breaks_no_rule(both: list[Result], tmp_path: Path) -> None:
    owner = export(both, tmp_path / "tree")
    assert check_tree(tmp_path / "tree").violations == ()
    assert [each.name for each in sorted((owner / "results/board/efficientnet-lite0").iterdir())] == [
        "Offline",
        "SingleStream",
    ]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one", "tree", "two"], "nothing else is left"


def test_logs_are_the_runs_own_and_the_hash_is_of_the_whole_accuracy_log(both: list[Result], tmp_path: Path) -> None:
    answers = tmp_path / "one" / "validate" / ACCURACY
    whole = json.dumps([{"seq_id": n, "qsl_idx": n, "data": "00" * 8} for n in range(1000)]).encode()
    answers.write_bytes(whole)
    folder = export(both, tmp_path / "tree") / "results/board/efficientnet-lite0/SingleStream"
    assert (folder / "performance/run_1" / DETAIL).read_bytes() == (tmp_path / "one/benchmark" / DETAIL).read_bytes()
    kept = (folder / "accuracy" / ACCURACY).read_bytes()
    assert len(kept) <= rules.MOST_ACCURACY_BYTES < len(whole)
    assert (kept[:4096], kept[-4096:]) == (whole[:4096], whole[-4096:])
    lines = (folder / "accuracy" / "accuracy.txt").read_text(encoding="utf-8").splitlines()
    assert lines[:2] == ["Accuracy: mean = 0.90000", f"hash={hashlib.sha256(whole).hexdigest()}"]
    assert lines[2].startswith("counted by cmx: top_1 of model/efficientnet-lite0[onnx]==1.0.0 on dataset/")
    assert check_tree(tmp_path / "tree").violations == ()


def test_the_system_is_described_by_what_is_known_and_the_rest_is_said_to_be_unknown(
    both: list[Result], tmp_path: Path
) -> None:
    owner = export(both, tmp_path / "tree", given={"cooling": "passive"})
    system = json.loads((owner / "systems/board.json").read_text(encoding="utf-8"))
    assert set(system) == {*rules.SYSTEM_FIELDS, *rules.MAY_BE_EMPTY} and len(system) == 35
    assert all(isinstance(value, str) for value in system.values())
    assert (system["host_processors_per_node"], system["host_processor_core_count"]) == ("2", "4")
    assert (system["host_memory_capacity"], system["host_processor_caches"]) == ("4.0 GB", "L1d 32 KiB")
    assert system["operating_system"] == "unknown: /etc/os-release is not there, Linux 6.1"
    assert system["host_storage_type"] == "unknown: cmx does not read it"
    assert (system["accelerators_per_node"], system["accelerator_model_name"]) == ("0", "N/A: no accelerator was used")
    assert (system["cooling"], system["framework"]) == ("passive", "onnxruntime 1.31.1")
    assert "here" not in system.values(), "the machine's name is nobody's business"


def test_the_files_beside_the_logs_say_what_was_asked_for(both: list[Result], tmp_path: Path) -> None:
    (tmp_path / "two" / "benchmark" / "user.conf").write_text("*.Offline.target_qps = 20\n", encoding="utf-8")
    folder = export(both, tmp_path / "tree") / "results/board/efficientnet-lite0/SingleStream"
    assert (folder.parent / "Offline" / "user.conf").read_text(encoding="utf-8") == "*.Offline.target_qps = 20\n"
    assert (folder / "user.conf").read_text(encoding="utf-8").startswith("# LoadGen was given no user.conf")
    said = (folder / "README.md").read_text(encoding="utf-8")
    assert "is no submission to MLPerf" in said and f"- performance: result {both[0].short}" in said
    assert said.count("cmx run ") == 1, "one command made both runs"


def test_weights_that_were_made_say_from_what_and_how(tmp_path: Path) -> None:
    artifact = {
        "variant": "onnx",
        "from": {"variant": "checkpoint", "source": {"pypi": "a==1", "member": "a/models/weights.pth"}},
        "convert": {"entry": "convert.py:to_onnx"},
    }
    plan = {"schema": 1, "document": "plan", "pins": {"model": {"artifact": artifact}}}
    folder = export([result(tmp_path / "one", OFFLINE, plan=plan)], tmp_path / "tree") / "results/board"
    said = json.loads((folder / "efficientnet-lite0/Offline/measurements.json").read_text(encoding="utf-8"))
    assert said["starting_weights_filename"] == "weights.pth"
    assert said["weight_transformations"] == "checkpoint → onnx by convert.py:to_onnx"
    assert said["retraining"] == "unknown: weight_transformations has what was done"
    assert said["input_data_types"] == "unknown: the result does not say"


def test_an_accuracy_run_that_was_asked_for_goes_before_the_check_of_a_benchmark(
    both: list[Result], tmp_path: Path
) -> None:
    asked = result(tmp_path / "asked", OFFLINE, performance=False)
    step = asked.steps[0]
    metrics = {name: value for name, value in step.metrics.items() if name not in ("passed", "metric", "value")}
    asked = replace(asked, steps=(replace(step, outcome={**step.outcome, "metrics": {**metrics, "throughput": 1.0}}),))
    folder = export([*both, asked], tmp_path / "tree") / "results/board/efficientnet-lite0/Offline"
    assert f"- accuracy: result {asked.short}" in (folder / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"submitter": "me/you"}, "--submitter 'me/you' cannot be the name of a folder"),
        ({"name": ".."}, "--system '..' cannot be the name of a folder"),
        ({"mapping": {"efficientnet-lite0": "resnet51"}}, "--map efficientnet-lite0=resnet51: no such benchmark"),
        ({"mapping": {"efficientnet": "resnet"}}, "--map efficientnet=resnet: no such model"),
        ({"mapping": {"efficientnet-lite0": "whisper"}}, "cmx does not write the accuracy of whisper"),
        ({"given": {"colling": "passive"}}, "--set colling: a system's description has no such field"),
    ],
)
def test_words_that_cannot_be_are_refused_and_nothing_is_left(
    both: list[Result], tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(UsageError) as caught:
        export(both, tmp_path / "tree", **changes)
    assert caught.value.message == message
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one", "two"]


def test_a_tree_that_is_there_is_not_written_over(both: list[Result], tmp_path: Path) -> None:
    export(both, tmp_path / "tree")
    with pytest.raises(UsageError, match="is there already"):
        export(both, tmp_path / "tree")


def test_results_that_make_no_pair_are_refused(both: list[Result], tmp_path: Path) -> None:
    lone = result(tmp_path / "lone", SINGLE_STREAM, accuracy=False)
    with pytest.raises(UsageError, match="no accuracy run of efficientnet-lite0 in SingleStream") as caught:
        export([lone], tmp_path / "tree")
    assert caught.value.hint == "cmx run benchmark image-classification --set mode=accuracy, and name its result too"
    own = replace(lone, request={**lone.request, "parameters": {"threads": 2}, "use": {"model": "model/mine"}})
    with pytest.raises(UsageError, match="no accuracy run") as caught:
        export([own], tmp_path / "tree")
    assert "--set threads=2 --set mode=accuracy --use model=model/mine, and" in caught.value.hint
    with pytest.raises(UsageError, match="both are performance runs of efficientnet-lite0 in SingleStream"):
        export([both[0], lone], tmp_path / "tree")
    answers = result(tmp_path / "answers", SINGLE_STREAM, performance=False)
    with pytest.raises(UsageError, match="none of these results holds a performance run"):
        export([answers], tmp_path / "tree")
    other = {"comparability": replace(COMPARABILITY, hashes={"model": "c" * 64, "dataset": "b" * 64})}
    with pytest.raises(UsageError, match="the model of results"):
        export([lone, replace(answers, **other)], tmp_path / "tree")


def test_a_submission_run_is_refused_with_the_two_runs_that_a_tree_takes(tmp_path: Path) -> None:
    lone = result(tmp_path / "lone", SINGLE_STREAM, accuracy=False)
    log = tmp_path / "lone" / "benchmark" / DETAIL
    log.write_text(log.read_text(encoding="utf-8").replace('"PerformanceOnly"', '"SubmissionRun"'), encoding="utf-8")
    with pytest.raises(UsageError, match="is a submission run, whose halves share one log") as caught:
        export([lone], tmp_path / "tree")
    assert caught.value.hint.endswith("--set mode=performance, then the same with mode=accuracy")


def test_results_of_two_machines_of_another_engine_or_that_failed_are_refused(
    both: list[Result], tmp_path: Path
) -> None:
    elsewhere = Description({**HOST.fields, "cpu_model": Field("Cortex-A76", "/proc/cpuinfo")})
    with pytest.raises(UsageError, match="are of two machines: cpu_model is Cortex-A72 and Cortex-A76"):
        export([both[0], replace(both[1], host=elsewhere)], tmp_path / "tree")
    step = both[0].steps[0]
    native = replace(step, outcome={**step.outcome, "metrics": {**step.metrics, "engine": "cmx-native"}})
    with pytest.raises(UsageError, match="was made by cmx-native"):
        export([replace(both[0], steps=(native,))], tmp_path / "tree")
    with pytest.raises(UsageError, match="is of a run that failed"):
        export([replace(both[0], status="failed")], tmp_path / "tree")


def test_a_log_that_is_gone_is_named_and_nothing_is_left(both: list[Result], tmp_path: Path) -> None:
    (tmp_path / "two" / "validate" / ACCURACY).unlink()
    with pytest.raises(StoreError, match=ACCURACY):
        export(both, tmp_path / "tree")
    (tmp_path / "one" / "benchmark" / SUMMARY).unlink()
    with pytest.raises(StoreError, match=SUMMARY):
        export(both, tmp_path / "tree")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one", "two"]


def test_the_command_says_what_it_wrote_and_what_rules_it_breaks(
    both: list[Result], settings: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    database = Database(settings)
    for each, name in zip(both, ("one", "two"), strict=True):
        shutil.copytree(tmp_path / name, database.folder(each.id))
        database.add(each)
    words = ["mlperf", "export", *(each.id for each in both), "--submitter", "me", "--system", "board"]
    assert main([*words, "--out", str(tmp_path / "tree"), "--map", "efficientnet-lite0=3d-unet-99"]) == 0
    said = capsys.readouterr().out
    assert said.splitlines()[-1] == f"2 results in {tmp_path / 'tree'}, a self-test, never a submission"
    assert main([*words, "--out", str(tmp_path / "other")]) == 0
    assert "breaks" in capsys.readouterr().out, "as resnet, whose dataset is larger"
    assert main([*words, "--out", str(tmp_path / "third"), "--map", "efficientnet-lite0"]) == 2
