"""Silero's TorchScript as its ONNX file is: the state goes in and comes out, instead of staying inside."""

from __future__ import annotations

from pathlib import Path

import torch

from cmx.worker import Context, Outcome


def to_torchscript(context: Context) -> Outcome:
    """Write model.pt: ``input`` (batch, 576) and ``state`` (2, batch, 128) to the probability and the next state.

    It is the published module's inner network for 16 kHz. Raises ValueError where there is none.
    """
    published = torch.jit.load(str(context.role("source").file), map_location="cpu")  # type: ignore[no-untyped-call]
    inner = getattr(published, "_model", None)
    if inner is None or len(inner.forward.schema.arguments) != 3:
        raise ValueError("the file has no inner network of a frame and a state: it is not Silero VAD 5 or 6")
    target: Path = context.output / "model.pt"
    torch.jit.save(inner, str(target))
    return Outcome("jit → torchscript, its state outside", {"bytes": target.stat().st_size}, {"model": target.name})
