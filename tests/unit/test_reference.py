"""References, ranges, and the order of versions."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.specifiers import SpecifierSet

from cmx.errors import UsageError
from cmx.reference import KINDS, Reference, admits, newest, version_key

NAMES = st.from_regex(r"[a-z0-9]([a-z0-9._-]{0,10}[a-z0-9])?", fullmatch=True)
NUMBERS = st.lists(st.integers(0, 999), min_size=1, max_size=4).map(lambda parts: ".".join(map(str, parts)))
CLAUSES = st.tuples(st.sampled_from([">=", "<=", "==", "!=", "<", ">"]), NUMBERS).map("".join)
RANGES = st.lists(CLAUSES, max_size=3).map(",".join)
REFERENCES = st.builds(Reference, st.sampled_from(KINDS), NAMES, RANGES, st.one_of(st.just(""), NAMES))


@given(REFERENCES)
def test_what_is_printed_is_read_back_as_it_was(reference: Reference) -> None:
    assert Reference.parse(str(reference)) == reference


@given(REFERENCES)
def test_the_kind_may_come_from_elsewhere(reference: Reference) -> None:
    plain = str(reference).partition("/")[2]
    assert Reference.parse(plain, kind=reference.kind) == reference


@given(NUMBERS, NUMBERS)
def test_a_range_agrees_with_the_order_of_versions(low: str, version: str) -> None:
    at_least = version_key(version) >= version_key(low)
    assert admits(f">={low}", version) == at_least
    assert admits(f"<{low}", version) != at_least


RELEASES = st.lists(st.integers(0, 3), min_size=1, max_size=4).map(lambda numbers: ".".join(map(str, numbers)))
PARTS = st.tuples(st.sampled_from(("<", "<=", ">", ">=", "==", "!=")), RELEASES).map("".join)


@given(st.lists(PARTS, max_size=3).map(",".join), RELEASES)
def test_a_plain_range_holds_what_packaging_says(specifier: str, version: str) -> None:
    assert admits(specifier, version) == SpecifierSet(specifier).contains(version)


@given(st.text(max_size=20))
def test_any_text_is_a_reference_or_a_usage_error(text: str) -> None:
    try:
        found = Reference.parse(text, kind="model")
    except UsageError as error:
        assert error.hint
    else:
        assert Reference.parse(str(found)) == found


def test_the_parts_of_a_reference() -> None:
    found = Reference.parse(" model/resnet50[onnx] >= 1.5, < 2 ")
    assert (found.kind, found.name, found.variant, found.specifier) == ("model", "resnet50", "onnx", ">=1.5,<2")
    assert found.key == "model/resnet50"
    assert str(found) == "model/resnet50[onnx]>=1.5,<2"


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("model/Res Net", "'model/Res Net' is not a reference", "write kind/name, as in model/resnet50>=1.5,<2"),
        ("model/../x", "'model/../x' is not a reference", "write kind/name, as in model/resnet50>=1.5,<2"),
        ("", "'' is not a reference", "write kind/name, as in model/resnet50>=1.5,<2"),
        ("modle/x", "'modle/x': unknown kind 'modle'", "did you mean 'model'?"),
        ("model/x>=banana", "'model/x>=banana': Invalid specifier: '>=banana'", "ranges are written as in >=1.5,<2"),
        ("model/x=1.0", "'model/x=1.0': Invalid specifier: '=1.0'", "ranges are written as in >=1.5,<2"),
    ],
)
def test_what_is_no_reference_is_said_with_a_remedy(text: str, message: str, hint: str) -> None:
    with pytest.raises(UsageError) as caught:
        Reference.parse(text)
    assert caught.value.message == message
    assert caught.value.hint.startswith(hint)


def test_a_name_without_its_kind_lists_the_kinds() -> None:
    with pytest.raises(UsageError) as caught:
        Reference.parse("resnet50")
    assert caught.value.message == "'resnet50' does not say of which kind it is"
    assert caught.value.hint == "write action|dataset|model|software-detect|workflow|software/resnet50"


@pytest.mark.parametrize(
    ("specifier", "version", "held"),
    [
        ("", "1.0", True),
        (">=1.5,<2", "1.9.9", True),
        (">=1.5,<2", "2.0", False),
        ("==1.4.*", "1.4.7", True),
        ("~=1.4", "1.9", True),
        ("~=1.4", "2.0", False),
        ("!=1.0", "1.0", False),
        ("==2.1.0", "2.1.0+cu121", True),
    ],
)
def test_ranges_are_those_of_pep_440(specifier: str, version: str, held: bool) -> None:
    assert admits(specifier, version) is held


@pytest.mark.parametrize(
    ("specifier", "version", "held"),
    [
        (">=14,<15", "14.0.6-debian", True),
        (">=14", "Debian clang version 13.0.1", False),
        (">=1.1", "1.1.1w", True),
        (">=12.2.0,<12.2.1", "12.2.0-14+deb12u1", True),
        (">=1", "unknown", False),
    ],
)
def test_a_tools_version_is_compared_by_its_leading_numbers(specifier: str, version: str, held: bool) -> None:
    assert admits(specifier, version) is held


@pytest.mark.parametrize(
    ("specifier", "version", "held"),
    [
        ("", "1.0rc1", False),
        (">=1.0", "2.0rc1", False),
        ("==1.4.*", "1.4.0rc1", False),
        ("!=1.0rc1", "2.0rc1", False),
        (">=2.0rc1", "2.0rc2", True),
        ("==2.0rc1", "2.0rc1", True),
        (">=1.0,<2.0rc2", "2.0rc1", True),
    ],
)
def test_a_pre_release_is_held_only_by_a_range_that_names_one(specifier: str, version: str, held: bool) -> None:
    assert admits(specifier, version) is held
    assert Reference("software", "x", specifier).admits(version) is held


def test_newest_orders_by_version_and_not_by_letter() -> None:
    assert newest(["1.9", "1.10", "1.10rc1", "nonsense", "1.9.1-2ubuntu"]) == [
        "1.10",
        "1.10rc1",
        "1.9.1-2ubuntu",
        "1.9",
        "nonsense",
    ]
