"""Operators by name, and what ties a step of a component.yaml to one."""

from __future__ import annotations

import inspect
from functools import partial
from typing import Any, Callable, Dict, Mapping, TypeVar

from cmx.worker.operators.values import Rule, nearest, problem, whole

Function = TypeVar("Function", bound=Callable[..., Any])

_OPERATORS: Dict[str, Callable[..., Any]] = {}
_RULES: Dict[str, Mapping[str, Rule]] = {}


class OperatorError(ValueError):
    """A step names what does not exist, or a value that an operator cannot work with."""


def operator(**rules: Rule) -> Callable[[Function], Function]:
    """Register a function as the operator of its name; two of one name are an error.

    ``rules`` says of each parameter after the first what it may be, and is written out: ``cmx check`` reads it, too.
    """

    def register(function: Function) -> Function:
        name = function.__name__
        if name in _OPERATORS:
            raise OperatorError(f"there are two operators named {name!r}")
        parameters = list(inspect.signature(function).parameters)[1:]
        if sorted(parameters) != sorted(rules):
            raise OperatorError(f"{name} has the parameters {parameters}, and rules for {list(rules)}")
        _OPERATORS[name], _RULES[name] = function, rules
        return function

    return register


def operators() -> tuple[str, ...]:
    """The names of all operators."""
    return tuple(sorted(_OPERATORS))


def bind(number: int, step: Mapping[str, Any]) -> Callable[[Any], Any]:
    """The operator of a step with its parameters; ``number`` is the step's place, for messages."""
    if not isinstance(step, Mapping) or len(step) != 1:
        raise OperatorError(f"step {number} is {step!r}; write one operator and its parameters, as in {{top_k: 5}}")
    ((name, given),) = step.items()
    if name not in _OPERATORS:
        raise OperatorError(f"step {number}: unknown operator {name!r}; {nearest(name, _OPERATORS)}")
    function = _OPERATORS[name]
    return partial(function, **_parameters(f"step {number}, {name}", name, given))


def _parameters(where: str, operator: str, given: Any) -> dict[str, Any]:
    known = list(inspect.signature(_OPERATORS[operator]).parameters.values())[1:]
    rules = _RULES[operator]
    if not isinstance(given, Mapping):
        if not known:
            raise OperatorError(f"{where}: it has no parameter to take {given!r}; write {{}}")
        given = {known[0].name: given}
    names = [parameter.name for parameter in known]
    for name in given:
        if name not in names:
            raise OperatorError(f"{where}: unknown parameter {name!r}; {nearest(name, names)}")
    missing = [p.name for p in known if p.default is p.empty and p.name not in given]
    if missing:
        raise OperatorError(f"{where}: {', '.join(missing)} must be given")
    for name, value in given.items():
        wrong = problem(value, rules[name])
        if wrong:
            raise OperatorError(f"{where}: {name} is {value!r}; {wrong}")
    return {name: whole(value, rules[name]) for name, value in given.items()}
