"""Writes the small network in each format, with the framework that the format belongs to."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from cmx.worker import Context, Outcome

from .small_network import BIAS, CLASSES, KERNEL, MAPS, SIDE, WEIGHT, feeds


def write_small(context: Context) -> Outcome:
    """Write the network in the formats that the framework writes itself; a product is the folder of them all."""
    folder = context.output / "made"
    folder.mkdir()
    makers: dict[str, Callable[[Path], None]] = {
        "tensorflow": _tensorflow,
        "openvino": _openvino,
        "torch": _torch,
        "jax": _jax,
        "mxnet": _mxnet,
    }
    makers.get(context.role("framework").name, _nothing)(folder)
    return Outcome(summary=", ".join(sorted(each.name for each in folder.iterdir())), products={"made": "made"})


def _nothing(folder: Path) -> None:
    (folder / "nothing.txt").write_text("this framework writes no models", encoding="utf-8")


def _tensorflow(folder: Path) -> None:
    import keras
    import tensorflow as tf

    image = keras.Input((SIDE, SIDE, 3), name="image")
    offset = keras.Input((CLASSES,), name="offset")
    maps = keras.layers.Conv2D(MAPS, 3, padding="same", activation="relu", name="maps")(image)
    product = keras.layers.Dense(CLASSES, use_bias=False, name="product")(keras.layers.GlobalAveragePooling2D()(maps))
    outputs = {"scores": keras.layers.Add()([product, offset]), "twice": keras.layers.Add()([image, image])}
    network = keras.Model([offset, image], outputs)  # not in the order of their names
    network.get_layer("maps").set_weights([KERNEL, BIAS])
    network.get_layer("product").set_weights([WEIGHT])
    network.save(str(folder / "small.keras"))
    network.export(str(folder / "saved-model"), verbose=False)
    (folder / "small.tflite").write_bytes(
        tf.lite.TFLiteConverter.from_saved_model(str(folder / "saved-model")).convert()
    )
    (folder / "int8.tflite").write_bytes(_int8(tf, folder / "saved-model"))


def _int8(tf: Any, saved_model: Path) -> bytes:
    """Quantised to its edges, calibrated on inputs as they will come."""
    converter = tf.lite.TFLiteConverter.from_saved_model(str(saved_model))
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: iter([feeds(1, seed) for seed in range(100)])
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = converter.inference_output_type = tf.int8
    quantised: bytes = converter.convert()
    return quantised


def _openvino(folder: Path) -> None:
    import openvino
    from openvino import opset13 as ops

    image = ops.parameter([-1, 3, SIDE, SIDE], np.float32, name="image")
    offset = ops.parameter([-1, CLASSES], np.float32, name="offset")
    kernel = np.ascontiguousarray(KERNEL.transpose(3, 2, 0, 1))
    maps = ops.convolution(image, kernel, [1, 1], [1, 1], [1, 1], [1, 1])
    mean = ops.reduce_mean(ops.relu(ops.add(maps, BIAS.reshape(1, MAPS, 1, 1))), np.array([2, 3]), False)
    outputs = {"scores": ops.add(ops.matmul(mean, WEIGHT, False, False), offset), "twice": ops.add(image, image)}
    for name, node in {"image": image, "offset": offset, **outputs}.items():
        node.output(0).tensor.set_names({name})
    model = openvino.Model(list(outputs.values()), [image, offset], "small")
    (folder / "openvino").mkdir()
    openvino.save_model(model, str(folder / "openvino" / "small.xml"), compress_to_fp16=False)


def _torch(folder: Path) -> None:
    import torch

    class Small(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.maps = torch.nn.Conv2d(3, MAPS, 3, padding=1)
            self.product = torch.nn.Linear(MAPS, CLASSES, bias=False)
            kernel = np.ascontiguousarray(KERNEL.transpose(3, 2, 0, 1))
            self.maps.load_state_dict({"weight": torch.from_numpy(kernel), "bias": torch.from_numpy(BIAS)})
            self.product.load_state_dict({"weight": torch.from_numpy(np.ascontiguousarray(WEIGHT.T))})

        def forward(self, image: torch.Tensor, offset: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            return self.product(self.maps(image).relu().mean((2, 3))) + offset, image + image

    given = {name: torch.zeros(2, *shape) for name, shape in (("image", (3, SIDE, SIDE)), ("offset", (CLASSES,)))}
    batch = torch.export.Dim("batch")
    varying = {name: {0: batch} for name in given}
    program = torch.export.export(Small().eval(), tuple(given.values()), dynamic_shapes=varying)
    torch.export.save(program, str(folder / "small.pt2"))


def _jax(folder: Path) -> None:
    import jax
    from jax import export

    def small(given: dict[str, Any]) -> dict[str, Any]:
        layout = ("NHWC", "HWIO", "NHWC")
        maps = jax.lax.conv_general_dilated(given["image"], KERNEL, (1, 1), "SAME", dimension_numbers=layout) + BIAS
        scores = jax.nn.relu(maps).mean((1, 2)) @ WEIGHT + given["offset"]
        return {"scores": scores, "twice": given["image"] * 2}

    (batch,) = export.symbolic_shape("batch")
    shapes = {"image": (batch, SIDE, SIDE, 3), "offset": (batch, CLASSES)}
    exported = export.export(jax.jit(small), platforms=["cpu"])(
        {name: jax.ShapeDtypeStruct(shape, np.float32) for name, shape in shapes.items()}
    )
    (folder / "small.jax").write_bytes(exported.serialize())


def _mxnet(folder: Path) -> None:
    import mxnet

    image = mxnet.sym.var("image", shape=(0, 3, SIDE, SIDE))
    offset = mxnet.sym.var("offset", shape=(0, CLASSES))
    maps = mxnet.sym.Convolution(image, kernel=(3, 3), pad=(1, 1), num_filter=MAPS, name="maps")
    mean = mxnet.sym.mean(mxnet.sym.Activation(maps, act_type="relu"), axis=(2, 3))
    product = mxnet.sym.FullyConnected(mean, num_hidden=CLASSES, no_bias=True, name="product")
    scores = mxnet.sym.broadcast_add(product, offset, name="scores")
    symbol = mxnet.sym.Group([scores, mxnet.sym.elemwise_add(image, image, name="twice")])
    (folder / "mxnet").mkdir()
    symbol.save(str(folder / "mxnet" / "small-symbol.json"))
    weights = {"maps_weight": KERNEL.transpose(3, 2, 0, 1), "maps_bias": BIAS, "product_weight": WEIGHT.T}
    named = {f"arg:{name}": mxnet.nd.array(weight) for name, weight in weights.items()}
    mxnet.nd.save(str(folder / "mxnet" / "small-0000.params"), named)
