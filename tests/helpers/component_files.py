"""Small components for tests: each function gives the text of one component.yaml."""

from __future__ import annotations

import hashlib
from pathlib import Path

FOLDERS = {"model": "models", "dataset": "datasets", "action": "actions", "workflow": "workflows"}


def uid(key: str) -> str:
    """A uid that is always the same for a key."""
    return "a" + hashlib.sha256(key.encode()).hexdigest()[:15]


def component(kind: str, name: str, body: str, *, version: str = "1.0.0", tags: str = "[]", of: str = "") -> str:
    """The text of a component.yaml; its uid is that of ``of``, by default its own key."""
    return (
        f"schema: 1\nkind: {kind}\nuid: {uid(of or f'{kind}/{name}')}\nname: {name}\nversion: {version}\n"
        f"description: The {kind} {name}\ntags: {tags}\n{body}"
    )


def dataset(name: str, *, licence: str = "MIT", version: str = "1.0.0", tags: str = "[]", of: str = "") -> str:
    """A dataset whose files lie beside it."""
    body = f"license: {licence}\nformat: image-folder\nsource: {{file: files}}\n"
    return component("dataset", name, body, version=version, tags=tags, of=of)


def model(
    name: str,
    variants: str = "{onnx: {source: {file: model.onnx}}}",
    more: str = "",
    *,
    licence: str = "MIT",
    **common: str,
) -> str:
    """A model; ``variants`` is YAML."""
    tensors = "inputs: [{name: x, dtype: float32, shape: [1]}]\noutputs: [{name: y, dtype: float32, shape: [1]}]\n"
    body = f"license: {licence}\ntask: classification\n{tensors}variants: {variants}\n{more}"
    return component("model", name, body, **common)


def package(name: str, *, formats: str = "[]", more: str = "") -> str:
    """A Python package that pip installs."""
    body = f"python-package: {name}\nformats: {formats}\ninstall: [{{with: pip, package: {name}}}]\n{more}"
    return component("software-detect", name, body)


def action(name: str, requires: str, more: str = "") -> str:
    """An action in action.py; ``requires`` is YAML."""
    return component("action", name, f"entry: action.py:{name}\nrequires: {requires}\n{more}")


def workflow(name: str, requires: str, steps: str) -> str:
    """A workflow; ``requires`` and ``steps`` are YAML."""
    return component("workflow", name, f"requires: {requires}\nsteps: {steps}\n")


def put(root: Path, path: str, text: str) -> Path:
    """Write ``root/path/component.yaml``; returns the file."""
    file = root / path / "component.yaml"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")
    return file


def put_all(root: Path, *texts: str) -> Path:
    """Write components where their kind and name belong; returns ``root``."""
    for text in texts:
        lines = dict(line.split(": ", 1) for line in text.splitlines()[:6])
        put(root, f"{FOLDERS.get(lines['kind'], lines['kind'])}/{lines['name']}", text)
    return root
