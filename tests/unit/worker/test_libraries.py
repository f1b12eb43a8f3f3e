"""What a worker says of the mathematics below it."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy
import pytest

from cmx.worker.libraries import libraries

MAPS = """\
7f00-7f01 r-xp 00000000 fe:00 1 /lib/libgomp-24e2ab19.so.1.0.0
7f01-7f02 r-xp 00000000 fe:00 1 /lib/libc.so.6
7f02-7f03 r-xp 00000000 fe:00 1 /x/numpy.libs/libscipy_openblas64_-ff651d7f.so
7f02-7f03 r--p 00000000 fe:00 1 /x/numpy.libs/libscipy_openblas64_-ff651d7f.so
7f03-7f04 rw-p 00000000 00:00 0 [heap]
"""


def test_the_blas_of_numpy_and_what_is_loaded_are_told(tmp_path: Path) -> None:
    (tmp_path / "maps").write_text(MAPS, encoding="utf-8")
    found = libraries(tmp_path / "maps")
    built = numpy.show_config(mode="dicts")["Build Dependencies"]["blas"]
    assert (found["blas"]["name"], found["blas"]["version"]) == (built["name"], built["version"])
    assert found["loaded"] == ["libgomp-24e2ab19.so.1.0.0", "libscipy_openblas64_-ff651d7f.so"]


def test_an_older_numpy_tells_by_another_name_and_none_tells_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Older:
        class __config__:  # noqa: N801 - as in numpy
            blas_opt_info = {"libraries": ["openblas64_"]}  # noqa: RUF012

    monkeypatch.setitem(sys.modules, "numpy", Older)
    assert libraries(tmp_path)["blas"]["name"] == "openblas64_"
    monkeypatch.delitem(sys.modules, "numpy")
    assert libraries(tmp_path) == {"blas": None, "loaded": []}
