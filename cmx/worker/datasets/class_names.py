"""Format ``class-names``: names of classes, a JSON list."""

from __future__ import annotations

import json
from collections.abc import Sequence

from cmx.worker.context import Role


def class_names(role: Role) -> tuple[str, ...]:
    """The names that a dataset of format ``class-names`` lists, a JSON list in its one file; index is class number.

    Raises ValueError when the file holds something else, or not as many as its component's ``samples`` says.
    """
    if role.component.get("format") != "class-names":
        raise ValueError(f"{role.reference}: format is {role.component.get('format')!r}, expected 'class-names'")
    names = json.loads(role.file.read_text(encoding="utf-8"))
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise ValueError(f"{role.file}: expected a JSON list of names")
    expected = role.component.get("samples")
    if expected is not None and len(names) != expected:
        raise ValueError(f"{role.file}: {len(names)} names, {role.reference} says {expected}")
    return tuple(names)


class ClassNames:
    """The names as samples of a dataset."""

    def __init__(self, names: Sequence[str]) -> None:
        self._names = tuple(names)

    def __len__(self) -> int:
        return len(self._names)

    def name(self, index: int) -> str:
        """The name of the class of this number."""
        return self._names[index]


def open(role: Role) -> ClassNames:
    """The dataset of a role; raises ValueError as ``class_names`` does."""
    return ClassNames(class_names(role))
