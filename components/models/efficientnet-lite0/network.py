"""EfficientNet-Lite in torch: its parameters have the names of the checkpoint."""

from __future__ import annotations

import math

import torch
from torch import nn
from torch.nn import functional

# Of each stage: blocks at depth 1.0, kernel, stride of the first block, expansion, output channels.
STAGES = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)


class SameConv2d(nn.Conv2d):
    """A convolution without bias, padded as TensorFlow's SAME: the odd row and column at the end."""

    def __init__(self, channels_in: int, channels_out: int, kernel: int, stride: int = 1, groups: int = 1) -> None:
        super().__init__(channels_in, channels_out, kernel, stride, groups=groups, bias=False)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        height, width = (self._padding(side) for side in image.shape[-2:])
        pads = [width // 2, width - width // 2, height // 2, height - height // 2]
        return super().forward(functional.pad(image, pads))

    def _padding(self, side: int) -> int:
        stride, kernel = self.stride[0], self.kernel_size[0]
        return max((math.ceil(side / stride) - 1) * stride + kernel - side, 0)


def norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, eps=1e-3)


class Block(nn.Module):
    """An inverted residual block."""

    def __init__(self, channels_in: int, channels_out: int, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        inner = channels_in * expansion
        if expansion != 1:
            self._expand_conv, self._bn0 = SameConv2d(channels_in, inner, 1), norm(inner)
        self._depthwise_conv, self._bn1 = SameConv2d(inner, inner, kernel, stride, groups=inner), norm(inner)
        self._project_conv, self._bn2 = SameConv2d(inner, channels_out, 1), norm(channels_out)
        self.expands, self.residual = expansion != 1, stride == 1 and channels_in == channels_out

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        inner = functional.relu6(self._bn0(self._expand_conv(image))) if self.expands else image
        inner = functional.relu6(self._bn1(self._depthwise_conv(inner)))
        inner = self._bn2(self._project_conv(inner))
        return torch.add(inner, image) if self.residual else inner


class EfficientNetLite(nn.Module):
    """Pictures (batch, 3, side, side) to logits (batch, 1000); ``depth`` is 1.0 for Lite0 and 1.1 for Lite1."""

    def __init__(self, depth: float = 1.0) -> None:
        super().__init__()
        self._conv_stem, self._bn0 = SameConv2d(3, 32, 3, stride=2), norm(32)
        self._blocks, channels = nn.ModuleList(), 32
        for blocks, kernel, stride, expansion, width in STAGES:
            for index in range(blocks if width in (16, 320) else math.ceil(blocks * depth)):
                self._blocks.append(Block(channels, width, kernel, 1 if index else stride, expansion))
                channels = width
        self._conv_head, self._bn1 = SameConv2d(320, 1280, 1), norm(1280)
        self._fc = nn.Linear(1280, 1000)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        value = functional.relu6(self._bn0(self._conv_stem(image)))
        for block in self._blocks:
            value = block(value)
        value = functional.relu6(self._bn1(self._conv_head(value)))
        logits: torch.Tensor = self._fc(value.mean((2, 3)))
        return logits
