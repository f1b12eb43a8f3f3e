"""JSON in, JSON out: cmx access '{"action": "benchmark", "workflow": "image-classification"}'

An action runs with the keys action, workflow, set (its parameters), use, seed, offline, plan_only, launches, precision
(0.02 for 2 %) and time_budget (in s):
cmx access '{"action": "benchmark", "set": {"scenario": "offline", "duration": 5}}'. The actions list, find, show and
result look things up: '{"action": "list", "kind": "model"}'. The same call from Python is cmx.access(dict).
The request is an argument, a file (@request.json) or standard input (-).
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from cmx.cli.answer import Answer
from cmx.cli.parser import Parser
from cmx.errors import UsageError


def configure(parser: Parser, arguments: list[str]) -> None:
    """Add the options."""
    parser.add_argument("request", help="a JSON object, @FILE, or - for standard input")


def run(arguments: argparse.Namespace, as_json: bool) -> Answer:
    """What ``cmx.access`` returns."""
    from cmx.api import access_or_raise

    return Answer(access_or_raise(_request(arguments.request)))


def _request(text: str) -> dict[str, Any]:
    if text == "-":
        text = sys.stdin.read() if sys.stdin else ""
    elif text.startswith("@"):
        try:
            text = Path(text[1:]).read_text(encoding="utf-8")
        except OSError as error:
            raise UsageError(f"{text[1:]}: {error.strerror}", hint="cmx access @FILE") from error
    try:
        request = json.loads(text)
    except ValueError as error:
        raise UsageError(f"the request is not JSON: {error}", hint='as in {"action": "benchmark"}') from error
    if not isinstance(request, dict):
        raise UsageError("the request is not a JSON object", hint='as in {"action": "benchmark"}')
    return request
