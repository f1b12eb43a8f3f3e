"""Which regular expressions of strangers are used, and which are refused because they could take for ever."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cmx.pattern import LINE_LIMIT, TEXT_LIMIT, clip, compiled, fault

ENDLESS = [
    r"(a+)+b",
    r"(a*)*b",
    r"(a+)*b",
    r"(a|aa)+b",
    r"(\w+\s?)*x",
    r"(.*a){12}",
    r"(x+x+)+y",
    r"([a-zA-Z]+)*\d",
    r"(?i)(?:a+)+b",
    r"([^a]*A)*b",
    r"(?:(?:\d)*?)?x",
    r"(?=(a+)+b)a",
]


@pytest.mark.parametrize("pattern", ENDLESS)
def test_an_expression_that_can_take_for_ever_is_refused(pattern: str) -> None:
    re.compile(pattern)
    assert fault(pattern) != ""


@pytest.mark.parametrize("pattern", [r".*.*.*x", r"[\s\S]*[\s\S]*x", "a?" * 20 + "a" * 20])
def test_an_expression_that_can_take_very_long_is_refused(pattern: str) -> None:
    assert fault(pattern).startswith("could take very long")


@pytest.mark.parametrize(
    ("pattern", "reason"),
    [
        (r"(\d+) \1", "what it matches depends on what it matched before"),
        ("a" * 401, "longer than 400 characters"),
        (r"(?:a?)*", "a repeat of what may match nothing"),
        (r"(?:x||)", "alternatives that match nothing"),
    ],
)
def test_an_expression_that_cannot_be_judged_is_refused(pattern: str, reason: str) -> None:
    assert fault(pattern) == reason


@pytest.mark.parametrize(
    "pattern",
    [
        r"gcc-?\d+(\.\d+)*",
        r"^\S*gcc\S* \(.*\) (\d+(?:\.\d+)*)",
        r"(?:\bclang|^Apple LLVM) version (\d+(?:\.\d+)+)",
        r"CUDNN_MAJOR (\d+)\D+(\d+)\D+(\d+)",
        r"(?:[^,]*,)*x",
        r"(?:ab|cd)+",
        r"(\w|\d)+x",
        r"(\w+\s)*x",
        r"(a|ab)*c",
        r"[\s\S]*x",
        "",
    ],
)
def test_an_expression_whose_next_letter_says_which_part_matches_is_used(pattern: str) -> None:
    assert fault(pattern) == ""


LETTERS = st.sampled_from(["a", "b", "[ab]", "[^a]", ".", r"\w", r"\d", r"\.", "A"])
EXPRESSIONS = st.recursive(
    LETTERS,
    lambda inner: st.one_of(
        st.tuples(inner, inner).map("".join),
        st.tuples(inner, inner).map(lambda pair: f"(?:{pair[0]}|{pair[1]})"),
        st.tuples(inner, st.sampled_from(["*", "+", "?", "{1,3}", "*?"])).map(lambda pair: f"(?:{pair[0]}){pair[1]}"),
    ),
    max_leaves=8,
)


@given(EXPRESSIONS, st.sampled_from(["a" * 60, "ab" * 30, "a." * 30, "1a" * 30, "A" * 60]))
def test_what_is_used_comes_to_an_end(pattern: str, text: str) -> None:
    """An exponential one would not within a lifetime: the text has sixty letters and nearly matches."""
    if not fault(pattern):
        assert compiled(f"(?:{pattern})!x").search(text + "!") is None


def test_a_text_is_cut_before_it_is_matched() -> None:
    cut = clip("a" * 10_000 + "\n" + "b" * 10_000)
    assert cut == "a" * LINE_LIMIT
    many = clip("line\n" * 10_000)
    assert len(many) == TEXT_LIMIT
    assert clip("short") == "short"
