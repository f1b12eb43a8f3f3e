"""Format ``image-folder``: pictures in a folder, labelled by their file names."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from cmx.worker.context import Role
from cmx.worker.datasets.picture import open_picture

if TYPE_CHECKING:
    from PIL.Image import Image


class ImageFolder:
    """The files of a folder whose names match a pattern with one group, the label; sorted by name."""

    def __init__(self, files: Sequence[Path], labels: Sequence[int]) -> None:
        self._files = tuple(files)
        self._labels = tuple(labels)

    @classmethod
    def open(cls, role: Role) -> ImageFolder:
        """The dataset of a role; raises ValueError when its files are not what its component says."""
        if role.path is None or not role.path.is_dir():
            raise ValueError(f"{role.reference}: {role.path} is not a folder")
        pattern = _pattern(role)
        found = [(path, pattern.fullmatch(path.name)) for path in sorted(role.path.iterdir()) if path.is_file()]
        files = [(path, int(match[1])) for path, match in found if match]
        expected = role.component.get("samples")
        if not files or (expected is not None and len(files) != expected):
            raise ValueError(
                f"{role.reference}: {len(files)} files in {role.path} match {pattern.pattern!r}, "
                f"expected {expected or 'at least one'}"
            )
        return cls([path for path, _ in files], [label for _, label in files])

    def __len__(self) -> int:
        return len(self._files)

    def image(self, index: int) -> Image:
        """The picture, in RGB; raises ActionError naming the file if it is none."""
        return open_picture(self._files[index])

    def label(self, index: int) -> int:
        """The number of the class it shows, from 0."""
        return self._labels[index]

    def name(self, index: int) -> str:
        """Its file's name."""
        return self._files[index].name


def _pattern(role: Role) -> re.Pattern[str]:
    label = role.component.get("label") or {}
    if label.get("from") != "filename" or "pattern" not in label:
        raise ValueError(f"{role.reference}: label: expected {{from: filename, pattern: …}}")
    pattern = re.compile(label["pattern"])
    if pattern.groups != 1:
        raise ValueError(f"{role.reference}: label.pattern has {pattern.groups} groups, expected one, the label")
    return pattern


def open(role: Role) -> ImageFolder:
    """The dataset of a role; raises ValueError when its files are not what its component says."""
    return ImageFolder.open(role)
