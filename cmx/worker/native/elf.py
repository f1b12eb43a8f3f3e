"""What an ELF file says of the machine it is for: its header, and the interpreter among its program headers.

Format: System V Application Binary Interface, chapters 4 and 5; numbers of machines from its registry (e_machine).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Optional

_MACHINES = {
    3: "i686",
    8: "mips",
    21: "ppc64",
    22: "s390x",
    40: "arm",
    62: "x86_64",
    183: "aarch64",
    258: "loongarch64",
}
_RISCV = 243
_INTERPRETER = 3


@dataclass(frozen=True)
class Elf:
    """``interpreter`` is the dynamic loader, as in /lib/ld-linux-aarch64.so.1; "" in a static program."""

    machine: str
    bits: int
    interpreter: str


def read_elf(path: Path) -> Optional[Elf]:
    """The facts of an ELF file; None for any other file."""
    try:
        with path.open("rb") as file:
            return _read(file)
    except (struct.error, UnicodeDecodeError):
        return None


def _read(file: BinaryIO) -> Optional[Elf]:
    ident = file.read(16)
    if ident[:4] != b"\x7fELF" or ident[4] not in (1, 2) or ident[5] not in (1, 2):
        return None
    bits, order = 32 * ident[4], "<" if ident[5] == 1 else ">"
    number, offset, size, count = _header(file, bits, order)
    return Elf(_machine(number, bits, order), bits, _interpreter(file, bits, order, offset, size, count))


def _machine(number: int, bits: int, order: str) -> str:
    """The machine's name, as emulators have it: POWER runs in either byte order, and RISC-V in two widths."""
    if number == _RISCV:
        return f"riscv{bits}"
    name = _MACHINES.get(number, f"machine {number}")
    return f"{name}le" if name == "ppc64" and order == "<" else name


def _header(file: BinaryIO, bits: int, order: str) -> tuple[int, int, int, int]:
    """e_machine, and where the program headers lie: offset, size of one, how many."""
    form = order + ("HHIQQQIHHH" if bits == 64 else "HHIIIIIHHH")
    _, machine, _, _, offset, _, _, _, size, count = struct.unpack(form, file.read(struct.calcsize(form)))
    return machine, offset, size, count


def _interpreter(file: BinaryIO, bits: int, order: str, offset: int, size: int, count: int) -> str:
    form = order + ("IIQQQQ" if bits == 64 else "IIIII")
    for index in range(count):
        file.seek(offset + index * size)
        fields = struct.unpack(form, file.read(struct.calcsize(form)))
        kind, start, length = (fields[0], fields[2], fields[5]) if bits == 64 else (fields[0], fields[1], fields[4])
        if kind == _INTERPRETER:
            file.seek(start)
            return file.read(length).rstrip(b"\0").decode()
    return ""
