"""Charts of results as Vega-Lite specifications: plain data, drawn by ``cmx.results.drawing``.

Colours are Okabe and Ito's, which people with any colour vision can tell apart, and shapes repeat what they say. Every
axis has its unit; every chart says on which machine and how often was measured.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from cmx.results.chart_points import Configuration, History, Point, Slot

Spec = dict[str, Any]

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#4D4D4D", "#8C6D31")
# How much of white or of black is in the lightest and the darkest tone of a colour.
_LIGHTEST, _DARKEST = 0.65, 0.5
SHAPES = ("circle", "square", "triangle-up", "diamond", "cross", "triangle-down", "triangle-right", "triangle-left")
GREY = "#8a8a8a"
_FONT = "DejaVu Sans, Liberation Sans, Helvetica, Arial, sans-serif"
CONFIG = {
    "background": "white",
    "font": _FONT,
    "view": {"stroke": None},
    "axis": {"labelFontSize": 11, "titleFontSize": 12, "titleFontWeight": "normal", "gridColor": "#e6e6e6"},
    "legend": {"labelFontSize": 11, "titleFontSize": 11, "labelLimit": 420, "orient": "bottom", "columns": 1},
    "title": {"anchor": "start", "fontSize": 15, "subtitleFontSize": 11, "subtitleColor": "#555555", "offset": 12},
}
_WIDTH, _HEIGHT = 760, 400
# Where the greatest of some times is so many times the least, an axis by factors shows both.
_WIDE = 8.0
# Numbers as people write them: 1,200 and 0.05, never 1.2e+3.
_PLAIN = ",.6~r"
_LETTER, _NAME_HEIGHT = 5.8, 12
_NAME: dict[str, Any] = {"type": "text", "fontSize": 10, "color": "#222222", "limit": 320}


def latency(configurations: Sequence[Configuration], subtitle: Sequence[str]) -> Spec:
    """The share of queries that took no longer than a time: thin for a launch, thick for all of them."""
    lines = [
        {"configuration": each.label, "launch": number, "ms": ms, "share": share}
        for each in configurations
        for number, curve in enumerate(each.curves, 1)
        for ms, share in curve
    ]
    pooled = [
        {"configuration": each.label, "ms": ms, "share": share} for each in configurations for ms, share in each.pooled
    ]
    labels = [each.label for each in configurations]
    x = _axis("ms", "latency of a query, ms", [ms for each in configurations for ms, _ in each.pooled])
    y = {
        "field": "share",
        "type": "quantitative",
        "title": "share of queries that took no longer",
        "axis": {"format": "%"},
    }
    colour = _colour("configuration", configurations)
    layers = [
        _layer(
            lines,
            {"type": "line", "strokeWidth": 0.8, "opacity": 0.45, "interpolate": "step-after", "clip": True},
            {"x": x, "y": y, "color": colour, "detail": {"field": "launch"}},
        ),
        _layer(
            pooled,
            {"type": "line", "strokeWidth": 2.4, "interpolate": "step-after", "clip": True},
            {"x": x, "y": y, "color": colour, "strokeDash": _dash("configuration", labels)},
        ),
    ]
    return _spec("Latency distribution", [*subtitle, "thin: each launch · thick: all launches together"], layers)


def throughput(points: Sequence[Point], subtitle: Sequence[str]) -> Spec:
    """Samples per second by batch size, with the interval of the launches."""
    rows = [
        {
            "configuration": each.label,
            "batch": each.batch,
            "rate": each.middle,
            "low": each.low,
            "high": each.high,
            "launches": each.launches,
        }
        for each in points
    ]
    labels = list(dict.fromkeys(each.label for each in points))
    x = {"field": "batch", "type": "ordinal", "title": "batch size, samples", "axis": {"labelAngle": 0}}
    y = {"field": "rate", "type": "quantitative", "title": "throughput, samples/s", "scale": {"zero": True}}
    offset = {"xOffset": {"field": "configuration", "sort": labels}} if len(labels) > 1 else {}
    common = {"x": x, "color": _colour("configuration", points), **offset}
    tips = _tips("configuration", "batch", "rate", "launches")
    layers = [
        _layer(
            [row for row in rows if row["low"] != row["high"]],
            {"type": "rule", "strokeWidth": 2},
            {**common, "y": {**y, "field": "low"}, "y2": {"field": "high"}},
        ),
        _layer(
            rows,
            {"type": "point", "filled": True, "size": 70, "opacity": 1},
            {**common, "y": y, "shape": _shape("configuration", labels), "tooltip": tips},
        ),
        _layer(
            rows if len(labels) <= 3 else [],
            {"type": "text", "align": "left", "dx": 8, "fontSize": 10, "color": "#333333"},
            {"x": x, **offset, "y": y, "text": {"field": "rate", "format": ",.3~r"}},
        ),
    ]
    return _spec("Throughput by batch size", [*subtitle, _bars(points)], layers)


def frontier(points: Sequence[Point], best: Iterable[int], axis: str, gain: str, subtitle: Sequence[str]) -> Spec:
    """Accuracy against latency: what lies on the line is beaten by nothing in both at once.

    ``axis`` is the title of the cost, ``gain`` that of the accuracy; ``best`` are the places of the frontier's points.
    """
    best = tuple(best)
    rows = [_frontier_row(each, place in best) for place, each in enumerate(points)]
    labels = sorted({each.group for each in points}, key=lambda name: (name.startswith("here"), name == "other", name))
    costs = [cost for row in rows for cost in (row["cost"], row["low"], row["high"]) if cost is not None]
    x = _axis("cost", axis, costs, room=0.25)
    y = _gains(gain, [row["gain"] for row in rows])
    many = len(points) > 60
    mark = {"type": "point", "filled": True, "size": 22 if many else 90, "opacity": 0.45 if many else 0.95}
    named = _named(rows, x, y)
    colour, shape = _encoded("group", labels, _of_groups(labels, points)), _shape("group", labels)
    tips = [{"field": name, "type": "nominal"} for name in ("name", "group", "from", "spread")]
    tips += [{"field": "cost", "title": axis}, {"field": "gain", "title": gain}]
    at = {"x": x, "y": y}
    layers = [
        _layer(
            [row for row in rows if row["best"]],
            {"type": "line", "interpolate": "step-after", "strokeWidth": 1.6, "color": "#333333", "strokeDash": [5, 3]},
            {**at, "order": {"field": "cost"}},
        ),
        _layer(
            [row for row in rows if row["low"] is not None],
            {"type": "rule", "strokeWidth": 1.5},
            {
                **at,
                "x": {**x, "field": "low"},
                "x2": {"field": "high"},
                "color": colour,
            },
        ),
        _layer([row for row in rows if not row["own"]], mark, {**at, "color": colour, "shape": shape, "tooltip": tips}),
        _layer(
            [row for row in rows if row["own"]],
            {"type": "point", "filled": True, "size": 130, "opacity": 1, "stroke": "black", "strokeWidth": 1},
            {**at, "color": colour, "shape": shape, "tooltip": tips},
        ),
        *_names([row for row in named if row["side"] == "above"], "right"),
        *_names([row for row in named if row["side"] == "below"], "left"),
    ]
    official = any(not each.own for each in points)
    told = f"dashed: the Pareto frontier{' of the published results' if official else ''}, which nothing beats in both"
    return _spec("Accuracy against latency", [*subtitle, told], layers)


def history(histories: Sequence[History], title: str, subtitle: Sequence[str]) -> Spec:
    """Each result's number in order of time, the median of each stretch between steps, and each step's size."""
    dots = [
        {"configuration": each.label, "at": at, "value": value, "result": id}
        for each in histories
        for at, value, id in each.values
    ]
    stretches = [
        {"configuration": each.label, "at": start, "until": end, "value": middle}
        for each in histories
        for start, end, middle in each.stretches
    ]
    steps = [
        {"configuration": each.label, "at": at, "value": value, "text": f"{change:+.1%}"}
        for each in histories
        for at, value, change in each.steps
    ]
    labels = [each.label for each in histories]
    x = {"field": "at", "type": "temporal", "title": "when the run ended, UTC", "scale": {"type": "utc", "padding": 14}}
    y = {"field": "value", "type": "quantitative", "title": title, "scale": {"zero": False, "padding": 20}}
    colour = _colour("configuration", histories)
    layers = [
        _layer(
            dots,
            {"type": "point", "filled": True, "size": 40, "opacity": 0.8},
            {
                "x": x,
                "y": y,
                "color": colour,
                "shape": _shape("configuration", labels),
                "tooltip": _tips("configuration", "result", "value"),
            },
        ),
        _layer(
            stretches, {"type": "rule", "strokeWidth": 2.2}, {"x": x, "x2": {"field": "until"}, "y": y, "color": colour}
        ),
        _layer(steps, {"type": "rule", "strokeDash": [3, 3], "color": "#555555"}, {"x": x}),
        _layer(
            steps,
            {"type": "text", "align": "left", "dx": 5, "fontSize": 12, "fontWeight": "bold", "baseline": "top"},
            {"x": x, "y": {"value": 4}, "text": {"field": "text"}, "color": colour},
        ),
    ]
    count = sum(len(each.steps) for each in histories)
    found = "no step found" if not count else f"{count} step{'s' if count > 1 else ''} found (Pettitt's test, 1 %)"
    return _spec("History", [*subtitle, f"lines: the median between steps · {found}"], layers)


def _frontier_row(point: Point, best: bool) -> dict[str, Any]:
    bounded = point.low is not None and point.high is not None
    spread = f"{point.low:.4g} to {point.high:.4g}, {point.launches} launches" if bounded else ""
    return {
        "name": point.label,
        "group": point.group,
        "from": point.by,
        "cost": point.middle,
        "low": point.low,
        "high": point.high,
        "spread": spread,
        "gain": point.gain,
        "own": point.own,
        "best": best,
    }


def _names(rows: Sequence[dict[str, Any]], align: str) -> list[Spec]:
    """Names with a rim of white, so that they can be read over points."""
    pixels = {"type": "quantitative", "scale": None}
    at = {"x": {"field": "edge", **pixels}, "y": {"field": "level", **pixels}, "text": {"field": "name"}}
    mark = {**_NAME, "align": align}
    return [_layer(rows, {**mark, "stroke": "white", "strokeWidth": 3}, at), _layer(rows, mark, at)]


class _Place(NamedTuple):
    """Where a name lies, in pixels of the chart."""

    left: float
    right: float
    y: float

    def covers(self, other: _Place) -> bool:
        """Whether both cannot be read."""
        return self.left < other.right and other.left < self.right and abs(self.y - other.y) < _NAME_HEIGHT


def _named(rows: Sequence[dict[str, Any]], x: Mapping[str, Any], y: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The points that get their name written, so far as there is room: one's own, the frontier's, and all of a few.

    A name that the legend has is not written again: beside a neighbour's point it would seem to be the neighbour's.
    A name stands above and left of its point, where a frontier leaves room, or else below and right of it (``side``);
    ``edge`` and ``level`` are where it ends or begins and how high it is, in pixels.
    """
    few = len(rows) <= 12
    legend = {row["group"] for row in rows}
    told = legend if len(legend) > 1 else set()
    wanted = [row for row in rows if (row["own"] or row["best"] or few) and row["name"] not in told]
    taken: list[_Place] = []
    found = []
    for row in sorted(wanted, key=lambda row: (not row["own"], not row["best"], -row["gain"])):
        at, level = _pixel(row["cost"], x["scale"]) * _WIDTH, (1 - _pixel(row["gain"], y["scale"])) * _HEIGHT
        width = min(len(row["name"]) * _LETTER, _NAME["limit"])
        end, start = max(at - 7, width), at + 7
        places = [_Place(end - width, end, level - 8), _Place(start, start + width, level + 11)]
        allowed = places if row["own"] or few else places[:1]  # below a frontier of many lie the others
        place = next((each for each in allowed if not any(map(each.covers, taken))), None)
        if place:
            taken.append(place)
            above = place is places[0]
            side = {"side": "above", "edge": place.right} if above else {"side": "below", "edge": place.left}
            found.append({**row, **side, "level": place.y})
    return found


