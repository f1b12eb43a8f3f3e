"""Archives of strangers: what is unpacked, and that nothing ever lands outside, nor without limit."""

from __future__ import annotations

import io
import os
import stat
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from cmx import archives
from cmx.archives import is_archive, make_links, unpack
from cmx.errors import StoreError

Entry = tuple[str, bytes]


def make_tar(path: Path, *entries: Entry, mode: str = "w:gz") -> Path:
    """A tar with these files."""
    with tarfile.open(path, mode) as tar:  # type: ignore[call-overload]
        for name, content in entries:
            add(tar, name, content)
    return path


def add(tar: tarfile.TarFile, name: str, content: bytes = b"", **properties: object) -> None:
    """One entry; ``type``, ``linkname`` and ``mode`` as tarfile names them."""
    entry = tarfile.TarInfo(name)
    entry.size = len(content)
    for key, value in properties.items():
        setattr(entry, key, value)
    tar.addfile(entry, io.BytesIO(content))


def make_zip(path: Path, *entries: Entry) -> Path:
    """A zip with these files."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries:
            archive.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)
    return path


def files(folder: Path) -> dict[str, bytes]:
    """Everything below a folder that is no folder."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if not path.is_dir()}


@pytest.fixture
def target(tmp_path: Path) -> Path:
    folder = tmp_path / "inner" / "target"
    folder.mkdir(parents=True)
    return folder


@pytest.mark.parametrize(
    "make",
    [
        lambda path, *entries: make_zip(path / "a.zip", *entries),
        lambda path, *entries: make_tar(path / "a.tar", *entries, mode="w"),
        lambda path, *entries: make_tar(path / "a.tar.gz", *entries),
        lambda path, *entries: make_tar(path / "a.tar.bz2", *entries, mode="w:bz2"),
        lambda path, *entries: make_tar(path / "a.tar.xz", *entries, mode="w:xz"),
    ],
    ids=["zip", "tar", "gz", "bz2", "xz"],
)
def test_only_what_is_wanted_is_unpacked_and_every_name_is_told(
    make: Callable[..., Path], tmp_path: Path, target: Path
) -> None:
    archive = make(tmp_path, ("a/one.txt", b"1"), ("./a/two.txt", b"2"), ("b/three.txt", b"3"))
    names = unpack(archive, target, wanted=lambda name: name.startswith("a/"))
    assert names == ("a/one.txt", "a/two.txt", "b/three.txt")
    assert files(target) == {"a/one.txt": b"1", "a/two.txt": b"2"}


@pytest.mark.parametrize("name", ["../out", "a/../../out", "/out", "a\\..\\..\\out", "C:/out", "a/\\..\\out"])
@pytest.mark.parametrize("make", [make_zip, make_tar], ids=["zip", "tar"])
def test_a_name_that_leads_out_condemns_the_archive(
    make: Callable[..., Path], name: str, tmp_path: Path, target: Path
) -> None:
    archive = make(tmp_path / "archive", ("good", b""), (name, b"bad"))
    with pytest.raises(StoreError, match="leads out of the archive"):
        unpack(archive, target, wanted=lambda each: each == "good")
    assert set(files(tmp_path)) <= {"archive", "inner/target/good"}


def test_nothing_is_written_through_a_link(tmp_path: Path, target: Path) -> None:
    with tarfile.open(tmp_path / "a.tar", "w") as tar:
        add(tar, "door", type=tarfile.SYMTYPE, linkname="../..")
        add(tar, "door/out", b"bad")
    unpack(tmp_path / "a.tar", target, links=True)
    assert files(tmp_path).keys() == {"a.tar", "inner/target/door/out"}
    assert not (target / "door").is_symlink()


def test_links_and_devices_are_left_out_of_data(tmp_path: Path, target: Path) -> None:
    with tarfile.open(tmp_path / "a.tar", "w") as tar:
        add(tar, "file", b"content")
        add(tar, "soft", type=tarfile.SYMTYPE, linkname="file")
        add(tar, "hard", type=tarfile.LNKTYPE, linkname="file")
        add(tar, "pipe", type=tarfile.FIFOTYPE)
        add(tar, "device", type=tarfile.CHRTYPE)
    assert unpack(tmp_path / "a.tar", target) == ("file",)
    assert files(target) == {"file": b"content"}


