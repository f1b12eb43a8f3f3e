"""Real executables that behave as tools do, well and badly, for the tests of cmx.detect."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

from cmx.component import SoftwareDetect
from cmx.component_file import from_document
from cmx.detect import Detector
from cmx.settings import Settings


def component(name: str = "tool", **document: Any) -> SoftwareDetect:
    """A software-detect component as its document would make it; keys with underscores stand for dashes."""
    common = {"kind": "software-detect", "uid": "a" * 16, "name": name, "version": "1.0.0", "description": name}
    made = from_document(common | {key.replace("_", "-"): value for key, value in document.items()}, Path(name))
    assert isinstance(made, SoftwareDetect)
    return made


def tool(name: str = "tool", **document: Any) -> SoftwareDetect:
    """A component for executables NAME and NAME-1, whose --version prints "NAME 1.2.3"."""
    probe = {"run": ["{path}", "--version"], "version": rf"^{name} (\d+(?:\.\d+)+)"}
    search = {"executables": [name, rf"{name}-\d+"]}
    return component(name, **({"search": search, "probe": probe} | document))


def shell(path: Path, body: str) -> Path:
    """A shell script; what detecting learns from one is never kept."""
    return _write(path, f"#!/bin/sh\n{body}\n")


def program(path: Path, output: str) -> Path:
    """A program that prints ``output`` and leaves a mark in PATH.log each time it is started."""
    log = f"open({str(path) + '.log'!r}, 'a').write('x')"
    return _write(path, f"#!{sys.executable} -IS\n{log}\nprint({output!r})\n")


def starts(path: Path) -> int:
    """How often a program was started."""
    log = Path(f"{path}.log")
    return len(log.read_text()) if log.exists() else 0


def interpreter(path: Path, *site: Path, version: str = "3.11.7", prefix: str = "/fake") -> Path:
    """A Python that says it has these package folders."""
    answer = {
        "version": version,
        "implementation": "cpython",
        "prefix": prefix,
        "base_prefix": "/fake",
        "platform": "linux-x86_64",
        "site": [str(folder) for folder in site],
    }
    return program(path, json.dumps(answer))


def package(site: Path, name: str, version: str, *, record: str | None = "", metadata: str | None = "") -> Path:
    """An installed package NAME with its import folder; ``record`` and ``metadata`` replace what it says, or None."""
    stem = name.replace("-", "_")
    folder = site / f"{stem}-{version}.dist-info"
    folder.mkdir(parents=True)
    (site / stem).mkdir(exist_ok=True)
    (site / stem / "__init__.py").write_text("")
    if metadata is not None:
        (folder / "METADATA").write_text(
            metadata or f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n\ntext\n"
        )
    if record is not None:
        (folder / "RECORD").write_text(record or f"{folder.name}/METADATA,,\n../../bin/x,,\n{stem}/__init__.py,,\n")
    return folder


def later() -> int:
    """A clock one minute ahead: the files that a test just wrote are old."""
    return time.time_ns() + 60 * 1_000_000_000


def detector(home: Path, *folders: Path | str, environ: dict[str, str] | None = None, **options: Any) -> Detector:
    """A detector whose PATH is these folders and nothing else."""
    path = ":".join(map(str, folders))
    options = {"interpreter": home / "no-python", "folder": home, "clock": later} | options
    return Detector(Settings(home / "cmx"), {"PATH": path, "HOME": str(home)} | (environ or {}), **options)


def _write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return path
