"""Operators on text."""

from __future__ import annotations

from cmx.worker.operators.registry import operator


@operator(
    template={
        "type": "string",
        "pattern": r"^(?![\s\S]*\{text\}[\s\S]*\{text\})[\s\S]*\{text\}",
        "description": "a text that says {text} once",
    }
)
def prompt(text: str, *, template: str) -> str:
    """The text in its place in what a model was trained to be asked: ``{text}`` in the template."""
    return template.replace("{text}", text)
