"""Captured machines: tests/cases/host/<system>/root.txt holds files as ``head -n 2000 FILE…`` prints them, after a line
that says where they are from; expected.json holds what must be read from them."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

CASES = Path(__file__).parents[1] / "cases" / "host"
SYSTEMS = sorted(folder.name for folder in CASES.iterdir())
_FILE = re.compile(r"^==> (\S+) <==\n(.*?)(?=\n==> |\Z)", re.DOTALL | re.MULTILINE)


def unpack(system: str, root: Path) -> Path:
    """Lay the files of a captured machine below ``root``."""
    for path, text in _FILE.findall((CASES / system / "root.txt").read_text(encoding="utf-8")):
        put(root, path, text)
    return root


def put(root: Path, path: str, text: str) -> None:
    """Write one file of a machine."""
    file = root / path.lstrip("/")
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")


def expected(system: str) -> dict[str, Any]:
    """What must be read from a captured machine."""
    document: dict[str, Any] = json.loads((CASES / system / "expected.json").read_text(encoding="utf-8"))
    return document
