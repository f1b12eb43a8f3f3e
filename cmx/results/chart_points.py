"""From results to what charts draw: configurations with names that tell them apart, their points and histories."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any, NamedTuple, TypeVar

from cmx.errors import CmxError, UsageError
from cmx.files import counted
from cmx.host import Field
from cmx.results import history
from cmx.results.compare import launches
from cmx.results.launches import middle
from cmx.results.result import Result
from cmx.results.selection import settings, variant_of
from cmx.results.statistics import median_interval

_T = TypeVar("_T")
_MS = 1e-6
# A curve is drawn from so many of its quantiles: more than pixels show nothing more.
_QUANTILES = 200
# How long a measurement goes on names no configuration, unless nothing else does.
_UNNAMED = ("duration", "max-duration", "min-query-count", "max-query-count", "warm-up")
_SUFFICIENT = 0.9375
INTERVAL = "the interval of the launches' median (94 % or more)"
RANGE = "from the least launch to the greatest"


class Slot(NamedTuple):
    """Which colour something has: the place of its hue, and how much lighter (up to 1) or darker (-1) it is."""

    hue: int = 0
    tone: float = 0.0


class Configuration(NamedTuple):
    """What was measured in one way: its name, and shares of queries by ms, for each launch and for all together."""

    label: str
    curves: tuple[tuple[tuple[float, float], ...], ...]
    pooled: tuple[tuple[float, float], ...]
    slot: Slot = Slot()


class Point(NamedTuple):
    """One configuration's number: the middle launch's, ``low`` to ``high`` (``bar`` says of what), and its accuracy.

    ``group`` is what its colour tells, ``by`` who measured it.
    """

    label: str
    group: str
    batch: int
    middle: float
    low: float | None
    high: float | None
    launches: int
    gain: float = 0.0
    own: bool = True
    by: str = "here"
    bar: str = RANGE
    slot: Slot = Slot()


class History(NamedTuple):
    """One configuration over time: (time, value, id), stretches (from, until, median), steps (time, value, change)."""

    label: str
    values: tuple[tuple[str, float, str], ...]
    stretches: tuple[tuple[str, str, float], ...]
    steps: tuple[tuple[str, float, float], ...]
    slot: Slot = Slot()


class Group(NamedTuple):
    """The results of one configuration, oldest first, with a name that tells it from the others.

    ``series`` is the name without the batch size.
    """

    label: str
    series: str
    results: tuple[Result, ...]
    slot: Slot = Slot()

    @property
    def framework(self) -> str:
        """The framework's name; "cmx" for what needs none."""
        return self.results[0].pins.get("framework", "").split("/", 1)[-1].partition("==")[0] or "cmx"


HUES = 8
"""So many can be told apart."""


def slots(results: Iterable[Result]) -> dict[str, Slot]:
    """The colours of results in every chart of them, by id: a hue for each framework, and in it a tone for each
    configuration; where there is one framework only, a hue for each configuration. No two are the same.
    """
    found, _ = groups(results)
    names = sorted({group.framework for group in found})
    hues: dict[int, list[Group]] = {}
    for place, group in enumerate(found):
        hue = names.index(group.framework) if len(names) > 1 else place
        hues.setdefault(hue % HUES, []).append(group)
    return {
        result.id: Slot(hue, tone)
        for hue, members in hues.items()
        for group, tone in zip(members, _tones(len(members)), strict=True)
        for result in group.results
    }


def _tones(count: int) -> list[float]:
    """Evenly apart, from dark to light, and the farther the more there are."""
    most = min(count / 5, 1.0) if count > 1 else 0.0
    return [round(most * (2 * place / max(count - 1, 1) - 1), 3) for place in range(count)]


def groups(results: Iterable[Result], colours: Mapping[str, Slot] | None = None) -> tuple[tuple[Group, ...], str]:
    """Results by configuration, and in one line what all of them share; ``colours`` are those of ``slots``."""
    ordered = sorted(results, key=lambda each: (each.created, each.id))
    if not ordered:
        return (), ""
    facts = {result.id: _facts(result) for result in ordered}
    names = list(dict.fromkeys(name for each in facts.values() for name in each))
    varied = [name for name in names if len({each.get(name, "") for each in facts.values()}) > 1]
    telling = _telling(varied, list(facts.values()))
    found: dict[tuple[str, ...], list[Result]] = {}
    for result in ordered:
        found.setdefault(tuple(facts[result.id].get(name, "") for name in telling), []).append(result)
    first = facts[ordered[0].id]
    shared = [_spoken(name, first[name]) for name in _SHARED if name not in varied and name in first]
    short = {name: _short(name, list(facts.values())) for name in telling}
    named = [
        _named({name: short[name](facts[each[0].id].get(name, "")) for name in telling}, each)
        for each in found.values()
    ]
    named = [each._replace(slot=(colours or {}).get(each.results[0].id, Slot())) for each in named]
    return tuple(named), " · ".join(shared)


_MAIN = ("model", "framework", "batch-size")
_SHARED = ("cpu", "model", "framework", "scenario", "batch-size", "threads")


