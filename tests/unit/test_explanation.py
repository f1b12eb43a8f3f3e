"""The words of an explanation, and the repairs that go with it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest

from cmx.errors import Unsatisfiable
from cmx.resolver.candidate import Candidate, Source
from cmx.resolver.encoding import Answers
from cmx.resolver.explanation import explain, listing, repairs
from cmx.resolver.provider import Provider
from cmx.resolver.requirement import Requirement
from cmx.resolver.solver import solve


class Listed(Provider):
    """A catalog of candidates and what they need."""

    def __init__(self, *candidates: tuple[Candidate, Sequence[Requirement]]) -> None:
        self.needs: Mapping[Candidate, Sequence[Requirement]] = dict(candidates)

    def candidates(self, name: str) -> Sequence[Candidate]:
        return [candidate for candidate in self.needs if candidate.name == name]

    def requirements(self, candidate: Candidate) -> Sequence[Requirement]:
        return self.needs[candidate]


def refusal(provider: Provider, *request: Requirement) -> Unsatisfiable:
    with pytest.raises(Unsatisfiable) as caught:
        solve(provider, request)
    return caught.value


def sentences(provider: Provider, *request: Requirement) -> list[str]:
    return [fact.sentence for fact in explain(Answers(provider), request)]


def test_the_error_exits_with_4_and_its_hint_lists_the_repairs() -> None:
    error = refusal(Listed((Candidate("x", "1"), [])), Requirement("x", ">=2"))
    assert error.exit_code == 4
    assert error.message == "requirements cannot be met: you asked for x>=2 · here: x 1 (installable)"
    assert error.hint == "one of these would do: without the limit x>=2 (then x 1)"


def test_what_has_no_part_in_the_contradiction_is_not_mentioned() -> None:
    catalog = Listed((Candidate("x", "1"), [Requirement("y")]), (Candidate("y", "1"), []), (Candidate("z", "1"), []))
    assert sentences(catalog, Requirement("z"), Requirement("x"), Requirement("y", ">=2")) == [
        "you asked for y>=2",
        "here: y 1 (installable)",
    ]


def test_equal_needs_of_neighbouring_versions_are_one_sentence() -> None:
    needy = [(Candidate("x", version), [Requirement("nowhere")]) for version in ("1.4", "1.3", "1.2", "1.0")]
    catalog = Listed(*needy, (Candidate("x", "1.1"), [Requirement("elsewhere")]))
    found = sentences(catalog, Requirement("x"))
    assert "x 1.0, 1.2–1.4 needs nowhere" in found
    assert "x 1.1 needs elsewhere" in found


@pytest.mark.parametrize(
    ("odd", "who"),
    [
        (Candidate("x", "1", "fp16"), "x[fp16] needs nowhere"),
        (Candidate("x", "1", place="/opt"), "x at /opt needs nowhere"),
        (Candidate("x", "1", source=Source.STORED), "x (stored) needs nowhere"),
    ],
)
def test_candidates_of_one_version_are_told_apart(odd: Candidate, who: str) -> None:
    catalog = Listed((odd, [Requirement("nowhere")]), (Candidate("x", "1"), [Requirement("elsewhere")]))
    assert who in sentences(catalog, Requirement("x"))


def test_a_provider_can_choose_its_words() -> None:
    class Wordy(Listed):
        def describe_request(self, requirement: Requirement) -> str:
            return f"the workflow wants {requirement}"

        def describe_missing(self, name: str) -> str:
            return f"{name} was never heard of"

    assert sentences(Wordy(), Requirement("x")) == ["the workflow wants x", "x was never heard of"]


def test_listings_are_short_however_many_there_are() -> None:
    many = [Candidate("x", f"1.{minor}", variant) for minor in range(12) for variant in ("onnx", "torch")]
    here = Candidate("x", "0.9", "onnx", Source.DETECTED, "/opt/x")
    assert listing([here, *many]) == (
        "0.9 [onnx] (detected at /opt/x), 1.0–1.11 [onnx|torch], 12 versions (installable)"
    )


def test_each_limit_is_lifted_alone_before_all_of_them() -> None:
    catalog = Listed((Candidate("x", "1", "onnx"), []), (Candidate("x", "2", "torch"), []))
    error = refusal(catalog, Requirement("x", ">=2,!=3", frozenset({"onnx"})))
    assert error.repairs == (
        "without the limit x>=2 (then x 1 [onnx])",
        "without the limit x[onnx] (then x 2 [torch])",
    )


def test_where_no_single_limit_is_to_blame_all_go() -> None:
    error = refusal(Listed((Candidate("x", "1", "onnx"), [])), Requirement("x", ">=2", frozenset({"torch"})))
    assert error.repairs == ("without any limit on x (then x 1 [onnx])",)


def test_a_repair_is_reported_only_if_it_works() -> None:
    """Two contradictions at once: neither change alone helps."""
    catalog = Listed((Candidate("x", "1"), []), (Candidate("y", "1"), []))
    error = refusal(catalog, Requirement("x", ">=2"), Requirement("y", ">=2"))
    assert error.repairs == ()
    assert error.hint == "no single change helps"


def test_to_ask_for_nothing_is_no_repair() -> None:
    assert repairs([Requirement("x")], [Requirement("x")], lambda changed: {}) == []
