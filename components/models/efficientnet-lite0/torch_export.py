"""EfficientNet-Lite from its checkpoint to torch's exported program, with a batch of any size."""

from __future__ import annotations

import torch

from cmx.worker import Context, Outcome
from cmx.worker.checkpoint import read_checkpoint

from .network import EfficientNetLite  # type: ignore[import-not-found]


def to_torch(context: Context, *, depth: float = 1.0, size: int = 224) -> Outcome:
    """Write model.pt2: ``image`` (batch, 3, size, size) to logits (batch, classes), both float32."""
    weights = read_checkpoint(context.role("source").file)
    network = EfficientNetLite({name: torch.from_numpy(array.copy()) for name, array in weights.items()}, depth)
    # Two pictures: torch takes a batch of one, or of none, for a special case.
    example = torch.zeros(2, 3, size, size)
    shapes = {"image": {0: torch.export.Dim("batch", min=1)}}
    program = torch.export.export(network, (example,), dynamic_shapes=shapes)
    torch.export.save(program, context.output / "model.pt2")
    nodes = len(program.graph.nodes)
    return Outcome(f"checkpoint → torch, {nodes} nodes", {"nodes": nodes}, products={"model": "model.pt2"})
