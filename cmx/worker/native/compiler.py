"""From C sources to a program."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cmx.worker.context import Role
from cmx.worker.native.elf import Elf, read_elf
from cmx.worker.native.flags import split_defines, split_flags, split_libraries, split_names
from cmx.worker.native.sysroot import find_sysroot
from cmx.worker.outcome import ActionError

_COMPILERS = ("gcc", "clang")
_FIRST_LINES = 5
_TIME_LIMIT_S = 300


@dataclass(frozen=True)
class Build:
    """How a program is to be made; the texts are as ``flags`` reads them."""

    sources: str
    flags: str = "-O2"
    defines: str = ""
    standard: str = "c11"
    openmp: bool = False
    static: bool = False
    libraries: str = ""

    def arguments(self) -> list[str]:
        """What stands before the sources."""
        switches = [*(["-fopenmp"] if self.openmp else []), *(["-static"] if self.static else [])]
        return [f"-std={self.standard}", *split_flags(self.flags), *switches, *split_defines(self.defines)]


def compile_program(build: Build, folder: Path, compiler: Role, target: str, program: Path) -> dict[str, Any]:
    """Compile the sources in ``folder`` to ``program``; what it is made for and with is returned as JSON values.

    The same sources, flags and compiler give the same bytes wherever the folder lies. Raises ActionError with the
    compiler's first errors, and when it made a program for another machine than ``target``.
    """
    executable, sources = _executable(compiler), _inside(split_names(build.sources), folder)
    arguments = [*build.arguments(), f"-ffile-prefix-map={folder.resolve()}=."]
    last = ["-o", str(program), *map(str, sources), *split_libraries(build.libraries)]
    _run([str(executable), *arguments, *last], program.parent, compiler, folder)
    elf = read_elf(program)
    if elf and target:
        _check_target(elf, target, compiler)
    return {
        "compiler": compiler.reference,
        "target": compiler.target,
        "machine": elf.machine if elf else "",
        "interpreter": elf.interpreter if elf else "",
        "sysroot": find_sysroot(executable, elf.interpreter) if elf and target else "",
        "arguments": [*build.arguments(), *split_libraries(build.libraries)],
        "sources": [path.relative_to(folder.resolve()).as_posix() for path in sources],
        "bytes": program.stat().st_size,
    }


def _executable(compiler: Role) -> Path:
    if compiler.name not in _COMPILERS or compiler.path is None:
        raise ActionError(
            f"{compiler.reference} cannot compile here; the compilers are {' and '.join(_COMPILERS)}",
            "--use compiler=software/gcc",
        )
    return Path(compiler.exports.get("CC") or compiler.path)


def _inside(names: Sequence[str], folder: Path) -> list[Path]:
    """The C files of these names; raises ActionError for one that is not there, or not in the folder."""
    root = folder.resolve()
    paths = [(root / name).resolve() for name in names]
    if not paths:
        raise ActionError("sources: none is named", "--set sources=main.c")
    for name, path in zip(names, paths):
        if root not in path.parents:
            raise ActionError(f"sources: {name!r} lies outside {root}", "copy it into the workflow's folder")
        if path.suffix != ".c" or not path.is_file():
            raise ActionError(f"sources: {name!r} is no C file in {root}", "name .c files of the workflow's folder")
    return paths


def _run(command: list[str], cwd: Path, compiler: Role, folder: Path) -> None:
    try:
        done = subprocess.run(
            command,
            cwd=cwd,
            env=_environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=_TIME_LIMIT_S,
        )
    except subprocess.TimeoutExpired as error:
        raise ActionError(f"{compiler.reference} did not end within {_TIME_LIMIT_S} s") from error
    except OSError as error:
        raise ActionError(f"{command[0]} cannot be started: {error.strerror}", "cmx detect") from error
    if done.returncode:
        said = done.stdout.decode(errors="replace").replace(f"{folder.resolve()}/", "")
        raise ActionError(
            f"{compiler.reference} refused: {_first_errors(said)}", f"the command was: {' '.join(command)}"
        )


def _environment() -> Mapping[str, str]:
    """Messages in English; nothing in the program that depends on the time of day."""
    return {**os.environ, "LC_ALL": "C", "SOURCE_DATE_EPOCH": "0"}


def _first_errors(output: str) -> str:
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    errors = [line for line in lines if "error" in line.lower() or "undefined reference" in line]
    return "\n".join((errors or lines or ["it said nothing"])[:_FIRST_LINES])


def _check_target(elf: Elf, target: str, compiler: Role) -> None:
    wanted = target.partition("-")[2]
    if elf.machine != ("arm" if wanted == "armhf" else wanted):
        raise ActionError(
            f"{compiler.reference} made a program for {elf.machine}, the target is {target}",
            "give a compiler for it: --use compiler=software/gcc --set gcc.path=…",
        )
