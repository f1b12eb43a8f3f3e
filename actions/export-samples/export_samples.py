"""Write a dataset as a model wants it."""

from __future__ import annotations

import numpy as np

from cmx.worker import ActionError, Context, Outcome
from cmx.worker.inference import Samples
from cmx.worker.tasks import open_task


def export_samples(context: Context) -> Outcome:
    """Leave ``samples.npy``: little-endian, in the order of the dataset, one sample after the other.

    Raises ActionError for a model with more than one input.
    """
    task = open_task(context)
    if len(task.inputs) != 1:
        raise ActionError(f"the model has {len(task.inputs)} inputs; one .npy file holds one")
    ready = Samples(task)
    ready.load(range(len(task)))
    samples = np.concatenate([ready.feeds[index][task.inputs[0]] for index in range(len(task))])
    samples = samples.astype(samples.dtype.newbyteorder("<"), copy=False)
    np.save(context.output / "samples.npy", np.ascontiguousarray(samples), allow_pickle=False)
    shape = "×".join(map(str, samples.shape))
    return Outcome(f"{len(task)} samples, {shape}", {"shape": samples.shape}, products={"samples": "samples.npy"})
