"""MiniLM, a small BERT (Devlin et al., 2018; Wang et al., 2020), from its safetensors to ONNX, without torch.

The graph ends as the model's publishers use it: the mean of the token vectors that the mask keeps, scaled to length 1.
"""

from __future__ import annotations

import math
from typing import Any, List, Mapping, Sequence, Set

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from safetensors.numpy import load_file

from cmx.worker import Context, Outcome

# What onnxruntime 1.17 and whatever came since can read; 17 is the first with LayerNormalization.
OPSET = 17
IR_VERSION = 8
EPSILON = 1e-12
# Weights of BERT that an embedding has no use for: indices 0, 1, 2, … and the head of next-sentence prediction.
_UNUSED = ("embeddings.position_ids", "pooler.dense.weight", "pooler.dense.bias")


def to_onnx(context: Context, *, heads: int) -> Outcome:
    """Write model.onnx: ``input_ids`` and ``attention_mask`` (batch, length), int64, to ``embedding`` (batch, size).

    The same weights give the same bytes. Raises ValueError where they are not those of a BERT.
    """
    model = build(load_file(context.role("source").file), heads=heads)
    onnx.checker.check_model(model, full_check=True)
    (context.output / "model.onnx").write_bytes(model.SerializeToString(deterministic=True))
    nodes = len(model.graph.node)
    return Outcome(
        summary=f"safetensors → onnx, {nodes} nodes",
        metrics={"nodes": nodes, "opset": OPSET, "ir_version": IR_VERSION},
        products={"model": "model.onnx"},
    )


def build(weights: Mapping[str, np.ndarray], *, heads: int) -> onnx.ModelProto:
    """The network as an ONNX model; how many layers it has is read off the weights."""
    graph = _Graph(weights, heads)
    mask = graph.node("Cast", ["attention_mask"], "mask", to=TensorProto.FLOAT)
    bias = graph.attention_bias(mask)
    value = graph.embeddings()
    for layer in range(graph.layers):
        value = graph.layer(value, bias, f"encoder.layer.{layer}")
    graph.pool(value, mask)
    return graph.model()


