"""EfficientNet-Lite in torch: its parameters have the names of the checkpoint."""

from __future__ import annotations

from typing import Mapping, Tuple

import torch
from torch import nn
from torch.nn import functional

from .architecture import EPSILON, same_padding, strides  # type: ignore[import-not-found]

Weights = Mapping[str, torch.Tensor]


class SameConv2d(nn.Conv2d):
    """A convolution without bias, in the shape of ``kernel``, padded as TensorFlow's SAME."""

    def __init__(self, kernel: torch.Tensor, channels: int, stride: int) -> None:
        out, per_group, side, _ = kernel.shape
        super().__init__(channels, out, side, stride, groups=channels // per_group, bias=False)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        kernel, stride = self.kernel_size[0], self.stride[0]
        height, width = (same_padding(side, kernel, stride) for side in image.shape[-2:])
        pads = [width // 2, width - width // 2, height // 2, height - height // 2]
        return super().forward(functional.pad(image, pads))


def pair(weights: Weights, name: str, channels: int, stride: int = 1) -> Tuple[SameConv2d, nn.BatchNorm2d]:
    """The convolution of a name, and the normalisation that follows it."""
    convolution = SameConv2d(weights[f"{name}.weight"], channels, stride)
    return convolution, nn.BatchNorm2d(convolution.out_channels, eps=EPSILON)


class Block(nn.Module):
    """An inverted residual block."""

    def __init__(self, weights: Weights, name: str, channels: int, stride: int) -> None:
        super().__init__()
        self.expands, inner = f"{name}._expand_conv.weight" in weights, channels
        if self.expands:
            self._expand_conv, self._bn0 = pair(weights, f"{name}._expand_conv", channels)
            inner = self._expand_conv.out_channels
        self._depthwise_conv, self._bn1 = pair(weights, f"{name}._depthwise_conv", inner, stride)
        self._project_conv, self._bn2 = pair(weights, f"{name}._project_conv", inner)
        self.channels = self._project_conv.out_channels
        self.residual = stride == 1 and channels == self.channels

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        inner = functional.relu6(self._bn0(self._expand_conv(image))) if self.expands else image
        inner = functional.relu6(self._bn1(self._depthwise_conv(inner)))
        inner = self._bn2(self._project_conv(inner))
        return torch.add(inner, image) if self.residual else inner


class EfficientNetLite(nn.Module):
    """Pictures (batch, 3, side, side) to logits (batch, classes), as wide as its ``weights``, ready for inference.

    Raises KeyError or RuntimeError where the weights are not of this network at this depth.
    """

    def __init__(self, weights: Weights, depth: float = 1.0) -> None:
        super().__init__()
        self._conv_stem, self._bn0 = pair(weights, "_conv_stem", 3, stride=2)
        self._blocks, channels = nn.ModuleList(), self._conv_stem.out_channels
        for index, stride in enumerate(strides(depth)):
            block = Block(weights, f"_blocks.{index}", channels, stride)
            self._blocks.append(block)
            channels = block.channels
        self._conv_head, self._bn1 = pair(weights, "_conv_head", channels)
        self._fc = nn.Linear(self._conv_head.out_channels, len(weights["_fc.bias"]))
        self.load_state_dict(weights)
        self.eval()

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        value = functional.relu6(self._bn0(self._conv_stem(image)))
        for block in self._blocks:
            value = block(value)
        value = functional.relu6(self._bn1(self._conv_head(value)))
        logits: torch.Tensor = self._fc(value.mean((2, 3)))
        return logits
