"""What a task takes as its input: read off its source in the worker, which is not run."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

_FOLDER = Path(__file__).parents[1] / "worker" / "tasks"
_WORDS = "text_of"  # what gives a task the words themselves where there is no such file


@cache
def takes_words(task: str) -> bool:
    """Whether the input of a task may be words instead of a file; true also of a task that is not known here."""
    file = _FOLDER / f"{task.replace('-', '_')}.py"
    if not file.is_file():
        return True
    tree = ast.parse(file.read_bytes())
    return any(isinstance(found, ast.Name) and found.id == _WORDS for found in ast.walk(tree))
