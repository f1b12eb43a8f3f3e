"""Each operator against a slow, plain computation of the same thing."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from cmx.worker.operators import OperatorError, operators, pipeline

EFFICIENTNET = [
    {"center_crop": {"fraction": 0.875}},
    {"resize": {"size": 224, "filter": "bicubic"}},
    {"normalize": {"mean": 127, "std": 128}},
    {"layout": "NCHW"},
]


def apply(value: Any, **step: Any) -> Any:
    return pipeline([step])(value)


def picture(width: int, height: int, seed: int = 0) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8))


def bicubic(x: float) -> float:
    """Keys' kernel with a = -0.5."""
    x = abs(x)
    if x < 1:
        return 1.5 * x**3 - 2.5 * x**2 + 1
    return -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2 if x < 2 else 0.0


def bilinear(x: float) -> float:
    return max(0.0, 1 - abs(x))


def lanczos(x: float) -> float:
    return float(np.sinc(x) * np.sinc(x / 3)) if abs(x) < 3 else 0.0


def resampling(before: int, after: int, kernel: Callable[[float], float]) -> np.ndarray:
    """The matrix that takes a row of pixels to another length, the kernel widened where it shrinks."""
    scale = before / after
    widen = max(scale, 1.0)
    rows = [[kernel((x + 0.5 - (i + 0.5) * scale) / widen) for x in range(before)] for i in range(after)]
    return np.array(rows) / np.sum(rows, axis=1, keepdims=True)


@pytest.mark.parametrize("kernel", [bicubic, bilinear, lanczos])
@pytest.mark.parametrize("size", [7, [31, 12], [20, 20]])
def test_resize_equals_a_plain_resampling(kernel: Callable[[float], float], size: Any) -> None:
    image = picture(23, 17)
    found = np.asarray(apply(image, resize={"size": size, "filter": kernel.__name__}), np.float64)
    height, width = (size, size) if isinstance(size, int) else size
    rows = np.einsum("ix,yxc->yic", resampling(23, width, kernel), np.asarray(image, np.float64))
    rows = rows.round().clip(0, 255)
    expected = np.einsum("jy,yic->jic", resampling(17, height, kernel), rows).round().clip(0, 255)
    assert found.shape == (height, width, 3)
    assert abs(found - expected).max() <= 1


def test_resize_by_the_nearest_pixel_takes_it_as_it_is() -> None:
    pixels = np.asarray(apply(picture(10, 8), resize={"size": [4, 5], "filter": "nearest"}))
    np.testing.assert_array_equal(pixels, np.asarray(picture(10, 8))[1::2, 1::2])


@pytest.mark.parametrize(
    ("width", "height", "fraction", "box"),
    [(256, 256, 0.875, (16, 16, 240, 240)), (500, 375, 0.875, (86, 24, 414, 352)), (9, 4, 1.0, (3, 0, 7, 4)),
     (10, 6, 0.5, (4, 2, 7, 5)), (3, 3, 0.01, (1, 1, 2, 2))],
)  # fmt: skip
def test_center_crop_cuts_this_box(width: int, height: int, fraction: float, box: tuple[int, int, int, int]) -> None:
    image = picture(width, height)
    left, top, right, bottom = box
    found = apply(image, center_crop={"fraction": fraction})
    np.testing.assert_array_equal(np.asarray(found), np.asarray(image)[top:bottom, left:right])


@pytest.mark.parametrize("mode", ["L", "RGBA", "P", "1", "CMYK", "LA"])
@pytest.mark.parametrize("first", range(3))
def test_a_picture_of_any_mode_is_taken_as_rgb(mode: str, first: int) -> None:
    image = picture(300, 260).convert(mode)
    if first == 2:
        image = image.resize((224, 224))
    run = pipeline(EFFICIENTNET[first:])
    found = run(image)
    assert found.shape == (3, 224, 224)
    np.testing.assert_array_equal(found, run(image.convert("RGB")))


@pytest.mark.parametrize(
    ("mean", "std"),
    [(127, 128), (0, 255), ([103.53, 116.28, 123.675], [57.375, 57.12, 58.395]), (127, [1, 2, 4])],
)
def test_normalize_is_the_plain_formula(mean: Any, std: Any) -> None:
    image = picture(5, 4)
    found = apply(image, normalize={"mean": mean, "std": std})
    expected = (np.asarray(image, np.float64) - np.array(mean)) / np.array(std)
    assert found.dtype == np.float32 and found.shape == (4, 5, 3)
    np.testing.assert_allclose(found, expected, atol=2e-5)


