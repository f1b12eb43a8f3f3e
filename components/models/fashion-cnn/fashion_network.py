"""The network before it is trained; its parameters have the names that the exports look for."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

CLASSES = 10


class FashionCnn(nn.Module):
    """Pictures (batch, 1, 28, 28) to logits (batch, 10): 206,922 parameters."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 16, 3, padding=1)
        self.conv2 = nn.Conv2d(16, 32, 3, padding=1)
        self.hidden = nn.Linear(32 * 7 * 7, 128)
        self.classes = nn.Linear(128, CLASSES)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        value = functional.max_pool2d(functional.relu(self.conv1(image)), 2)
        value = functional.max_pool2d(functional.relu(self.conv2(value)), 2)
        logits: torch.Tensor = self.classes(functional.relu(self.hidden(value.flatten(1))))
        return logits
