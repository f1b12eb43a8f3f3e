"""A part of an action in a process of its own: LoadGen runs one test in a process, and a framework remembers."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cmx.worker import outcome
from cmx.worker.context import Context
from cmx.worker.job import SCHEMA
from cmx.worker.outcome import ActionError

_MAIN = Path(__file__).resolve().with_name("__main__.py")
_LAST_LINES = 5


def in_fresh_process(
    context: Context, entry: str, reference: str, parameters: Mapping[str, Any], folder: Path
) -> Mapping[str, Any]:
    """The metrics of ``entry`` (FILE.py:FUNCTION of the component ``reference``), which has this job's roles.

    What it leaves, its output included, is in ``folder``. It ends when this process does. Raises ActionError when it
    fails.
    """
    folder.mkdir(parents=True)
    job = folder / "job.json"
    document = {
        "schema": SCHEMA,
        "document": "job",
        "action": {"reference": reference, "entry": entry},
        "parameters": dict(parameters),
        "roles": {name: role.document() for name, role in context.roles.items()},
        "products": {step: {k: str(path) for k, path in made.items()} for step, made in context.products.items()},
        "output": str(folder),
        "seed": context.seed,
        "target": context.target,
    }
    job.write_text(json.dumps(outcome.plain(document), indent=1), encoding="utf-8")
    with (folder / "output.txt").open("wb") as output:
        # Popen's own pipe to standard input is what tells the child that this process is gone.
        child = subprocess.Popen(
            [sys.executable, "-I", "-u", str(_MAIN), str(job)],
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=folder,
        )
        try:
            status = child.wait()
        finally:
            child.kill()
            assert child.stdin is not None
            child.stdin.close()
    return _metrics(folder, status)


def _metrics(folder: Path, status: int) -> Mapping[str, Any]:
    try:
        found = json.loads((folder / outcome.FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        lines = (folder / "output.txt").read_text(encoding="utf-8", errors="replace").splitlines()[-_LAST_LINES:]
        said = " | ".join(lines) or "it said nothing"
        raise ActionError(f"{folder.name}: its process ended with status {status}: {said}") from None
    if found["error"]:
        raise ActionError(found["error"]["message"], found["error"].get("hint", ""))
    metrics: Mapping[str, Any] = found["metrics"]
    return metrics
