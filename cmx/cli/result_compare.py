"""``cmx result compare``: whether B is faster than A, and what differs between them."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from cmx.cli.answer import Answer, table
from cmx.cli.result_import import WITH, beside
from cmx.errors import UsageError

if TYPE_CHECKING:
    from cmx.cli.parser import Parser
    from cmx.results import Database
    from cmx.results.compare import Comparison, Side
    from cmx.results.selection import Condition
    from cmx.settings import Settings

_MEANT = "ids parted by commas, or conditions: framework=torch,batch-size=1"
_SHOWN_WORK = ("scenario", "batch-size", "threads", "precision", "arguments", "target", "mode")


def configure(parser: Parser) -> None:
    """Add the options."""
    parser.add_argument("a", metavar="A", help=_MEANT)
    parser.add_argument("b", metavar="B", help="the same; the ratio is B's time by A's")
    parser.add_argument(
        "--where", action="append", default=[], metavar="KEY=VALUE", help="what holds for both; may be given again"
    )
    parser.add_argument(
        "--measure", default="", metavar="NAME", help="p50, p90, p99, min, throughput, load, memory or energy"
    )
    parser.add_argument("--across", default="", metavar="KEY,…", help="what may differ all the same, as in threads")
    parser.add_argument(
        "--confidence", type=float, default=0.95, metavar="SHARE", help="of the interval (default: 0.95)"
    )
    parser.add_argument("--beside", default="", metavar="SOURCE", help=f"{WITH}; not compared")
    parser.add_argument("--invalid", action="store_true", help="take results that are not valid too")


def run(arguments: argparse.Namespace, settings: Settings, database: Database) -> Answer:
    """The comparisons. Exit code 0 whatever the verdict."""
    from cmx.results.compare import compare
    from cmx.results.published import PublishedDatabase
    from cmx.results.selection import select

    if not 0 < arguments.confidence < 1:
        raise UsageError(f"--confidence {arguments.confidence:g}: not between 0 and 1", hint="as in --confidence 0.99")
    a, b, where = _understood(arguments, database)
    found = compare(
        select(database, a, where),
        select(database, b, where),
        measure=arguments.measure,
        across=[each.strip() for each in arguments.across.split(",") if each.strip()],
        confidence=arguments.confidence,
        invalid=arguments.invalid,
    )
    document: dict[str, Any] = {"comparisons": [each.document() for each in found]}
    if not arguments.beside:
        return Answer(document, text(found))
    source, rows = PublishedDatabase(settings).select(arguments.beside)
    document |= {"source": source.document(), "beside": [row._asdict() for row in rows]}
    context = "\nbeside these, and not compared with them: others measured them, in another way\n\n"
    return Answer(document, text(found) + context + beside((), source, rows))


def _understood(arguments: argparse.Namespace, database: Database) -> tuple[str, str, tuple[Condition, ...]]:
    """Both sides and what holds for both, held against what components declare."""
    from cmx.cli.result_filters import understood
    from cmx.repository import Catalog
    from cmx.results.selection import is_condition

    sides = [arguments.a, arguments.b]
    if not arguments.where and not any(map(is_condition, sides)):
        return arguments.a, arguments.b, ()
    every, catalog = database.list(), Catalog.default()
    a, b = (",".join(map(str, understood([s], every, catalog))) if is_condition(s) else s for s in sides)
    return a, b, understood(arguments.where, every, catalog)


def text(found: Sequence[Comparison]) -> str:
    """A row for each kind of work, a sentence for a single one, what differs, and what to be careful about."""
    head = [*_varied(found), *_heading(found), "B/A", "INTERVAL", "LAUNCHES", "VERDICT"]
    rows = [[*(str(each.work[name]) for name in _varied(found, raw=True)), *_row(each)] for each in found]
    first = len(_varied(found))
    lines = [table(head, rows, right=range(first, first + 3)), ""]
    if len(found) == 1:
        lines += [sentence(found[0]), ""]
    else:
        lines += [_several(found), ""]
    lines += [_over(found), ""]
    lines += list(_differing(found))
    lines += [
        f"caution: {caution}" for caution in dict.fromkeys(caution for each in found for caution in each.cautions)
    ]
    return "\n".join(lines)


def sentence(found: Comparison) -> str:
    """The answer: "B is slower than A: it takes 1.10 times as long (95.2 % interval 1.07 to 1.14)"."""
    ratio, measure = found.ratio, found.measure
    times = f"{ratio.estimate:.3f} times A's {_cost(found)}"
    if ratio.low is None or ratio.high is None:
        return f"too few launches to say: B has {times}, which may be chance"
    interval = f"{ratio.confidence:.1%} interval {ratio.low:.3f} to {ratio.high:.3f}"
    if ratio.verdict == "no difference shown":
        return f"no difference shown: B has {times} ({interval})"
    words = {"memory": ("less", "more"), "energy": ("less", "more")}.get(measure.name, ("faster", "slower"))
    said = words[ratio.verdict == "slower"]
    verb = f"needs {said} than A" if measure.name in ("memory", "energy") else f"is {said} than A"
    return f"B {verb}: {times} ({interval})"


def _cost(found: Comparison) -> str:
    return "time per sample" if found.measure.name == "throughput" else found.measure.name


def _varied(found: Sequence[Comparison], *, raw: bool = False) -> list[str]:
    """The columns that tell the rows apart, and the scenario."""
    names = [name for name in _SHOWN_WORK if len({str(each.work.get(name)) for each in found}) > 1]
    if "scenario" in found[0].work and "scenario" not in names:
        names.insert(0, "scenario")
    return names if raw else [name.upper() for name in names]


def _heading(found: Sequence[Comparison]) -> list[str]:
    titles = {each.measure.title for each in found}
    title = titles.pop() if len(titles) == 1 else ""
    return [f"A {title}".strip(), f"B {title}".strip()]


def _row(found: Comparison) -> list[str]:
    ratio = found.ratio
    interval = "-" if ratio.low is None else f"{ratio.low:.3f} to {ratio.high:.3f}"
    sides = [_number(side, found) for side in (found.a, found.b)]
    launches = f"{len(found.a.values)} and {len(found.b.values)}"
    return [*sides, f"{ratio.estimate:.3f}", interval, launches, ratio.verdict]


def _number(side: Side, found: Comparison) -> str:
    return f"{side.median * found.measure.scale:.4g}"


def _over(found: Sequence[Comparison]) -> str:
    """What the numbers of A and B are, as in a result's table."""
    names = " or ".join(dict.fromkeys(each.measure.name for each in found))
    steady = ", without the queries before its steady state" if any(each.measure.of_queries for each in found) else ""
    return f"A and B: the median of their launches; of each its {names}{steady}"


def _several(found: Sequence[Comparison]) -> str:
    claimed = next((each.ratio.confidence for each in found if each.ratio.low is not None), 0.0)
    if not claimed:
        return "too few launches to say anything: fresh launches are what is counted"
    return (
        f"{len(found)} comparisons: each interval holds the truth with at least {min(_claims(found)):.1%}, "
        "all of them together with less"
    )


def _claims(found: Sequence[Comparison]) -> list[float]:
    return [each.ratio.confidence for each in found if each.ratio.low is not None]


def _differing(found: Sequence[Comparison]) -> Iterator[str]:
    """A table of what differs; what the rows say already is left out."""
    rows = list(dict.fromkeys((d.group, d.name, d.a, d.b) for each in found for d in each.differences))
    if rows:
        yield "what differs:"
        yield table(("OF", "NAME", "A", "B"), rows)
        yield ""
    else:
        yield "nothing differs between their plans, settings and hosts"
        yield ""