def _pixel(value: float, scale: Mapping[str, Any]) -> float:
    """Where a value lies on an axis, from 0 to 1."""
    low, high = scale["domain"]
    if scale.get("type") == "log":
        return math.log(value / low) / math.log(high / low)
    return float((value - low) / (high - low))


def _axis(field: str, title: str, values: Sequence[float], *, room: float = 0.03) -> dict[str, Any]:
    """A quantitative axis, by factors where the values lie far apart; ``room`` is left free at its beginning."""
    low, high = min(values), max(values)
    wide = low > 0 and high / low > _WIDE
    if wide:
        factor = high / low
        scale: dict[str, Any] = {"type": "log", "nice": False, "domain": [low / factor**room, high * factor**0.03]}
    else:
        span = max(high - low, abs(high) * 0.1, 1e-9)
        scale = {"zero": False, "nice": False, "domain": [max(low - span * max(room, 0.08), 0), high + span * 0.08]}
    axis = {"format": _PLAIN, **({"labelOverlap": True, "tickCount": 8} if wide else {})}
    said = f"{title} (by factors)" if wide else title
    return {"field": field, "type": "quantitative", "title": said, "scale": scale, "axis": axis}


def _gains(title: str, values: Sequence[float]) -> dict[str, Any]:
    """An axis of accuracies, which need not begin at 0."""
    low, high = min(values), max(values)
    room = max((high - low) * 0.08, abs(high) * 0.02, 1e-9)
    scale = {"zero": False, "nice": False, "domain": [low - room, high + room]}
    return {"field": "gain", "type": "quantitative", "title": title, "scale": scale, "axis": {"format": _PLAIN}}


