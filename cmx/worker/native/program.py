"""A program that is ready to run, here or through an emulator, each launch a process of its own."""

from __future__ import annotations

import contextlib
import json
import os
import platform
import shutil
import signal
import subprocess
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter_ns
from typing import Any, Optional

from cmx.worker.context import Context
from cmx.worker.native.elf import read_elf
from cmx.worker.native.report import Report
from cmx.worker.native.sysroot import PROCESSORS, emulated_root
from cmx.worker.outcome import ActionError

EMULATED = "emulated: proves function, never speed"
PROGRAM, FACTS = "program", "facts"
_LAST_BYTES = 65536
_HOST_NAMES = {"amd64": "x86_64", "arm64": "aarch64", "armv7l": "arm", "armv6l": "arm", "i386": "i686", "i586": "i686"}
# What a processor runs besides its own: 32-bit programs of the same family.
_ALSO_RUNS = {("x86_64", "i686"), ("aarch64", "arm")}


@dataclass(frozen=True)
class Launch:
    """One run of a program: the time from start to end, the processor time of it, and what it said."""

    wall_ns: int
    cpu_ns: int
    report: Report


@dataclass(frozen=True)
class Program:
    """``command`` is what stands before the arguments; ``facts`` is how it was made."""

    command: Sequence[str]
    emulator: str
    facts: Mapping[str, Any]
    work: Path

    @property
    def emulated(self) -> bool:
        """Whether an emulator runs it: what it measures then is the emulator."""
        return bool(self.emulator)

    def launch(self, arguments: Sequence[str], *, threads: int, seconds: float) -> Launch:
        """Run it to its end. Raises ActionError when it fails, takes longer than this, or says what is no report."""
        environment = {**os.environ, "LC_ALL": "C", "OMP_NUM_THREADS": str(threads)}
        stdout, stderr = self.work / "program-output.txt", self.work / "program-errors.txt"
        with stdout.open("wb") as output, stderr.open("wb") as errors:
            begin = perf_counter_ns()
            try:
                process = subprocess.Popen(
                    [*self.command, *arguments],
                    cwd=self.work,
                    env=environment,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=errors,
                )
            except OSError as error:
                raise ActionError(f"{self.command[0]} cannot be started: {error.strerror}") from error
            in_time, cpu_ns = _wait(process, seconds)
            wall_ns = perf_counter_ns() - begin
        if not in_time:
            raise ActionError(f"the program did not end within {seconds:g} s", "--set time-limit=SECONDS")
        if process.returncode:
            raise ActionError(
                f"the program ended with {_how(process.returncode)}: {_tail(stderr) or 'it said nothing'}"
            )
        return Launch(wall_ns, cpu_ns, Report.parse(_tail(stdout)))


def _wait(process: subprocess.Popen[bytes], seconds: float) -> tuple[bool, int]:
    """Whether the process ended by itself in time, and the processor time it took.

    ``Popen.wait(timeout)`` looks every 50 ms, which would be part of the time measured: a timer ends the process
    instead, and we wait for it without looking.
    """
    late = threading.Event()

    def end() -> None:
        late.set()
        process.kill()

    timer = threading.Timer(seconds, end)
    timer.start()
    before = os.times()
    process.wait()
    timer.cancel()
    after = os.times()
    spent = after.children_user + after.children_system - before.children_user - before.children_system
    return not late.is_set(), round(spent * 1e9)


def _how(status: int) -> str:
    """An exit status in words; 128 and more is how an emulator passes a signal on."""
    number = -status if status < 0 else status - 128
    try:
        return f"signal {signal.Signals(number).name}"
    except ValueError:
        return f"exit status {status}"


def _tail(path: Path) -> str:
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - _LAST_BYTES))
        return file.read().decode(errors="replace").strip()


@contextlib.contextmanager
def open_program(context: Context) -> Iterator[Program]:
    """The program that an earlier step made, with the emulator where the job has one.

    Raises ActionError when no step made one, or when it is for another machine than this and there is no emulator.
    """
    source, facts = _product(context)
    path = _executable(source, context.output)
    elf = read_elf(path)
    role = context.roles.get("emulator")
    if role is None or role.path is None:
        _check_machine(elf.machine if elf else "")
        yield Program([str(path)], "", facts, context.output)
        return
    machine = elf.machine if elf else ""
    with emulated_root(str(facts.get("sysroot") or ""), machine, context.output) as root:
        processor = PROCESSORS.get(machine, "")
        options = ["-L", str(root), *(["-cpu", processor] if processor else [])]
        name = f"{role.reference} as {processor}" if processor else role.reference
        yield Program([str(role.path), *options, str(path)], name, facts, context.output)


def _product(context: Context) -> tuple[Path, Mapping[str, Any]]:
    made = [step for step, products in context.products.items() if PROGRAM in products]
    if len(made) != 1:
        raise ActionError(
            f"{len(made)} steps before this one made a program, expected 1", "name the step that compiles under needs"
        )
    facts: Optional[Path] = context.product(made[0], FACTS)
    return context.products[made[0]][PROGRAM], json.loads(facts.read_text(encoding="utf-8")) if facts else {}


def _executable(program: Path, work: Path) -> Path:
    """The program where it may be run: the store keeps files that nobody may change, and none may execute."""
    if os.access(program, os.X_OK):
        return program
    copy = work / program.name
    shutil.copyfile(program, copy)
    copy.chmod(0o755)
    return copy


def _check_machine(machine: str) -> None:
    """Refuse what this machine could run only by an emulator that nobody named, as Linux's binfmt_misc does."""
    here = platform.machine().lower()
    here = _HOST_NAMES.get(here, here)
    if machine and machine != here and (here, machine) not in _ALSO_RUNS:
        raise ActionError(
            f"the program is for {machine}, this machine is {here}, and no emulator is named",
            "--use emulator=software/qemu-user",
        )
