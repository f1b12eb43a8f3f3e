"""List, show, compare, draw or export the results recorded on this machine; import what others published.

cmx result list --workflow image-classification --where batch-size=8
cmx result show 7f3a91c2
cmx result compare framework=onnxruntime framework=torch --where batch-size=1
cmx result plot report
cmx result import mlperf-inference-results
cmx result plot --with mlperf,system=*Raspberry*,scenario=single-stream
cmx result list --with mlperf,system=*Raspberry*,scenario=single-stream
cmx result export --format csv --output results.csv
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from cmx.cli import result_compare, result_import, result_plot
from cmx.cli.answer import Answer, table
from cmx.cli.facts import fact, noise
from cmx.cli.parser import Parser
from cmx.cli.result_text import result_text
from cmx.errors import UsageError
from cmx.files import counted
from cmx.reference import Reference
from cmx.results import Database, Result
from cmx.results.export import FORMATS, as_text, export, form_of
from cmx.results.published import PublishedDatabase
from cmx.results.table import LISTING, listing, milliseconds, verdict
from cmx.settings import Settings

_FILTERS = ("workflow", "action", "model", "framework", "scenario", "status")


def configure(parser: Parser, arguments: list[str]) -> None:
    """Add the options."""
    commands = parser.add_subparsers(dest="command", required=True, parser_class=Parser, metavar="COMMAND")
    listing = commands.add_parser("list", help="results, newest first")
    exporting = commands.add_parser("export", help="results as JSON, CSV or Parquet")
    plotting = commands.add_parser("plot", help="results as a picture, or as one page")
    for each in (listing, exporting, plotting):
        for name in _FILTERS:
            each.add_argument(
                f"--{name}", default="", metavar="REF" if name not in ("scenario", "status") else name.upper()
            )
        each.add_argument(
            "--where", action="append", default=[], metavar="KEY=VALUE", help="a condition; may be given again"
        )
        each.add_argument("--limit", type=int, metavar="N", help="only the newest N (default: all)")
    listing.add_argument("--with", dest="beside", default="", metavar="SOURCE", help=result_import.WITH)
    exporting.add_argument("--format", choices=FORMATS, help="default: as the file's ending says, or json")
    exporting.add_argument(
        "--output", metavar="FILE", help="write there instead of printing; the ending says the format"
    )
    result_plot.configure(plotting)
    result_compare.configure(commands.add_parser("compare", help="is B faster than A, and what differs"))
    result_import.configure(commands.add_parser("import", help="results that others published, with their source"))
    commands.add_parser("show", help="everything about one").add_argument("id", help="its id, or the beginning of it")


def run(arguments: argparse.Namespace, as_json: bool) -> Answer:
    """Results from the evaluation database."""
    settings = Settings.from_environment()
    if arguments.command == "import":
        return result_import.run(arguments, settings)
    database = Database(settings)
    if arguments.command == "show":
        result = database.get(arguments.id)
        return Answer({"result": result.document()}, _shown(result))
    if arguments.command == "compare":
        return result_compare.run(arguments, settings, database)
    if arguments.limit is not None and arguments.limit < 1:
        raise UsageError(f"--limit {arguments.limit}: at least one is needed", hint="leave it out for all results")
    results, why = _filtered(database, arguments)
    if arguments.command == "plot":
        return result_plot.run(arguments, settings, results)
    documents = [result.document() for result in results]
    if arguments.command == "list" and arguments.beside:
        source, rows = PublishedDatabase(settings).select(arguments.beside)
        shown = rows[: arguments.limit]
        others = {"source": source.document(), "published": [row._asdict() for row in shown]}
        return Answer({"results": documents, **others}, result_import.beside(results, source, rows, arguments.limit))
    if arguments.command == "list":
        return Answer(
            {"results": documents, "problems": list(database.problems)}, _listed(results, why, database.problems)
        )
    if arguments.output:
        _refuse_two_formats(arguments)
        export(results, Path(arguments.output))
        document = {"file": arguments.output, "count": len(results)}
        return Answer(document, f"{counted(len(results), 'result')} → {arguments.output}")
    return Answer({"results": documents}, as_text(results, arguments.format or "json"))


def _refuse_two_formats(arguments: argparse.Namespace) -> None:
    """Raise UsageError for a file whose ending says another format than ``--format``, or none."""
    said = form_of(Path(arguments.output))
    if arguments.format not in (None, said):
        what = f"--format {arguments.format} and --output {arguments.output} say two formats"
        raise UsageError(what, hint="leave out --format: the file's ending says it")


def _filtered(database: Database, arguments: argparse.Namespace) -> tuple[tuple[Result, ...], str]:
    """The results that are meant, and why there are none where there are none."""
    from cmx.repository import Catalog

    filters = {name: getattr(arguments, name) for name in _FILTERS}
    if arguments.framework:
        filters["framework"] = str(_own_name(arguments.framework)).removeprefix("software/")
    if not arguments.where and not any(filters.values()):
        results = database.list(limit=arguments.limit or 0)
        return results, "" if results else "there is no result yet: 'cmx run benchmark' makes one"
    from cmx.cli.result_filters import found

    results, why = found(database, filters, arguments.where, Catalog.default)
    return results[: arguments.limit], why


def _own_name(framework: str) -> Reference:
    """A framework that may be named by its alias, as litert."""
    from cmx.repository import Catalog

    return Catalog.default().canonical(Reference.parse(framework, kind="software"))


def _listed(results: Sequence[Result], why: str, problems: Sequence[str]) -> str:
    text = table(LISTING, listing(results), right=(7, 8)) if results else why
    return "\n".join([text, *(f"broken: {problem}" for problem in problems)])


def _shown(result: Result) -> str:
    lines = [f"result {result.id}   {result.created}   {result.action} {result.workflow}   {verdict(result)}", ""]
    if result.error:
        lines += [f"  | {line}" for line in result.error.get("output", ())]
        if not any(result.error["message"] in reason for reason in result.reasons):
            lines += [f"error: {result.error['message']}"]
        lines += [f"hint: {result.error['hint']}"] if result.error.get("hint") else []
    lines.append(result_text(result).strip("\n"))
    if stages := result.metrics.get("stages"):
        lines += ["", f"STAGES (one batch of {stages['batch_size']}, apart from the measurement)", *_stages(stages)]
    lines += ["", "PINS", *_pins(result)]
    lines += ["", "STEPS"] + [f"  {_step(step)}" for step in result.steps]
    if logs := [line for step in result.steps if (line := _logs(step))]:
        lines += ["", "LOGS (in the folder of the step, below the result's)", *logs]
    lines += ["", "HOST"] + [f"  {name:<18} {fact(name, field)}" for name, field in result.host.fields.items()]
    if libraries := _libraries(result):
        lines += ["", "LIBRARIES (in the worker that measured)", *libraries]
    if result.noise:
        lines += ["", "NOISE"] + [f"  {name:<18} {value}" for name, value in noise(result.noise.document())]
    if energy := [f"  launch {step.launch:<11} {_energy(step.energy)}" for step in result.steps if step.energy]:
        lines += ["", "ENERGY", *energy]
    lines += ["", f"comparable with results of key {result.key}", f"files: {result.folder}"]
    return "\n".join(lines)


def _libraries(result: Result) -> list[str]:
    """The versions of what was imported, numpy's BLAS, and the libraries of mathematics that were loaded."""
    outcome = next((step.outcome for step in result.steps if step.noise), {})
    versions = [f"{name} {version}" for name, version in (outcome.get("versions") or {}).items()]
    found = outcome.get("libraries") or {}
    blas = found.get("blas")
    lines = [f"  {'versions':<18} {', '.join(versions)}"] if versions else []
    lines += [f"  {'blas of numpy':<18} {blas['name']} {blas['version']}"] if blas else []
    return lines + ([f"  {'loaded':<18} {', '.join(found['loaded'])}"] if found.get("loaded") else [])