class _Graph:
    """An ONNX graph as it grows; a value goes by the name of the node that makes it."""

    def __init__(self, weights: Mapping[str, np.ndarray], heads: int) -> None:
        self._weights = weights
        self._taken: Set[str] = set()
        self._nodes: List[onnx.NodeProto] = []
        self._constants: List[onnx.TensorProto] = []
        self.size = self._weight("embeddings.word_embeddings.weight").shape[1]
        self.heads = heads
        if self.size % heads:
            raise ValueError(f"{self.size} values a token cannot be shared among {heads} heads")
        names = [name.split(".") for name in weights if name.startswith("encoder.layer.")]
        self.layers = 1 + max((int(name[2]) for name in names), default=-1)
        # 0 is "as many as the input has": batch and length.
        self._split = self._constant("split", np.array([0, 0, heads, self.size // heads]))
        self._joined = self._constant("joined", np.array([0, 0, self.size]))

    def attention_bias(self, mask: str) -> str:
        """(batch, 1, 1, length): nothing for what the mask keeps, and as good as minus infinity for the rest."""
        left_out = self.node("Sub", [self._constant("one", np.float32(1)), mask], "left-out")
        lowest = self._constant("lowest", np.float32(np.finfo(np.float32).min))
        bias = self.node("Mul", [left_out, lowest], "bias")
        return self.node("Unsqueeze", [bias, self._constant("head-axes", np.array([1, 2]))], "bias.heads")

    def embeddings(self) -> str:
        """The vectors of words and places, and of the one segment that there is; normalised."""
        words = self._array("embeddings.word_embeddings.weight")
        value = self.node("Gather", [words, "input_ids"], "words")
        segment = self._weight("embeddings.token_type_embeddings.weight")[0]
        places = self._weight("embeddings.position_embeddings.weight") + segment
        shape = self.node("Shape", ["input_ids"], "shape", start=1, end=2)
        start, axis = self._constant("start", np.array([0])), self._constant("axis", np.array([0]))
        inputs = [self._constant("places", places), start, shape, axis]
        value = self.node("Add", [value, self.node("Slice", inputs, "places.used")], "embeddings")
        return self._norm(value, "embeddings.LayerNorm")

    def layer(self, value: str, bias: str, name: str) -> str:
        """One layer: what the tokens take from each other, and then each one by itself."""
        taken = self._linear(self._attention(value, bias, f"{name}.attention.self"), f"{name}.attention.output.dense")
        sum_ = self.node("Add", [taken, value], f"{name}.attention.sum")
        value = self._norm(sum_, f"{name}.attention.output.LayerNorm")
        inner = self._gelu(self._linear(value, f"{name}.intermediate.dense"), f"{name}.gelu")
        sum_ = self.node("Add", [self._linear(inner, f"{name}.output.dense"), value], f"{name}.sum")
        return self._norm(sum_, f"{name}.output.LayerNorm")

    def pool(self, value: str, mask: str) -> None:
        """The mean of the vectors that the mask keeps, divided by its length (at least 1e-12, for a zero vector)."""
        last = self._constant("last-axis", np.array([-1]))
        weights = self.node("Unsqueeze", [mask, last], "mask.vectors")
        tokens = self._constant("token-axis", np.array([1]))
        kept = self.node("Mul", [value, weights], "kept")
        total = self.node("ReduceSum", [kept, tokens], "total", keepdims=0)
        count = self.node("ReduceSum", [weights, tokens], "count", keepdims=0)
        mean = self.node("Div", [total, count], "mean")
        norm = self.node("ReduceL2", [mean], "norm", axes=[-1], keepdims=1)
        length = self.node("Max", [norm, self._constant("least", np.float32(1e-12))], "length")
        self.node("Div", [mean, length], "embedding")

    def _attention(self, value: str, bias: str, name: str) -> str:
        """Softmax(QKᵀ/√d + bias)·V, for each head."""
        query = self._heads(value, f"{name}.query", [0, 2, 1, 3])
        key = self._heads(value, f"{name}.key", [0, 2, 3, 1])
        values = self._heads(value, f"{name}.value", [0, 2, 1, 3])
        scores = self.node("MatMul", [query, key], f"{name}.products")
        root = self._constant(f"{name}.root", np.float32(math.sqrt(self.size // self.heads)))
        scores = self.node("Add", [self.node("Div", [scores, root], f"{name}.scaled"), bias], f"{name}.scores")
        shares = self.node("Softmax", [scores], f"{name}.shares", axis=-1)
        mixed = self.node("MatMul", [shares, values], f"{name}.mixed")
        mixed = self.node("Transpose", [mixed], f"{name}.transposed", perm=[0, 2, 1, 3])
        return self.node("Reshape", [mixed, self._joined], f"{name}.joined")

    def _heads(self, value: str, name: str, order: Sequence[int]) -> str:
        split = self.node("Reshape", [self._linear(value, name), self._split], f"{name}.split")
        return self.node("Transpose", [split], f"{name}.heads", perm=order)

    def _linear(self, value: str, name: str) -> str:
        weight = self._constant(f"{name}.weight", np.ascontiguousarray(self._weight(f"{name}.weight").T))
        product = self.node("MatMul", [value, weight], f"{name}.product")
        return self.node("Add", [product, self._array(f"{name}.bias")], name)

    def _norm(self, value: str, name: str) -> str:
        inputs = [value, self._array(f"{name}.weight"), self._array(f"{name}.bias")]
        return self.node("LayerNormalization", inputs, name, axis=-1, epsilon=EPSILON)

    def _gelu(self, value: str, name: str) -> str:
        """x·(1 + erf(x/√2))/2, which ONNX has no operator for before opset 20."""
        root = self._constant(f"{name}.root", np.float32(math.sqrt(2)))
        one, half = self._constant(f"{name}.one", np.float32(1)), self._constant(f"{name}.half", np.float32(0.5))
        error = self.node("Erf", [self.node("Div", [value, root], f"{name}.scaled")], f"{name}.erf")
        double = self.node("Mul", [value, self.node("Add", [error, one], f"{name}.sum")], f"{name}.double")
        return self.node("Mul", [double, half], name)

    def _weight(self, name: str) -> np.ndarray:
        """An array of the file, which is thereby used."""
        if name not in self._weights:
            raise ValueError(f"the file has no {name!r}: it does not hold a BERT")
        self._taken.add(name)
        return self._weights[name]

    def _array(self, name: str) -> str:
        return self._constant(name, self._weight(name))

    def _constant(self, name: str, array: np.ndarray) -> str:
        self._constants.append(numpy_helper.from_array(np.asarray(array), name))
        return name

    def node(self, kind: str, inputs: Sequence[str], output: str, **attributes: Any) -> str:
        self._nodes.append(helper.make_node(kind, list(inputs), [output], name=output, **attributes))
        return output

    def model(self) -> onnx.ModelProto:
        """All of it; raises ValueError where the file has weights that nothing used."""
        left = [name for name in self._weights if name not in self._taken and name not in _UNUSED]
        if left:
            raise ValueError(f"{len(left)} arrays of the file are not used, {left[0]!r} first: not a plain BERT")
        tokens = [
            helper.make_tensor_value_info(name, TensorProto.INT64, ["batch", "length"])
            for name in ("input_ids", "attention_mask")
        ]
        output = helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["batch", self.size])
        graph = helper.make_graph(self._nodes, "minilm", tokens, [output], self._constants)
        opsets = [helper.make_opsetid("", OPSET)]
        return helper.make_model(graph, producer_name="cmx", ir_version=IR_VERSION, opset_imports=opsets)
