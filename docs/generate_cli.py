"""Writes docs/cli.md from the parsers themselves: python docs/generate_cli.py > docs/cli.md

A test holds the file against what this gives.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Any, TypeVar

from cmx.cli.main import VERBS
from cmx.cli.parser import Parser
from cmx.component import Action, Component, SoftwareDetect
from cmx.component_file import load
from cmx.repository import Repository
from cmx.settings import builtin_repository

C = TypeVar("C", bound=Component)

HEAD = """\
# The command line

`cmx VERB [WHAT] [options]`, or `python -m cmx VERB …`. This page is generated: `python docs/generate_cli.py > docs/cli.md`.

- The answer goes to standard output, the story and errors to standard error.
- An error is two lines: `error:` what is wrong, and `hint:` what to do.
- Exit codes: 0 done · 1 ran and failed (a step, the answers, an audit), or nothing found · 2 usage · 3 component missing or
  invalid · 4 requirements cannot be met · 130 interrupted. A verdict of INVALID is no failure: what was measured is
  recorded, and called not valid; in `--json` look at `result.valid`.
- Everything cmx writes lies below one folder: `CMX_HOME`, or the platform's folder for user data. Only the lock by which
  measurements wait for one another lies in the temporary folder.
- A reference is `kind/name`, with an optional variant and range: `model/resnet50[onnx]>=1.5,<2`. The kind may be left
  out where the verb implies it.

Options of every verb, anywhere on the line:

| option | |
|---|---|
| `--json` | print exactly one JSON object: `{"schema": 1, "ok": true, …}`, or `{"schema": 1, "ok": false, "error": {"type", "message", "hint"}}` |
| `--debug` | show the traceback of an error |
| `-h`, `--help` | show what a verb does and takes |

"""  # noqa: E501  (a table's row is one line)


def text() -> str:
    """The whole page."""
    parts = [HEAD, *(f"- [`cmx {verb}`](#cmx-{verb}): {summary}\n" for verb, summary in VERBS.items())]
    for verb in VERBS:
        parts += ["\n", *_verb(verb)]
        if verb == "run":
            parts += [*_actions(), *_frameworks()]
    return "".join(parts)


def _verb(verb: str) -> Iterator[str]:
    module: Any = import_module(f"cmx.cli.{verb}_verb")
    parser = Parser(prog=f"cmx {verb}", verb=verb)
    module.configure(parser, [])
    sentence, _, more = module.__doc__.strip().partition("\n\n")
    yield f"## cmx {verb}\n\n{sentence}\n\n"
    if more:
        yield f"```\n{more}\n```\n\n"
    yield from _table(f"cmx {verb}", parser)


def _table(command: str, parser: argparse.ArgumentParser) -> Iterator[str]:
    actions = [action for action in parser._actions if not isinstance(action, argparse._HelpAction)]
    inner = [action for action in actions if isinstance(action, argparse._SubParsersAction)]
    rows = [_row(action) for action in actions if action not in inner]
    if rows:
        yield f"| `{command}` | |\n|---|---|\n"
        yield from rows
    for group in inner:
        summaries = {choice.dest: choice.help for choice in group._choices_actions}
        for name, each in group.choices.items():
            yield f"\n`{command} {name}`: {summaries[name]}\n\n"
            yield from _table(f"{command} {name}", each)


def _row(action: argparse.Action) -> str:
    value = "" if action.nargs == 0 else str(action.metavar or action.dest.upper())
    if action.choices:
        value = "|".join(map(str, action.choices))
    name = ", ".join(action.option_strings) or str(action.metavar or action.dest)
    if not action.option_strings and action.nargs in ("?", "*"):
        name = f"[{name}]"
    shown = f"{name} {value}".strip() if action.option_strings else name
    return _cells(f"`{shown}`", (action.help or "").replace("%%", "%"))


def _actions() -> Iterator[str]:
    yield "\nThe parameters of an action are options too; `--set KEY=VALUE` does the same, for a step alone with\n"
    yield "`--set STEP.KEY=VALUE`. Times take a unit: `200ms`, `10s`, `2min`.\n"
    for action in sorted(_built_in(Action), key=lambda each: each.name):
        yield f"\n`cmx run {action.name}`: {action.description}\n"
        if action.parameters:
            yield "\n| parameter | values | default | |\n|---|---|---|---|\n"
        yield from _rows(action.parameters)


def _frameworks() -> Iterator[str]:
    yield "\nA framework has settings of its own: options too where the workflow uses it or `--use` names it, and\n"
    yield "`--set KEY=VALUE` or `--set FRAMEWORK.KEY=VALUE`; [frameworks.md](frameworks.md) says more.\n"
    for framework in sorted(_built_in(SoftwareDetect), key=lambda each: each.name):
        if framework.settings:
            yield f"\nSettings of `software/{framework.name}`:\n\n| setting | values | default | |\n|---|---|---|---|\n"
        yield from _rows(framework.settings)


def _rows(fragments: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    for name, fragment in fragments.items():
        yield _cells(f"`--{name}`", _values(fragment), _default(fragment), str(fragment["description"]))


def _built_in(kind: type[C]) -> list[C]:
    files = Repository.open(builtin_repository()).files()
    return [component for component in map(load, files) if isinstance(component, kind)]


def _values(fragment: Mapping[str, Any]) -> str:
    if "enum" in fragment:
        return ", ".join(f"`{choice}`" for choice in fragment["enum"])
    types = fragment.get("type", "string")
    limits = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}
    words = [types if isinstance(types, str) else " or ".join(types)]
    words += [f"{sign} {fragment[key]}" for key, sign in limits.items() if key in fragment]
    return " ".join([*words, *([f"({fragment['unit']})"] if "unit" in fragment else [])])


def _default(fragment: Mapping[str, Any]) -> str:
    if "default" not in fragment:
        return "must be given"
    value = fragment["default"]
    return "none" if value in (None, "") else f"`{str(value).lower() if isinstance(value, bool) else value}`"


def _cells(*cells: str) -> str:
    escaped = (cell.replace("|", "\\|") for cell in cells)
    return f"| {' | '.join(escaped)} |\n"


if __name__ == "__main__":
    sys.stdout.write(text())
