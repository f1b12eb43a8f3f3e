"""Whether B is faster than A: results of the same work put beside each other, launch against launch.

Results are of the same work when their comparability is equal; a model's forms count as one model where they come
from the same weights. What one side holds beyond that (framework, settings, machine) must be one configuration, whose
launches are pooled. The verdict is that of ``cmx.results.ratio``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from cmx.errors import UsageError, nearest
from cmx.files import counted
from cmx.host import Field
from cmx.results import judgement
from cmx.results.differences import Difference, differences
from cmx.results.launches import middle
from cmx.results.ratio import FEWEST_LAUNCHES, Ratio, ratio
from cmx.results.result import Result
from cmx.results.selection import settings, variant_of
from cmx.results.statistics import MEDIAN_CONFIDENCE
from cmx.store import key_of

# How long a measurement goes on says nothing of what is measured.
_LENGTHS = ("duration", "max-duration", "min-query-count", "max-query-count")
_WORK = (
    *("action", "workflow", "model", "dataset", "scenario", "batch-size", "threads", "precision"),
    *("arguments", "target", "mode"),
)
# What a launch in accuracy mode has of ``Measure.field`` that is no measurement.
_TIMES = ("median", "p90", "p99", "min", "throughput")


class Measure(NamedTuple):
    """One number a launch: where it lies in a launch's summary, its unit, and what brings it to that unit."""

    name: str
    field: str
    unit: str
    scale: float
    of_time: bool = True

    @property
    def title(self) -> str:
        """The name with the unit."""
        return f"{self.name} {self.unit}"

    @property
    def of_queries(self) -> bool:
        """Whether it is of a launch's steady queries, and not of the whole launch."""
        return self.name in ("p50", "p90", "p99", "min")

    def cost(self, value: float) -> float:
        """Time (or bytes, or joules), of which less is better: of a throughput the time that a sample takes."""
        return value if self.of_time else 1 / value


MEASURES = {
    each.name: each
    for each in (
        Measure("p50", "median", "ms", 1e-6),
        Measure("p90", "p90", "ms", 1e-6),
        Measure("p99", "p99", "ms", 1e-6),
        Measure("min", "min", "ms", 1e-6),
        Measure("throughput", "throughput", "/s", 1.0, of_time=False),
        Measure("load", "load_ns", "ms", 1e-6),
        Measure("memory", "memory_peak", "MB", 1e-6),
        Measure("energy", "energy", "J", 1.0),
    )
}


class Launch(NamedTuple):
    """One fresh process that measured: the result it is part of, when, and its numbers by ``Measure.field``."""

    result: Result
    number: int
    values: Mapping[str, Any]


def launches(results: Iterable[Result]) -> tuple[Launch, ...]:
    """Every launch of some results, oldest first; of those in accuracy mode without times.

    A record of before there were several is one launch.
    """
    found: list[Launch] = []
    for result in sorted(results, key=lambda each: (each.created, each.id)):
        summaries = (result.statistics or {}).get("launches") or [_only(result)]
        if result.in_accuracy_mode:
            summaries = [{name: each[name] for name in each if name not in _TIMES} for each in summaries]
        found += [Launch(result, number, values) for number, values in enumerate(summaries, 1)]
    return tuple(found)


def _only(result: Result) -> dict[str, Any]:
    latency = result.latency
    memory = max((step.outcome.get("memory_peak") or 0 for step in result.steps), default=0)
    values = {"median": latency.p50, "p90": latency.p90, "p99": latency.p99, "min": latency.min}
    return {
        **values,
        "throughput": result.throughput,
        "load_ns": result.metrics.get("load_ns"),
        "memory_peak": memory or None,
    }


@dataclass(frozen=True)
class Side:
    """A or B: one configuration's results, and its launches' numbers in the measure's own unit, oldest first."""

    results: tuple[Result, ...]
    values: tuple[float, ...]
    noisy: int

    @property
    def median(self) -> float:
        """The middle launch's number, or midway between two, as in a result."""
        return middle(sorted(self.values))

    def document(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "results": [result.id for result in self.results],
            "launches": len(self.values),
            "values": list(self.values),
            "median": self.median,
            "min": min(self.values),
            "max": max(self.values),
            "accuracy": dict(self.results[-1].accuracy),
        }


@dataclass(frozen=True)
class Comparison:
    """One kind of work, done by A and by B. ``work`` is what is equal, ``ratio`` B's cost by A's."""

    work: Mapping[str, Any]
    measure: Measure
    a: Side
    b: Side
    ratio: Ratio
    differences: tuple[Difference, ...]
    cautions: tuple[str, ...]

    def document(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "work": dict(self.work),
            "measure": self.measure.name,
            "unit": self.measure.unit,
            "a": self.a.document(),
            "b": self.b.document(),
            "ratio": self.ratio.document(),
            "differences": [each.document() for each in self.differences],
            "cautions": list(self.cautions),
        }