def _telling(varied: Sequence[str], facts: Sequence[Mapping[str, str]]) -> list[str]:
    """The facts that names are made of: what is told by others already is left out, the least telling first."""
    telling = [name for name in varied if name not in _UNNAMED] or list(varied)
    for name in reversed(telling.copy()):
        rest = [each for each in telling if each != name]
        if name not in _MAIN and rest and _kinds(rest, facts) == _kinds(telling, facts):
            telling = rest
    return telling


def _kinds(names: Sequence[str], facts: Sequence[Mapping[str, str]]) -> int:
    return len({tuple(each.get(name, "") for name in names) for each in facts})


def _short(name: str, facts: Sequence[Mapping[str, str]]) -> Callable[[str], str]:
    """How a fact is said in a name: without its version, where there is one version of each."""
    values = {each.get(name, "") for each in facts}
    bare = {value.partition(" ")[0] for value in values}
    alone = name in ("model", "framework", "dataset") and len(bare) == len(values)
    return lambda value: value.partition(" ")[0] if alone else _spoken(name, value)


def _spoken(name: str, value: str) -> str:
    if not value:
        return ""
    known = {
        "batch-size": f"batch {value}",
        "threads": f"{value} thread{'' if value == '1' else 's'}",
        "model variant": f"[{value}]",
        "host": f"on {value}",
    }
    plain = ("model", "framework", "dataset", "scenario", "cpu")
    return known.get(name) or (value if name in plain else f"{name} {value}")


def _named(facts: Mapping[str, str], results: Sequence[Result]) -> Group:
    series = {name: value for name, value in facts.items() if name != "batch-size"}
    return Group(_label(facts), _label(series), tuple(results))


def _facts(result: Result) -> dict[str, str]:
    """What may tell a configuration from another, the most telling first."""
    pins = {role: pin.split("/", 1)[-1].replace("==", " ") for role, pin in result.pins.items() if "." not in role}
    main = {name: pins.pop(name, "") for name in ("framework", "model", "dataset")}
    cpu, host = (result.host.fields.get(name) for name in ("cpu_model", "hostname"))
    given = {name: _text(value) for name, value in settings(result).items() if value is not None}
    given.setdefault("scenario", result.scenario)
    facts = {
        **{name: main[name] for name in ("model", "framework")},
        **given,
        "model variant": variant_of(result, "model"),
        "dataset": main["dataset"],
        **pins,
        "cpu": str(cpu.value) if isinstance(cpu, Field) else "",
        "host": str(host.value) if isinstance(host, Field) else "",
    }
    return {name: value for name, value in facts.items() if value}


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _label(facts: Mapping[str, str]) -> str:
    return ", ".join(value for value in facts.values() if value) or "all results"


def has_latencies(result: Result) -> bool:
    """Whether its raw latencies are there."""
    return bool(_latencies(result))


def has_throughput(result: Result) -> bool:
    """Whether its throughput was measured."""
    return any(each.values.get("throughput") for each in launches([result]))


def has_times(result: Result, statistic: str = "median") -> bool:
    """Whether it was timed."""
    return any(_cost(each.values, statistic) for each in launches([result]))


def has_median(result: Result) -> bool:
    """Whether its queries were timed, one by one."""
    return _median(result) is not None


def curves(found: Sequence[Group]) -> tuple[Configuration, ...]:
    """The distributions of those whose raw latencies are there. Raises UsageError when none has any."""
    configurations = []
    for group in found:
        taken = [times for result in group.results for times in _latencies(result)]
        if taken:
            pooled = [ms for times in taken for ms in times]
            told = f"{counted(len(taken), 'launch', 'launches')}, {counted(len(pooled), 'query', 'queries')}"
            label = f"{group.label} ({told})"
            configurations.append(Configuration(label, tuple(map(_curve, taken)), _curve(pooled), group.slot))
    if not configurations:
        raise UsageError("none of these results has raw latencies", hint="offline sends one query: plot throughput")
    return tuple(configurations)


def _latencies(result: Result) -> list[list[int]]:
    found = []
    for launch in range(1, max(result.launches, 1) + 1):
        try:
            found.append(list(result.latencies(launch)))
        except CmxError:  # a run without, or one whose files were removed: the others are drawn
            continue
    return [times for times in found if times and result.latency.p50 is not None]


def _curve(times: Sequence[int]) -> tuple[tuple[float, float], ...]:
    ordered = sorted(times)
    count = len(ordered)
    places = (
        range(count) if count <= _QUANTILES else [round(i * (count - 1) / (_QUANTILES - 1)) for i in range(_QUANTILES)]
    )
    return tuple((ordered[place] * _MS, (place + 1) / count) for place in places)


