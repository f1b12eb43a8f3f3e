"""``job.json``: one step, as the controller hands it to the worker."""

from __future__ import annotations

import importlib.util
import json
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.machinery import SourceFileLoader
from pathlib import Path
from typing import Any, Optional

from cmx.worker.context import Role

SCHEMA = 1
_REFERENCE = re.compile(r"(?P<kind>[a-z][a-z-]*)/(?P<name>[a-z0-9][a-z0-9._-]*)(==\S+)?")


class JobError(ValueError):
    """The job document cannot be used; the message names the field."""


@dataclass(frozen=True)
class Job:
    """One step to carry out. Paths are absolute."""

    reference: str
    entry: str
    parameters: Mapping[str, Any]
    roles: Mapping[str, Role]
    products: Mapping[str, Mapping[str, Path]]
    output: Path
    seed: int
    progress: bool
    memory_limit: Optional[int]
    workflow: Optional[Role] = None
    target: str = ""

    @classmethod
    def read(cls, path: Path) -> Job:
        """Read ``job.json``; raises JobError naming the field that is missing or wrong, OSError for no file."""
        try:
            document = json.loads(path.read_text(encoding="utf-8"))
        except ValueError as error:
            raise JobError(f"{path}: not JSON: {error}") from error
        return cls.from_document(document)

    @classmethod
    def from_document(cls, document: Any) -> Job:
        """The job that a parsed ``job.json`` describes; raises JobError."""
        top = _mapping(document, "job")
        if top.get("document") != "job" or top.get("schema") != SCHEMA:
            raise JobError(f"job: expected document 'job' of schema {SCHEMA}")
        action = _mapping(_need(top, "action"), "action")
        return cls(
            reference=_text(action, "reference"),
            entry=_text(action, "entry"),
            parameters=_mapping(top.get("parameters", {}), "parameters"),
            roles={
                name: _role(f"roles.{name}", value) for name, value in _mapping(top.get("roles", {}), "roles").items()
            },
            products=_products(top.get("products", {})),
            output=Path(_text(top, "output")),
            seed=_integer(top.get("seed", 0), "seed"),
            progress=bool(top.get("progress", False)),
            memory_limit=None if top.get("memory_limit") is None else _integer(top["memory_limit"], "memory_limit"),
            workflow=_role("workflow", top["workflow"]) if top.get("workflow") else None,
            target=str(top.get("target") or ""),
        )


def load_entry(entry: str, reference: str) -> Callable[..., Any]:
    """The function ``/abs/file.py:function``, its file loaded as ``cmx_components.<kind>.<name>``.

    Loaded as a package, so that it can import its neighbours with ``from . import network``.
    Raises JobError when the entry or the reference is malformed, or the function is not there.
    """
    file, _, function = entry.rpartition(":")
    match = _REFERENCE.fullmatch(reference)
    if not match or not file.endswith(".py") or not function.isidentifier():
        raise JobError(f"action: cannot load {entry!r} of {reference!r}; expected FILE.py:FUNCTION of kind/name")
    name = f"cmx_components.{match['kind']}.{match['name']}"
    spec = importlib.util.spec_from_file_location(
        name, file, loader=_Loader(name, file), submodule_search_locations=[str(Path(file).parent)]
    )
    if spec is None or spec.loader is None:
        raise JobError(f"action: cannot load {file}")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    found = getattr(module, function, None)
    if not callable(found):
        raise JobError(f"action: {file} has no function {function!r}")
    return found  # type: ignore[no-any-return]


class _Loader(SourceFileLoader):
    """Writes no ``__pycache__``: a component's folder is hashed, and may be read-only."""

    def set_data(self, path: str, data: Any, *, _mode: int = 0o666) -> None:
        """Keep nothing."""


def _role(place: str, value: Any) -> Role:
    role = _mapping(value, place)
    where = role.get("path") or ""
    return Role(
        reference=_text(role, "reference", f"{place}."),
        variant=str(role.get("variant") or ""),
        path=Path(where) if where else None,
        component=_mapping(role.get("component", {}), f"{place}.component"),
        folder=Path(role.get("folder") or "."),
        target=str(role.get("target") or ""),
        exports=_mapping(role.get("exports") or {}, f"{place}.exports"),
    )


def _products(value: Any) -> dict[str, dict[str, Path]]:
    steps = _mapping(value, "products")
    return {
        step: {name: Path(path) for name, path in _mapping(files, f"products.{step}").items()}
        for step, files in steps.items()
    }


def _need(document: Mapping[str, Any], key: str, where: str = "") -> Any:
    if key not in document:
        raise JobError(f"{where}{key}: missing")
    return document[key]


def _mapping(value: Any, where: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise JobError(f"{where}: expected an object, found {type(value).__name__}")
    return value


def _text(document: Mapping[str, Any], key: str, where: str = "") -> str:
    value = _need(document, key, where)
    if not isinstance(value, str) or not value:
        raise JobError(f"{where}{key}: expected text, found {value!r}")
    return value


def _integer(value: Any, where: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise JobError(f"{where}: expected a whole number, found {value!r}")
    return value
