"""What tasks there are, what they take and their metrics: read off their source in the worker, which is not run."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
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


@cache
def tasks() -> tuple[str, ...]:
    """The names of the tasks that the worker knows."""
    names = (file.stem for file in _FOLDER.glob("*.py"))
    return tuple(sorted(name.replace("_", "-") for name in names if name not in ("__init__", "base")))


@cache
def metrics(task: str) -> tuple[str, ...]:
    """The names of a task's metrics; of those with a number, as ``top_1``, the usual ones."""
    values = (node.value for node in _body(task) if isinstance(node, ast.Assign) and _assigns(node, "metrics"))
    return tuple(name for value in values for name in ast.literal_eval(value))


def has_metric(task: str, name: str) -> bool:
    """Whether a task scores by this name; one that checks names itself has its metrics with other numbers, too."""
    if name in metrics(task):
        return True
    checks = any(isinstance(node, ast.FunctionDef) and node.name == "check_metric" for node in _body(task))
    return checks and _numberless(name) in map(_numberless, metrics(task))


def _numberless(name: str) -> str:
    return re.sub(r"[1-9][0-9]*", "#", name)


def _body(task: str) -> Iterator[ast.stmt]:
    """What is in the class that carries out a task."""
    name = "".join(part.capitalize() for part in task.split("-"))
    tree = ast.parse((_FOLDER / f"{task.replace('-', '_')}.py").read_bytes())
    return (
        node for found in tree.body if isinstance(found, ast.ClassDef) and found.name == name for node in found.body
    )


def _assigns(node: ast.Assign, name: str) -> bool:
    return any(isinstance(target, ast.Name) and target.id == name for target in node.targets)
