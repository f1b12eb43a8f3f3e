"""Reading YAML strictly, and saying what is wrong with a document, where, and what was meant."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cmx.errors import ComponentInvalid
from cmx.schema import MAX_BYTES, line_of, parse_yaml, read_yaml, schema, validate, validate_value
from cmx.settings import SCHEMA_FOLDER


def refusal(text: str) -> ComponentInvalid:
    with pytest.raises(ComponentInvalid) as caught:
        parse_yaml(text, "x.yaml")
    return caught.value


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("on", "on"),
        ("yes", "yes"),
        ("No", "No"),
        ("12:30", "12:30"),
        ("2020-01-01", "2020-01-01"),
        ("1_000", "1_000"),
        ("=", "="),
        ("010", 10),
        ("0o17", 15),
        ("0x1F", 31),
        ("-7", -7),
        ("1e3", 1000.0),
        (".5", 0.5),
        ("true", True),
        ("True", True),
        ("FALSE", False),
        ("tRUE", "tRUE"),
        ("NULL", None),
        ("nULL", "nULL"),
        ("~", None),
        ("", None),
        ("'~'", "~"),
        ("R&D wants more!", "R&D wants more!"),
        ("'1.0'", "1.0"),
    ],
)
def test_values_are_read_by_the_rules_of_yaml_1_2(written: str, value: Any) -> None:
    found = parse_yaml(f"key: {written}", "x.yaml")["key"]
    assert found == value
    assert type(found) is type(value)


def test_what_is_written_otherwise_is_another_value_however_often_it_is_read() -> None:
    text = "[1, '1', 1.0, true, 01, +1, 0x1, 1.0.0, '', null, 0, -0.0, false, 1]"
    read = [parse_yaml(f"a: {text}", "x.yaml")["a"] for _ in range(2)]
    expected = [1, "1", 1.0, True, 1, 1, 1, "1.0.0", "", None, 0, -0.0, False, 1]
    assert [repr(each) for each in read] == [repr(expected)] * 2


def test_a_number_of_too_many_digits_is_refused_each_time_on_its_own_line() -> None:
    digits = "9" * 5000
    assert [refusal("\n" * above + f"a: {digits}").message.partition(": ")[0] for above in (0, 4)] == [
        "x.yaml:1",
        "x.yaml:5",
    ]


def test_infinity_and_not_a_number_are_read() -> None:
    found = parse_yaml("a: -.inf\nb: .nan", "x.yaml")
    assert found["a"] == -math.inf
    assert math.isnan(found["b"])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\nb: 2\na: 3\n", "x.yaml:3: the key 'a' is there twice"),
        ("a: {b: 1, b: 2}\n", "x.yaml:1: the key 'b' is there twice"),
        ("a: 1\n2: b\n", "x.yaml:2: the key '2' is not text"),
        ("a: 1\n? [b, c]\n: d\n", "x.yaml:2: the key is not text"),
        ("a: &x [1]\nb: *x\n", "x.yaml:1: anchors and aliases are not used here"),
        ("a: &x 1\n", "x.yaml:1: anchors and aliases are not used here"),
        ("a: 1\nb: *x\n", "x.yaml:2: anchors and aliases are not used here"),
        ("a: 1\n&x b: 2\n", "x.yaml:2: anchors and aliases are not used here"),
        ("a: 1\nb: !!map {}\n", "x.yaml:2: tags such as !!str are not used here"),
        ("a: 1\nb: ! 2\n", "x.yaml:2: tags such as !!str are not used here"),
        ("a: 1\nb: !!timestamp 2020-01-01\n", "x.yaml:2: tags such as !!str are not used here"),
        ("a: !!python/object/apply:os.system [ls]\n", "x.yaml:1: tags such as !!str are not used here"),
        ("a: " + "9" * 5000, "x.yaml:1: a number of too many digits"),
        ("a: 1\n---\nb: 2\n", "x.yaml:2: expected a single document in the stream, but found another document"),
        ("- a\n", "x.yaml:1: expected a mapping of keys to values"),
        ("just text", "x.yaml:1: expected a mapping of keys to values"),
        ("", "x.yaml:1: expected a mapping of keys to values"),
        ("a: 1\nb: \0\n", "x.yaml:2: a control character"),
    ],
)
def test_what_is_not_plain_yaml_is_refused_with_its_line(text: str, message: str) -> None:
    error = refusal(text)
    assert error.message == message
    assert error.hint


@pytest.mark.parametrize(
    "text",
    [
        "a: " + "[" * 500_000,
        "- " * 300_000,
        "? " * 300_000,
        "a: " + "[\n" * 100_000,
        "\n".join(" " * depth + "a:" for depth in range(900)),
    ],
    ids=["brackets", "dashes", "question marks", "lines", "indentation"],
)
def test_what_is_nested_too_deep_is_refused_and_crashes_nothing(text: str) -> None:
    assert refusal(text).message.endswith(("nested deeper than 60 levels", "the key is not text"))


@given(st.text(max_size=60))
def test_any_text_is_a_mapping_or_refused(text: str) -> None:
    try:
        found = parse_yaml(text, "x.yaml")
    except ComponentInvalid as error:
        assert error.message.startswith("x.yaml:")
        assert "\n" not in error.message
    else:
        assert isinstance(found, dict)


def test_a_byte_order_mark_is_no_part_of_the_first_key(tmp_path: Path) -> None:
    file = tmp_path / "x.yaml"
    file.write_bytes(b"\xef\xbb\xbfschema: 1\r\n")
    assert read_yaml(file) == {"schema": 1}


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ComponentInvalid, match=r"nowhere\.yaml: No such file or directory"):
        read_yaml(tmp_path / "nowhere.yaml")


def test_a_file_of_many_megabytes_is_not_read(tmp_path: Path) -> None:
    file = tmp_path / "x.yaml"
    file.write_bytes(b"a" * (MAX_BYTES + 1))
    with pytest.raises(ComponentInvalid, match=f"longer than {MAX_BYTES} bytes"):
        read_yaml(file)


def test_the_line_of_a_field_is_found_in_mappings_and_lists() -> None:
    text = "a: 1\nb:\n  - c: 2\n  - d: 3\n    e: 4\nf: {g: 5}\n"
    assert [line_of(text, path) for path in (["a"], ["b"], ["b", 0], ["b", 1, "e"], ["f", "g"])] == [1, 2, 3, 5, 6]


def test_the_line_of_what_is_missing_is_that_of_its_parent() -> None:
    assert line_of("a: 1\nb:\n  c: 2\n", ["b", "nowhere", 3]) == 2


@pytest.mark.parametrize(
    ("key", "hint"),
    [
        ("fodlers", "did you mean 'folders'?"),
        ("xyz", "known here: description, folders, name, schema"),
    ],
)
def test_an_unknown_key_names_the_nearest_known_one(key: str, hint: str) -> None:
    text = f"schema: 1\nname: mine\n{key}: [a]\n"
    with pytest.raises(ComponentInvalid) as caught:
        validate(parse_yaml(text, "repo.yaml"), "repo", source="repo.yaml", text=text)
    assert caught.value.message == f"repo.yaml:3: {key}: unknown key {key!r}"
    assert caught.value.hint == hint


def test_an_unknown_key_is_said_before_the_key_that_is_missing_for_it() -> None:
    with pytest.raises(ComponentInvalid, match="unknown key 'nmae'"):
        validate({"schema": 1, "nmae": "mine"}, "repo", source="repo.yaml")


@pytest.mark.parametrize(
    ("value", "fragment", "problem"),
    [
        (5, {"type": "integer"}, ""),
        (0, {"type": "integer", "minimum": 1}, "0 is less than 1"),
        (2, {"type": "number", "maximum": 1}, "2 is more than 1"),
        (0, {"type": "number", "exclusiveMinimum": 0}, "0 is not more than 0"),
        (1, {"type": "number", "exclusiveMaximum": 1}, "1 is not less than 1"),
        ("x", {"type": ["integer", "null"]}, '"x" is not of type integer or null'),
        (True, {"type": "integer"}, "true is not of type integer"),
        ("slow", {"enum": ["fast", "faster"]}, '"slow" is not one of fast, faster'),
        ([], {"type": "array", "minItems": 1}, "[] is too short: at least 1 needed"),
        ("y" * 90, {"type": "integer"}, '"' + "y" * 56 + "… is not of type integer"),
    ],
)
def test_what_is_wrong_with_a_value_is_said_in_words(value: Any, fragment: dict[str, Any], problem: str) -> None:
    assert validate_value(value, fragment) == problem


@pytest.mark.parametrize("file", sorted(SCHEMA_FOLDER.glob("*.json")), ids=lambda file: file.stem)
def test_each_schema_is_one_of_draft_2020_12_and_is_named_after_its_file(file: Path) -> None:
    import jsonschema

    document = schema(file.stem)
    jsonschema.Draft202012Validator.check_schema(document)
    assert document["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert document["$id"] == file.name


def test_a_key_that_would_clear_the_screen_is_named_without_doing_so() -> None:
    with pytest.raises(ComponentInvalid) as caught:
        validate({"schema": 1, "name": "zoo", "\x1b[2J": 1}, "repo", source="repo.yaml")
    assert caught.value.message == r"repo.yaml: \x1b[2J: unknown key '\x1b[2J'"
