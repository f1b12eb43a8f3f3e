"""What the weights of a GGUF file are, read off its header: llama.cpp does not say."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any, BinaryIO

# GGUF's numbers of types of values, as struct's letters; 8 is text, 9 an array.
_NUMBERS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
_TEXT, _ARRAY = 8, 9
_FILE_TYPE = "general.file_type"
# llama.cpp's numbers of what most of a file's weights are (llama_ftype).
_FILE_TYPES = {
    0: "float32", 1: "float16", 2: "q4_0", 3: "q4_1", 7: "q8_0", 8: "q5_0", 9: "q5_1", 10: "q2_k", 11: "q3_k_s",
    12: "q3_k_m", 13: "q3_k_l", 14: "q4_k_s", 15: "q4_k_m", 16: "q5_k_s", 17: "q5_k_m", 18: "q6_k", 32: "bfloat16",
}  # fmt: skip


def precision(model: Path) -> str:
    """The type of most of the weights, as in "q4_1"; "unknown" where the header does not say, or is none."""
    try:
        with model.open("rb") as file:
            magic, _, _, count = struct.unpack("<4sIQQ", file.read(24))
            for _ in range(count if magic == b"GGUF" else 0):
                name, value = _text(file), _value(file)
                if name == _FILE_TYPE:
                    return _FILE_TYPES.get(value, "unknown")
    except (struct.error, UnicodeDecodeError, KeyError):
        pass
    return "unknown"


def _value(file: BinaryIO) -> Any:
    kind = _number(file, "I")
    if kind == _ARRAY:
        inner, count = _number(file, "I"), _number(file, "Q")
        return [_text(file) if inner == _TEXT else _number(file, _NUMBERS[inner]) for _ in range(count)]
    return _text(file) if kind == _TEXT else _number(file, _NUMBERS[kind])


def _number(file: BinaryIO, letter: str) -> Any:
    return struct.unpack(f"<{letter}", file.read(struct.calcsize(f"<{letter}")))[0]


def _text(file: BinaryIO) -> str:
    return file.read(_number(file, "Q")).decode()
