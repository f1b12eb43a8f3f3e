"""Pairs of texts, and batches of texts of different lengths. What needs the model is in the functional tests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cmx.worker import ActionError, Context, Role
from cmx.worker.datasets import open_dataset
from cmx.worker.datasets.scored_pairs import ScoredPairs
from cmx.worker.tasks import open_task

PAIRS = "# two words and a mean\ntiger\tcat\t7.35\ncat\tcup\t0.5\n\n"
TOKENS = [{"name": "input_ids"}, {"name": "attention_mask"}]


def role(path: Path, text: str = PAIRS, **component: Any) -> Role:
    (path / "pairs.tsv").write_text(text, encoding="utf-8")
    return Role("dataset/pairs==1.0.0", "", path / "pairs.tsv", {"format": "scored-pairs", **component}, path)


def context(path: Path, inputs: list[dict[str, str]]) -> Context:
    model = Role("model/net==1.0.0", "onnx", None, {"task": "text-embedding", "inputs": inputs}, path)
    return Context({"model": model, "dataset": role(path)}, {}, path)


def test_a_text_in_several_pairs_is_one_sample(tmp_path: Path) -> None:
    dataset = open_dataset(role(tmp_path, samples=3))
    assert isinstance(dataset, ScoredPairs)
    assert [dataset.name(index) for index in range(len(dataset))] == ["tiger", "cat", "cup"]
    assert dataset.pairs == ((0, 1, 7.35), (1, 2, 0.5))


@pytest.mark.parametrize(
    ("text", "samples", "message"),
    [
        (PAIRS, 4, "3 texts in .*pairs.tsv, expected 4"),
        ("", None, "0 texts in .*pairs.tsv, expected at least two"),
        ("tiger\tcat\n", None, "pairs.tsv: line 1: expected two texts and a number"),
        (PAIRS + "a\tb\tmuch\n", None, "pairs.tsv: line 5: expected two texts and a number"),
    ],
)
def test_pairs_that_are_not_as_they_should_be_are_named(
    tmp_path: Path, text: str, samples: int | None, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        open_dataset(role(tmp_path, text, **({} if samples is None else {"samples": samples})))


def test_texts_of_a_batch_are_padded_to_the_longest_and_the_padding_is_masked(tmp_path: Path) -> None:
    task = open_task(context(tmp_path, TOKENS))
    samples = [{"input_ids": np.array([row]), "attention_mask": np.ones((1, len(row)), int)} for row in ([7, 8], [9])]
    batch = task.collate(samples)
    assert batch["input_ids"].tolist() == [[7, 8], [9, 0]]
    assert batch["attention_mask"].tolist() == [[1, 1], [1, 0]]
    assert {array.dtype for array in batch.values()} == {np.dtype(np.int64)}


def test_a_model_with_other_inputs_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ActionError, match="the model has 1 inputs; a text fills two"):
        open_task(context(tmp_path, TOKENS[:1]))
