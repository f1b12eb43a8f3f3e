"""``cmx VERB [WHAT] [options]``."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Any, NoReturn, TextIO

from cmx.cli.answer import Answer
from cmx.cli.parser import Parser
from cmx.errors import CmxError, Interrupted, UsageError, error_document, nearest

VERBS = {
    "run": "run an action of a workflow: cmx run benchmark image-classification",
    "list": "list components: cmx list model",
    "show": "show one component: cmx show model/efficientnet-lite0",
    "find": "find components by words",
    "detect": "show which software is on this machine",
    "resolve": "choose everything a workflow needs, and say why",
    "new": "make a new component from a template",
    "check": "check components against their schemas and rules",
    "repo": "list, add or remove component repositories",
    "store": "list, verify or clean up what cmx keeps on disk",
    "result": "list, show or export results",
    "access": "JSON in, JSON out",
    "doctor": "look for what is wrong with this installation",
}

_OVERVIEW = """\
usage: cmx VERB [WHAT] [options]

Run an ML benchmark written elsewhere on this machine, and trust the number.

{verbs}

options of every verb:
  --json         print exactly one JSON object on standard output
  --debug        show the traceback of an error
  -h, --help     show what a verb does and takes

Everything cmx writes lies in one folder: set CMX_HOME to move it.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit code. The answer goes to stdout, the story and errors to stderr."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        sys.stdout.write(_OVERVIEW.format(verbs="\n".join(f"  {name:<12} {text}" for name, text in VERBS.items())))
        return 0 if arguments else 2
    if arguments[0] in ("-V", "--version"):
        from cmx import __version__

        sys.stdout.write(f"cmx {__version__}\n")
        return 0
    as_json, debug = "--json" in arguments or arguments[0] == "access", "--debug" in arguments
    try:
        answer = _answer(arguments[0], [each for each in arguments[1:] if each not in ("--json", "--debug")], as_json)
    except CmxError as error:
        return _fail(error, as_json=as_json, debug=debug)
    except KeyboardInterrupt:
        return _fail(Interrupted("interrupted"), as_json=as_json, debug=debug)
    except BrokenPipeError:
        return _closed()
    return _print(answer, as_json)


def _answer(verb: str, rest: list[str], as_json: bool) -> Answer:
    if verb not in VERBS:
        raise UsageError(f"there is no verb {verb!r}", hint=nearest(verb, VERBS) + " ('cmx --help' lists all)")
    module: Any = import_module(f"cmx.cli.{verb}_verb")
    parser = Parser(prog=f"cmx {verb}", description=module.__doc__, verb=verb)
    module.configure(parser, rest)
    answer: Answer = module.run(parser.read(rest), as_json)
    return answer


def _print(answer: Answer, as_json: bool) -> int:
    try:
        if as_json:
            head = {"schema": 1, "ok": answer.exit_code == 0}
            sys.stdout.write(json.dumps({**head, **answer.document}, ensure_ascii=False) + "\n")
        elif answer.text:
            sys.stdout.write(answer.text.rstrip("\n") + "\n")
        sys.stdout.flush()
    except BrokenPipeError:
        return _closed()
    return answer.exit_code


def _fail(error: CmxError, *, as_json: bool, debug: bool) -> int:
    if debug:
        import traceback

        traceback.print_exception(error)
    if as_json:
        document = {"schema": 1, "ok": False, "error": error_document(error)}
        sys.stdout.write(json.dumps(document, ensure_ascii=False) + "\n")
    else:
        _explain(error, sys.stderr)
    return error.exit_code


def _explain(error: CmxError, stream: TextIO) -> None:
    for line in getattr(error, "output", ()):
        stream.write(f"  | {line}\n")
    stream.write(f"error: {error.message}\n")
    if error.hint:
        stream.write(f"hint: {error.hint}\n")


def _closed() -> int:
    """Whoever read our output has gone: point stdout elsewhere, so that closing it at exit does not fail."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 1


def entry() -> NoReturn:
    """The console script."""
    for descriptor in (0, 1, 2):
        try:
            os.fstat(descriptor)
        except OSError:
            # A closed descriptor would be given to the next file that is opened, and then to a child as its stdin.
            os.open(os.devnull, os.O_RDWR)
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
    sys.exit(main())
