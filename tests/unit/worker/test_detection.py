"""Boxes: decoded, suppressed, drawn, and read from annotations."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from cmx.worker import ActionError, Context, Role
from cmx.worker.datasets.coco import Coco
from cmx.worker.datasets.coco import open as open_coco
from cmx.worker.drawing import draw_boxes
from cmx.worker.operators import OperatorError, pipeline
from cmx.worker.operators.boxes import Boxes
from cmx.worker.tasks import open_task

ROOT = Path(__file__).parents[3]


def boxes(*rows: tuple[float, ...]) -> Boxes:
    """Rows of left, top, right, bottom, score and class."""
    array = np.array(rows, dtype=np.float64).reshape(-1, 6)
    return Boxes(array[:, :4], array[:, 4], array[:, 5].astype(int))


def test_a_cell_s_distances_are_a_box_around_its_centre() -> None:
    scores = np.zeros((1, 4, 2), np.float32)
    scores[0, 3, 1] = 0.9  # the lower right cell of four, its centre at 12 of 16 pixels
    distances = np.full((1, 4, 4, 3), -50, np.float32)
    distances[..., 1] = 50  # every side one stride away, wherever the other bins are
    outputs = {"scores_8": scores, "distances_8": distances.reshape(1, 4, 12)}
    (found,) = pipeline([{"boxes_of_grids": {"strides": [8], "size": 16, "least": 0.5}}])(outputs)
    assert found.corners.tolist() == [[0.25, 0.25, 1.0, 1.0]]  # 4 to 20 pixels, cut off at the picture's edge
    assert (found.scores.tolist(), found.classes.tolist()) == ([pytest.approx(0.9)], [1])


def test_cells_that_do_not_fill_the_picture_are_an_error() -> None:
    outputs = {"scores_8": np.zeros((1, 5, 2)), "distances_8": np.zeros((1, 5, 8))}
    with pytest.raises(OperatorError, match="5 cells at stride 8, a side of 16 has 4"):
        pipeline([{"boxes_of_grids": {"strides": [8], "size": 16}}])(outputs)


def test_an_output_that_is_missing_is_named() -> None:
    with pytest.raises(OperatorError, match="no output 'scores_8'; it has logits"):
        pipeline([{"boxes_of_grids": {"strides": [8], "size": 16}}])({"logits": np.zeros((1, 4))})


def test_a_list_of_boxes_in_pixels_becomes_fractions() -> None:
    output = np.array([[[0, 50, 100, 200, 0.8, 3], [0, 0, 10, 10, 0.1, 0]]], np.float32)
    (found,) = pipeline([{"boxes_of_list": {"size": 100, "least": 0.5}}])({"detections": output})
    assert (found.corners.tolist(), found.classes.tolist()) == ([[0.0, 0.5, 1.0, 1.0]], [3])


def suppressed_plainly(found: Boxes, overlap: float) -> list[int]:
    """Box by box, as in a textbook."""
    kept: list[int] = []
    for index in sorted(range(len(found.scores)), key=lambda each: -found.scores[each]):
        if all(found.classes[index] != found.classes[k] or iou(found, index, k) <= overlap for k in kept):
            kept.append(index)
    return kept


def iou(found: Boxes, one: int, other: int) -> float:
    a, b = found.corners[one], found.corners[other]
    shared = max(0.0, min(a[2], b[2]) - max(a[0], b[0])) * max(0.0, min(a[3], b[3]) - max(a[1], b[1]))
    areas = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1])
    return float(shared / (areas - shared)) if shared else 0.0


@pytest.mark.parametrize("overlap", [0.2, 0.5, 0.8])
def test_suppression_equals_a_plain_one(overlap: float) -> None:
    random = np.random.default_rng(3)
    low = random.random((60, 2)) * 0.5
    corners = np.concatenate([low, low + random.random((60, 2)) * 0.5], axis=1)
    found = Boxes(corners, random.permutation(60) / 60, random.integers(0, 3, 60))
    (kept,) = pipeline([{"suppress": {"overlap": overlap, "most": 60}}])([found])
    assert kept.scores.tolist() == found.scores[suppressed_plainly(found, overlap)].tolist()


def test_only_the_best_are_kept() -> None:
    (kept,) = pipeline([{"suppress": {"most": 1}}])([boxes((0, 0, 1, 1, 0.2, 0), (0, 0, 0.1, 0.1, 0.9, 1))])
    assert kept.scores.tolist() == [0.9]


def test_no_box_at_all_is_no_error() -> None:
    (kept,) = pipeline([{"suppress": {}}])([boxes()])
    assert len(kept.scores) == 0


def test_channels_turn_red_into_blue() -> None:
    pixels = pipeline([{"channels": "BGR"}])(Image.new("RGB", (2, 1), (1, 2, 3)))
    assert pixels.tolist() == [[[3, 2, 1], [3, 2, 1]]]


def test_boxes_are_drawn_on_a_copy() -> None:
    picture = Image.new("RGB", (200, 100))
    drawn = draw_boxes(picture, [((20, 40, 120, 90), "a cat 0.90", 0), ((-5, -5, 400, 400), "a wall 0.40", 8)])
    assert drawn.size == (200, 100)
    assert drawn.getpixel((20, 60)) == (0, 0x72, 0xB2)  # the box's left side, in its class's colour
    assert drawn.getpixel((70, 60)) == (0, 0, 0)  # nothing inside
    assert not np.asarray(picture).any()


ANNOTATIONS: dict[str, Any] = {
    "images": [
        {"id": 9, "file_name": "b.png", "width": 20, "height": 10},
        {"id": 4, "file_name": "a.png", "width": 20, "height": 10},
    ],
    "annotations": [],
    "categories": [{"id": 90, "name": "cat"}, {"id": 2, "name": "dog"}],
}


def dataset(folder: Path, **changes: Any) -> Role:
    (folder / "photos").mkdir(exist_ok=True)
    for name in ("a.png", "b.png"):
        Image.new("RGB", (20, 10)).save(folder / "photos" / name)
    (folder / "boxes.json").write_text(json.dumps({**ANNOTATIONS, **changes}))
    component = {"format": "coco", "samples": 2, "annotations": {"file": "boxes.json", "pictures": "photos"}}
    return Role("dataset/few==1.0.0", "", folder, component, folder)


def test_photos_and_categories_are_in_the_order_of_their_ids(tmp_path: Path) -> None:
    found = open_coco(dataset(tmp_path))
    assert [found.name(index) for index in range(len(found))] == ["a.png", "b.png"]
    assert [each["name"] for each in found.categories] == ["dog", "cat"]
    assert found.image(0).size == (20, 10)


def test_a_photo_of_another_size_than_annotated_is_an_error(tmp_path: Path) -> None:
    found = open_coco(dataset(tmp_path))
    Image.new("RGB", (10, 20)).save(tmp_path / "photos" / "a.png")
    with pytest.raises(ValueError, match=r"a.png: \(10, 20\) pixels, annotated are \(20, 10\)"):
        found.image(0)


def test_annotations_that_are_none_are_an_error(tmp_path: Path) -> None:
    role = dataset(tmp_path)
    (tmp_path / "boxes.json").write_text("[]")
    with pytest.raises(ValueError, match=r"boxes\.json: not annotations as COCO has them"):
        open_coco(role)
    with pytest.raises(ValueError, match=r"boxes\.json: 1 photos, dataset/few==1\.0\.0 says 2"):
        open_coco(dataset(tmp_path, images=ANNOTATIONS["images"][:1]))


def task(folder: Path, role: Role) -> Any:
    component = {"task": "object-detection", "preprocess": [], "postprocess": [{"boxes_of_list": {"size": 100}}]}
    model = Role("model/net==1.0.0", "onnx", None, component, folder)
    return open_task(Context({"model": model, "dataset": role}, {}, folder), ["image"])


TRUTH = [
    {"id": 1, "image_id": 4, "category_id": 90, "bbox": [2, 2, 8, 4], "area": 32, "iscrowd": 0},
    {"id": 2, "image_id": 9, "category_id": 2, "bbox": [0, 0, 10, 10], "area": 100, "iscrowd": 0},
]


def test_right_boxes_score_one_and_none_score_nothing(tmp_path: Path) -> None:
    pytest.importorskip("pycocotools", reason="pycocotools, which scores detection, is not installed here")
    found = task(tmp_path, dataset(tmp_path, annotations=TRUTH))
    # Of the photos' 20 × 10 pixels: 2, 2, 10, 6 and 0, 0, 10, 10; in the model's square of 100 a row each.
    right = [[[10, 20, 50, 60, 0.9, 1]], [[0, 0, 50, 100, 0.8, 0]]]
    answers = dict(enumerate(found.answers({}, {"detections": np.array(right, np.float32)})))
    assert found.score(answers, "mAP").accuracy == {"mAP": pytest.approx(1.0), "AP50": pytest.approx(1.0)}
    assert found.score({0: b"", 1: b""}, "mAP").accuracy == {"mAP": 0.0, "AP50": 0.0}
    with pytest.raises(ActionError, match="found class 7, the annotations have 2 classes"):
        found.score(dict(enumerate(found.answers({}, {"detections": np.array([[[0, 0, 9, 9, 1, 7]]])}))), "mAP")


def test_an_answer_is_a_row_of_six_for_each_box(tmp_path: Path) -> None:
    found = task(tmp_path, dataset(tmp_path))
    (answer,) = found.answers({}, {"detections": np.array([[[0, 0, 50, 100, 0.5, 1]]], np.float32)})
    assert np.frombuffer(answer, "<f4").tolist() == [1.0, 0.5, 0.0, 0.0, 0.5, 1.0]


def test_the_mini_set_is_as_its_component_says() -> None:
    folder = ROOT / "components/datasets/mini-detect"
    document = json.loads((folder / "annotations.json").read_text())
    assert (len(document["images"]), len(document["annotations"])) == (16, 51)
    names = json.loads((ROOT / "components/datasets/coco-80-classes/names.json").read_text())
    assert [each["name"] for each in Coco(document, folder).categories] == names
