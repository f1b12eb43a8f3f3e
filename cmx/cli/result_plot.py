"""``cmx result plot``: results as pictures, or as one page."""

from __future__ import annotations

import argparse
import textwrap
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from cmx.cli.answer import Answer, table
from cmx.cli.result_import import WITH
from cmx.errors import UsageError
from cmx.files import counted

if TYPE_CHECKING:
    from cmx.cli.parser import Parser
    from cmx.results import Result
    from cmx.results.chart_points import Slot
    from cmx.results.published import Published, Source
    from cmx.settings import Settings

KINDS = ("frontier", "latency", "throughput", "history", "report")
_ROWS = 15
_UNTIMED = "in accuracy mode, whose times are no measurement"


class _Chart(NamedTuple):
    """A chart, what it says in JSON, the results that are in it, what the others lack, and what it says as text."""

    spec: dict[str, Any]
    document: dict[str, Any]
    drawn: Sequence[Result]
    without: str
    text: str = ""


def configure(parser: Parser) -> None:
    """Add the options."""
    parser.add_argument(
        "kind",
        nargs="?",
        choices=KINDS,
        default="frontier",
        metavar="KIND",
        help=f"{', '.join(KINDS)} (all in one page)",
    )
    parser.add_argument("--with", dest="beside", default="", metavar="SOURCE", help=WITH)
    parser.add_argument(
        "--output", metavar="FILE", help="PNG, SVG or HTML by its ending (default: KIND.png, or report.html)"
    )
    parser.add_argument("--invalid", action="store_true", help="draw results that are not valid too")


def run(arguments: argparse.Namespace, settings: Settings, results: Sequence[Result]) -> Answer:
    """Draw to a file. Raises UsageError where there is nothing to draw, or nothing to draw it with."""
    from cmx.results import drawing

    default = "report.html" if arguments.kind == "report" else f"{arguments.kind}.png"
    path = Path(arguments.output or default)
    drawing.form_of(path)
    drawing.converter()
    ran = [each for each in results if each.status == "ok" and (each.valid or arguments.invalid)]
    usable = [each for each in ran if not each.in_accuracy_mode]
    others = _others(arguments, settings)
    if ran and not usable and not others:
        what = f"nothing can be drawn: {counted(len(ran), 'result')} {_UNTIMED}"
        raise UsageError(what, hint="cmx run benchmark takes times, in its other modes")
    charts, left_out = _charts(arguments.kind, usable, others)
    sources = [others[0].origin.citation] if others else []
    lines = [f"not drawn: {kind}: {why}" for kind, why in left_out.items()]
    title = "Results" if arguments.kind == "report" else str(charts[0].spec["title"]["text"])
    drawing.draw([chart.spec for chart in charts], path, drawing.Page(title, lines, sources))
    drawn = {result.id for chart in charts for result in chart.drawn}
    documents = [{**chart.document, "results": len(chart.drawn)} for chart in charts]
    document = {"file": str(path), "charts": documents, "results": len(drawn), "left_out": left_out}
    text = [chart.text for chart in charts if chart.text] + lines
    text += _undrawn(len(results) - len(ran), len(ran) - len(usable), usable, charts) + sources
    return Answer(document, "\n".join([*text, f"{_number(drawn, usable)} → {path}"]))


def _number(drawn: Collection[str], usable: Collection[Result]) -> str:
    everything = counted(len(usable), "result")
    return everything if len(drawn) == len(usable) else f"{len(drawn)} of {everything}"


def _undrawn(invalid: int, untimed: int, usable: Sequence[Result], charts: Sequence[_Chart]) -> list[str]:
    """What no chart shows of the results that were asked for, or one of several charts does not show."""
    lines = []
    if untimed:
        lines.append(f"not drawn: {counted(untimed, 'result')} {_UNTIMED}")
    if invalid:
        number = counted(invalid, "result")
        lines.append(f"not drawn: {number} not valid ('cmx result list' has the reasons; --invalid draws what ran)")
    for chart in charts:
        if missing := len(usable) - len(chart.drawn):
            lines.append(f"not drawn in {chart.document['kind']}: {counted(missing, 'result')} {chart.without}")
    return lines


def _others(arguments: argparse.Namespace, settings: Settings) -> tuple[Source, tuple[Published, ...]] | None:
    if not arguments.beside:
        return None
    if arguments.kind not in ("frontier", "report"):
        raise UsageError(f"--with: not in a chart of {arguments.kind}", hint="cmx result plot frontier --with …")
    from cmx.results.published import PublishedDatabase

    return PublishedDatabase(settings).select(arguments.beside)


