from __future__ import annotations

import json
import re
import struct
import zlib
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from cmx.worker import ActionError, Role
from cmx.worker.datasets import class_names, open_dataset, open_picture


def role(path: Path, **component: Any) -> Role:
    return Role("dataset/photos==1.0.0", "", path, component, path)


def photos(path: Path, **changes: Any) -> Role:
    label = {"from": "filename", "pattern": r"photo_\d+_(\d+)\.png"}
    return role(path, **{"format": "image-folder", "label": label, **changes})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for number, label in [(2, 30), (0, 10), (1, 20)]:
        Image.new("RGB", (4, 3), (label, 0, 0)).save(tmp_path / f"photo_{number}_{label}.png")
    (tmp_path / "README.txt").write_text("not a sample")
    return tmp_path


def test_samples_are_in_the_order_of_their_names_with_labels_from_them(folder: Path) -> None:
    dataset = open_dataset(photos(folder, samples=3))
    assert [dataset.label(index) for index in range(len(dataset))] == [10, 20, 30]
    assert dataset.name(0) == "photo_0_10.png"
    assert dataset.image(1).getpixel((0, 0)) == (20, 0, 0)


def test_a_dataset_with_a_sample_missing_is_an_error(folder: Path) -> None:
    (folder / "photo_1_20.png").unlink()
    with pytest.raises(ValueError, match=r"dataset/photos==1.0.0: 2 files in .* match .*, expected 3"):
        open_dataset(photos(folder, samples=3))


def test_a_folder_without_samples_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"0 files in .* expected at least one"):
        open_dataset(photos(tmp_path))


def test_a_dataset_that_is_no_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="gone is not a folder"):
        open_dataset(photos(tmp_path / "gone"))


def test_an_unknown_format_is_an_error(folder: Path) -> None:
    with pytest.raises(ValueError, match="unknown format 'tfrecord'; there is: class-names, "):
        open_dataset(photos(folder, format="tfrecord"))


def test_a_pattern_has_one_group(folder: Path) -> None:
    with pytest.raises(ValueError, match=r"label.pattern has 0 groups"):
        open_dataset(photos(folder, label={"from": "filename", "pattern": ".*"}))


def test_labels_need_a_pattern(folder: Path) -> None:
    with pytest.raises(ValueError, match="label: expected"):
        open_dataset(photos(folder, label={}))


@pytest.mark.parametrize("mode", ["L", "RGBA", "P", "CMYK", "1"])
def test_every_picture_comes_in_rgb(tmp_path: Path, mode: str) -> None:
    path = tmp_path / "picture.tiff"
    Image.new(mode, (2, 2)).save(path)
    assert open_picture(path).mode == "RGB"


def test_a_picture_taken_sideways_is_turned(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (8, 4)).save(tmp_path / "phone.jpg", exif=exif)
    assert open_picture(tmp_path / "phone.jpg").size == (4, 8)


@pytest.mark.parametrize(
    "content", [b"", b"hello", b"\xff\xd8\xff\xe0junk", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n"]
)
def test_a_file_that_is_no_picture_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "photo.jpg"
    path.write_bytes(content)
    with pytest.raises(ActionError, match=re.escape(f"{path}: not a picture that can be read")):
        open_picture(path)


def test_a_picture_cut_short_is_named(tmp_path: Path) -> None:
    path = tmp_path / "photo.png"
    Image.effect_noise((64, 64), 50).save(path)
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(ActionError, match=re.escape(f"{path}: not a picture that can be read")):
        open_picture(path)


def test_a_folder_is_no_picture(tmp_path: Path) -> None:
    with pytest.raises(ActionError, match="not a picture that can be read"):
        open_picture(tmp_path)


def test_a_picture_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ActionError, match=r"gone\.jpg: no such file"):
        open_picture(tmp_path / "gone.jpg")


def png_header(side: int) -> bytes:
    """The beginning of a PNG that claims to be so large."""
    data = b"IHDR" + struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + data + struct.pack(">I", zlib.crc32(data))


@pytest.mark.parametrize("side", [10_000, 100_000])
def test_a_decompression_bomb_is_refused(tmp_path: Path, side: int) -> None:
    path = tmp_path / "bomb.png"
    idat = b"IDAT" + zlib.compress(b"\0" * 1000)
    path.write_bytes(png_header(side) + struct.pack(">I", len(idat) - 4) + idat + struct.pack(">I", zlib.crc32(idat)))
    with pytest.raises(ActionError, match="refused, it has more than 89,478,485 pixels"):
        open_picture(path)


def test_class_names_are_the_list_in_the_file(tmp_path: Path) -> None:
    (tmp_path / "names.json").write_text(json.dumps(["tench", "goldfish"]))
    assert class_names(role(tmp_path, format="class-names", samples=2)) == ("tench", "goldfish")


@pytest.mark.parametrize(
    ("content", "message"),
    [(["tench"], "1 names, dataset/photos==1.0.0 says 2"), ({"0": "tench"}, "a JSON list"), ([1, 2], "a JSON list")],
)
def test_class_names_that_are_not_as_their_component_says_are_an_error(
    tmp_path: Path, content: Any, message: str
) -> None:
    (tmp_path / "names.json").write_text(json.dumps(content))
    with pytest.raises(ValueError, match=message):
        class_names(role(tmp_path, format="class-names", samples=2))
