"""A repository: a folder of components, with a repo.yaml."""

from __future__ import annotations

from collections.abc import Iterator
from os import sep
from pathlib import Path
from typing import Any, NamedTuple

from cmx.reference import COMPONENT_FILE
from cmx.repository.heads import Heads
from cmx.repository.listing import files

REPOSITORY_FILE = "repo.yaml"


class Repository(NamedTuple):  # not a dataclass: see Settings
    """Where components are looked for. ``folders`` are the parts of ``root`` that hold them; () is all of it.

    ``revision`` changes whenever the content does; it is "" where only looking at each file can tell.
    """

    name: str
    root: Path
    description: str = ""
    folders: tuple[str, ...] = ()
    revision: str = ""
    kind: str = "folder"
    source: str = ""

    @classmethod
    def open(cls, root: Path, *, name: str = "", heads: Heads | None = None, **more: Any) -> Repository:
        """Read repo.yaml, through ``heads`` if given; a folder without one is a repository of the folder's own name.

        Raises ComponentInvalid when repo.yaml breaks its schema.
        """
        file = root / REPOSITORY_FILE
        if not file.is_file():
            return cls(name or root.name, root, **more)
        document = heads.document(file, _read) if heads else _read(file)
        folders = tuple(document.get("folders", ()))
        return cls(name or document["name"], root, document.get("description", ""), folders, **more)

    @property
    def managed(self) -> bool:
        """Whether cmx keeps it, so that ``revision`` says all there is to say of its content."""
        return bool(self.revision)

    def files(self) -> Iterator[Path]:
        """Every component.yaml, in a stable order; symbolic links to folders are not followed."""
        return files(self.root, self.folders)

    def file(self, path: str) -> str:
        """The path of the component.yaml of a component's folder, which is relative to the root."""
        return f"{self.root}{sep}{path}{sep}{COMPONENT_FILE}" if path else f"{self.root}{sep}{COMPONENT_FILE}"


def _read(file: Path) -> dict[str, Any]:
    from cmx.schema import parse_yaml, read_text, validate

    text = read_text(file)
    document = parse_yaml(text, file)
    validate(document, "repo", source=file, text=text)
    return document
