"""Building the environment that a lock describes, with uv."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

from cmx.errors import StoreError, Unavailable
from cmx.install.lock import format_lock
from cmx.install.uv import Uv
from cmx.reporter import Reporter
from cmx.settings import Settings
from cmx.store import Environment, EnvironmentStore, Interpreter, Package
from cmx.store.environments import damaged_files, python_of

_QUESTION = """
import json, os, platform, sys, sysconfig
base = getattr(sys, "_base_executable", None) or sys.executable
abi = sysconfig.get_config_var("SOABI") or sys.implementation.cache_tag
print(json.dumps({
    "executable": os.path.realpath(base),
    "version": platform.python_version(),
    "implementation": sys.implementation.name,
    "platform": sysconfig.get_platform() + " " + abi,
}))
"""


def build_environment(
    python: str,
    packages: Sequence[Package],
    *,
    settings: Settings,
    offline: bool = False,
    reporter: Reporter | None = None,
    wheels: Path | None = None,
) -> Environment:
    """The environment with exactly these packages, found or built; ``python`` is an interpreter's path or version.

    With ``wheels``, a folder, no index is asked: all of them come from there.

    Every wheel's hash is checked, and every installed file against its package's record, before the
    environment can be seen. Several processes at once build it once. Raises Unavailable, HashMismatch,
    StoreError, or Refused if a lock is for another platform.
    """
    reporter = reporter or Reporter()
    uv = Uv(settings, offline=offline, reporter=reporter, wheels=wheels)
    interpreter = find_interpreter(python, settings)

    def build(folder: Path) -> str:
        uv.run(make_arguments(interpreter.executable, folder), doing="making an environment")
        _install(uv, folder, packages)
        return uv.run(["--version"], doing="asking uv for its version").strip()

    return EnvironmentStore(settings).obtain(interpreter, packages, build, on_wait=reporter.note)


@lru_cache(maxsize=64)
def find_interpreter(python: str, settings: Settings) -> Interpreter:
    """The base interpreter behind a path, or of a version (``3.12``). Raises Unavailable if there is none."""
    ours = ".".join(map(str, sys.version_info[: python.count(".") + 1]))
    if python == ours:
        path = sys.executable
    elif python[:1].isdigit():
        path = Uv(settings).run(["python", "find", "--no-project", python], doing=f"finding Python {python}").strip()
    else:
        path = python
    try:
        answer = subprocess.run(
            [path, "-I", "-c", _QUESTION], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=True
        )
        told = json.loads(answer.stdout)
        return Interpreter(Path(told["executable"]), told["version"], told["implementation"], told["platform"])
    except (OSError, subprocess.CalledProcessError, ValueError, KeyError) as error:
        raise Unavailable(f"{path} is not a Python that runs", missing=(python,), hint="cmx detect python") from error


def _install(uv: Uv, folder: Path, packages: Sequence[Package]) -> None:
    if not packages:
        return
    _install_once(uv, folder, packages)
    damaged = sorted({name for name, _ in damaged_files(folder)})
    if not damaged:
        return
    # Environments share files with uv's cache by hard links, so a file changed in place in one of them is
    # changed in the cache as well, and would be handed out for ever.
    uv.reporter.note(f"installed files of {', '.join(damaged)} are damaged in uv's cache; fetching them again")
    uv.run(["cache", "clean", *damaged], doing="cleaning uv's cache")
    _install_once(uv, folder, packages, "--reinstall")
    if still := sorted({f"{name}: {file}" for name, file in damaged_files(folder)}):
        raise StoreError(f"installed files are not as their packages say: {', '.join(still[:3])}")


def make_arguments(interpreter: Path, folder: Path) -> list[str]:
    """uv's arguments for an empty environment."""
    return ["venv", "--relocatable", "--no-project", "--python", str(interpreter), str(folder)]


def install_arguments(folder: Path) -> list[str]:
    """uv's arguments for installing a lock, from its standard input, into an environment."""
    options = ("--require-hashes", "--no-deps", "--no-build")
    return ["pip", "install", "--python", str(python_of(folder)), *options, "-r", "-"]


def _install_once(uv: Uv, folder: Path, packages: Sequence[Package], *more: str) -> None:
    uv.run(
        [*install_arguments(folder), *more],
        doing="installing packages",
        wanted=[str(package) for package in packages],
        text=format_lock(packages),
        indexes=True,
    )
