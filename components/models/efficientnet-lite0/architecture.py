"""What of EfficientNet-Lite cannot be read off its weights: where the picture shrinks.

The network is that of TensorFlow's release (Tan and Le, 2019, and the Lite variant of 2020: ReLU6, no
squeeze-and-excitation, first and last stage not scaled). Widths and kernel sizes are those of the weights.
"""

from __future__ import annotations

import math
from typing import List

# Of each stage: how many blocks at depth 1.0, and the stride of its first block.
STAGES = ((1, 1), (2, 2), (2, 2), (3, 2), (3, 1), (4, 2), (1, 1))
EPSILON = 1e-3
"""Of each batch normalisation, beside the variance."""


def strides(depth: float) -> List[int]:
    """The stride of each block, in order; ``depth`` scales the number of blocks in a stage, as in the paper."""
    found: List[int] = []
    for stage, (blocks, stride) in enumerate(STAGES):
        scaled = blocks if stage in (0, len(STAGES) - 1) else math.ceil(blocks * depth)
        found += [stride] + [1] * (scaled - 1)
    return found


def same_padding(size: int, kernel: int, stride: int) -> int:
    """TensorFlow's SAME: what is needed in all for ceil(size / stride) outputs; the odd one is at the end."""
    return max((math.ceil(size / stride) - 1) * stride + kernel - size, 0)
