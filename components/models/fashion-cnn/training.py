"""Training, as a conversion: pictures with labels and an untrained network in, a network out.

It is so kept in the store under the hashes of all that it depends on, and done once for every framework.
"""

from __future__ import annotations

from time import perf_counter

import numpy as np
import torch
from torch.nn import functional

from cmx.worker import Context, Outcome
from cmx.worker.datasets.idx import IdxPictures, open

from .fashion_network import FashionCnn  # type: ignore[import-not-found]


def train(context: Context, *, epochs: int, batch: int, rate: float, seed: int) -> Outcome:
    """Write model.pt2, ``image`` (batch, 1, 28, 28) to ``logits`` (batch, 10), after so many times through the data.

    Adam, cross entropy, batches in an order that follows from ``seed``, one thread: the same on the same machine and
    version of torch; elsewhere floating-point sums in another order make other weights.
    """
    torch.manual_seed(seed)
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    images, labels = _tensors(context)
    network, begin = FashionCnn(), perf_counter()
    optimiser = torch.optim.Adam(network.parameters(), lr=rate)
    right = 0.0
    for _ in range(epochs):
        right = _epoch(network, optimiser, images, labels, batch)
    seconds = perf_counter() - begin
    _export(network.eval(), context)
    said = f"trained for {epochs} epochs in {seconds:.0f} s, {right:.3f} right of what it learnt from in the last"
    return Outcome(said, {"seconds": seconds, "right": right}, products={"model": "model.pt2"})


def _tensors(context: Context) -> tuple[torch.Tensor, torch.Tensor]:
    """Pictures and labels, scaled as the model's ``preprocess`` scales them."""
    pictures: IdxPictures = open(context.role("training"))
    (scale,) = (step["normalize"] for step in context.role("source").get("preprocess") if "normalize" in step)
    scaled = (pictures.pixels.astype(np.float32) - np.float32(scale["mean"])) / np.float32(scale["std"])
    return torch.from_numpy(scaled[:, None]), torch.from_numpy(pictures.labels.astype(np.int64))


def _epoch(
    network: torch.nn.Module, optimiser: torch.optim.Optimizer, images: torch.Tensor, labels: torch.Tensor, batch: int
) -> float:
    """Once through the data; which part was right, each answer given before it was learnt from."""
    right = 0
    order = torch.randperm(len(images))
    for start in range(0, len(images), batch):
        chosen = order[start : start + batch]
        logits = network(images[chosen])
        optimiser.zero_grad()
        functional.cross_entropy(logits, labels[chosen]).backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        right += int((logits.argmax(1) == labels[chosen]).sum())
    return right / len(images)


def _export(network: torch.nn.Module, context: Context) -> None:
    # Two pictures: torch takes a batch of one, or of none, for a special case.
    shapes = {"image": {0: torch.export.Dim("batch", min=1)}}
    program = torch.export.export(network, (torch.zeros(2, 1, 28, 28),), dynamic_shapes=shapes)
    torch.export.save(program, context.output / "model.pt2")
