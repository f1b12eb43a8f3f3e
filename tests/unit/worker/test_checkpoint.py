"""Reading torch's legacy checkpoints: right on good files, harmless and clear on bad ones."""

from __future__ import annotations

import os
import pickle
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cmx.worker.checkpoint import CheckpointError, read_checkpoint

MAGIC = pickle.dumps(0x1950A86A20F9469CFC6C, 2)
PROTOCOL = pickle.dumps(1001, 2)
LITTLE = pickle.dumps({"protocol_version": 1001, "little_endian": True, "type_sizes": {}}, 2)
BIG = pickle.dumps({"protocol_version": 1001, "little_endian": False, "type_sizes": {}}, 2)
ONES = np.arange(12, dtype="<f4")


def code(value: Any) -> bytes:
    """The opcodes that push a value."""
    return pickle.dumps(value, 2)[2:-1]


def tensor(shape: Any, strides: Any, *, offset: Any = 0, key: str = "a", kind: str = "Float", count: Any = 12) -> bytes:
    """The opcodes torch writes for a tensor."""
    pid = code("storage") + f"ctorch\n{kind}Storage\n".encode() + code(key) + code("cpu") + code(count) + code(None)
    rest = code(offset) + code(shape) + code(strides) + code(False) + code(OrderedDict())
    return b"ctorch._utils\n_rebuild_tensor_v2\n((" + pid + b"tQ" + rest + b"tR"


def state(entries: dict[str, bytes]) -> bytes:
    return b"\x80\x02}(" + b"".join(code(name) + value for name, value in entries.items()) + b"u."


def storage(values: np.ndarray) -> bytes:
    return len(values).to_bytes(8, "little" if values.dtype.byteorder != ">" else "big") + values.tobytes()


def checkpoint(entries: dict[str, bytes], *storages: np.ndarray) -> bytes:
    keys = pickle.dumps(list("abcdefgh"[: len(storages)]), 2)
    return MAGIC + PROTOCOL + LITTLE + state(entries) + keys + b"".join(map(storage, storages))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "weights.pth"


def refused(file: Path, content: bytes) -> str:
    """The message with which a file is refused; it begins with the file."""
    file.write_bytes(content)
    with pytest.raises(CheckpointError) as caught:
        read_checkpoint(file)
    assert str(caught.value).startswith(f"{file}: ")
    return str(caught.value)


def test_shapes_strides_and_offsets_are_honoured(file: Path) -> None:
    entries = {
        "whole": tensor((3, 4), (4, 1)),
        "transposed": tensor((4, 3), (1, 4)),
        "part": tensor((2, 2), (4, 1), offset=5),
        "scalar": tensor((), (), offset=7),
        "expanded": tensor((2, 3), (0, 1), offset=9),
        "empty": tensor((0, 4), (4, 1)),
    }
    file.write_bytes(checkpoint(entries, ONES))
    found = read_checkpoint(file)
    grid = ONES.reshape(3, 4)
    assert list(found) == list(entries)
    np.testing.assert_array_equal(found["whole"], grid)
    np.testing.assert_array_equal(found["transposed"], grid.T)
    np.testing.assert_array_equal(found["part"], grid[1:, 1:3])
    assert found["scalar"].shape == () and found["scalar"] == 7
    np.testing.assert_array_equal(found["expanded"], [[9, 10, 11]] * 2)
    assert found["empty"].shape == (0, 4)


def test_each_storage_has_its_own_type(file: Path) -> None:
    counts = np.array([5, 2**40], "<i8")
    entries = {"x": tensor((12,), (1,)), "n": tensor((2,), (1,), key="b", kind="Long", count=2)}
    file.write_bytes(checkpoint(entries, ONES, counts))
    found = read_checkpoint(file)
    assert (found["x"].dtype, found["n"].dtype) == (np.float32, np.int64)
    np.testing.assert_array_equal(found["n"], counts)


def test_a_file_of_a_big_endian_machine_has_the_same_values(file: Path) -> None:
    keys = pickle.dumps(["a"], 2)
    file.write_bytes(MAGIC + PROTOCOL + BIG + state({"x": tensor((12,), (1,))}) + keys + storage(ONES.astype(">f4")))
    found = read_checkpoint(file)["x"]
    np.testing.assert_array_equal(found, ONES)
    assert found.dtype.isnative


def test_values_cannot_be_changed_by_mistake(file: Path) -> None:
    file.write_bytes(checkpoint({"x": tensor((12,), (1,)), "same": tensor((12,), (1,))}, ONES))
    with pytest.raises(ValueError, match="read-only"):
        read_checkpoint(file)["x"][0] = 1


def test_what_torch_writes_is_read_as_torch_reads_it(file: Path) -> None:
    torch = pytest.importorskip("torch", reason="torch is not installed: nothing to compare with")
    base = torch.arange(24.0)
    kinds = ("bool", "uint8", "int8", "int16", "int32", "int64", "float16", "float32", "float64")
    tensors = {kind: torch.arange(6).reshape(2, 3).to(getattr(torch, kind)) for kind in kinds}
    tensors |= {"a": base, "shared": base[3:9].reshape(2, 3).T, "scalar": torch.tensor(5), "empty": torch.zeros(0, 2)}
    torch.save(OrderedDict(tensors), file, _use_new_zipfile_serialization=False)
    found = read_checkpoint(file)
    assert list(found) == list(tensors)
    for name, expected in tensors.items():
        np.testing.assert_array_equal(found[name], expected.numpy(), strict=True)