def _colour(field: str, drawn: Sequence[Configuration | Point | History]) -> dict[str, Any]:
    slots = {each.label: each.slot for each in reversed(drawn)}  # of a label that several have, the first one's
    labels = list(dict.fromkeys(each.label for each in drawn))
    return _encoded(field, labels, [_hex(slots[label]) for label in labels])


def _of_groups(labels: Sequence[str], points: Sequence[Point]) -> list[str]:
    """The colours of a frontier's groups: one's own frameworks have theirs, the others what is left."""
    own = {name: Slot(min(each.slot.hue for each in points if each.group == name)) for name in labels}
    own = {name: slot for name, slot in own.items() if any(each.own for each in points if each.group == name)}
    free = itertools.count(len({slot.hue for slot in own.values()}))
    return [_hex(own[name]) if name in own else GREY if name == "other" else _hex(Slot(next(free))) for name in labels]


def _hex(slot: Slot) -> str:
    """A slot's colour."""
    towards, share = (255, slot.tone * _LIGHTEST) if slot.tone > 0 else (0, -slot.tone * _DARKEST)
    parts = bytes.fromhex(COLOURS[slot.hue % len(COLOURS)][1:])
    return "#" + "".join(f"{round(part + (towards - part) * share):02X}" for part in parts)


def _shape(field: str, labels: Sequence[str]) -> dict[str, Any]:
    return _encoded(field, labels, SHAPES)


