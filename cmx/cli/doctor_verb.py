"""Look for what is wrong with this installation: each check says what it looked at, and the remedy."""

from __future__ import annotations

import argparse
import importlib.metadata
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

from cmx.cli.answer import Answer, table
from cmx.cli.parser import Parser
from cmx.errors import CmxError
from cmx.files import counted
from cmx.repository import Catalog
from cmx.settings import Settings

_NEEDED_BYTES = 2 * 10**9
Finding = tuple[bool, str]


def configure(parser: Parser, arguments: list[str]) -> None:
    """No options."""


def run(arguments: argparse.Namespace, as_json: bool) -> Answer:
    """One line a check; exit code 1 if one of them failed."""
    checks: dict[str, Callable[[], Finding]] = {
        "command": _command,
        "home": _home,
        "disk": _disk,
        "uv": _uv,
        "loadgen": _python,
        "components": _components,
    }
    found = {name: check() for name, check in checks.items()}
    rows = [(name, "ok" if good else "PROBLEM", text) for name, (good, text) in found.items()]
    document = {"checks": [{"name": name, "ok": good, "text": text} for name, (good, text) in found.items()]}
    failed = [name for name, (good, _) in found.items() if not good]
    error = CmxError(f"failed: {', '.join(failed)}", hint="the answer's lines say what to do") if failed else None
    return Answer(document, table(("CHECK", "STATUS", "WHAT"), rows), error)


def _command() -> Finding:
    """Other distributions install a command of the same name."""
    found = shutil.which("cmx")
    if found is None:
        return True, "no 'cmx' on PATH; 'python -m cmx' does the same"
    owners = [d.metadata["Name"] for d in importlib.metadata.distributions() if _installs_cmx(d)]
    others = sorted({name for name in owners if name != "cmx-bench"})
    if others:
        return False, f"{', '.join(others)} also installs a command 'cmx': use 'python -m cmx', or uninstall one"
    if Path(found).parent != Path(sys.executable).parent:
        return False, f"the first 'cmx' on PATH is {found}, of another Python than {sys.executable}"
    return True, found


def _installs_cmx(distribution: importlib.metadata.Distribution) -> bool:
    return any(e.group == "console_scripts" and e.name == "cmx" for e in distribution.entry_points)


def _home() -> Finding:
    home = Settings.from_environment().home
    existing = next(folder for folder in (home, *home.parents) if folder.exists())
    if not os.access(existing, os.W_OK):
        return False, f"{existing} cannot be written: set CMX_HOME to a folder that can"
    return True, str(home)


def _disk() -> Finding:
    home = Settings.from_environment().home
    existing = next(folder for folder in (home, *home.parents) if folder.exists())
    free = shutil.disk_usage(existing).free
    return free > _NEEDED_BYTES, f"{free / 1e9:.1f} GB free in {existing} (an environment takes 0.1 to 3 GB)"


def _uv() -> Finding:
    from cmx.install.uv import Uv

    try:
        return True, Uv(Settings.from_environment()).run(["--version"], doing="asking uv for its version").strip()
    except CmxError as error:
        return False, f"{error.message}: {error.hint}"


def _python() -> Finding:
    """LoadGen's wheels decide which Pythons a benchmark can run on."""
    version = ".".join(map(str, sys.version_info[:3]))
    good = (3, 9) <= sys.version_info[:2] <= (3, 13)
    return good, f"Python {version}" + ("" if good else ": MLPerf LoadGen has wheels for Python 3.9 to 3.13")


def _components() -> Finding:
    catalog = Catalog.default()
    if catalog.problems:
        return False, f"{len(catalog.problems)} broken or hidden: 'cmx list' names them"
    return True, f"{len(catalog.entries())} in {counted(len(catalog.repositories), 'repository', 'repositories')}"
