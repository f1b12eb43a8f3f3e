"""Reading a torch checkpoint without torch, and without running anything it contains.

The legacy format (what ``torch.save`` wrote before 1.6, and still writes when asked) is four pickles: a magic
number, a protocol number, facts about the system, and the state dict, whose tensors refer to storages by
persistent ids. Then follow a pickled list of storage keys and, for each key, an int64 count and the raw values.
"""

from __future__ import annotations

import pickle
from collections import OrderedDict
from pathlib import Path
from typing import Any, BinaryIO, Dict, Literal, NamedTuple, Tuple

import numpy as np

_MAGIC = 0x1950A86A20F9469CFC6C
_PROTOCOL = 1001
_Order = Literal["<", ">"]
_STORAGES = {
    "BoolStorage": "?",
    "ByteStorage": "u1",
    "CharStorage": "i1",
    "ShortStorage": "i2",
    "IntStorage": "i4",
    "LongStorage": "i8",
    "HalfStorage": "f2",
    "FloatStorage": "f4",
    "DoubleStorage": "f8",
}


class CheckpointError(ValueError):
    """A file is no checkpoint that can be read, or not one that is safe to read; the message names the file."""


class _Storage(NamedTuple):
    """A storage that a tensor refers to; its values come later in the file."""

    key: str
    dtype: str
    length: int


class _Tensor(NamedTuple):
    """A tensor before its storage is there: offset and strides count elements, not bytes."""

    storage: _Storage
    offset: int
    shape: Tuple[int, ...]
    strides: Tuple[int, ...]


def read_checkpoint(path: Path) -> dict[str, np.ndarray]:
    """The tensors of a state dict in torch's legacy format, by name, in the order of the file.

    The arrays are read-only views of their storages, with the tensors' own shapes and strides: copy one before
    changing it. Raises CheckpointError for a file that is truncated, is not such a checkpoint, holds anything but
    tensors, or names a global beyond the few that a state dict needs; OSError if it cannot be read at all.
    """
    with path.open("rb") as file:
        try:
            return _read(file, path.stat().st_size)
        except CheckpointError as error:
            raise CheckpointError(f"{path}: {error}") from None
        # Anything at all can come out of a pickle that was damaged or made to do harm.
        except Exception as error:
            reason = f"{type(error).__name__}: {error}"
            raise CheckpointError(f"{path}: not a torch checkpoint, or a damaged one ({reason})") from error


def _read(file: BinaryIO, size: int) -> dict[str, np.ndarray]:
    order = _read_header(file)
    unpickler = _Unpickler(file)
    tensors = _checked(unpickler.load())
    keys = _Unpickler(file).load()
    if not isinstance(keys, list) or sorted(keys) != sorted(unpickler.storages):
        raise CheckpointError("the list of storages does not match those that the tensors refer to")
    values = {key: _read_storage(file, size, unpickler.storages[key], order) for key in keys}
    if file.tell() != size:
        raise CheckpointError(f"{size - file.tell()} bytes follow the last storage")
    return {name: _view(name, tensor, values[tensor.storage.key]) for name, tensor in tensors.items()}


def _read_header(file: BinaryIO) -> _Order:
    """numpy's sign for the byte order of the values; ``file`` is left where the state dict begins."""
    if file.read(2) == b"PK":
        raise CheckpointError(
            "a checkpoint in torch's zip format, and only the legacy format is read here; "
            "write it anew with torch.save(state_dict, file, _use_new_zipfile_serialization=False)"
        )
    file.seek(0)
    magic, protocol, system = (_Unpickler(file).load() for _ in range(3))
    if magic != _MAGIC:
        raise CheckpointError("not a torch checkpoint: its first pickle is not torch's magic number")
    if protocol != _PROTOCOL:
        raise CheckpointError(f"checkpoint protocol {protocol!r}; only {_PROTOCOL} is known")
    return "<" if system["little_endian"] else ">"


class _Unpickler(pickle.Unpickler):
    """Builds containers, numbers, text and _Tensor; calls nothing else.

    What ``find_class`` hands out is immutable (a type of C, a bound method, text), so that no pickle can alter it.
    """

    def __init__(self, file: BinaryIO) -> None:
        super().__init__(file)
        self.storages: Dict[str, _Storage] = {}

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return self._rebuild
        if module == "torch" and name in _STORAGES:
            return _STORAGES[name]
        raise CheckpointError(f"refused: it asks for the global {module}.{name}, which no state dict needs")

    def persistent_load(self, pid: Any) -> _Storage:
        kind, dtype, key, _location, count, view = pid
        if kind != "storage" or view is not None or dtype not in _STORAGES.values() or not isinstance(key, str):
            raise CheckpointError(f"refused: it refers to {pid!r}, which is no plain storage")
        storage = _Storage(key, dtype, _natural(count))
        if self.storages.setdefault(key, storage) != storage:
            raise CheckpointError(f"storage {key!r} is described in two ways")
        return storage

    def _rebuild(self, storage: Any, offset: Any, shape: Any, strides: Any, *_unused: Any) -> _Tensor:
        """What stands for ``torch._utils._rebuild_tensor_v2``; gradients and hooks do not matter here."""
        if not isinstance(storage, _Storage) or len(shape) != len(strides):
            raise CheckpointError("a tensor is described in a way that makes no sense")
        return _Tensor(storage, _natural(offset), tuple(map(_natural, shape)), tuple(map(_natural, strides)))


def _natural(value: Any) -> int:
    if type(value) is not int or value < 0:
        raise CheckpointError(f"{value!r} stands where a size or an offset should be")
    return int(value)


def _checked(state: Any) -> dict[str, _Tensor]:
    """A state dict that is one: names and tensors, and nothing else."""
    if not isinstance(state, dict):
        raise CheckpointError(f"holds a {type(state).__name__}, not a state dict")
    for name, value in state.items():
        if not isinstance(name, str) or not isinstance(value, _Tensor):
            raise CheckpointError(f"entry {name!r} is a {type(value).__name__}, not a tensor")
    return state


def _read_storage(file: BinaryIO, size: int, storage: _Storage, order: _Order) -> np.ndarray:
    dtype = np.dtype(storage.dtype).newbyteorder(order)
    header = file.read(8)
    count = int.from_bytes(header, "little" if order == "<" else "big", signed=True)
    left = size - file.tell()
    if len(header) < 8 or left < storage.length * dtype.itemsize:
        needed = 8 + storage.length * dtype.itemsize
        raise CheckpointError(f"truncated: storage {storage.key!r} takes {needed} bytes, {left + len(header)} are left")
    if count != storage.length:
        raise CheckpointError(f"storage {storage.key!r} holds {count} values, its tensors expect {storage.length}")
    values = np.fromfile(file, dtype, count).astype(dtype.newbyteorder("="), copy=False)
    values.flags.writeable = False
    return np.asarray(values)


def _view(name: str, tensor: _Tensor, values: np.ndarray) -> np.ndarray:
    last = tensor.offset + sum((n - 1) * stride for n, stride in zip(tensor.shape, tensor.strides))
    if 0 not in tensor.shape and last >= len(values):
        raise CheckpointError(f"tensor {name!r} reaches element {last} of a storage of {len(values)}")
    if 0 in tensor.shape:
        return np.empty(tensor.shape, values.dtype)
    width = values.dtype.itemsize
    strides = [stride * width for stride in tensor.strides]
    view: np.ndarray = np.ndarray(tensor.shape, values.dtype, values, tensor.offset * width, strides)
    return view
