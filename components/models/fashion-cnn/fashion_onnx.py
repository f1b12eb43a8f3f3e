"""From the trained program of torch to ONNX."""

from __future__ import annotations

from typing import Any

import onnx
import torch
from onnx import TensorProto, helper, numpy_helper

from cmx.worker import Context, Outcome

# What onnxruntime 1.17 and whatever came since can read.
OPSET = 17
IR_VERSION = 8


def to_onnx(context: Context) -> Outcome:
    """Write model.onnx: ``image`` (batch, 1, 28, 28) to ``logits`` (batch, classes), both float32."""
    weights = torch.export.load(str(context.role("source").file)).state_dict
    model = _model({name: tensor.detach().numpy() for name, tensor in weights.items()})
    onnx.checker.check_model(model, full_check=True)
    (context.output / "model.onnx").write_bytes(model.SerializeToString(deterministic=True))
    nodes = len(model.graph.node)
    return Outcome(f"torch → onnx, {nodes} nodes", {"nodes": nodes}, products={"model": "model.onnx"})


def _model(weights: dict[str, Any]) -> onnx.ModelProto:
    nodes, value = [], "image"
    for name in ("conv1", "conv2"):
        inputs = [value, f"{name}.weight", f"{name}.bias"]
        nodes.append(helper.make_node("Conv", inputs, [name], kernel_shape=[3, 3], pads=[1] * 4))
        nodes.append(helper.make_node("Relu", [name], [f"{name}.relu"]))
        value = f"{name}.pool"
        nodes.append(helper.make_node("MaxPool", [f"{name}.relu"], [value], kernel_shape=[2, 2], strides=[2, 2]))
    nodes.append(helper.make_node("Flatten", [value], ["features"]))
    nodes.append(helper.make_node("Gemm", ["features", "hidden.weight", "hidden.bias"], ["hidden"], transB=1))
    nodes.append(helper.make_node("Relu", ["hidden"], ["hidden.relu"]))
    nodes.append(helper.make_node("Gemm", ["hidden.relu", "classes.weight", "classes.bias"], ["logits"], transB=1))
    constants = [numpy_helper.from_array(array, name) for name, array in weights.items()]
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, ["batch", 1, 28, 28])
    logits = helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", len(weights["classes.bias"])])
    graph = helper.make_graph(nodes, "fashion-cnn", [image], [logits], constants)
    opsets = [helper.make_opsetid("", OPSET)]
    return helper.make_model(graph, producer_name="cmx", ir_version=IR_VERSION, opset_imports=opsets)
