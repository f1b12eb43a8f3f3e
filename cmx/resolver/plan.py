"""Request and plan: what is wanted, and everything that was chosen to do it. A plan is the lock of its run.

Both are plain documents: ``document()`` gives JSON, ``from_document()`` reads it back, and the JSON Schemas are
``request.json`` and ``plan.json``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from cmx.errors import UsageError
from cmx.store import Package

Document = Mapping[str, Any]


@dataclass(frozen=True)
class Request:
    """What is wanted: an action (all of the workflow's when empty), with parameters and roles as the user set them.

    ``target`` is what programs are for ("linux-aarch64"), empty for the host; ``prefer`` is detected, installed or
    newest; ``without`` are references that must not be used.
    """

    workflow: str
    action: str = ""
    parameters: Document = field(default_factory=dict)
    use: Mapping[str, str] = field(default_factory=dict)
    seed: int = 0
    target: str = ""
    prefer: str = "detected"
    without: tuple[str, ...] = ()

    def document(self) -> dict[str, Any]:
        """As JSON."""
        return {"schema": 1, "document": "request", **asdict(self), "without": list(self.without)}

    @classmethod
    def from_document(cls, document: Document) -> Request:
        """Read back what ``document`` wrote."""
        values = {key: document[key] for key in document if key not in ("schema", "document")}
        return cls(**{**values, "without": tuple(document["without"])})


@dataclass(frozen=True)
class Pin:
    """The candidate chosen for a role.

    ``source`` is detected, stored or installable, ``how`` the installer or the path; ``environment`` names the
    environment that a Python package belongs to; ``why`` says why it was chosen, ``others`` why the nearest others were
    not. ``artifact`` says how a model's variant or a dataset is had; ``settings`` are a framework's own.
    """

    role: str
    kind: str
    name: str
    version: str
    variant: str = ""
    source: str = ""
    how: str = ""
    environment: str = ""
    recipe: str = ""
    digest: str = ""
    why: str = ""
    others: tuple[str, ...] = ()
    artifact: Document | None = None
    settings: Document = field(default_factory=dict)

    @property
    def reference(self) -> str:
        """``kind/name==version``."""
        return f"{self.kind}/{self.name}=={self.version}"

    @property
    def made_from(self) -> str:
        """The variant whose files ``source`` and ``how`` are about, where this one is converted from it; else ""."""
        artifact = self.artifact or {}
        while "from" in artifact:
            artifact = artifact["from"]
        return str(artifact["variant"]) if artifact.get("variant", self.variant) != self.variant else ""

    def __str__(self) -> str:
        variant = f" [{self.variant}]" if self.variant else ""
        origin = ", ".join(part for part in (self.source, self.how) if part)
        origin = f"from {self.made_from}: {origin}" if self.made_from else origin
        return f"{self.reference}{variant} ({origin})" if origin else f"{self.reference}{variant}"


@dataclass(frozen=True)
class PlannedEnvironment:
    """An interpreter and exactly these packages.

    ``source`` is detected (``place`` is an interpreter's path, used as it is), stored (``place`` is the digest) or
    installable (``place`` is the interpreter to build it for). A detected one lists only the packages that are pinned.
    """

    name: str
    source: str
    place: str
    python: str
    packages: tuple[Package, ...] = ()


@dataclass(frozen=True)
class PlannedStep:
    """One step: an action with all its parameters, the pins of its roles, and the steps whose products it uses."""

    id: str
    action: str
    digest: str
    environment: str
    roles: Mapping[str, str]
    parameters: Document
    needs: tuple[str, ...] = ()
    measures: bool = False
    cached: bool = False


@dataclass(frozen=True)
class Plan:
    """All pins of one request, with hashes."""

    request: Request
    workflow: str
    digest: str
    host: Document
    pins: Mapping[str, Pin]
    environments: Mapping[str, PlannedEnvironment]
    steps: tuple[PlannedStep, ...]
    version: str

    def document(self) -> dict[str, Any]:
        """As JSON; ``from_document`` reads it back to an equal plan."""
        body = asdict(self)
        body["request"] = self.request.document()
        return {"schema": 1, "document": "plan", **json.loads(json.dumps(body))}

    @classmethod
    def from_document(cls, document: Document) -> Plan:
        """Read back what ``document`` wrote."""
        environments = {name: _environment(body) for name, body in document["environments"].items()}
        return cls(
            request=Request.from_document(document["request"]),
            workflow=document["workflow"],
            digest=document["digest"],
            host=document["host"],
            pins={role: Pin(**{**body, "others": tuple(body["others"])}) for role, body in document["pins"].items()},
            environments=environments,
            steps=tuple(PlannedStep(**{**step, "needs": tuple(step["needs"])}) for step in document["steps"]),
            version=document["version"],
        )

    @classmethod
    def read(cls, file: Path) -> Plan:
        """Read a saved plan. Raises UsageError or ComponentInvalid, naming the file, for what is not one."""
        from cmx.schema import validate

        try:
            document = json.loads(file.read_text(encoding="utf-8"))
        except OSError as error:
            raise UsageError(f"{file}: {error.strerror}", hint="give the path of a file made by --plan-only") from error
        except ValueError as error:
            raise UsageError(f"{file}: not JSON: {error}", hint="make it again with --plan-only") from error
        if isinstance(document, dict) and isinstance(document.get("plan"), dict):
            document = document["plan"]  # what --plan-only --json printed
        validate(document, "plan", source=file)
        return cls.from_document(document)

    def digests(self) -> dict[str, str]:
        """The components that the plan was made with, by ``kind/name==version``, and the digests that they had."""
        digests = {self.workflow: self.digest, **{step.action: step.digest for step in self.steps}}
        for pin in self.pins.values():
            digests |= {pin.recipe: pin.digest, **_converters(pin.artifact)}
        return digests

    def step(self, id: str) -> PlannedStep:
        """The step of this id."""
        return next(step for step in self.steps if step.id == id)


def _converters(artifact: Document | None) -> dict[str, str]:
    """The components whose code converts an artefact, with their digests."""
    found: dict[str, str] = {}
    while artifact:
        if convert := artifact.get("convert"):
            found[convert["recipe"]] = convert["digest"]
        artifact = artifact.get("from")
    return found


def _environment(body: Document) -> PlannedEnvironment:
    packages = tuple(Package(each["name"], each["version"], tuple(each["hashes"])) for each in body["packages"])
    return PlannedEnvironment(**{**body, "packages": packages})
