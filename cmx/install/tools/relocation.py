"""Making programs that were built for ``/usr`` run from anywhere: links, linker scripts, shared libraries."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

from cmx.archives import make_links
from cmx.install.tools.layout import BIN, link_programs, programs

_PROGRAMS = ("usr/bin", "bin", "usr/sbin", "sbin", "usr/local/bin", "usr/games")
_LIBRARIES = ("usr/lib", "lib", "usr/lib/*-linux-*", "lib/*-linux-*")
_SCRIPT = re.compile(rb"GNU ld script|^\s*(?:INPUT|GROUP|OUTPUT_FORMAT)\s*\(", re.MULTILINE)
_ABSOLUTE = re.compile(r"(?<![\w.])/[\w./+-]+")
_LONGEST_SCRIPT = 1 << 12
_ROOT = 'root=$(CDPATH= cd -- "${0%/*}/.." && pwd -P) || exit 127'


def relocate(folder: Path, root: Path, *, origin: str) -> None:
    """Make a tree that was made for ``/`` usable at ``root``, and put its programs into ``bin`` of ``folder``.

    Links that lead out of the tree are taken away, linker scripts name files without folders, and programs that need
    shared libraries of the tree get a wrapper that says so to the loader. ``origin`` is written into each wrapper, so
    that wrappers of different programs differ, and with them what is made by these programs.
    """
    _leave_out_devices(root)
    _mend_links(root)
    for path in root.rglob("*.so"):
        _mend_linker_script(path, root)
    places = [root / name for name in _PROGRAMS]
    libraries = list(_shared_libraries(root))
    variables = {"LD_LIBRARY_PATH": libraries} if libraries else {}
    if (root / "usr/include/stdio.h").is_file():  # the C library's own headers, for a compiler of this machine
        variables |= {"LIBRARY_PATH": libraries, "C_INCLUDE_PATH": _headers(root), "CPLUS_INCLUDE_PATH": _headers(root)}
    if variables:
        _wrap(folder, places, [f"# {origin}", _ROOT, *(_setting(*each, folder) for each in variables.items())])
    else:
        link_programs(folder, places)


def _leave_out_devices(root: Path) -> None:
    for path in [path for path in root.rglob("*") if not (path.is_symlink() or path.is_file() or path.is_dir())]:
        path.unlink()


def _mend_links(root: Path) -> None:
    links = [path for path in root.rglob("*") if path.is_symlink()]
    wanted = [(path.relative_to(root).as_posix(), os.readlink(path)) for path in links]  # noqa: PTH115 as it is written
    for path in links:
        path.unlink()
    make_links(root, wanted)


def _mend_linker_script(path: Path, root: Path) -> None:
    """Replace absolute names of files that are in the tree: the linker finds them by name, in its own folders."""
    if path.is_symlink() or not path.is_file() or path.stat().st_size > _LONGEST_SCRIPT:
        return
    content = path.read_bytes()
    if not _SCRIPT.search(content):
        return
    text = content.decode("utf-8", "surrogateescape")
    mended = _ABSOLUTE.sub(lambda match: Path(match[0]).name if (root / match[0][1:]).exists() else match[0], text)
    path.write_bytes(mended.encode("utf-8", "surrogateescape"))


def _shared_libraries(root: Path) -> Iterator[Path]:
    for pattern in _LIBRARIES:
        yield from (place for place in sorted(root.glob(pattern)) if any(place.glob("*.so.*")))


def _headers(root: Path) -> list[Path]:
    return [root / "usr/include", *sorted((root / "usr/include").glob("*-linux-*"))]


def _wrap(folder: Path, places: list[Path], lines: list[str]) -> None:
    (folder / BIN).mkdir()
    for path in (path for place in places for path in programs(place)):
        wrapper = folder / BIN / path.name
        if not wrapper.exists():
            real = shlex.quote(path.relative_to(folder).as_posix())
            wrapper.write_text("\n".join(("#!/bin/sh", *lines, f'exec "$root"/{real} "$@"', "")), encoding="utf-8")
            wrapper.chmod(0o755)


def _setting(name: str, folders: list[Path], base: Path) -> str:
    joined = ":".join(f"$root/{folder.relative_to(base).as_posix()}" for folder in folders)
    return f'export {name}="{joined}${{{name}:+:${name}}}"'
