"""``job.json``: one step, as the controller hands it to the worker."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Optional

from cmx.worker.context import Role

SCHEMA = 1


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
        settings=_mapping(role.get("settings") or {}, f"{place}.settings"),
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
