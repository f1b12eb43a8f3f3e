"""Lines of text: where they are in a picture, how they are scaled and padded, and how steps become letters."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from PIL import Image

from cmx.worker import ActionError, Context, Role
from cmx.worker.datasets import open_dataset
from cmx.worker.operators import OperatorError, pipeline
from cmx.worker.tasks import Task, open_task

LINES = [{"box": [0, 0, 4, 2], "text": "ab"}, {"box": [1, 2, 7, 5], "text": "b a"}]
PREPARE = [{"scale_to_height": 4}, {"normalize": {"mean": 127.5, "std": 127.5}}, {"least_width": 8}, {"layout": "NCHW"}]


def page(folder: Path, lines: Any = LINES, **component: Any) -> Role:
    Image.new("L", (8, 6), 255).save(folder / "page.png")
    (folder / "lines.json").write_text(json.dumps(lines), encoding="utf-8")
    document = {"format": "marked-lines", "options": {"lines": "lines.json"}, **component}
    return Role("dataset/page==1.0.0", "", folder / "page.png", document, folder)


def reader(folder: Path, metadata: dict[str, str] | None = None, suffix: str = ".onnx") -> Task:
    """A task whose model knows two letters and the space."""
    shape = ["batch", 3, 4, "width"]
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name in ("x", "y")]
    model = helper.make_model(
        helper.make_graph([helper.make_node("Identity", ["x"], ["y"])], "g", *map(list, zip(values)))
    )
    helper.set_model_props(model, {"character": "a\nb"} if metadata is None else metadata)
    onnx.save(model, folder / f"net{suffix}")
    document = {"task": "text-recognition", "inputs": [{"name": "x"}], "preprocess": PREPARE}
    role = Role("model/net==1.0.0", "onnx", folder / f"net{suffix}", document, folder)
    return open_task(Context({"model": role, "dataset": page(folder)}, {}, folder))


def steps(*numbers: int) -> np.ndarray[Any, Any]:
    """A step for each character's number: that one is likely."""
    return np.eye(4, dtype=np.float32)[list(numbers)] * 0.75 + 0.05


def test_lines_are_cut_out_of_the_picture(tmp_path: Path) -> None:
    dataset: Any = open_dataset(page(tmp_path, samples=2))
    assert [dataset.text(index) for index in range(len(dataset))] == ["ab", "b a"]
    assert [(dataset.image(index).size, dataset.image(index).mode) for index in (0, 1)] == [
        ((4, 2), "RGB"),
        ((6, 3), "RGB"),
    ]


@pytest.mark.parametrize(
    ("lines", "change", "message"),
    [
        (LINES, {"samples": 3}, "2 lines in .*lines.json, expected 3"),
        ([], {}, "0 lines in .*lines.json, expected some"),
        ([{"box": [1, 2], "text": "a"}], {}, "lines.json: expected a JSON list of {box, text}"),
        ([{"text": "a"}], {}, "lines.json: expected a JSON list of {box, text}"),
        (LINES, {"options": {}}, "options: expected lines, found none"),
    ],
)
def test_marks_that_are_not_as_they_should_be_are_named(
    tmp_path: Path, lines: Any, change: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        open_dataset(page(tmp_path, lines, **change))


def test_a_line_keeps_its_proportions_and_is_padded_on_the_right(tmp_path: Path) -> None:
    line = pipeline(PREPARE)(Image.new("RGB", (5, 4), "white"))
    assert line.shape == (3, 4, 8)
    assert line[:, :, :5].min() == 1
    assert line[:, :, 5:].tolist() == np.zeros((3, 4, 3)).tolist()
    assert pipeline(PREPARE)(Image.new("RGB", (9, 3))).shape == (3, 4, 12)
    with pytest.raises(OperatorError, match="height is 0"):
        pipeline([{"scale_to_height": 0}])(Image.new("RGB", (5, 4)))


def test_lines_of_a_batch_are_as_wide_as_the_widest(tmp_path: Path) -> None:
    narrow, wide = np.ones((1, 3, 4, 8), np.float32), np.ones((1, 3, 4, 11), np.float32)
    batch = reader(tmp_path).collate([{"x": narrow}, {"x": wide}])["x"]
    assert batch.shape == (2, 3, 4, 11)
    assert batch[0, :, :, 8:].max() == 0
    assert batch[:, :, :, :8].min() == batch[1].min() == 1


@pytest.mark.parametrize(
    ("numbers", "text"),
    [
        ([1, 1, 0, 2], "ab"),
        ([1, 0, 1, 1], "aa"),
        ([0, 3, 2, 3, 1, 0], "b a"),
        ([0, 0], ""),
    ],
)
def test_steps_become_letters_once_and_space_around_them_is_left_out(
    tmp_path: Path, numbers: list[int], text: str
) -> None:
    task = reader(tmp_path)
    assert task.answers({}, {"y": steps(*numbers)[None]}) == [f"{text}\n".encode()]


def test_a_picture_is_read_with_how_sure_the_model_is(tmp_path: Path) -> None:
    task = reader(tmp_path)
    shown = task.show(page(tmp_path).file, lambda _: {"y": steps(2, 0, 1)[None]}, top=None, threshold=None)
    assert shown.summary == "page.png: ba"
    assert shown.answers == [{"text": "ba", "probability": pytest.approx(0.8)}]


def test_a_model_without_characters_is_named(tmp_path: Path) -> None:
    with pytest.raises(ActionError, match="says no 'character' in its metadata"):
        reader(tmp_path, {}).answers({}, {"y": steps(1)[None]})
    with pytest.raises(ActionError, match=r"net.bin is no ONNX file"):
        reader(tmp_path, suffix=".bin").answers({}, {"y": steps(1)[None]})