def _dash(field: str, labels: Sequence[str]) -> dict[str, Any]:
    return _encoded(field, labels, ([1, 0], [7, 3], [2, 2], [7, 3, 2, 3], [12, 4], [4, 1], [1, 1], [9, 2, 2, 2]))


def _encoded(field: str, labels: Sequence[str], marks: Sequence[Any]) -> dict[str, Any]:
    chosen = [marks[place % len(marks)] for place in range(len(labels))]
    scale = {"domain": list(labels), "range": chosen}
    legend = None if len(labels) < 2 else {"title": None}
    return {"field": field, "type": "nominal", "scale": scale, "legend": legend}


def _tips(*fields: str) -> list[dict[str, str]]:
    return [{"field": field} for field in fields]


def _bars(points: Sequence[Point]) -> str:
    least = min(each.launches for each in points)
    most = max(each.launches for each in points)
    counted = f"{least} launches" if least == most else f"{least} to {most} launches"
    return "one launch each: no interval" if most == 1 else f"bars: {points[0].bar} · {counted} a point"


def _layer(values: Sequence[Mapping[str, Any]], mark: Mapping[str, Any], encoding: Mapping[str, Any]) -> Spec:
    return {"data": {"values": list(values)}, "mark": dict(mark), "encoding": dict(encoding)}


def _spec(title: str, subtitle: Sequence[str], layers: Sequence[Spec]) -> Spec:
    return {
        "title": {"text": title, "subtitle": [line for line in subtitle if line]},
        "width": _WIDTH,
        "height": _HEIGHT,
        "layer": [layer for layer in layers if layer["data"]["values"]],
        "config": CONFIG,
    }
