"""Operators by name, and what ties a step of a component.yaml to one."""

from __future__ import annotations

import difflib
import inspect
from functools import partial
from typing import Any, Callable, Dict, Iterable, Mapping, TypeVar

Function = TypeVar("Function", bound=Callable[..., Any])

_OPERATORS: Dict[str, Callable[..., Any]] = {}


class OperatorError(ValueError):
    """A step names what does not exist, or a value that an operator cannot work with."""


def operator(function: Function) -> Function:
    """Register a function as the operator of its name; two of one name are an error."""
    if function.__name__ in _OPERATORS:
        raise OperatorError(f"there are two operators named {function.__name__!r}")
    _OPERATORS[function.__name__] = function
    return function


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
    return partial(function, **_parameters(f"step {number}, {name}", function, given))


def _parameters(where: str, function: Callable[..., Any], given: Any) -> dict[str, Any]:
    known = list(inspect.signature(function).parameters.values())[1:]
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
    return dict(given)


def nearest(word: str, known: Iterable[str]) -> str:
    """A sentence for a misspelt word: the nearest known one, or all there are."""
    names = sorted(known)
    close = difflib.get_close_matches(str(word), names, n=1, cutoff=0.6)
    if close:
        return f"did you mean {close[0]!r}?"
    return "there is: " + ", ".join(names) if names else "there is none"
