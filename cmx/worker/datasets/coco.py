"""Format ``coco``: photos with boxes around things, listed in one JSON file as COCO's annotations are."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cmx.worker.context import Role
from cmx.worker.datasets.picture import open_picture

if TYPE_CHECKING:
    from PIL.Image import Image


class Coco:
    """The photos of an annotation file, by their ids; ``document`` is the file, and ``categories`` its kinds of things.

    A model's class N is the Nth of the categories by their ids: COCO's ids have gaps.
    """

    def __init__(self, document: Mapping[str, Any], pictures: Path) -> None:
        self.document = document
        self.photos: Sequence[Mapping[str, Any]] = sorted(document["images"], key=lambda each: int(each["id"]))
        self.categories: Sequence[Mapping[str, Any]] = sorted(document["categories"], key=lambda each: int(each["id"]))
        self._pictures = pictures

    def __len__(self) -> int:
        return len(self.photos)

    def name(self, index: int) -> str:
        """The photo's file name."""
        return str(self.photos[index]["file_name"])

    def image(self, index: int) -> Image:
        """The photo, in RGB, as it was annotated: boxes know nothing of how the camera was held.

        Raises ActionError naming the file if it is no picture, ValueError if it has not the size that is annotated.
        """
        photo, file = self.photos[index], self._pictures / self.name(index)
        picture = open_picture(file, upright=False)
        if picture.size != (photo["width"], photo["height"]):
            raise ValueError(f"{file}: {picture.size} pixels, annotated are {(photo['width'], photo['height'])}")
        return picture


def open(role: Role) -> Coco:
    """The dataset of a role; raises ValueError when its files are not what its component says."""
    where = role.component.get("annotations") or {}
    if "file" not in where or role.path is None:
        raise ValueError(f"{role.reference}: annotations: expected {{file: …}}")
    file = role.path / where["file"]
    try:
        found = Coco(json.loads(file.read_text(encoding="utf-8")), role.path / where.get("pictures", "."))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{file}: not annotations as COCO has them: {error!r}") from error
    expected = role.component.get("samples")
    if expected is not None and len(found) != expected:
        raise ValueError(f"{file}: {len(found)} photos, {role.reference} says {expected}")
    return found