def test_a_module_s_state_dict_with_its_metadata_is_read(file: Path) -> None:
    torch = pytest.importorskip("torch", reason="torch is not installed: it makes this file")
    torch.save(torch.nn.BatchNorm2d(3).state_dict(), file, _use_new_zipfile_serialization=False)
    assert read_checkpoint(file)["running_var"].tolist() == [1, 1, 1]


class Payload:
    """Pickles to a call of os.system."""

    def __init__(self, command: str) -> None:
        self.command = command

    def __reduce__(self) -> Any:
        return os.system, (self.command,)


@pytest.mark.parametrize("place", range(5))
def test_a_pickle_made_to_run_a_command_runs_nothing(file: Path, tmp_path: Path, place: int) -> None:
    sign = tmp_path / "sign"
    evil = pickle.dumps(Payload(f"touch {sign}"), 2)
    pickle.loads(evil)
    assert sign.exists(), "the payload does nothing, so this test would prove nothing"
    sign.unlink()
    parts = [MAGIC, PROTOCOL, LITTLE, state({"x": tensor((12,), (1,))}), pickle.dumps(["a"], 2)]
    parts[place] = evil
    message = refused(file, b"".join(parts) + storage(ONES))
    assert "asks for the global posix.system" in message or "asks for the global nt.system" in message
    assert not sign.exists()


@pytest.mark.parametrize(
    "name",
    ["builtins eval", "builtins getattr", "torch load", "torch._utils _rebuild_tensor", "torch _utils.sys.exit",
     "collections OrderedDict.fromkeys", "numpy load", "torch BFloat16Storage"],
)  # fmt: skip
def test_no_other_global_is_handed_out(file: Path, name: str) -> None:
    module, attribute = name.split()
    content = MAGIC + PROTOCOL + LITTLE + f"c{module}\n{attribute}\n)R.".encode()
    assert f"asks for the global {module}.{attribute}," in refused(file, content)


@pytest.mark.parametrize(
    "name", ["torch._utils\n_rebuild_tensor_v2", "torch\nFloatStorage", "collections\nOrderedDict"]
)
def test_a_pickle_cannot_alter_what_the_reader_works_with(file: Path, name: str) -> None:
    change = f"c{name}\n".encode() + b"(" + code(None) + code({"__doc__": "altered", "extra": 1}) + b"tb."
    refused(file, MAGIC + PROTOCOL + LITTLE + b"\x80\x02" + change)
    file.write_bytes(checkpoint({"x": tensor((12,), (1,))}, ONES))
    assert read_checkpoint(file)["x"][11] == 11
    assert not hasattr(OrderedDict, "extra")


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        (tensor((13,), (1,)), "tensor 'x' reaches element 12 of a storage of 12"),
        (tensor((3, 4), (5, 1)), "reaches element 13"),
        (tensor((1,), (1,), offset=12), "reaches element 12"),
        (tensor((2**40, 2**40), (1, 1)), "reaches element"),
        (tensor((3,), (1,), offset=-1), "-1 stands where a size or an offset should be"),
        (tensor((3,), (-1,), offset=5), "-1 stands where"),
        (tensor((3.0,), (1,)), "3.0 stands where"),
        (tensor((3, 4), (1,)), "makes no sense"),
        (tensor((12,), (1,), count=13), "truncated: storage 'a' takes 60 bytes, 56 are left"),
        (tensor((11,), (1,), count=11), "storage 'a' holds 12 values, its tensors expect 11"),
        (tensor((2**62,), (1,), count=2**62), "truncated"),
        (code(3.5), "entry 'x' is a float, not a tensor"),
        (code({}), "entry 'x' is a dict, not a tensor"),
    ],
)
def test_a_tensor_that_cannot_be_is_an_error(file: Path, entry: bytes, message: str) -> None:
    assert message in refused(file, checkpoint({"x": entry}, ONES) if b"torch" in entry else checkpoint({"x": entry}))


def test_a_storage_described_in_two_ways_is_an_error(file: Path) -> None:
    entries = {"x": tensor((12,), (1,)), "y": tensor((6,), (1,), kind="Double", count=6)}
    assert "storage 'a' is described in two ways" in refused(file, checkpoint(entries, ONES))


def test_a_list_of_storages_that_does_not_match_is_an_error(file: Path) -> None:
    assert "list of storages" in refused(file, checkpoint({"x": tensor((12,), (1,))}, ONES, ONES))


def test_every_truncation_is_an_error(file: Path) -> None:
    whole = checkpoint({"x": tensor((3, 4), (4, 1)), "y": tensor((2,), (1,))}, ONES)
    messages = {refused(file, whole[:length]) for length in range(len(whole))}
    assert any("truncated: storage 'a'" in message for message in messages)


def test_bytes_after_the_end_are_an_error(file: Path) -> None:
    assert "3 bytes follow" in refused(file, checkpoint({"x": tensor((12,), (1,))}, ONES) + b"abc")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not a torch checkpoint"),
        (b"\x00" * 500, "not a torch checkpoint"),
        (b"<!DOCTYPE html><html>", "not a torch checkpoint"),
        (pickle.dumps({"a": 1}) + PROTOCOL + LITTLE, "magic number"),
        (MAGIC + pickle.dumps(1002) + LITTLE, "checkpoint protocol 1002"),
        (MAGIC + PROTOCOL + LITTLE + pickle.dumps([1]) + pickle.dumps([]), "holds a list, not a state dict"),
        (b"PK\x03\x04and the rest of a zip", "_use_new_zipfile_serialization=False"),
    ],
)
def test_a_file_that_is_no_checkpoint_says_so(file: Path, content: bytes, message: str) -> None:
    assert message in refused(file, content)


def test_a_missing_file_is_an_os_error(file: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_checkpoint(file)
