"""Write results as a tree of MLPerf Inference (open division, v6.1), and hold a tree against its rules.

cmx mlperf export 7f3a91c2 0d1e22aa --submitter me --system my-board --out tree --map ppocr-v4-recogniser=3d-unet-99
cmx mlperf check tree

A tree made here is a self-test, and never a submission. 'check' also runs MLCommons' own checker where
CMX_MLPERF_SUBMISSION_CHECKER names the folder that holds it (tools/submission of mlcommons/inference).
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Sequence
from itertools import groupby
from pathlib import Path

from cmx.cli.answer import Answer
from cmx.cli.parser import Parser
from cmx.errors import CmxError, UsageError
from cmx.files import counted
from cmx.mlperf import official, rules
from cmx.mlperf.check import check_tree
from cmx.mlperf.export import export_tree
from cmx.mlperf.violation import Violation
from cmx.results import Database
from cmx.settings import Settings

_NOTE = "a self-test, never a submission"


def configure(parser: Parser, arguments: list[str]) -> None:
    """Add the options."""
    commands = parser.add_subparsers(dest="command", required=True, parser_class=Parser, metavar="export | check")
    exporting = commands.add_parser("export", help="write results as a tree")
    exporting.add_argument("results", nargs="+", metavar="RESULT", help="ids, of performance and accuracy runs")
    exporting.add_argument("--submitter", required=True, metavar="NAME", help="whose tree it is")
    exporting.add_argument("--system", required=True, metavar="NAME", help="what the machine is called there")
    exporting.add_argument("--out", required=True, metavar="TREE", help="a folder that is not there yet")
    exporting.add_argument(
        "--map", action="append", default=[], metavar="MODEL=BENCHMARK",
        help=f"which benchmark's rules a model is held to: {', '.join(rules.BENCHMARKS)}",
    )  # fmt: skip
    exporting.add_argument(
        "--set", action="append", default=[], metavar="FIELD=WORDS",
        help="a field of the system's description that cmx cannot read, as in cooling=passive",
    )  # fmt: skip
    checking = commands.add_parser("check", help="every rule that a tree breaks, with file and remedy")
    checking.add_argument("tree", metavar="TREE")
    for each in (exporting, checking):
        each.add_argument(
            "--skip-dataset-size-check", action="store_true", help="an accuracy run may cover another number of samples"
        )


def run(arguments: argparse.Namespace, as_json: bool) -> Answer:
    """What was written, or what is wrong with it."""
    return _export(arguments) if arguments.command == "export" else _check(arguments)


def _export(arguments: argparse.Namespace) -> Answer:
    database, tree = Database(Settings.from_environment()), Path(arguments.out)
    results = [database.get(each) for each in arguments.results]
    mapping, given = _pairs("--map", arguments.map), _pairs("--set", arguments.set)
    places = export_tree(
        results, tree, submitter=arguments.submitter, name=arguments.system, mapping=mapping, given=given
    )
    violations = check_tree(tree, any_size=arguments.skip_dataset_size_check).violations
    lines = [f"{place.folder}" for place in places]
    lines.append(f"{counted(len(places), 'result')} in {tree}, {_NOTE}")
    if violations:
        broken = "breaks a rule" if len(violations) == 1 else f"breaks {len(violations)} rules"
        lines.append(f"the tree {broken}: cmx mlperf check {tree}")
    folders = [str(place.folder) for place in places]
    document = {"tree": str(tree), "results": folders, "violations": [each.document() for each in violations]}
    return Answer(document, "\n".join(lines))


def _check(arguments: argparse.Namespace) -> Answer:
    tree, any_size = Path(arguments.tree), arguments.skip_dataset_size_check
    checker = official.folder()
    places, violations = check_tree(tree, any_size=any_size)
    theirs = list(official.check(checker, tree, len(places), any_size=any_size)) if checker else []
    found = [*violations, *theirs]
    said = "by cmx and by MLCommons' own checker" if checker else f"by cmx alone: {official.VARIABLE} is not set"
    held = f"{counted(len(places), 'result')} held against the rules of {rules.VERSION} {said}"
    document = {"tree": str(tree), "results": [str(place.folder) for place in places], "official": bool(checker)}
    document["violations"] = [each.document() for each in found]
    if not found:
        return Answer(document, f"{held}\nno rule is broken ({_NOTE})")
    what = f"{tree} breaks {counted(len(found), 'rule')}"
    text = "\n".join([*_listed(found), held, what])
    return Answer(document, text, CmxError(what, hint="each is listed with its remedy"))


def _listed(violations: Iterable[Violation]) -> list[str]:
    """Each file once, below it what is wrong and what puts it right."""
    lines: list[str] = []
    for file, several in groupby(violations, key=lambda each: each.file):
        lines.append(str(file))
        for each in several:
            lines += [f"  {each.rule}: {each.found}", f"    → {each.remedy}"]
    return lines


def _pairs(option: str, words: Sequence[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not (name and equals and value):
            raise UsageError(f"{option} {word}: not NAME=VALUE", hint=f"as in {option} name=value")
        found[name] = value
    return found
