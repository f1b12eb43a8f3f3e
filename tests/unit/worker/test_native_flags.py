"""What a compiler may be told."""

from __future__ import annotations

import shlex
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cmx.worker import ActionError
from cmx.worker.native.flags import split_defines, split_flags, split_libraries

SHAPING = """
-O3 -Ofast -Og -g -march=native -mavx2 -mtune=cortex-a72 -march=armv8.2-a+dotprod -ffast-math -flto -funroll-loops
-fno-tree-vectorize -ffp-contract=off -Wall -Wno-unused -Werror=format -pthread -static -s
"""
REACHING_OUT = """
-fplugin=evil.so -fpass-plugin=evil.so -B/tmp -specs=x --specs=x @file -wrapper -Xlinker -Xclang -Xpreprocessor
-Wl,-rpath,/tmp -Wp,-MD,x -Wa,-a=x -I/etc -L/tmp -lfoo -include -imacros -isystem -iquote --sysroot=/ -isysroot -o
-x -c -E -S -M -MF -T -fuse-ld=/tmp/ld -fuse-ld=gold --ld-path=x -fprofile-use=x -fprofile-generate -fdump-tree-all
-save-temps -fsave-optimization-record -fmodules -mllvm --config=x main.c /etc/passwd -dumpspecs -fplugin-arg-x-y
-foffload=x -ftest-coverage -D_X -mspecs=x -fcallgraph-info -march=/etc/x -print-prog-name=x -fauto-profile=x
-fstack-usage -fsanitize-ignorelist=x -Wl -v -pipe=
"""


@pytest.mark.parametrize("flag", SHAPING.split())
def test_flags_that_shape_the_program_are_let_through(flag: str) -> None:
    assert split_flags(flag) == [flag]


@pytest.mark.parametrize("flag", REACHING_OUT.split())
def test_flags_that_reach_outside_are_refused(flag: str) -> None:
    with pytest.raises(ActionError, match="not let through"):
        split_flags(f"-O2 {shlex.quote(flag)}")


@given(st.text(alphabet="abfmWO-=,@/. x", max_size=20))
def test_no_flag_that_is_let_through_names_a_place(text: str) -> None:
    try:
        flags = split_flags(text)
    except ActionError:
        return
    assert all(flag.startswith("-") and not set(flag) & set("/@ ") and not flag.startswith("-Wl,") for flag in flags)


def test_defines_and_libraries_become_single_arguments() -> None:
    assert split_defines("N=10 FAST 'TEXT=a b'") == ["-DN=10", "-DFAST", "-DTEXT=a b"]
    assert split_libraries("m pthread") == ["-lm", "-lpthread"]


@pytest.mark.parametrize(
    ("split", "text"),
    [(split_defines, "-DN"), (split_defines, "1N"), (split_libraries, ":/tmp/x.a"), (split_flags, "'-O2")],
)
def test_what_is_no_define_or_library_is_refused(split: Any, text: str) -> None:
    with pytest.raises(ActionError):
        split(text)
