"""A repository: a folder of components, with a repo.yaml."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cmx.reference import COMPONENT_FILE
from cmx.repository.heads import Heads

REPOSITORY_FILE = "repo.yaml"
_NEVER = {"node_modules", "__pycache__", "site-packages"}


@dataclass(frozen=True)
class Repository:
    """Where components are looked for. ``folders`` are the parts of ``root`` that hold them; () is all of it."""

    name: str
    root: Path
    description: str = ""
    folders: tuple[str, ...] = ()

    @classmethod
    def open(cls, root: Path, *, name: str = "", heads: Heads | None = None) -> Repository:
        """Read repo.yaml, through ``heads`` if given; a folder without one is a repository of the folder's own name.

        Raises ComponentInvalid when repo.yaml breaks its schema.
        """
        file = root / REPOSITORY_FILE
        if not file.is_file():
            return cls(name or root.name, root)
        document = heads.document(file, _read) if heads else _read(file)
        folders = tuple(document.get("folders", ()))
        return cls(name or document["name"], root, document.get("description", ""), folders)

    def files(self) -> Iterator[os.DirEntry[str]]:
        """Every component.yaml, in a stable order; symbolic links to folders are not followed."""
        for folder in self.folders or ("",):
            yield from _walk(str(self.root / folder))


def _read(file: Path) -> dict[str, Any]:
    from cmx.schema import parse_yaml, read_text, validate

    text = read_text(file)
    document = parse_yaml(text, file)
    validate(document, "repo", source=file, text=text)
    return document


def _walk(folder: str) -> Iterator[os.DirEntry[str]]:
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError:
        return
    for entry in entries:
        if entry.name == COMPONENT_FILE:
            yield entry
        elif not _ignored(entry.name) and entry.is_dir(follow_symlinks=False):
            yield from _walk(entry.path)


def _ignored(name: str) -> bool:
    """Hidden folders, those of other tools, and names that are not text (bytes that are not UTF-8)."""
    return name.startswith(".") or name in _NEVER or not (name.isascii() or name.isprintable())
