"""EfficientNet-Lite from its checkpoint to Keras 3: the network of TensorFlow's own release, NHWC and SAME padding."""

from __future__ import annotations

from typing import Any, List, Mapping

import numpy as np

from cmx.worker import Context, Outcome
from cmx.worker.checkpoint import read_checkpoint

from .architecture import EPSILON, strides  # type: ignore[import-not-found]
from .keras_here import keras  # type: ignore[import-not-found]

layers = keras.layers


def to_keras(context: Context, *, depth: float = 1.0, size: int = 224) -> Outcome:
    """Write model.keras: ``image`` (batch, size, size, 3) to ``logits`` (batch, classes), both float32."""
    model = build(read_checkpoint(context.role("source").file), depth=depth, size=size)
    model.save(context.output / "model.keras")
    count = len(model.layers)
    return Outcome(f"checkpoint → keras, {count} layers", {"layers": count}, products={"model": "model.keras"})


def build(weights: Mapping[str, np.ndarray], *, depth: float, size: int) -> keras.Model:
    """The network with its weights; raises KeyError or ValueError where they are not of this network at this depth."""
    return _Network(weights).model(depth, size)


class _Network:
    """Layers as they are called, each with the weights of its name."""

    def __init__(self, weights: Mapping[str, np.ndarray]) -> None:
        self._weights = weights

    def model(self, depth: float, size: int) -> keras.Model:
        image = keras.Input((size, size, 3), dtype="float32", name="image")
        value = self.relu6(self.convolution(image, "_conv_stem", "_bn0", stride=2))
        for index, stride in enumerate(strides(depth)):
            value = self.block(value, f"_blocks.{index}", stride)
        value = self.relu6(self.convolution(value, "_conv_head", "_bn1"))
        value = layers.GlobalAveragePooling2D()(value)
        classes = layers.Dense(len(self._weights["_fc.bias"]), name="logits")
        logits = classes(value)
        classes.set_weights([self._weights["_fc.weight"].T, self._weights["_fc.bias"]])
        return keras.Model(image, {"logits": logits}, name="efficientnet_lite")

    def block(self, value: Any, name: str, stride: int) -> Any:
        """An inverted residual: expand (where there are weights for it), filter each channel, project, add."""
        inner = value
        if f"{name}._expand_conv.weight" in self._weights:
            inner = self.relu6(self.convolution(inner, f"{name}._expand_conv", f"{name}._bn0"))
        inner = self.relu6(self.convolution(inner, f"{name}._depthwise_conv", f"{name}._bn1", stride=stride))
        inner = self.convolution(inner, f"{name}._project_conv", f"{name}._bn2")
        return layers.Add()([inner, value]) if stride == 1 and inner.shape[-1] == value.shape[-1] else inner

    def convolution(self, value: Any, name: str, norm: str, *, stride: int = 1) -> Any:
        """A convolution and its batch normalisation."""
        kernel = self._weights[f"{name}.weight"]
        out, per_group, side, _ = kernel.shape
        arguments = {"strides": stride, "padding": "same", "use_bias": False, "name": _plain(name)}
        if per_group == 1 and out == value.shape[-1]:
            layer, array = layers.DepthwiseConv2D(side, **arguments), kernel.transpose(2, 3, 0, 1)
        else:
            layer, array = layers.Conv2D(out, side, **arguments), kernel.transpose(2, 3, 1, 0)
        normalise = layers.BatchNormalization(epsilon=EPSILON, name=_plain(f"{name}{norm}"))
        output = normalise(layer(value))
        layer.set_weights([array])
        normalise.set_weights(self._statistics(norm))
        return output

    def _statistics(self, norm: str) -> List[np.ndarray]:
        parts = ("weight", "bias", "running_mean", "running_var")
        return [self._weights[f"{norm}.{part}"] for part in parts]

    def relu6(self, value: Any) -> Any:
        return layers.ReLU(max_value=6)(value)


def _plain(name: str) -> str:
    """A layer's name, in which Keras takes no dots."""
    return name.replace(".", "_").strip("_")
