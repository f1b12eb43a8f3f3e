"""EfficientNet-Lite from its torch checkpoint to ONNX, without torch.

Widths and kernel sizes are read off the weights; only where the picture shrinks follows from ``depth``.
"""

from __future__ import annotations

import math
from typing import Any, List, Mapping, Sequence, Set, Tuple

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from cmx.worker import Context, Outcome
from cmx.worker.checkpoint import read_checkpoint

from .architecture import EPSILON, same_padding, strides  # type: ignore[import-not-found]

# What onnxruntime 1.17 and whatever came since can read.
OPSET = 17
IR_VERSION = 8
# torch counts the batches it trained on; inference has no use for it.
_UNUSED = ".num_batches_tracked"


def to_onnx(context: Context, *, depth: float = 1.0, size: int = 224) -> Outcome:
    """Write model.onnx: ``image`` (batch, 3, size, size) to ``logits`` (batch, classes), both float32.

    ``depth`` scales the number of blocks in a stage, as in the paper. The same checkpoint gives the same bytes.
    Raises ValueError where the checkpoint is not of that network.
    """
    model = build(read_checkpoint(context.role("source").file), depth=depth, size=size)
    onnx.checker.check_model(model, full_check=True)
    (context.output / "model.onnx").write_bytes(model.SerializeToString(deterministic=True))
    nodes = len(model.graph.node)
    return Outcome(
        summary=f"checkpoint → onnx, {nodes} nodes",
        metrics={"nodes": nodes, "opset": OPSET, "ir_version": IR_VERSION},
        products={"model": "model.onnx"},
    )


def build(weights: Mapping[str, np.ndarray], *, depth: float, size: int) -> onnx.ModelProto:
    """The network as an ONNX model, with each batch normalisation folded into its convolution."""
    graph = _Graph(weights, size)
    value = graph.convolution("image", "_conv_stem", "_bn0", stride=2, relu=True)
    for index, stride in enumerate(strides(depth)):
        value = graph.block(value, f"_blocks.{index}", stride)
    value = graph.convolution(value, "_conv_head", "_bn1", relu=True)
    value = graph.node("Flatten", [graph.node("GlobalAveragePool", [value], "pool")], "features")
    kernel, bias = graph.weight("_fc.weight"), graph.weight("_fc.bias")
    inputs = [value, graph.constant("_fc.weight", kernel), graph.constant("_fc.bias", bias)]
    graph.node("Gemm", inputs, "logits", transB=1)
    return graph.model([_float32("image", 3, size, size)], [_float32("logits", len(bias))])


def _float32(name: str, *shape: int) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", *shape])


class _Graph:
    """An ONNX graph as it grows; a value goes by the name of the node that makes it.

    ``size`` is the side of the picture where the graph ends so far, ``channels`` how many it has there.
    """

    def __init__(self, weights: Mapping[str, np.ndarray], size: int) -> None:
        self.size = size
        self.channels = 3
        self._weights = weights
        self._taken: Set[str] = set()
        self._nodes: List[onnx.NodeProto] = []
        self._constants: List[onnx.TensorProto] = []
        self._limits = [self.constant(name, np.float32(limit)) for name, limit in (("zero", 0), ("six", 6))]

    def block(self, value: str, name: str, stride: int) -> str:
        """An inverted residual: expand (where there are weights for it), filter each channel, project, add."""
        inner, channels = value, self.channels
        if f"{name}._expand_conv.weight" in self._weights:
            inner = self.convolution(inner, f"{name}._expand_conv", f"{name}._bn0", relu=True)
        inner = self.convolution(inner, f"{name}._depthwise_conv", f"{name}._bn1", stride=stride, relu=True)
        inner = self.convolution(inner, f"{name}._project_conv", f"{name}._bn2")
        residual = stride == 1 and channels == self.channels
        return self.node("Add", [inner, value], f"{name}.add") if residual else inner

    def convolution(self, value: str, name: str, norm: str, *, stride: int = 1, relu: bool = False) -> str:
        """A convolution, the batch normalisation after it folded in, and ReLU6 where asked for."""
        kernel, bias = self._folded(name, norm)
        groups = self.channels // kernel.shape[1]
        padding = same_padding(self.size, kernel.shape[-1], stride)
        before, after = padding // 2, padding - padding // 2
        inputs = [value, self.constant(f"{name}.weight", kernel), self.constant(f"{name}.bias", bias)]
        pads, shape = [before, before, after, after], kernel.shape[2:]
        output = self.node("Conv", inputs, name, kernel_shape=shape, strides=[stride] * 2, pads=pads, group=groups)
        self.size, self.channels = math.ceil(self.size / stride), kernel.shape[0]
        return self.node("Clip", [output, *self._limits], f"{name}.relu6") if relu else output

    def _folded(self, name: str, norm: str) -> Tuple[np.ndarray, np.ndarray]:
        """Kernel and bias in float32, computed in float64: w·γ/√(σ²+ε) and β−μ·γ/√(σ²+ε)."""
        kernel = self.weight(f"{name}.weight").astype(np.float64)
        parts = ("weight", "bias", "running_mean", "running_var")
        gain, shift, mean, variance = (self.weight(f"{norm}.{part}").astype(np.float64) for part in parts)
        scale = gain / np.sqrt(variance + EPSILON)
        folded = kernel * scale[:, None, None, None]
        return folded.astype(np.float32), (shift - mean * scale).astype(np.float32)

    def weight(self, name: str) -> np.ndarray:
        """An array of the checkpoint, which is thereby used."""
        if name not in self._weights:
            raise ValueError(f"the checkpoint has no {name!r}: it is not of EfficientNet-Lite at this depth")
        self._taken.add(name)
        return self._weights[name]

    def constant(self, name: str, array: np.ndarray) -> str:
        self._constants.append(numpy_helper.from_array(np.asarray(array), name))
        return name

    def node(self, kind: str, inputs: Sequence[str], output: str, **attributes: Any) -> str:
        self._nodes.append(helper.make_node(kind, list(inputs), [output], name=output, **attributes))
        return output

    def model(self, inputs: Sequence[onnx.ValueInfoProto], outputs: Sequence[onnx.ValueInfoProto]) -> onnx.ModelProto:
        """All of it; raises ValueError where the checkpoint has weights that nothing used."""
        left = [name for name in self._weights if name not in self._taken and not name.endswith(_UNUSED)]
        if left:
            raise ValueError(f"{len(left)} arrays of the checkpoint are not used, {left[0]!r} first: is depth right?")
        graph = helper.make_graph(self._nodes, "efficientnet-lite", inputs, outputs, self._constants)
        opsets = [helper.make_opsetid("", OPSET)]
        return helper.make_model(graph, producer_name="cmx", ir_version=IR_VERSION, opset_imports=opsets)