def test_links_inside_a_tool_are_made_and_others_are_not(tmp_path: Path, target: Path) -> None:
    with tarfile.open(tmp_path / "a.tar", "w") as tar:
        for name, to in (("bin/x", "../lib/x-1"), ("bin/y", "x"), ("lib/x-1", "x-1.0"), ("bin/absolute", "/lib/x-1.0")):
            add(tar, name, type=tarfile.SYMTYPE, linkname=to)
        for name, to in (("bin/out", "../../../a.tar"), ("bin/passwd", "/etc/passwd"), ("bin/self", "self")):
            add(tar, name, type=tarfile.SYMTYPE, linkname=to)
        add(tar, "bin/copy", type=tarfile.LNKTYPE, linkname="lib/x-1.0")
        add(tar, "lib/x-1.0", b"program", mode=0o755)
    unpack(tmp_path / "a.tar", target, links=True)
    links = {path.name: str(path.readlink()) for path in target.rglob("*") if path.is_symlink()}
    assert links == {
        "x": "../lib/x-1",
        "y": "x",
        "x-1": "x-1.0",
        "absolute": "../lib/x-1.0",
        "copy": "../lib/x-1.0",
    }
    assert (target / "bin" / "y").read_bytes() == b"program"


def test_links_of_a_zip_are_made_for_a_tool(tmp_path: Path, target: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        link = zipfile.ZipInfo("x")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(link, "x-1")
        program = zipfile.ZipInfo("x-1")
        program.external_attr = 0o755 << 16
        archive.writestr(program, "program")
    unpack(tmp_path / "a.zip", target, links=True)
    assert (str((target / "x").readlink()), os.access(target / "x-1", os.X_OK)) == ("x-1", True)


def test_a_link_chain_that_leaves_through_another_link_is_not_made(target: Path) -> None:
    (target / "a").mkdir()
    (target.parent / "outside").write_text("secret")
    make_links(target, [("a/up", ".."), ("leak", "a/up/../outside"), ("a/leak", "up/../outside")])
    leading_out = [
        path for path in target.rglob("*") if path.is_symlink() and not path.resolve().is_relative_to(target.resolve())
    ]
    assert leading_out == []


def test_modes_beyond_executable_are_not_taken_over(tmp_path: Path, target: Path) -> None:
    with tarfile.open(tmp_path / "a.tar", "w") as tar:
        add(tar, "program", b"", mode=0o6755)
        add(tar, "data", b"", mode=0o4644)
    unpack(tmp_path / "a.tar", target)
    assert stat.S_IMODE((target / "program").stat().st_mode) == 0o755
    assert not (target / "data").stat().st_mode & (stat.S_ISUID | 0o111)


@pytest.mark.parametrize("make", [make_zip, make_tar], ids=["zip", "tar"])
def test_an_archive_that_unpacks_to_far_more_is_refused(
    make: Callable[..., Path], tmp_path: Path, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archives, "ALWAYS_ALLOWED", 1 << 20)
    archive = make(tmp_path / "bomb", ("zeros", bytes(4 << 20)))
    with pytest.raises(StoreError, match=r"bomb: unpacks to more than \d+ bytes"):
        unpack(archive, target)
    assert sum(len(content) for content in files(target).values()) <= 2 << 20


def test_too_many_files_are_refused(tmp_path: Path, target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "MAX_FILES", 3)
    archive = make_zip(tmp_path / "a.zip", *((str(number), b"") for number in range(4)))
    with pytest.raises(StoreError, match="more than 3 files"):
        unpack(archive, target)


def test_a_name_that_is_there_twice_is_refused(tmp_path: Path, target: Path) -> None:
    with pytest.raises(StoreError, match="'a' is there twice"):
        unpack(make_tar(tmp_path / "a.tar.gz", ("a", b"1"), ("./a", b"2")), target)


def test_a_file_that_is_also_a_folder_is_refused(tmp_path: Path, target: Path) -> None:
    with pytest.raises(StoreError, match="cannot be unpacked"):
        unpack(make_tar(tmp_path / "a.tar.gz", ("a", b"1"), ("a/b", b"2")), target)


@pytest.mark.parametrize("make", [make_zip, make_tar], ids=["zip", "tar"])
def test_a_truncated_archive_is_an_error(make: Callable[..., Path], tmp_path: Path, target: Path) -> None:
    archive = make(tmp_path / "archive", ("data", os.urandom(20_000)))
    archive.write_bytes(archive.read_bytes()[:-9000])
    with pytest.raises(StoreError, match=r"archive: (cannot be unpacked|is no archive)"):
        unpack(archive, target)


def test_what_is_no_archive_is_said(tmp_path: Path, target: Path) -> None:
    (tmp_path / "photo.jpg").write_bytes(b"\xff\xd8\xff" * 100)
    assert not is_archive(tmp_path / "photo.jpg")
    with pytest.raises(StoreError, match=r"photo\.jpg: is no archive") as caught:
        unpack(tmp_path / "photo.jpg", target)
    assert ".zip" in caught.value.hint


def test_a_tar_that_ends_with_a_zip_is_a_tar(tmp_path: Path, target: Path) -> None:
    inner = make_zip(tmp_path / "inner.zip", ("x", b"1")).read_bytes()
    archive = make_tar(tmp_path / "a.tar", ("inner.zip", inner), mode="w")
    assert unpack(archive, target) == ("inner.zip",)
