"""Options of the command line that become parameters of a request."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Mapping
from typing import Any

from cmx.cli.parser import Parser
from cmx.component import Action
from cmx.errors import UsageError

_PREFIX = "parameter:"


def add_request_options(parser: Parser) -> None:
    """What every verb that resolves takes."""
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="a parameter; STEP.KEY=VALUE for one step alone"
    )
    parser.add_argument("--use", action="append", default=[], metavar="ROLE=REF", help="fill a role with a reference")
    parser.add_argument("--seed", type=int, default=0, help="seed of everything that is random (default: 0)")
    parser.add_argument("--offline", action="store_true", help="use what is on this machine; fetch nothing")


def pairs(option: str, given: Iterable[str]) -> dict[str, str]:
    """``KEY=VALUE`` words as a mapping. Raises UsageError for a word without "=" or a key given twice."""
    found: dict[str, str] = {}
    for word in given:
        key, equals, value = word.partition("=")
        if not equals or not key:
            raise UsageError(f"{option} {word}: expected KEY=VALUE", hint=f"as in {option} {key or 'key'}=value")
        if key in found:
            raise UsageError(f"{option} {key} is given twice", hint="keep one of the two")
        found[key] = value
    return found


def add_action_options(parser: Parser, action: Action) -> None:
    """One option for each parameter of an action, from its schema."""
    group = parser.add_argument_group(f"parameters of {action.key} ({action.description})")
    for name, fragment in action.parameters.items():
        group.add_argument(
            f"--{name}", dest=_PREFIX + name, metavar=_metavar(name, fragment), default=None, help=_help(fragment)
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
