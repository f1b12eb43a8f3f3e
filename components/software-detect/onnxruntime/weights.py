"""What the weights of an ONNX file are, read off the file itself: ONNX Runtime does not say."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Iterator, Tuple, Union

Value = Union[int, memoryview]
# Fields of onnx.proto, and its numbers of types.
_GRAPH, _INITIALIZER, _DIMS, _DATA_TYPE = 7, 5, 1, 2
_TYPES = {1: "float32", 2: "uint8", 3: "int8", 10: "float16", 11: "float64", 16: "bfloat16", 21: "uint4", 22: "int4"}


def precision(model: Path) -> str:
    """The type of most of the weights, as in "float32" or "int8"; "unknown" for a file that has none."""
    sizes: Counter[str] = Counter()
    for number, graph in _fields(memoryview(model.read_bytes())):
        if number == _GRAPH and isinstance(graph, memoryview):
            for inner, tensor in _fields(graph):
                if inner == _INITIALIZER and isinstance(tensor, memoryview):
                    kind, size = _tensor(tensor)
                    sizes[kind] += size
    del sizes[""]
    return sizes.most_common(1)[0][0] if sizes else "unknown"


def _tensor(tensor: memoryview) -> Tuple[str, int]:
    """The type of a tensor, "" for one that is no weight's, and its number of elements."""
    kind, size = "", 1
    for number, value in _fields(tensor):
        if number == _DIMS:
            for side in [value] if isinstance(value, int) else _packed(value):
                size *= side
        elif number == _DATA_TYPE and isinstance(value, int):
            kind = _TYPES.get(value, "")
    return kind, size


def _fields(view: memoryview) -> Iterator[Tuple[int, Value]]:
    """The fields of a protobuf message, each with its number; what is inside one is not looked at."""
    at = 0
    while at < len(view):
        tag, at = _varint(view, at)
        wire = tag & 7
        if wire == 0:
            value, at = _varint(view, at)
            yield tag >> 3, value
            continue
        length, at = _varint(view, at) if wire == 2 else ({1: 8, 5: 4}[wire], at)
        yield tag >> 3, view[at : at + length]
        at += length


def _packed(view: memoryview) -> Iterator[int]:
    at = 0
    while at < len(view):
        value, at = _varint(view, at)
        yield value


def _varint(view: memoryview, at: int) -> Tuple[int, int]:
    value, shift = 0, 0
    while True:
        byte = view[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at
