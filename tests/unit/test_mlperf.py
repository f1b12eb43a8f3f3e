"""MLPerf's tree: the rules it is held to, on the tree of a full-length run that cmx made."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest
from mlperf_trees import FULL_LENGTH, OFFLINE, SINGLE_STREAM, official_checker

from cmx.cli.main import main
from cmx.errors import UsageError
from cmx.mlperf import official, rules
from cmx.mlperf.check import check_tree
from cmx.mlperf.violation import Violation

DETAIL = "performance/run_1/mlperf_log_detail.txt"
SUMMARY = "performance/run_1/mlperf_log_summary.txt"
CHECKED = "accuracy/mlperf_log_detail.txt"
OWNER, SYSTEM = "open/cmx", "systems/small-vm.json"


def logged(key: str, value: str) -> tuple[str, str]:
    """What finds the value of a key in a detail log, and what puts another there."""
    return rf'({key}", "value": )("[^"]*"|[\w.]+)', rf"\g<1>{value}"


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A copy of the full-length tree, to be broken."""
    return shutil.copytree(FULL_LENGTH, tmp_path / "tree")


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """As where the official checker is not."""
    monkeypatch.delenv(official.VARIABLE, raising=False)


def broken(tree: Path) -> list[Violation]:
    """The rules that a tree breaks."""
    return list(check_tree(tree).violations)


def test_a_full_length_tree_breaks_no_rule(tree: Path, alone: None, capsys: pytest.CaptureFixture[str]) -> None:
    assert broken(tree) == []
    assert main(["mlperf", "check", str(tree)]) == 0
    said = capsys.readouterr().out
    assert "2 results held against the rules of v6.1" in said
    assert "no rule is broken (a self-test, never a submission)" in said


@pytest.mark.parametrize(
    ("folder", "file", "pattern", "instead", "rule", "words"),
    [
        (SINGLE_STREAM, SUMMARY, "VALID", "INVALID", "valid", "Result is : INVALID"),
        (SINGLE_STREAM, DETAIL, *logged("loadgen_version", '"cmx-native 1"'), "engine", "cmx-native 1: it is no log"),
        (SINGLE_STREAM, DETAIL, *logged("result_validity", '"INVALID"'), "valid", "result_validity is INVALID"),
        (SINGLE_STREAM, DETAIL, *logged("effective_min_duration_ms", "60000"), "min-duration", "is 60000, at least"),
        (SINGLE_STREAM, DETAIL, *logged("effective_qsl_rng_seed", "7"), "seeds", "qsl_rng_seed is 7"),
        (OFFLINE, DETAIL, *logged("effective_schedule_rng_seed", "7"), "seeds", "schedule_rng_seed is 7"),
        (OFFLINE, DETAIL, *logged("effective_performance_sample_count", "42"), "performance-samples", "is 42"),
        (OFFLINE, DETAIL, *logged("effective_min_query_count", "0"), "min-queries", "below 1"),
        (SINGLE_STREAM, DETAIL, *logged("early_stopping_met", "false"), "early-stopping", "not met"),
        (SINGLE_STREAM, DETAIL, *logged("effective_scenario", '"Offline"'), "scenario", "its folder's SingleStream"),
        (SINGLE_STREAM, DETAIL, *logged("effective_test_mode", '"AccuracyOnly"'), "mode", "not PerformanceOnly"),
        (SINGLE_STREAM, DETAIL, *logged("effective_performance_issue_same", "true"), "audit", "run of an audit"),
        (OFFLINE, DETAIL, *logged("result_samples_per_second", "0"), "result", "result_samples_per_second is 0"),
        (OFFLINE, DETAIL, r'(power_begin.*"is_error": )false', r"\g<1>true", "no-errors", "marks an error"),
        (OFFLINE, DETAIL, r"\A:::MLLOG", "MLLOG", "log", "does not begin with :::MLLOG"),
        (OFFLINE, DETAIL, r':::MLLOG \{"key": "power_begin"', ':::MLLOG {"key', "log", "not a line of LoadGen's log"),
        (OFFLINE, CHECKED, *logged("effective_accuracy_sample_count", "42"), "dataset-size", "covers 42 samples"),
        (OFFLINE, CHECKED, *logged("effective_test_mode", '"PerformanceOnly"'), "mode", "not AccuracyOnly"),
        (OFFLINE, "accuracy/accuracy.txt", "hash=", "sha256=", "accuracy-hash", "no line hash="),
        (OFFLINE, "accuracy/accuracy.txt", "hash=....", "hash=0000", "accuracy-hash", "not the one"),
        (OFFLINE, "accuracy/accuracy.txt", "mean =", "is", "accuracy", "3d-unet-99"),
        (OFFLINE, "measurements.json", '"no"', '""', "measurements", "retraining is missing or empty"),
        (OFFLINE, "user.conf", r"(?s)\A.*", "", "file", "empty"),
        (OWNER, SYSTEM, '"open"', '"closed"', "system-field", "division is closed"),
        (OWNER, SYSTEM, '"rdi"', '"sold"', "system-field", "status is sold"),
        (OWNER, SYSTEM, '"1"', "1", "system-field", "number_of_nodes is 1, not text"),
        (OWNER, SYSTEM, '("cooling": )".*"', r'\g<1>""', "system-field", "cooling is empty"),
        (OWNER, SYSTEM, '"sw_notes"', '"notes"', "system-field", "sw_notes is missing"),
        (OWNER, "model_mapping.json", "3d-unet-99", "4d-unet", "benchmark", "ppocr-v4-recogniser"),
    ],
)
def test_each_rule_is_broken_by_name(
    tree: Path, folder: str, file: str, pattern: str, instead: str, rule: str, words: str
) -> None:
    path = tree / folder / file
    content, count = re.subn(pattern, instead, path.read_text(encoding="utf-8"), count=1)
    assert count == 1
    path.write_text(content, encoding="utf-8")
    found = broken(tree)
    assert (rule, True) in [(each.rule, words in each.found) for each in found]
    assert all(each.remedy and each.found for each in found)


