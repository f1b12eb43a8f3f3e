"""What a matrix run has done so far, kept in ``CMX_HOME/sessions`` so that it can go on after an interruption.

One file for each matrix, named by the key of all that was asked for: the same command finds it again. Its points keep
their plan, the launches that were made, and in the end the result's id, or why there is none. It stays when the matrix
is done, as the record of which results belong together, until the same matrix is run anew.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cmx.errors import CmxError, error_document
from cmx.files import write_atomically
from cmx.resolver.plan import Plan, Request
from cmx.results import Result, Step
from cmx.settings import Settings
from cmx.store import key_of, lock

SCHEMA = 1


@dataclass
class Point:
    """One combination of values: ``steps`` are what was carried out, ``result`` its id when it is recorded.

    ``error`` is why there is no result: the point could not be resolved.
    """

    values: Mapping[str, str]
    request: Request
    run: str = field(default_factory=Result.new_id)
    plan: Plan | None = None
    steps: list[Step] = field(default_factory=list)
    result: str = ""
    error: Mapping[str, Any] | None = None

    @property
    def settled(self) -> bool:
        """Whether there is nothing left to do."""
        return bool(self.result or self.error)

    @property
    def name(self) -> str:
        """As in "framework=torch, threads=1"."""
        return ", ".join(f"{key}={value}" for key, value in self.values.items())

    def fail(self, error: CmxError) -> None:
        """Pass it by."""
        self.error = {**error_document(error), "output": list(getattr(error, "output", ()))}

    def document(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "values": dict(self.values),
            "request": self.request.document(),
            "run": self.run,
            "plan": self.plan.document() if self.plan else None,
            "steps": [step.document() for step in self.steps],
            "result": self.result,
            "error": None if self.error is None else dict(self.error),
        }

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> Point:
        """The point that ``document`` made."""
        return cls(
            values=document["values"],
            request=Request.from_document(document["request"]),
            run=document["run"],
            plan=Plan.from_document(document["plan"]) if document["plan"] else None,
            steps=[Step.from_document(step) for step in document["steps"]],
            result=document["result"],
            error=document["error"],
        )


@dataclass
class Session:
    """A matrix run. ``resumed`` is whether some of it was done by an earlier command."""

    path: Path
    id: str
    points: list[Point]
    resumed: bool = False

    def save(self) -> None:
        """Write it down: whole, or as it was."""
        document = {
            "schema": SCHEMA,
            "document": "session",
            "id": self.id,
            "done": all(point.settled for point in self.points),
            "points": [point.document() for point in self.points],
        }
        write_atomically(self.path, json.dumps(document, ensure_ascii=False))


@contextmanager
def open_session(
    settings: Settings, asked: Sequence[tuple[Mapping[str, str], Request]], how: Any, *, fresh: bool
) -> Iterator[Session]:
    """The unfinished session of the same matrix, or a new one; nobody else has it meanwhile.

    ``how`` is what else has to be the same for it to go on. Raises StoreError while another cmx is at it.
    """
    key = key_of({"points": [[dict(values), request.document()] for values, request in asked], "how": how})[:16]
    folder = settings.home / "sessions"
    path = folder / f"{key}.json"
    with lock(folder / f"{key}.lock", what="this matrix", timeout=0):
        found = None if fresh else _unfinished(path)
        if found is None:
            points = [Point(values, request) for values, request in asked]
            found = Session(path, os.urandom(8).hex(), points)
            found.save()
        yield found


def _unfinished(path: Path) -> Session | None:
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        if document["schema"] != SCHEMA or document["done"]:
            return None
        return Session(path, document["id"], [Point.from_document(each) for each in document["points"]], resumed=True)
    except (OSError, ValueError, KeyError, TypeError):  # ours, and made anew: there is nothing to tell anybody
        return None