def test_layout_moves_channels_and_leaves_memory_contiguous() -> None:
    pixels = np.arange(2 * 4 * 5 * 3).reshape(2, 4, 5, 3)
    for sample in (pixels, pixels[0]):
        first, last = apply(sample, layout="NCHW"), apply(sample, layout="NHWC")
        assert first.flags.c_contiguous and last.flags.c_contiguous
        np.testing.assert_array_equal(last, sample)
        for y, x, c in np.ndindex(4, 5, 3):
            np.testing.assert_array_equal(first[..., c, y, x], sample[..., y, x, c])


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(-1000, 1000, width=32), min_size=1, max_size=20))
def test_softmax_is_the_plain_formula_and_does_not_overflow(values: list[float]) -> None:
    powers = [math.exp(value - max(values)) for value in values]
    expected = [power / math.fsum(powers) for power in powers]
    found = apply(np.array([values, values], np.float32), softmax={})
    np.testing.assert_allclose(found, [expected, expected], rtol=1e-4, atol=1e-7)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(0, 9), min_size=5, max_size=20), st.sampled_from(["u1", "i4", "f4"]))
def test_top_k_is_a_sorted_list_cut_off(values: list[int], dtype: str) -> None:
    expected = sorted(range(len(values)), key=lambda index: (-values[index], index))[:5]
    found = apply(np.array([values], dtype), top_k=5)
    assert found.indices.tolist() == [expected]
    assert found.values.tolist() == [[values[index] for index in expected]]


def test_steps_run_in_order_and_a_scalar_is_the_first_parameter() -> None:
    logits = np.array([0.0, math.log(3), 0.0], np.float32)
    found = pipeline([{"softmax": {}}, {"top_k": {"k": 2}}])(logits)
    assert found.indices.tolist() == [1, 0]
    np.testing.assert_allclose(found.values, [0.6, 0.2], rtol=1e-6)
    assert pipeline([])(logits) is logits


def test_the_same_picture_gives_the_same_bytes_twice() -> None:
    run = pipeline(EFFICIENTNET)
    found = run(picture(320, 240))
    assert (found.shape, found.dtype) == ((3, 224, 224), np.float32)
    assert found.tobytes() == run(picture(320, 240)).tobytes()


def test_operators_are_found_in_every_file_of_the_package() -> None:
    assert list(operators()) == sorted(operators())
    assert {"center_crop", "frames", "layout", "normalize", "resize", "scale_to_height", "top_k"} <= set(operators())


@pytest.mark.parametrize(
    ("step", "message"),
    [
        ({"resise": {"size": 224}}, "step 1: unknown operator 'resise'; did you mean 'resize'?"),
        ({"blur": {}}, "unknown operator 'blur'; there is: boxes_of_grids, "),
        ({"resize": {"sizes": 224}}, "step 1, resize: unknown parameter 'sizes'; did you mean 'size'?"),
        ({"normalize": {"mean": 127}}, "step 1, normalize: std must be given"),
        ({"top_k": {}}, "step 1, top_k: k must be given"),
        ({"softmax": {"axis": 1}}, "unknown parameter 'axis'; there is none"),
        ({"softmax": 1}, "step 1, softmax: it has no parameter to take 1"),
        ({"softmax": {}, "top_k": 5}, "write one operator and its parameters"),
        ("softmax", "write one operator and its parameters"),
    ],
)
def test_a_misspelt_step_is_an_error_before_anything_runs(step: Any, message: str) -> None:
    with pytest.raises(OperatorError) as caught:
        pipeline([step])
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("step", "message"),
    [
        ({"center_crop": 1.5}, "fraction is 1.5; it must be above 0 and at most 1"),
        ({"center_crop": 0}, "fraction is 0;"),
        ({"center_crop": "half"}, "fraction is 'half'; it must be a number"),
        ({"resize": {"size": 4, "filter": "bicubik"}}, "filter is 'bicubik'; did you mean 'bicubic'?"),
        ({"resize": 0}, "step 1, resize: size is 0; it must be 1 or more"),
        ({"resize": {"size": [4]}}, "size is [4]; it must have 2 values"),
        ({"resize": {"size": [4, -1]}}, "size is [4, -1]; it must be 1 or more"),
        ({"resize": 4.5}, "size is 4.5; it must be a whole number or a list"),
        ({"normalize": {"mean": [1, 2], "std": 1}}, "mean has 2 values for 3 channels"),
        ({"normalize": {"mean": 1, "std": 0}}, "std is 0; it must not be 0"),
        ({"normalize": {"mean": [], "std": 1}}, "mean is []; it must have at least 1 values"),
        ({"layout": "NCWH"}, "order is 'NCWH'; did you mean 'NCHW'?"),
        ({"top_k": "five"}, "step 1, top_k: k is 'five'; it must be a whole number"),
        ({"top_k": True}, "k is True; it must be a whole number"),
    ],
)
def test_a_value_an_operator_cannot_work_with_is_an_error(step: dict[str, Any], message: str) -> None:
    with pytest.raises(OperatorError) as caught:
        pipeline([step])(picture(8, 8))
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("step", "message"), [({"top_k": 6}, "there are 5 values"), ({"layout": "NCHW"}, "shape (5,)")]
)
def test_a_vector_an_operator_cannot_work_with_is_an_error(step: dict[str, Any], message: str) -> None:
    with pytest.raises(OperatorError) as caught:
        pipeline([step])(np.zeros(5))
    assert message in str(caught.value)
