"""Operators on text."""

from __future__ import annotations

from cmx.worker.operators.registry import OperatorError, operator

_PLACE = "{text}"


@operator
def prompt(text: str, *, template: str) -> str:
    """The text in its place in what a model was trained to be asked: ``{text}`` in the template."""
    if template.count(_PLACE) != 1:
        raise OperatorError(f"prompt: the template has to say {_PLACE} once, it is {template!r}")
    return template.replace(_PLACE, text)
