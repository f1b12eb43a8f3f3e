"""The published file as today's frameworks want it: any batch, names one can type, weights that are no inputs."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from cmx.worker import Context, Outcome

# Since 4 a constant need not be an input as well; frameworks that save a model of 3 make inputs of all its constants.
IR_VERSION = 8


def to_onnx(context: Context, *, size: int, classes: int) -> Outcome:
    """Write model.onnx: ``image`` (batch, 3, size, size) to ``probabilities`` (batch, classes), both float32.

    Raises ValueError where the file has not one picture as its input.
    """
    model = onnx.load(str(context.role("source").file))
    _any_batch(model.graph, size, classes)
    model.ir_version = IR_VERSION
    onnx.checker.check_model(model, full_check=True)
    (context.output / "model.onnx").write_bytes(model.SerializeToString(deterministic=True))
    nodes = len(model.graph.node)
    return Outcome(f"onnx → onnx for any batch, {nodes} nodes", {"nodes": nodes}, products={"model": "model.onnx"})


def _any_batch(graph: onnx.GraphProto, size: int, classes: int) -> None:
    """Leave one input and one output, of a batch of any size."""
    constants = {each.name for each in graph.initializer}
    pictures = [each.name for each in graph.input if each.name not in constants]
    if len(pictures) != 1 or len(graph.output) != 1:
        raise ValueError(f"the file has {len(pictures)} inputs and {len(graph.output)} outputs, expected one of each")
    names = {pictures[0]: "image", graph.output[0].name: "probabilities"}
    used = set()
    for node in graph.node:
        node.input[:] = [names.get(name, name) for name in node.input]
        node.output[:] = [names.get(name, name) for name in node.output]
        used |= set(node.input)
    shapes = {node.input[1] for node in graph.node if node.op_type == "Reshape"}
    kept = [_of_batch(each) if each.name in shapes else each for each in graph.initializer if each.name in used]
    del graph.input[:], graph.output[:], graph.initializer[:]
    graph.initializer.extend(kept)
    picture: list[str | int | None] = ["batch", 3, size, size]
    graph.input.append(helper.make_tensor_value_info("image", TensorProto.FLOAT, picture))
    graph.output.append(helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["batch", classes]))


def _of_batch(shape: onnx.TensorProto) -> onnx.TensorProto:
    """A Reshape's shape in which 0, "as it is", stands for the batch of 1."""
    sides = numpy_helper.to_array(shape)
    return numpy_helper.from_array(np.concatenate([[0], sides[1:]]).astype(np.int64), shape.name)