def _energy(energy: Mapping[str, Any]) -> str:
    used = [f"{name} {joules:.2f} J" for name, joules in energy["domains"].items()]
    missing = [f"{name} unavailable: {why}" for name, why in energy["unavailable"].items()]
    return "   ".join([*used, *missing])


def _stages(stages: Mapping[str, Any]) -> list[str]:
    medians = {name: stage for name, stage in stages.items() if isinstance(stage, dict)}
    return [
        f"  {name:<14} {milliseconds(stage['median']):>8} ms   median of {stage['count']}"
        for name, stage in medians.items()
    ]


def _pins(result: Result) -> list[str]:
    """Each role with what fills it, and how that is set."""
    width = max([18, *map(len, result.pins)])
    return [f"  {role:<{width}} {_pin(result, role, reference)}" for role, reference in result.pins.items()]


def _pin(result: Result, role: str, reference: str) -> str:
    settings = result.plan.get("pins", {}).get(role, {}).get("settings") or {}
    words = [f"{name}={str(value).lower() if isinstance(value, bool) else value}" for name, value in settings.items()]
    return "   ".join([reference, *words])


def _logs(step: Any) -> str:
    """The load generator's logs that a step left."""
    names = [name for name in step.outcome.get("files") or () if "mlperf_log_" in name or name == "user.conf"]
    return f"  {step.folder + '/':<18} {', '.join(names)}" if names else ""


def _step(step: Any) -> str:
    summary = step.outcome.get("summary", "") if step.outcome else ""
    took = "cached" if step.cached else f"{step.wall_ns / 1e9:.1f} s"
    return f"{step.id:<12} {step.status:<8} {took:>8}  {summary}"