def rates(found: Sequence[Group]) -> tuple[Point, ...]:
    """Throughput by batch size in samples per second, each scenario on its own. Raises UsageError when none has any."""
    points = []
    several = len({group.results[0].scenario for group in found}) > 1
    for group in found:
        values = [value for each in launches(group.results) if (value := each.values.get("throughput"))]
        if values:
            batch, scenario = group.results[0].comparability.batch_size or 1, group.results[0].scenario
            series = f"{group.series}, {scenario}" if several and scenario not in group.series else group.series
            points.append(_point(group, series, values, batch=batch))
    if not points:
        raise UsageError("none of these results has a throughput", hint="cmx run benchmark --set batch-size=8")
    return tuple(sorted(points, key=lambda each: (each.label, each.batch)))


def costs(found: Sequence[Group], metric: str, percent: str = "median", prefix: str = "") -> tuple[Point, ...]:
    """Latency in ms (a sample's, where queries were not timed) and accuracy, in percent if ``is_share`` says so.

    ``prefix`` is put before the frameworks' names, by which points are coloured.
    """
    points = []
    for group in found:
        gain = group.results[-1].accuracy.get(metric)
        values = [value for each in launches(group.results) if (value := _cost(each.values, percent))]
        if gain is not None and values:
            scaled = gain * 100 if is_share(metric) else gain
            points.append(_point(group, group.label, values, gain=scaled, group_name=prefix + group.framework))
    return tuple(points)


def _cost(values: Mapping[str, Any], percent: str) -> float | None:
    if values.get(percent):
        return float(values[percent]) * _MS
    return 1e3 / values["throughput"] if values.get("throughput") else None


def _point(
    group: Group, label: str, values: Sequence[float], *, batch: int = 1, gain: float = 0.0, group_name: str = ""
) -> Point:
    ordered = sorted(values)
    interval = median_interval(ordered, _SUFFICIENT)
    low, high = (interval.low, interval.high) if interval else (ordered[0], ordered[-1])
    bar = INTERVAL if interval else RANGE
    return Point(
        label, group_name or label, batch, middle(ordered), low, high, len(ordered), gain, bar=bar, slot=group.slot
    )


def is_share(metric: str) -> bool:
    """Whether a metric is shown in percent, as MLPerf has it; the others are shown as they are."""
    return metric.startswith("top_")


class Measured(NamedTuple):
    """One's own points of a frontier, all of one scenario and one measure of accuracy, and how the axes are titled.

    ``shared`` is what all have in common; ``drawn`` are the results, without those of another scenario or measure.
    """

    points: tuple[Point, ...]
    cost: str
    gain: str
    accuracy: str
    shared: str
    drawn: tuple[Result, ...]


def measured(
    results: Sequence[Result],
    colours: Mapping[str, Slot],
    scenario: str = "",
    statistic: str = "median",
    prefix: str = "",
) -> Measured:
    """The points of those results that stand on one axis: of ``scenario`` (or the most frequent), and of the metric and
    the dataset that most of them were judged by. There may be none.
    """
    judged = [result for result in results if result.accuracy and has_times(result, statistic)]
    scenario = scenario or _most(result.scenario for result in judged) or ""
    judged = [result for result in judged if result.scenario == scenario]
    metric, dataset = _most(map(_measure, judged)) or ("", "")
    own = [result for result in judged if _measure(result) == (metric, dataset)]
    if not own:
        return Measured((), "", "", "", "", ())
    found, shared = groups(own, colours)
    timed = all(each.values.get(statistic) for each in launches(own))
    accuracy = f"{metric.replace('_', '-')} on {dataset}"
    return Measured(
        costs(found, metric, statistic, prefix),
        "latency of a query, median, ms" if timed else "time per sample, ms",
        f"{accuracy}, %" if is_share(metric) else accuracy,
        accuracy,
        shared,
        tuple(own),
    )


def _measure(result: Result) -> tuple[str, str]:
    metric = str(result.validation.get("metric") or next(iter(result.accuracy)))
    return metric, result.pins.get("dataset", "").split("/", 1)[-1].replace("==", " ")


def _most(values: Iterable[_T]) -> _T | None:
    counted = Counter(values).most_common(1)
    return counted[0][0] if counted else None


def histories(found: Sequence[Group]) -> tuple[History, ...]:
    """Each configuration's median latencies over time, in ms, with steps."""
    told = []
    for group in found:
        timed = [(each.created, value, each.short) for each in group.results if (value := _median(each)) is not None]
        if timed:
            told.append(_history(group, timed))
    if not told:
        hint = "cmx run benchmark takes them; offline sends one query: plot throughput"
        raise UsageError("none of these results has latencies of queries", hint=hint)
    return tuple(told)


def _median(result: Result) -> float | None:
    values = [value * _MS for each in launches([result]) if (value := each.values.get("median"))]
    return float(middle(sorted(values))) if values else None


def _history(group: Group, timed: Sequence[tuple[str, float, str]]) -> History:
    parts = history.segments([value for _, value, _ in timed])
    stretches = tuple((timed[each.start][0], timed[each.end - 1][0], each.median) for each in parts)
    steps = tuple(
        (timed[after.start][0], after.median, after.median / before.median - 1) for before, after in pairwise(parts)
    )
    return History(f"{group.label} ({counted(len(timed), 'result')})", tuple(timed), stretches, steps, group.slot)
