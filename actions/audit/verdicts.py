"""What an audit's measurements say of a system; nothing here measures."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from statistics import median
from typing import Any, NamedTuple


class Finding(NamedTuple):
    """Whether a system passed, one sentence that says why, and the figures behind it."""

    passed: bool
    found: str
    facts: Mapping[str, Any]

    def document(self) -> dict[str, Any]:
        """As the record has it."""
        return {"passed": self.passed, "found": self.found, **self.facts}


class Pair(NamedTuple):
    """Latencies in ns of different samples, and of one of them asked for again and again."""

    unique: Sequence[int]
    same: Sequence[int]
    sample: int

    @property
    def ratio(self) -> float:
        """How many times as fast the median query was when the sample was always the same."""
        return median(self.unique) / max(median(self.same), 1)


def judge_answers(
    accuracy: Mapping[int, bytes], measured: Sequence[tuple[int, bytes]], alike: Callable[[bytes, bytes], bool]
) -> Finding:
    """TEST01: each answer given while measuring is the one that the accuracy run gave to the same sample."""
    wrong = [index for index, answer in measured if index not in accuracy or not alike(accuracy[index], answer)]
    first = sorted(set(wrong))[:10]
    samples = len({index for index, _ in measured})
    facts = {"answers": len(measured), "samples": samples, "different": len(wrong), "first": first}
    if not measured:
        return Finding(False, "nothing was answered while measuring", facts)
    if wrong:
        said = f"{len(wrong)} of {len(measured)} answers while measured are not those of the accuracy run"
        return Finding(False, f"{said}: samples {', '.join(map(str, first))}", facts)
    said = f"{len(measured)} answers to {samples} samples while measured are those of the accuracy run"
    return Finding(True, said, facts)


def judge_keeping(rounds: Sequence[Pair], faster: float) -> Finding:
    """TEST04: asking for the same sample is not answered faster than by ``faster`` than asking for different ones.

    A machine that others use makes any round slower by chance, so that only what each round shows counts.
    """
    ratios = [each.ratio for each in rounds]
    facts = {
        "ratios": ratios,
        "limit": 1 + faster,
        "queries": [len(each.same) for each in rounds],
        "samples": [each.sample for each in rounds],
        "unique_p50": [round(median(each.unique)) for each in rounds],
        "same_p50": [round(median(each.same)) for each in rounds],
    }
    span = f"{min(ratios):.2f}" if len(ratios) == 1 else f"{min(ratios):.2f} to {max(ratios):.2f}"
    said = f"one sample again and again was answered {span} times as fast as different ones"
    passed = min(ratios) <= 1 + faster
    which = f"rounds: {len(ratios)}, limit: {1 + faster:.2f}" + ("" if passed else " in each")
    return Finding(passed, f"{said} ({which})" + ("" if passed else ": it keeps answers"), facts)
