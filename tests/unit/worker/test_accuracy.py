from __future__ import annotations

import pytest

from cmx.worker.accuracy import count_top, metric_depth, no_accuracy, reaches, reference_bar

REFERENCE = {"dataset": "imagenet-photos", "top_1": 0.90, "top_5": 0.95, "tolerance": 0.05}


def test_a_label_counts_if_it_is_among_the_best() -> None:
    counts = count_top({0: [7, 1], 1: [2, 5], 2: [3, 4]}, [7, 5, 9], ["top_1", "top_2"])
    assert dict(counts.correct) == {"top_1": 1, "top_2": 2}
    assert counts.accuracy == {"top_1": 1 / 3, "top_2": 2 / 3}


def test_a_sample_without_an_answer_is_an_error() -> None:
    with pytest.raises(ValueError, match="1 of 2 samples have no answer"):
        count_top({0: [1]}, [1, 1], ["top_1"])


def test_a_metric_deeper_than_the_answers_is_an_error() -> None:
    with pytest.raises(ValueError, match="top_5 needs 5 classes an answer, the model's postprocess keeps 2"):
        count_top({0: [1, 2]}, [1], ["top_5"])


@pytest.mark.parametrize("metric", ["top_0", "top1", "map", "top_-1", "top_"])
def test_an_unknown_metric_is_an_error(metric: str) -> None:
    with pytest.raises(ValueError, match="unknown metric"):
        metric_depth(metric)


def test_17_of_20_reach_a_reference_of_90_percent_less_5() -> None:
    bar = reference_bar(REFERENCE, "top_1", "imagenet-photos")
    assert bar is not None
    assert reaches(17 / 20, bar.at_least)
    assert not reaches(16 / 20, bar.at_least)
    assert bar.source == "reference 0.900 − tolerance 0.050"


def test_a_tolerance_of_one_s_own_replaces_the_model_s() -> None:
    bar = reference_bar(REFERENCE, "top_1", "imagenet-photos", tolerance=0.0)
    assert bar is not None
    assert not reaches(17 / 20, bar.at_least)
    assert reaches(18 / 20, bar.at_least)


def test_a_reference_holds_for_its_own_dataset_and_metrics_only() -> None:
    assert reference_bar(REFERENCE, "top_1", "imagenet-val") is None
    assert reference_bar(REFERENCE, "top_3", "imagenet-photos") is None
    assert reference_bar({}, "top_1", "imagenet-photos") is None


def test_a_model_says_why_it_has_no_accuracy() -> None:
    nothing = {"none": "constant weights"}
    assert no_accuracy(nothing) == "constant weights"
    assert reference_bar(nothing, "top_1", "imagenet-photos") is None
    assert no_accuracy(REFERENCE) == no_accuracy([REFERENCE]) == no_accuracy({}) == ""


def test_a_model_has_a_reference_for_each_of_several_datasets() -> None:
    several = [REFERENCE, {"dataset": "imagenet-val", "top_1": 0.75}]
    bar = reference_bar(several, "top_1", "imagenet-val")
    assert bar is not None
    assert bar.at_least == 0.75
    assert reference_bar(several, "top_5", "imagenet-val") is None
