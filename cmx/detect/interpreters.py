"""Python interpreters, and where each keeps its packages when it runs isolated."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from cmx.component import Search
from cmx.detect.executables import Candidate
from cmx.detect.finding import Identity, place_of
from cmx.detect.probe import ProbeFailed
from cmx.detect.questions import Question

# A worker runs on Python 3.9 and later.
OLDEST = (3, 9)
SEARCH = Search(executables=("python3", r"python3\.\d+t?", "python"))

# -I: no PYTHON* variables, no user site-packages, nothing from the current folder; as workers run.
_CODE = """
import json, os, platform, sys, sysconfig
sites = [p for p in sys.path if os.path.basename(p) in ("site-packages", "dist-packages") and os.path.isdir(p)]
print(json.dumps({"version": platform.python_version(), "implementation": sys.implementation.name,
    "prefix": sys.prefix, "base_prefix": sys.base_prefix, "platform": sysconfig.get_platform(), "site": sites}))
"""
_FIELDS = frozenset({"version", "implementation", "prefix", "base_prefix", "platform", "site"})


class Interpreter(NamedTuple):
    """A Python that a worker can run on. ``site`` are its package folders, in the order of import.

    ``path`` is the executable, not resolved: a virtual environment's is a link to another one. ``platform`` is
    written as by sysconfig ("linux-x86_64").
    """

    path: Path
    version: str
    implementation: str
    prefix: Path
    platform: str
    site: tuple[Path, ...]
    is_virtual: bool

    @classmethod
    def from_answer(cls, path: Path, answer: Mapping[str, Any]) -> Interpreter:
        """The interpreter that answered ``question``."""
        return cls(
            path=path,
            version=answer["version"],
            implementation=answer["implementation"],
            prefix=Path(answer["prefix"]),
            platform=answer["platform"],
            site=tuple(Path(folder) for folder in answer["site"]),
            is_virtual=answer["prefix"] != answer["base_prefix"],
        )


def question(candidate: Candidate) -> Question:
    """What is asked of an interpreter; another question once its virtual environment's settings change."""
    home = place_of(candidate.path)
    settings = Identity.of(Path(home) / "pyvenv.cfg") if home else None
    name = f"python-1 {settings.mtime_ns} {settings.inode}" if settings else "python-1"
    command = (str(candidate.path), "-I", "-c", _CODE)
    return Question(name, candidate, (command,), lambda outputs: _read(outputs[0]), _FIELDS)


def _read(output: str) -> dict[str, Any]:
    try:
        answer = json.loads(output.strip().splitlines()[-1])
        version = tuple(int(part) for part in answer["version"].split(".")[:2])
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise ProbeFailed("did not answer as a Python does") from error
    if not answer.keys() >= _FIELDS:
        raise ProbeFailed("did not answer as a Python does")
    if version < OLDEST:
        raise ProbeFailed(f"{answer['version']}, wanted >={OLDEST[0]}.{OLDEST[1]}")
    return dict(answer)
