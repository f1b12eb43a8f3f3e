"""Pictures and labels in gzipped idx files, and the operator that makes any picture grey."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from cmx.worker import Role
from cmx.worker.datasets import open_dataset
from cmx.worker.operators import pipeline

OPTIONS = {"images": "pictures.gz", "labels": "labels.gz"}


def zipped(content: bytes) -> bytes:
    """The same bytes at any time of day: they name tests, and all of pytest's workers must agree on these names."""
    return gzip.compress(content, mtime=0)


def idx(values: np.ndarray[Any, Any]) -> bytes:
    axes = b"".join(side.to_bytes(4, "big") for side in values.shape)
    return zipped(bytes([0, 0, 8, values.ndim]) + axes + values.astype(np.uint8).tobytes())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "pictures.gz").write_bytes(idx(np.arange(12).reshape(2, 3, 2)))
    (tmp_path / "labels.gz").write_bytes(idx(np.array([7, 3])))
    return tmp_path


def role(path: Path, **component: Any) -> Role:
    return Role("dataset/small==1.0.0", "", path, {"format": "idx", "options": OPTIONS, **component}, path)


def test_pictures_have_their_labels(folder: Path) -> None:
    found: Any = open_dataset(role(folder, samples=2))
    assert [found.label(index) for index in range(len(found))] == [7, 3]
    assert (found.image(1).mode, found.image(1).size) == ("L", (2, 3))
    assert np.asarray(found.image(1)).tolist() == [[6, 7], [8, 9], [10, 11]]


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (b"no gzip", "labels.gz: not a gzipped file that can be read"),
        (idx(np.array([7, 3]))[:-9], "labels.gz: not a gzipped file that can be read"),
        (
            gzip.compress(b"\0\0\x08", mtime=0),
            "labels.gz: not an idx file of uint8 with 1 axes, or one that is cut short",
        ),
        (
            gzip.compress(b"\0\0\x08\1\0\0\0\2\7", mtime=0),
            "labels.gz: not an idx file of uint8 with 1 axes, or one that is cut",
        ),
        (idx(np.zeros((2, 1))), "labels.gz: not an idx file of uint8 with 1 axes"),
        (idx(np.array([7, 3, 1])), "2 pictures and 3 labels, expected 3"),
    ],
)
def test_files_that_are_not_as_they_should_be_are_named(folder: Path, labels: bytes, message: str) -> None:
    (folder / "labels.gz").write_bytes(labels)
    with pytest.raises(ValueError, match=message):
        open_dataset(role(folder))


def test_a_dataset_says_which_files_it_means(folder: Path) -> None:
    with pytest.raises(ValueError, match="options: expected images and labels, found images"):
        open_dataset(role(folder, options={"images": "pictures.gz"}))


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA"])
def test_any_picture_becomes_grey(mode: str) -> None:
    grey = pipeline([{"grey": {}}])(Image.new(mode, (4, 3), "white"))
    assert (grey.shape, grey.dtype, int(grey.min())) == ((3, 4, 1), np.uint8, 255)
