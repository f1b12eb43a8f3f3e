"""Write a dataset as a model wants it."""

from __future__ import annotations

import numpy as np

from cmx.worker import Context, Outcome
from cmx.worker.datasets import open_dataset
from cmx.worker.inference import PictureLibrary


def export_samples(context: Context) -> Outcome:
    """Leave ``samples.npy``: float32, little-endian, in the order of the dataset, one sample after the other."""
    dataset = open_dataset(context.role("dataset"))
    library = PictureLibrary(dataset, context.role("model").component.get("preprocess", ()))
    library.load(range(len(dataset)))
    samples = np.concatenate([library.samples[index] for index in range(len(dataset))]).astype("<f4")
    np.save(context.output / "samples.npy", np.ascontiguousarray(samples), allow_pickle=False)
    shape = "×".join(map(str, samples.shape))
    return Outcome(f"{len(dataset)} samples, {shape}", {"shape": samples.shape}, products={"samples": "samples.npy"})
