"""From a TensorFlow.js graph model (a JSON topology and its weights) to a SavedModel, and from that to ONNX."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any, Dict, Iterator, List, Mapping, Tuple

import numpy as np

from cmx.worker import ActionError, Context, Outcome

# TensorFlow.js keeps 64-bit integers as 32-bit ones; the graph's own type of a constant is what counts.
_DTYPES = {"float32": "<f4", "int32": "<i4", "bool": "?", "uint8": "u1", "float16": "<f2", "uint16": "<u2"}
# What TensorFlow.js fuses, and what these were before.
_FUSED = {"_FusedConv2D": "Conv2D", "FusedDepthwiseConv2dNative": "DepthwiseConv2dNative", "_FusedMatMul": "MatMul"}
_OF_FUSION = frozenset({"fused_ops", "num_args", "epsilon", "leakyrelu_alpha", "num_host_args", "TArgs"})
OPSET = 17


def to_saved_model(context: Context, *, inputs: Mapping[str, str], outputs: Mapping[str, str]) -> Outcome:
    """Write a SavedModel whose inputs and outputs are called as on the left; on the right is each node of the graph.

    Raises ActionError where the folder is not of a graph model.
    """
    import tensorflow as tf

    graph = graph_definition(_folder(context), inputs, outputs)
    imported = tf.compat.v1.wrap_function(lambda: tf.graph_util.import_graph_def(graph, name=""), [])
    tensors = [imported.graph.get_tensor_by_name(f"{name}:0") for name in inputs]
    network = imported.prune(tensors, {name: imported.graph.get_tensor_by_name(f"{name}:0") for name in outputs})
    tf.saved_model.save(tf.Module(), str(context.output / "model"), signatures=network)
    return Outcome(f"tfjs → saved model, {len(graph.node)} nodes", {"nodes": len(graph.node)}, {"model": "model"})


def to_onnx(context: Context, *, inputs: Mapping[str, str], outputs: Mapping[str, str]) -> Outcome:
    """Write model.onnx, its inputs and outputs called as on the left; on the right is each node of the graph.

    Raises ActionError where the folder is not of a graph model.
    """
    import onnx
    import tf2onnx

    names = {f"{name}:0": name for name in (*inputs, *outputs)}
    model, _ = tf2onnx.convert.from_graph_def(
        graph_definition(_folder(context), inputs, outputs),
        input_names=[f"{name}:0" for name in inputs],
        output_names=[f"{name}:0" for name in outputs],
        opset=OPSET,
        tensors_to_rename=names,
    )
    onnx.checker.check_model(model, full_check=True)
    (context.output / "model.onnx").write_bytes(model.SerializeToString(deterministic=True))
    nodes = len(model.graph.node)
    return Outcome(f"tfjs → onnx, {nodes} nodes", {"nodes": nodes, "opset": OPSET}, {"model": "model.onnx"})


def _folder(context: Context) -> Path:
    source = context.role("source")
    if source.path is None or not source.path.is_dir():
        raise ActionError(f"{source.reference}: {source.path} is not the folder of a graph model")
    return source.path


def graph_definition(folder: Path, inputs: Mapping[str, str], outputs: Mapping[str, str]) -> Any:
    """TensorFlow's GraphDef of the graph model in a folder, its weights as constants and nothing fused.

    An input's node is called as on the left; an output is a node of its own.
    """
    from google.protobuf import json_format
    from tensorflow.core.framework import graph_pb2

    document, weights = read(folder)
    nodes = [node for each in document["modelTopology"]["node"] for node in unfused(each)]
    _rename(nodes, {theirs: ours for ours, theirs in inputs.items()})
    nodes += [
        {"name": ours, "op": "Identity", "input": [theirs], "attr": {"T": {"type": "DT_FLOAT"}}}
        for ours, theirs in outputs.items()
    ]
    graph = json_format.ParseDict({"node": nodes}, graph_pb2.GraphDef())
    for node in graph.node:
        if node.op == "Const":
            _set_value(node, weights[node.name])
    return graph


def _rename(nodes: List[Dict[str, Any]], names: Mapping[str, str]) -> None:
    for node in nodes:
        node["name"] = names.get(node["name"], node["name"])
        node["input"] = [names.get(name, name) for name in node.get("input", ())]


def _set_value(node: Any, array: np.ndarray) -> None:
    import tensorflow as tf

    dtype = tf.dtypes.as_dtype(node.attr["dtype"].type)
    node.attr["value"].tensor.CopyFrom(tf.make_tensor_proto(array.astype(dtype.as_numpy_dtype), dtype, array.shape))


def read(folder: Path) -> Tuple[Dict[str, Any], Dict[str, np.ndarray]]:
    """The document of a graph model, and its weights by name; raises ActionError for another format."""
    (file,) = folder.glob("*.json")
    document = json.loads(file.read_text(encoding="utf-8"))
    if document.get("format") != "graph-model":
        raise ActionError(f"{file}: format is {document.get('format')!r}, expected 'graph-model'")
    weights: Dict[str, np.ndarray] = {}
    for group in document["weightsManifest"]:
        data = b"".join((folder / name).read_bytes() for name in group["paths"])
        weights.update(_weights(group["weights"], data))
    return document, weights


def _weights(entries: List[Mapping[str, Any]], data: bytes) -> Iterator[Tuple[str, np.ndarray]]:
    """The weights lie one after the other; a quantised one is float16, or an integer with a scale and a least value."""
    offset = 0
    for entry in entries:
        quantised = entry.get("quantization") or {}
        dtype = np.dtype(_DTYPES[quantised.get("dtype", entry["dtype"])])
        count = int(np.prod(entry["shape"], dtype=np.int64))
        array = np.frombuffer(data, dtype, count, offset).reshape(entry["shape"])
        offset += array.nbytes
        if "scale" in quantised:
            array = array.astype(np.float32) * np.float32(quantised["scale"]) + np.float32(quantised["min"])
        yield entry["name"], array
    if offset != len(data):
        raise ActionError(f"the weights are {len(data)} bytes, the model names {offset}")


def unfused(node: Mapping[str, Any]) -> Iterator[Dict[str, Any]]:
    """A node as TensorFlow knows it: a fused convolution as itself, the addition of its bias, and its activation."""
    if node["op"] not in _FUSED:
        yield dict(node)
        return
    attributes, inputs = node["attr"], list(node["input"])
    steps = [base64.b64decode(name).decode() for name in attributes["fused_ops"]["list"]["s"]]
    plain = {key: value for key, value in attributes.items() if key not in _OF_FUSION}
    names = [f"{node['name']}/unfused_{number}" for number in range(len(steps))] + [node["name"]]
    yield {"name": names[0], "op": _FUSED[node["op"]], "input": inputs[:2], "attr": plain}
    for number, step in enumerate(steps):
        given = [names[number], inputs[2]] if step == "BiasAdd" else [names[number]]
        yield {"name": names[number + 1], "op": step, "input": given, "attr": _attributes(step, attributes)}


def _attributes(step: str, fused: Mapping[str, Any]) -> Dict[str, Any]:
    """Those of a step that was fused."""
    found = {"T": fused["T"]}
    if step == "BiasAdd" and "data_format" in fused:
        found["data_format"] = fused["data_format"]
    if step == "LeakyRelu" and "leakyrelu_alpha" in fused:
        found["alpha"] = fused["leakyrelu_alpha"]
    return found
