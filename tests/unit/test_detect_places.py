"""Which folders a component's paths lead to, and which of the names inside match."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cmx.detect.listing import Listings, literal_beginning
from cmx.detect.places import Places


def places(root: Path, **environ: str) -> Places:
    pythons = [(root / "venv", (root / "venv" / "site-packages",))]
    listings = Listings(environ, str(root))
    return Places(environ, listings, scripts=root / "scripts", data=root / "data", pythons=lambda: pythons)


def below(root: Path, found: Places, *paths: str) -> list[str]:
    return [path.removeprefix(f"{root}/") for path in found.expand(paths)]


def test_a_glob_leads_to_what_is_there_in_order_and_a_plain_path_to_itself(tmp_path: Path) -> None:
    for name in ("opt/tool-2/bin", "opt/tool-10/bin", "opt/other/bin", "opt/.hidden/bin"):
        (tmp_path / name).mkdir(parents=True)
    found = places(tmp_path)
    assert below(tmp_path, found, "/opt/tool-*/bin") == ["opt/tool-10/bin", "opt/tool-2/bin"]
    assert below(tmp_path, found, "/opt/*/bin") == ["opt/other/bin", "opt/tool-10/bin", "opt/tool-2/bin"]
    assert below(tmp_path, found, "/opt/tool-[0-9]/b*") == ["opt/tool-2/bin"]
    assert below(tmp_path, found, "/not/there") == ["not/there"]
    assert below(tmp_path, found, "/not/*/there", "relative/path", "{unknown}/x") == []


def test_placeholders_stand_for_folders(tmp_path: Path) -> None:
    found = places(tmp_path, HOME=f"{tmp_path}/home", TOOLS=f"{tmp_path}/tools/", EMPTY="")
    paths = ("{scripts}", "{packages}/nvidia", "{prefix}/lib", "{data}/coco", "{env:TOOLS}/bin", "{env:EMPTY}/bin")
    assert below(tmp_path, found, *paths, "{env:UNSET}/bin", "~/bin") == [
        "scripts",
        "venv/site-packages/nvidia",
        "venv/lib",
        "data/coco",
        "tools/bin",
        "home/bin",
    ]


def test_the_users_data_may_lie_elsewhere(tmp_path: Path) -> None:
    assert below(tmp_path, places(tmp_path, CMX_DATA=f"{tmp_path}/big"), "{data}/coco") == ["big/coco"]


def test_libraries_lie_where_the_linker_is_told_to_look(tmp_path: Path) -> None:
    (tmp_path / "etc" / "ld.so.conf.d").mkdir(parents=True)
    (tmp_path / "etc" / "ld.so.conf").write_text("include /etc/ld.so.conf.d/*.conf\n")
    (tmp_path / "etc" / "ld.so.conf.d" / "a.conf").write_text(
        "# ours\n/opt/ours/lib\n/usr/lib32\n/usr/lib/i386-linux\n"
    )
    found = places(tmp_path, LD_LIBRARY_PATH="/special/lib")
    assert below(tmp_path, found, "{libraries}")[:3] == ["/special/lib", "opt/ours/lib", "usr/local/lib"]
    assert not [path for path in below(tmp_path, found, "{libraries}") if "32" in path or "i386" in path]


def test_a_linker_configuration_that_includes_itself_comes_to_an_end(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc" / "ld.so.conf").write_text("include /etc/ld.so.conf\n/opt/lib\n")
    assert "opt/lib" in below(tmp_path, places(tmp_path), "{libraries}")


@pytest.mark.parametrize(
    ("pattern", "beginning"),
    [
        ("gcc", ("gcc", True)),
        (r"gcc-?\d+", ("gcc", False)),
        (r"libcudnn\.so(\.\d+)*", ("libcudnn.so", False)),
        ("ab*", ("a", False)),
        ("ab+", ("ab", False)),
        (r"a\.?b", ("a", False)),
        ("gcc|clang", ("", False)),
        ("(a|b)c", ("", False)),
        ("x(a|b)", ("x", False)),
        ("x(a)|b(c)", ("", False)),
        (r"x[|]y", ("x", False)),
        (r"\w+-gcc", ("", False)),
        ("", ("", False)),
    ],
)
def test_the_beginning_that_all_matches_share_is_read_off_a_pattern(pattern: str, beginning: tuple[str, bool]) -> None:
    assert literal_beginning(pattern) == beginning


NAMES = st.lists(st.text("ab.-1", min_size=1, max_size=5), unique=True, max_size=8)
PATTERNS = st.text(r"ab.-1?*+|()\d", max_size=8)


@given(NAMES, PATTERNS)
def test_looking_at_the_beginning_first_changes_nothing(names: list[str], pattern: str) -> None:
    try:
        expected = [name for name in sorted(names) if re.compile(pattern, re.MULTILINE | re.ASCII).fullmatch(name)]
    except (re.error, RecursionError):
        return
    listings = Listings({})
    listings._names["/folder"] = sorted(names)
    assert listings.matching("/folder", [pattern]) == expected
