"""Reads what a worker's numpy wrote, without numpy: one-dimensional int64 arrays in .npy files.

Format: numpy/lib/format.py (versions 1.0 to 3.0): magic, two bytes of version, the header's length, a Python literal.
"""

from __future__ import annotations

import ast
import os
import struct
import sys
from array import array
from pathlib import Path
from typing import BinaryIO

from cmx.errors import StoreError

_MAGIC = b"\x93NUMPY"
_MAX_HEADER = 1 << 16
_ORDERS = {"<i8": "little", ">i8": "big"}


def read_int64(path: Path) -> array[int]:
    """The numbers in a .npy file. Raises StoreError that names the file for anything but a whole 1-D int64 array."""
    try:
        with path.open("rb") as file:
            return _read(file)
    except OSError as error:
        raise StoreError(f"{path}: {error.strerror}", hint="the run's folder is incomplete; run it again") from error
    except (ValueError, SyntaxError, struct.error, RecursionError, MemoryError) as error:
        raise StoreError(f"{path}: not a one-dimensional int64 .npy file: {error}", hint="run it again") from error


def _read(file: BinaryIO) -> array[int]:
    order, count = _header(file)
    # Before anything is reserved: the header is a claim, and the file's length a fact.
    if os.fstat(file.fileno()).st_size - file.tell() != count * 8:
        raise ValueError(f"its header promises {count} numbers; the file has another length")
    numbers = array("q", file.read(count * 8))
    if order != sys.byteorder:
        numbers.byteswap()
    return numbers


def _header(file: BinaryIO) -> tuple[str, int]:
    """Byte order and count."""
    if file.read(6) != _MAGIC:
        raise ValueError("it does not begin as one")
    major, _ = struct.unpack("BB", file.read(2))
    (length,) = struct.unpack("<H", file.read(2)) if major == 1 else struct.unpack("<I", file.read(4))
    if major not in (1, 2, 3) or length > _MAX_HEADER:
        raise ValueError(f"version {major} with a header of {length} bytes")
    header = ast.literal_eval(file.read(length).decode("utf-8").strip())
    match header:
        case {"descr": ("<i8" | ">i8") as descr, "shape": (int(count),), "fortran_order": bool()} if count >= 0:
            return _ORDERS[descr], count
    raise ValueError(f"it holds {header}")
