"""Options of the command line that become parameters of a request."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from cmx.cli.parser import Parser
from cmx.component import Action, SoftwareDetect
from cmx.errors import UsageError
from cmx.reporter import Reporter
from cmx.repository import Catalog
from cmx.resolver.plan import Plan, Request

_PREFIX = "parameter:"
WORKFLOW = "workflow/image-classification"
"""What an action runs on when no workflow is named."""


def add_request_options(parser: Parser) -> None:
    """What every verb that resolves takes."""
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="a parameter; STEP.KEY=VALUE for one step alone"
    )
    parser.add_argument("--use", action="append", default=[], metavar="ROLE=REF", help="fill a role with a reference")
    parser.add_argument("--seed", type=int, default=0, help="seed of everything that is random (default: 0)")
    parser.add_argument("--target", default="", metavar="OS-ARCH", help="what programs are for, as in linux-aarch64")
    parser.add_argument(
        "--prefer",
        choices=("detected", "installed", "newest"),
        default="detected",
        help="which candidates come first (default: detected)",
    )
    parser.add_argument("--without", action="append", default=[], metavar="REF", help="software that must not be used")
    parser.add_argument("--locked", metavar="FILE", help="choose exactly what this plan pins, or say what differs")
    parser.add_argument("--offline", action="store_true", help="use what is on this machine; fetch nothing")


def read_request(arguments: argparse.Namespace, parameters: Mapping[str, Any]) -> Request:
    """The request that a command line means."""
    return Request(
        workflow=arguments.workflow or WORKFLOW,
        action=arguments.action or "",
        parameters=dict(parameters),
        use=pairs("--use", arguments.use),
        seed=arguments.seed,
        target=arguments.target,
        prefer=arguments.prefer,
        without=tuple(arguments.without),
    )


def resolve(catalog: Catalog, request: Request, arguments: argparse.Namespace, reporter: Reporter) -> Plan:
    """The plan for a request, under the command line's ``--offline`` and ``--locked``."""
    from cmx.api import resolve_request

    locked = Plan.read(Path(arguments.locked)) if arguments.locked else None
    return resolve_request(catalog, request, offline=arguments.offline, locked=locked, reporter=reporter)


def pairs(option: str, given: Iterable[str]) -> dict[str, str]:
    """``KEY=VALUE`` words as a mapping. Raises UsageError for a word without "=" or a key given twice."""
    found: dict[str, str] = {}
    for word in given:
        key, equals, value = word.partition("=")
        if not equals or not key:
            raise UsageError(f"{option} {word}: expected KEY=VALUE", hint=f"as in {option} {_example(word)}")
        if key in found:
            raise UsageError(f"{option} {key} is given twice", hint="keep one of the two")
        found[key] = value
    return found


_USUAL_ROLES = {"model": "model", "dataset": "dataset", "software": "framework"}


def _example(word: str) -> str:
    """How a word without "=" may have been meant: a reference lacks its role."""
    kind = word.partition("/")[0]
    if "/" in word and kind in _USUAL_ROLES:
        return f"{_USUAL_ROLES[kind]}={word}"
    return f"{word.partition('=')[0] or 'key'}=value"


def add_action_options(parser: Parser, action: Action) -> None:
    """One option for each parameter of an action, from its schema."""
    _add_options(parser, f"parameters of {action.key} ({action.description})", action.parameters, action.name)


def add_setting_options(parser: Parser, framework: SoftwareDetect) -> None:
    """One option for each setting of a framework; another one has others."""
    if framework.settings:
        title = f"settings of software/{framework.name} ({framework.description})"
        _add_options(parser, title, framework.settings, framework.name)


def _add_options(parser: Parser, title: str, fragments: Mapping[str, Mapping[str, Any]], scope: str) -> None:
    """One option each; where the verb has one of this name, it is ``--SCOPE.NAME``."""
    group, taken, known = parser.add_argument_group(title), parser.options, parser.destinations
    for name, fragment in fragments.items():
        if _PREFIX + name in known:
            continue  # of an action before this one: it is for every step that takes it
        key = f"{scope}.{name}" if f"--{name}" in taken else name
        group.add_argument(
            f"--{key}", dest=_PREFIX + key, metavar=_metavar(name, fragment), default=None, help=_help(fragment)
        )


def action_options(arguments: argparse.Namespace) -> dict[str, str]:
    """The parameters that were given as options."""
    given = {key.removeprefix(_PREFIX): value for key, value in vars(arguments).items() if key.startswith(_PREFIX)}
    return {key: value for key, value in given.items() if value is not None}


def parameters(arguments: argparse.Namespace) -> dict[str, str]:
    """``--set`` and an action's own options together."""
    chosen = pairs("--set", arguments.set)
    for key, value in action_options(arguments).items():
        if key in chosen:
            raise UsageError(f"--{key} and --set {key} are both given", hint="keep one of the two")
        chosen[key] = value
    return chosen


def _metavar(name: str, fragment: Mapping[str, Any]) -> str:
    if "enum" in fragment:
        return "|".join(str(choice) for choice in fragment["enum"])
    return str(fragment.get("unit") or fragment.get("format") or name).upper()


def _help(fragment: Mapping[str, Any]) -> str:
    default = fragment.get("default")
    shown = "" if default is None else f" (default: {str(default).lower() if isinstance(default, bool) else default})"
    return f"{fragment['description']}{shown}".replace("%", "%%")
