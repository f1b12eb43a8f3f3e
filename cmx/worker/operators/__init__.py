"""The steps before and after a model, as its component.yaml lists them.

A step is a mapping of one operator to its parameters, ``{resize: {size: 224}}``; a value that is no mapping is
that of the operator's first parameter, ``{top_k: 5}``. An operator is a function in any file of this package,
marked with ``@operator``, which is told what its parameters may be; one value goes in and one comes out, the
rest are keywords.
"""

from __future__ import annotations

import importlib
import pkgutil
from functools import partial
from typing import Any, Callable, Mapping, Sequence

from cmx.worker.operators.registry import OperatorError, bind, operator, operators

__all__ = ["OperatorError", "operator", "operators", "pipeline"]


def pipeline(steps: Sequence[Mapping[str, Any]]) -> Callable[[Any], Any]:
    """A function that applies the steps in order to one value: a picture, or the output of a model.

    Raises OperatorError at once for an unknown operator, or a parameter that is unknown, missing or wrong.
    """
    return partial(_apply, tuple(bind(number, step) for number, step in enumerate(steps, start=1)))


def _apply(functions: Sequence[Callable[[Any], Any]], value: Any) -> Any:
    for function in functions:
        value = function(value)
    return value


for _module in pkgutil.iter_modules(__path__):
    importlib.import_module(f"{__name__}.{_module.name}")