def compare(
    a: Sequence[Result],
    b: Sequence[Result],
    *,
    measure: str = "",
    across: Iterable[str] = (),
    confidence: float = MEDIAN_CONFIDENCE,
    invalid: bool = False,
) -> tuple[Comparison, ...]:
    """A comparison for each kind of work that both sides did.

    ``measure`` is one of MEASURES; without it p50, or throughput where queries were not timed one by one. ``across``
    names what may differ all the same, as in "threads"; ``invalid`` takes results that are not valid too.
    Raises UsageError where nothing is comparable (it names what differs), for a side that is not one configuration,
    and for sides that share a result.
    """
    ignored = _known(across)
    a, b = _usable(a, "A", invalid, measure), _usable(b, "B", invalid, measure)
    shared = {result.id for result in a} & {result.id for result in b}
    if shared:
        raise UsageError(f"result {min(shared)[:8]} is on both sides", hint="compare two different results, or queries")
    left, right = _by_work(a, ignored), _by_work(b, ignored)
    common = [key for key in left if key in right]
    if not common:
        raise _not_comparable(left, right)
    common.sort(key=lambda key: _order(left[key][0]))
    return tuple(_comparison(left[key], right[key], ignored, measure, confidence) for key in common)


def _order(result: Result) -> tuple[str, int, int]:
    work = result.comparability
    return work.scenario, work.batch_size, work.threads


def work(result: Result, ignored: Iterable[str] = ()) -> dict[str, Any]:
    """What a result did, by name, without what is ignored: equal exactly for what may be compared.

    A model counts by the weights it comes from: two frameworks never read the same file.
    """
    document = {name.replace("_", "-"): value for name, value in result.comparability.document().items()}
    hashes = document.pop("hashes")
    document["mode"] = judgement.ACCURACY if result.in_accuracy_mode else "performance"
    origins = {role: _origin(result, role) or digest for role, digest in hashes.items()}
    return {name: value for name, value in {**document, **origins}.items() if name not in ignored}


def _origin(result: Result, role: str) -> str:
    """The hash of the source that all forms of a model are made from; "" where the plan does not tell."""
    artifact = ((result.plan.get("pins") or {}).get(role) or {}).get("artifact") or {}
    while artifact.get("from"):
        artifact = artifact["from"]
    source = artifact.get("source")
    return key_of(source) if source else ""


def _known(across: Iterable[str]) -> frozenset[str]:
    names = frozenset(across)
    unknown = next((name for name in sorted(names) if name not in _WORK), "")
    if unknown:
        raise UsageError(f"--across {unknown}: no such part of the comparability", hint=nearest(unknown, _WORK))
    return names


def _usable(results: Sequence[Result], side: str, invalid: bool, measure: str) -> tuple[Result, ...]:
    ran = [each for each in results if each.status == "ok" and (each.valid or invalid)]
    kept = tuple(each for each in ran if _measured(each, measure))
    if kept:
        return kept
    first = results[0]
    if first.status != "ok":
        raise UsageError(f"{side}: {first.short} failed, and has no numbers", hint=f"cmx result show {first.short}")
    if first.in_accuracy_mode:
        what = f"{side}: {first.short} ran in accuracy mode, and its times are no measurement"
        raise UsageError(what, hint="cmx run benchmark takes times, in its other modes")
    if not _measured(first, measure):
        raise UsageError(f"{side}: {first.short} took no times", hint="cmx run benchmark takes them")
    more = f" (and {len(first.reasons) - 1} more)" if len(first.reasons) > 1 else ""
    why = f"{first.reasons[0]}{more}"
    raise UsageError(f"{side}: {first.short} is not valid: {why}", hint="--invalid compares it all the same")


def _measured(result: Result, measure: str) -> bool:
    if result.in_accuracy_mode:
        return measure in MEASURES and MEASURES[measure].field not in _TIMES
    return result.throughput is not None or result.latency.p50 is not None


def _by_work(results: Iterable[Result], ignored: frozenset[str]) -> dict[str, list[Result]]:
    found: dict[str, list[Result]] = {}
    for result in results:
        found.setdefault(key_of(work(result, ignored)), []).append(result)
    return found


def _not_comparable(left: Mapping[str, list[Result]], right: Mapping[str, list[Result]]) -> UsageError:
    """The error for the pair that differs least."""
    pairs = [(_apart(a[0], b[0]), a[0], b[0]) for a in left.values() for b in right.values()]
    apart, a, b = min(pairs, key=lambda each: len(each[0]))
    names = ",".join(apart)
    text = "; ".join(f"{name}: {one} and {other}" for name, (one, other) in apart.items())
    return UsageError(
        f"not comparable: {a.short} and {b.short} did not do the same work: {text}",
        hint=f"--across {names} compares them all the same",
    )


def _apart(a: Result, b: Result) -> dict[str, tuple[str, str]]:
    mine, theirs = work(a), work(b)
    names = [name for name in dict.fromkeys((*mine, *theirs)) if mine.get(name) != theirs.get(name)]
    return {name: (_said(a, name, mine), _said(b, name, theirs)) for name in names}


