"""Names of classes."""

from __future__ import annotations

import json

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
