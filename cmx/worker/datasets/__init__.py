"""Datasets: samples with their ground truth, by the ``format`` that a dataset's component names.

A format is one module of this package, found by its name (with ``_`` for ``-``): its ``open(role)`` returns the
samples. What they offer beside their number and their names is between the format and the tasks that read it.
"""

from __future__ import annotations

import importlib
import pkgutil
from typing import Protocol, cast

from cmx.worker.context import Role
from cmx.worker.datasets.class_names import class_names
from cmx.worker.datasets.image_folder import ImageFolder
from cmx.worker.datasets.picture import open_picture

__all__ = ["Dataset", "ImageFolder", "class_names", "formats", "open_dataset", "open_picture"]

_NOT_FORMATS = frozenset({"picture"})


class Dataset(Protocol):
    """Samples in an order that never changes."""

    def __len__(self) -> int: ...

    def name(self, index: int) -> str:
        """What a sample is called: its file's name, as a rule."""


class _Format(Protocol):
    def open(self, role: Role) -> Dataset: ...


def formats() -> tuple[str, ...]:
    """The formats that there are."""
    names = (module.name for module in pkgutil.iter_modules(__path__))
    return tuple(sorted(name.replace("_", "-") for name in names if name not in _NOT_FORMATS))


def open_dataset(role: Role) -> Dataset:
    """The dataset that fills a role, by the ``format`` of its component; raises ValueError if it cannot be used."""
    name = role.component.get("format")
    if name not in formats():
        raise ValueError(f"{role.reference}: unknown format {name!r}; there is: {', '.join(formats())}")
    return cast(_Format, importlib.import_module(f"{__name__}.{name.replace('-', '_')}")).open(role)
