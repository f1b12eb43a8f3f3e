"""A loaded model is held against what its component declares."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from cmx.worker import ActionError, Role
from cmx.worker.declared import check_declared
from cmx.worker.predictors import TensorInfo

PICTURE = {"name": "image", "shape": ["batch", 3, 224, 224]}


@dataclass
class Loaded:
    """A predictor's tensors."""

    inputs: tuple[TensorInfo, ...]
    outputs: tuple[TensorInfo, ...]


def tensors(*shapes: tuple[Any, ...], names: Sequence[str] = "xyz") -> tuple[TensorInfo, ...]:
    return tuple(TensorInfo(name, "float32", shape) for name, shape in zip(names, shapes, strict=False))


def role(inputs: list[Any], outputs: list[Any], variant: dict[str, Any] | None = None) -> Role:
    component = {"inputs": inputs, "outputs": outputs, "variants": {"onnx": variant or {}, "small": {"from": "onnx"}}}
    return Role("model/m==1.0.0", "small", None, component, Path("/zoo/m"))


def check(model: Role, inputs: tuple[TensorInfo, ...], outputs: tuple[TensorInfo, ...] = ()) -> None:
    check_declared(model, Loaded(inputs, outputs))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "shape",
    [("batch", 3, 224, 224), (None, 3, 224, 224), (1, 3, 224, 224), (-1, 3, None, None), ("n", "c", "h", "w"), ()],
)
def test_what_a_model_leaves_open_fits(shape: tuple[Any, ...]) -> None:
    check(role([PICTURE], []), tensors(shape, names=["of_another_name"]))


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (tensors(("batch", 224, 224, 3)), "x [batch, 224, 224, 3]"),
        (tensors((None, 3, 240, 240)), "x [?, 3, 240, 240]"),
        (tensors((1, 150528)), "x [1, 150528]"),
        (tensors((1, 3, 224, 224), (1,)), "x [1, 3, 224, 224], y [1]"),
    ],
)
def test_another_shape_or_number_of_inputs_names_file_field_and_both(found: tuple[TensorInfo, ...], said: str) -> None:
    with pytest.raises(ActionError) as caught:
        check(role([PICTURE], []), found)
    assert str(caught.value) == (
        f"/zoo/m/component.yaml: inputs: declared image [batch, 3, 224, 224], and the model [small] has {said}"
    )
    assert caught.value.hint.startswith("write there what the model has")


def test_a_variants_own_tensors_are_the_ones_that_are_named() -> None:
    model = role([PICTURE], [], {"inputs": [{"name": "image", "shape": ["batch", 224, 224, 3]}]})
    check(model, tensors((1, 224, 224, 3)))
    with pytest.raises(ActionError, match=r"component\.yaml: variants\.onnx\.inputs: declared image \[batch, 224,"):
        check(model, tensors((1, 3, 224, 224)))


def test_outputs_may_be_more_and_in_another_order_and_of_other_names() -> None:
    outputs = [{"name": "boxes", "shape": [1, 100, 4]}, {"name": "scores", "shape": [1, 100]}]
    check(role([], outputs), (), tensors((1, 100), (1, 100, 4), (1,)))
    check(role([], outputs), (), tensors((1, 100, 4), (1, 100), names=["boxes", "scores"]))
    with pytest.raises(ActionError, match=r"outputs: declared boxes \[1, 100, 4\], scores \[1, 100\], and the model"):
        check(role([], outputs), (), tensors((1, 100, 4)))
    with pytest.raises(ActionError, match=r"has scores \[1, 100, 4\], boxes \[1, 100\]"):
        check(role([], outputs), (), tensors((1, 100, 4), (1, 100), names=["scores", "boxes"]))


def test_what_is_not_declared_is_not_compared() -> None:
    check(role([], []), tensors((1, 2)), tensors((3,)))
    check(role([{"name": "image"}], []), tensors((1, 2)))