@pytest.mark.parametrize(
    "name", ["README.md", "user.conf", "measurements.json", "accuracy/accuracy.txt", DETAIL, SUMMARY]
)
def test_a_file_that_is_not_there_is_named(tree: Path, name: str) -> None:
    (tree / OFFLINE / name).unlink()
    assert [each.file for each in broken(tree)] == [tree / OFFLINE / name]


def test_an_empty_tree_is_no_result(tmp_path: Path, alone: None, capsys: pytest.CaptureFixture[str]) -> None:
    assert [each.rule for each in broken(tmp_path)] == ["not-empty"]
    assert main(["mlperf", "check", str(tmp_path)]) == 1
    assert capsys.readouterr().out.splitlines()[-1] == f"{tmp_path} breaks 1 rule"


def test_a_system_without_results_and_a_missing_source_are_named(tree: Path) -> None:
    shutil.copyfile(tree / "open/cmx/systems/small-vm.json", tree / "open/cmx/systems/other.json")
    shutil.rmtree(tree / "open/cmx/src")
    assert {each.rule for each in broken(tree)} == {"system-results", "source"}


def test_an_accuracy_log_is_cut_to_what_may_be(tree: Path) -> None:
    path = tree / OFFLINE / "accuracy/mlperf_log_accuracy.json"
    path.write_bytes(path.read_bytes().ljust(rules.MOST_ACCURACY_BYTES + 1))
    assert [each.rule for each in broken(tree)] == ["accuracy-size"]


def test_another_number_of_samples_may_be_allowed(tree: Path) -> None:
    mapping = tree / "open/cmx/model_mapping.json"
    mapping.write_text(json.dumps({"ppocr-v4-recogniser": "resnet"}), encoding="utf-8")
    assert {each.rule for each in broken(tree)} == {"dataset-size", "performance-samples", "accuracy"}
    allowed = check_tree(tree, any_size=True).violations
    assert {each.rule for each in allowed} == {"performance-samples", "accuracy"}


@pytest.mark.parametrize(
    ("model", "mapping", "name"),
    [
        ("resnet", {}, "resnet"),
        ("efficientnet-lite0", {}, "resnet"),
        ("efficientnet-lite0", {"efficientnet-lite0": "yolo-95"}, "yolo-95"),
        ("mobilenet", {"mobilenet": "yolo-95"}, "resnet"),
        ("bert-99.9-mine", {}, "bert-99.9"),
        ("mine", {"mine": "3d-unet-99"}, "3d-unet-99"),
    ],
)
def test_a_model_is_held_to_the_benchmark_that_the_official_checker_finds(
    model: str, mapping: dict[str, str], name: str
) -> None:
    benchmark = rules.benchmark_of(model, mapping)
    assert benchmark is not None and benchmark.name == name


def test_a_model_that_nothing_maps_has_no_benchmark() -> None:
    assert rules.benchmark_of("mine", {}) is None


def test_the_official_checker_has_to_be_where_it_is_said_to_be(tmp_path: Path) -> None:
    assert official.folder({}) is None
    with pytest.raises(UsageError, match="there is no submission_checker"):
        official.folder({official.VARIABLE: str(tmp_path)})


def test_the_official_checker_agrees_on_the_full_length_tree(tree: Path) -> None:
    assert list(official.check(official_checker(), tree, expected=2)) == []


def test_the_official_checker_misses_an_empty_tree_and_an_invalid_verdict(tree: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert list(official.check(official_checker(), tmp_path / "empty", expected=0)) == []
    assert broken(tmp_path / "empty")
    for path in tree.rglob("run_1/mlperf_log_*.txt"):
        path.write_text(path.read_text(encoding="utf-8").replace("VALID", "INVALID"), encoding="utf-8")
    assert list(official.check(official_checker(), tree, expected=2)) == []
    assert {each.rule for each in broken(tree)} == {"valid"}


def test_what_the_official_checker_says_is_handed_on(tree: Path) -> None:
    path = tree / OFFLINE / DETAIL
    path.write_text(path.read_text(encoding="utf-8").replace("16159082839903944936", "7"), encoding="utf-8")
    said = [each.found for each in official.check(official_checker(), tree, expected=2)]
    assert any("schedule_rng_seed is wrong" in each for each in said)
    assert any("counts 1 results, there are 2" in each for each in said)