def _charts(
    kind: str, results: Sequence[Result], others: tuple[Source, tuple[Published, ...]] | None
) -> tuple[list[_Chart], dict[str, str]]:
    """The charts of a kind; of a report those that there is something for, and why the others are not there."""
    if not results and not others:
        raise UsageError("no valid result matches", hint="cmx result list shows all; --invalid draws those too")
    from cmx.results.chart_points import slots

    colours = slots(results)
    makers: dict[str, Callable[[], _Chart]] = {
        "frontier": lambda: _frontier(results, colours, others),
        "latency": lambda: _latency(results, colours),
        "throughput": lambda: _throughput(results, colours),
        "history": lambda: _history(results, colours),
    }
    if kind != "report":
        return [makers[kind]()], {}
    charts, left_out = [], {}
    for name, make in makers.items():
        try:
            charts.append(make())
        except UsageError as error:
            left_out[name] = error.message
    if not charts:
        raise UsageError("nothing can be drawn: " + "; ".join(left_out.values()), hint="cmx result list")
    return charts, left_out


def _some(results: Sequence[Result]) -> None:
    if not results:
        raise UsageError("no valid result matches", hint="cmx result list shows all; --invalid draws those too")


def _latency(results: Sequence[Result], colours: Mapping[str, Slot]) -> _Chart:
    from cmx.results import chart_points, charts

    _some(results)
    drawn = [each for each in results if chart_points.has_latencies(each)]
    found, shared = chart_points.groups(drawn, colours)
    curves = chart_points.curves(found)
    document = {"kind": "latency", "configurations": len(curves)}
    return _Chart(charts.latency(curves, _lines(shared)), document, drawn, "without raw latencies")


def _throughput(results: Sequence[Result], colours: Mapping[str, Slot]) -> _Chart:
    from cmx.results import chart_points, charts

    _some(results)
    drawn = [each for each in results if chart_points.has_throughput(each)]
    found, shared = chart_points.groups(drawn, colours)
    points = chart_points.rates(found)
    document = {"kind": "throughput", "points": _documents(points)}
    return _Chart(charts.throughput(points, _lines(shared)), document, drawn, "without a throughput")


def _history(results: Sequence[Result], colours: Mapping[str, Slot]) -> _Chart:
    from cmx.results import chart_points, charts

    _some(results)
    drawn = [each for each in results if chart_points.has_median(each)]
    found, shared = chart_points.groups(drawn, colours)
    histories = chart_points.histories(found)
    steps = [{"label": each.label, "at": at, "change": change} for each in histories for at, _, change in each.steps]
    title = "median latency of a run, ms"
    text = "\n".join(f"step: {each['label']}: {each['change']:+.1%} at {each['at']}" for each in steps)
    document = {"kind": "history", "steps": steps}
    return _Chart(charts.history(histories, title, _lines(shared)), document, drawn, "without latencies", text)


def _frontier(
    results: Sequence[Result],
    colours: Mapping[str, Slot],
    others: tuple[Source, tuple[Published, ...]] | None,
) -> _Chart:
    from cmx.results import chart_points, charts
    from cmx.results.beside import beside
    from cmx.results.mlperf import STATISTICS
    from cmx.results.pareto import frontier

    official = beside(others[1], results) if others else None
    if official:
        statistic = STATISTICS.get(official.scenario, "median")
        own = chart_points.measured(results, colours, official.scenario, statistic, "here: ")
        lines = [official.told]
    else:
        own, lines = chart_points.measured(results, colours), []
    if own.points:
        lines.append(f"{'here: ' if official else ''}{own.shared}")
    if own.points and official:
        lines.append(f"here the accuracy is {own.accuracy}: another measure than the others'")
    points = (*(official.points if official else ()), *own.points)
    if not points:
        raise UsageError("no result with an accuracy and a time", hint="a workflow with a validate step gives both")
    # Beside others' results one's own are shown, and not ranked: their accuracy is another measure.
    best = frontier([(each.middle, each.gain) for each in (official.points if official else points)])
    cost, gain = (official.cost, official.gain) if official else (own.cost, own.gain)
    spec = charts.frontier(points, best, cost, gain, [part for line in lines for part in _lines(line)])
    chosen = [points[place] for place in best]
    document = {"kind": "frontier", "points": len(points), "frontier": _documents(chosen)}
    without = "of another scenario, or without this measure of accuracy"
    return _Chart(spec, document, own.drawn, without, _best(chosen, cost, gain))


def _best(points: Sequence[Any], cost: str, gain: str) -> str:
    """The frontier as a table, from the most accurate."""
    ordered = sorted(points, key=lambda each: -each.gain)
    rows = [(each.label, f"{each.middle:.4g}", f"{each.gain:.4g}", each.by) for each in ordered[:_ROWS]]
    more = [f"… and {len(ordered) - _ROWS} more on the frontier"] if len(ordered) > _ROWS else []
    return "\n".join([table(("ON THE FRONTIER", cost.upper(), gain.upper(), "BY"), rows, right=(1, 2)), *more, ""])


def _documents(points: Sequence[Any]) -> list[dict[str, Any]]:
    return [{name: value for name, value in each._asdict().items() if name != "slot"} for each in points]


def _lines(text: str) -> list[str]:
    from cmx.results import drawing

    return textwrap.wrap(text, drawing.LINE)