def _said(result: Result, name: str, document: Mapping[str, Any]) -> str:
    """A value of ``work`` for people: for a hash, what it is the hash of."""
    if name == "mode":
        return str(result.metrics.get("mode") or "performance")
    if name not in result.comparability.hashes:
        return str(document.get(name, "")) or "none"
    variant = variant_of(result, name)
    return result.pins.get(name, str(document[name])[:12]) + (f" [{variant}]" if variant else "")


def _comparison(
    a: list[Result], b: list[Result], ignored: frozenset[str], measure: str, confidence: float
) -> Comparison:
    for side, results in (("A", a), ("B", b)):
        _check_one_configuration(side, results)
    chosen = _measure(measure, [*a, *b])
    left, right = _side(a, chosen), _side(b, chosen)
    found = ratio([chosen.cost(each) for each in left.values], [chosen.cost(each) for each in right.values], confidence)
    return Comparison(
        work=work(a[0], ignored),
        measure=chosen,
        a=left,
        b=right,
        ratio=found,
        differences=differences(a, b),
        cautions=tuple(_cautions(left, right, confidence, found)),
    )


def _measure(name: str, results: Sequence[Result]) -> Measure:
    if name:
        if name not in MEASURES:
            raise UsageError(f"--measure {name}: no such measure", hint=nearest(name, MEASURES))
        return MEASURES[name]
    timed = all(each.values.get("median") for each in launches(results))
    sizes = {result.comparability.batch_size for result in results}
    return MEASURES["p50" if timed and len(sizes) == 1 else "throughput"]


def _side(results: Sequence[Result], measure: Measure) -> Side:
    found = [value for each in launches(results) if (value := each.values.get(measure.field))]
    if not found:
        raise UsageError(
            f"result {results[0].short} has no {measure.name}", hint=f"--measure is one of {', '.join(MEASURES)}"
        )
    ordered = tuple(sorted(results, key=lambda each: (each.created, each.id)))
    return Side(ordered, tuple(map(float, found)), sum(1 for each in ordered if each.noisy))


def _check_one_configuration(side: str, results: Sequence[Result]) -> None:
    """Raises UsageError where pooling would mix what is to be told apart."""
    first = _configuration(results[0])
    for result in results[1:]:
        other = _configuration(result)
        for name in dict.fromkeys((*first, *other)):
            if first.get(name) != other.get(name):
                raise UsageError(
                    f"{side} is not one configuration: {name} is {first.get(name)} in {results[0].short} "
                    f"and {other.get(name)} in {result.short}",
                    hint=f"narrow it, as in {name}={first.get(name)}, or name the results by id",
                )


def _configuration(result: Result) -> dict[str, Any]:
    pins = {role: pin.split("/", 1)[-1] for role, pin in result.pins.items() if "." not in role}
    variants = {f"{role} variant": variant_of(result, role) for role in pins}
    parameters = {name: value for name, value in settings(result).items() if name not in _LENGTHS}
    host = {name: field.value for name in ("hostname", "cpu_model") if isinstance(field := _fact(result, name), Field)}
    return {**pins, **variants, **parameters, **host}


def _fact(result: Result, name: str) -> Any:
    return result.host.fields.get(name)


def _cautions(a: Side, b: Side, confidence: float, found: Ratio) -> Iterable[str]:
    counts = f"{len(a.values)} of A and {len(b.values)} of B"
    if min(len(a.values), len(b.values)) < FEWEST_LAUNCHES:
        yield f"an interval needs {FEWEST_LAUNCHES} launches of each, here are {counts}"
    elif found.low is None:
        yield f"an interval of {confidence:.1%} needs more launches than {counts}"
    if _apart_in_time(a, b):
        yield "one was measured after the other: what changed on the machine in between counts as a difference"
    for name, side in (("A", a), ("B", b)):
        if side.noisy:
            verb = "was" if side.noisy == 1 else "were"
            yield f"{side.noisy} of {counted(len(side.results), 'result')} of {name} {verb} measured on a noisy machine"
    if a.results[-1].accuracy != b.results[-1].accuracy:
        yield f"the answers differ: {_accuracy(a)} and {_accuracy(b)}"


def _apart_in_time(a: Side, b: Side) -> bool:
    """Whether all of one side lies before all of the other."""
    left, right = _starts(a), _starts(b)
    return bool(left and right) and (max(left) < min(right) or max(right) < min(left))


def _starts(side: Side) -> list[int]:
    """When the launches began, in ns."""
    measuring = [(result, step) for result in side.results if (step := judgement.measured(result.steps))]
    steps = [step for result, first in measuring for step in result.steps if step.id == first.id]
    return [step.outcome["started_ns"] for step in steps if step.outcome]


def _accuracy(side: Side) -> str:
    values = sorted(side.results[-1].accuracy.items())
    return ", ".join(f"{name} {value:.3f}" for name, value in values) or "not checked"
