"""Datasets: samples with labels, by the ``format`` that a dataset's component names."""

from __future__ import annotations

from cmx.worker.datasets.classes import class_names
from cmx.worker.datasets.folder import Dataset, ImageFolder, open_dataset
from cmx.worker.datasets.picture import open_picture

__all__ = ["Dataset", "ImageFolder", "class_names", "open_dataset", "open_picture"]
