"""The operators that a model may name, and what each takes: read off their source, which is not run.

What is said of a step is what the worker would say of it, before anything was installed for the worker to run.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple, TypeGuard

from cmx.errors import nearest
from cmx.schema import validate_value

_FOLDER = Path(__file__).parents[1] / "worker" / "operators"


class _Operator(NamedTuple):
    """What a step may give: its parameters, the first of them for a value that is no mapping, and those it must.

    ``rules`` are fragments of JSON Schema that say what each may be.
    """

    parameters: tuple[str, ...]
    required: frozenset[str]
    rules: Mapping[str, Mapping[str, Any]]


def step_faults(steps: list[Mapping[str, Any]]) -> Iterator[tuple[int, str, str]]:
    """The place, what is wrong and the remedy, of each step whose operator or parameters are not what they may be."""
    known = _operators()
    for place, step in enumerate(steps):
        ((name, given),) = step.items()
        if name not in known:
            yield place, f"there is no operator {name!r}", nearest(name, known)
            continue
        yield from ((place, wrong, hint) for wrong, hint in _parameter_faults(name, known[name], given))


def _parameter_faults(name: str, operator: _Operator, given: Any) -> Iterator[tuple[str, str]]:
    if not isinstance(given, Mapping):
        if not operator.parameters:
            yield f"{name} takes no parameter, not {given!r}", f"write {{{name}: {{}}}}"
            return
        given = {operator.parameters[0]: given}
    for parameter, value in given.items():
        if parameter not in operator.parameters:
            yield f"{name} has no parameter {parameter!r}", nearest(parameter, operator.parameters)
        elif wrong := validate_value(value, operator.rules[parameter]):
            yield f"{name}: {parameter}: {wrong}", _remedy(value, operator.rules[parameter])
    if missing := sorted(operator.required - given.keys()):
        yield f"{name} lacks {', '.join(missing)}", f"write {{{name}: {{{missing[0]}: …}}}}"


def _remedy(value: Any, rule: Mapping[str, Any]) -> str:
    if "enum" in rule:
        return nearest(str(value), rule["enum"])
    return f"it has to be {rule['description']}" if "description" in rule else ""


@cache
def _operators() -> Mapping[str, _Operator]:
    found: dict[str, _Operator] = {}
    for file in sorted(_FOLDER.glob("*.py")):
        for node in ast.parse(file.read_bytes(), filename=str(file)).body:
            if isinstance(node, ast.FunctionDef):
                for mark in filter(_is_mark, node.decorator_list):
                    found[node.name] = _signature(node.args, mark)
    return found


def _is_mark(decorator: ast.expr) -> TypeGuard[ast.Call]:
    return isinstance(decorator, ast.Call) and isinstance(decorator.func, ast.Name) and decorator.func.id == "operator"


def _signature(arguments: ast.arguments, mark: ast.Call) -> _Operator:
    """As the worker binds it: everything after the first argument is a parameter, and the mark has its rule."""
    plain = [each.arg for each in arguments.args][1:]
    without = plain[: len(plain) - len(arguments.defaults)] if arguments.defaults else plain
    keywords = [each.arg for each in arguments.kwonlyargs]
    needed = [each for each, default in zip(keywords, arguments.kw_defaults, strict=True) if default is None]
    rules = {each.arg: ast.literal_eval(each.value) for each in mark.keywords if each.arg}
    return _Operator((*plain, *keywords), frozenset([*without, *needed]), rules)
