"""What tasks there are, what they take and their metrics: read off their source in the worker, which is not run."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

_FOLDER = Path(__file__).parents[1] / "worker" / "tasks"


@cache
def tasks() -> tuple[str, ...]:
    """The names of the tasks that the worker knows."""
    names = (file.stem for file in _FOLDER.glob("*.py"))
    return tuple(sorted(name.replace("_", "-") for name in names if name not in ("__init__", "base")))


def takes_words(task: str) -> bool:
    """Whether the input of a task may be words instead of a file; true also of a task that is not known here."""
    return task not in tasks() or bool(_declared(task).get("words"))


def metrics(task: str) -> tuple[str, ...]:
    """The names of a task's metrics; of those with a number, as ``top_1``, the usual ones."""
    return tuple(_declared(task).get("metrics", ()))


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


@cache
def _declared(task: str) -> Mapping[str, Any]:
    """What the class of a task says in plain values."""
    given = (node for node in _body(task) if isinstance(node, ast.Assign))
    values = ((target.id, node.value) for node in given for target in node.targets if isinstance(target, ast.Name))
    return {name: ast.literal_eval(value) for name, value in values if name in ("metrics", "words")}
