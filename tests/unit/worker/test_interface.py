"""What the Python of components may use of the worker is written down, by the number of the interface."""

from __future__ import annotations

import ast
import importlib
import inspect
import os
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cmx.worker.datasets import formats
from cmx.worker.operators.registry import _OPERATORS, operators
from cmx.worker.tasks import tasks
from cmx.worker_interface import INTERFACE, NAMES, OLDEST, every_name, offers

ROOT = Path(__file__).parents[3]
RECORDS = ROOT / "tests/cases/worker_interface"


def surface() -> str:
    """Each name with its signature, and the public fields and methods of classes; operators, tasks and formats."""
    lines = []
    for module, names in NAMES.items():
        for name in names:
            lines += _described(f"{module}.{name}", getattr(importlib.import_module(module), name))
    lines += [line for name in operators() for line in _described(f"operator {name}", _OPERATORS[name])]
    lines += [f"task {name}" for name in tasks()]
    lines += [f"format {name}" for name in formats()]
    return "".join(f"{line}\n" for line in lines)


def _described(name: str, found: Any) -> list[str]:
    if not (inspect.isfunction(found) or inspect.isclass(found)):
        return [name]  # a constant, or the name of a type
    node = ast.parse(textwrap.dedent(inspect.getsource(found))).body[0]
    if isinstance(node, ast.FunctionDef):
        return [f"{name}{_signature(node)}"]
    assert isinstance(node, ast.ClassDef)
    bases = ", ".join(map(ast.unparse, node.bases))
    return [f"{name}: class({bases})", *(f"{name}.{member}" for member in _members(node))]


def _members(node: ast.ClassDef) -> Iterator[str]:
    for each in node.body:
        if isinstance(each, ast.FunctionDef) and _is_public(each.name):
            marks = "".join(f"@{ast.unparse(mark)} " for mark in each.decorator_list)
            yield f"{each.name}{_signature(each)} {marks}".rstrip()
        if isinstance(each, ast.AnnAssign) and not ast.unparse(each.target).startswith("_"):
            yield ast.unparse(each)


def _is_public(name: str) -> bool:
    return name.startswith("__") or not name.startswith("_")


def _signature(node: ast.FunctionDef) -> str:
    return f"({ast.unparse(node.args)}) -> {ast.unparse(node.returns) if node.returns else None}"


def test_the_interface_of_this_number_is_the_one_that_was_written_down() -> None:
    record = RECORDS / f"{INTERFACE}.txt"
    if os.environ.get("CMX_GOLDEN") == "write" and not record.exists():
        record.write_text(surface(), encoding="utf-8")
    assert surface() == record.read_text(encoding="utf-8"), (
        f"cmx.worker is not what interface {INTERFACE} was, and archives are packed for that number. Raise INTERFACE "
        "in cmx/worker_interface.py, and OLDEST to the same where something of before has changed or is gone; then "
        "CMX_GOLDEN=write. Until a number was released its record may be removed and written anew instead."
    )
    assert 1 <= OLDEST <= INTERFACE


def test_everything_that_our_own_components_import_is_in_the_interface() -> None:
    files = [file for folder in ("actions", "components", "workflows") for file in (ROOT / folder).rglob("*.py")]
    found = {
        f"{node.module}.{alias.name}"
        for file in files
        for node in ast.walk(ast.parse(file.read_bytes()))
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("cmx")
        for alias in node.names
    }
    assert len(found) > 20
    assert sorted(name for name in found if not offers(name)) == []


@pytest.mark.parametrize("page", ["docs/worker.md"])
def test_the_page_lists_every_name(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    rows = {line.split("|")[1].strip(" `"): line for line in text.splitlines() if line.startswith("| `cmx.worker")}
    assert list(rows) == list(NAMES)
    assert [name for name in every_name() if f"`{name.rpartition('.')[2]}`" not in rows[name.rpartition(".")[0]]] == []
    assert f"interface {INTERFACE}" in text
