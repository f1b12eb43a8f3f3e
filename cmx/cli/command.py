"""One command: parse it, call its verb, print what the verb answers or what went wrong."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from importlib import import_module
from typing import Any, TextIO

from cmx.cli.answer import Answer
from cmx.cli.parser import HelpAsked, Parser
from cmx.errors import CmxError, Interrupted, UsageError, error_document, nearest


def perform(arguments: list[str], verbs: Mapping[str, str], *, as_json: bool, debug: bool) -> int:
    """Carry out ``arguments``, of which the first should be one of ``verbs``; returns the exit code."""
    help_as_json, as_json = as_json, as_json or arguments[0] == "access"
    try:
        answer = _answer(arguments, as_json, verbs)
    except HelpAsked as asked:
        return _print(Answer({"help": asked.text}, asked.text), help_as_json)
    except CmxError as error:
        return _fail(error, as_json=as_json, debug=debug)
    except KeyboardInterrupt:
        return _fail(Interrupted("interrupted"), as_json=as_json, debug=debug)
    except BrokenPipeError:
        return closed()
    except Exception as error:
        return _fail(_fault(error), as_json=as_json, debug=debug)
    return _print(answer, as_json)


def _answer(arguments: list[str], as_json: bool, verbs: Mapping[str, str]) -> Answer:
    verb, rest = arguments[0], arguments[1:]
    if verb not in verbs:
        raise UsageError(f"there is no verb {verb!r}", hint=_nearest_verb(verb, verbs) + " ('cmx --help' lists all)")
    module: Any = import_module(f"cmx.cli.{verb}_verb")
    parser = Parser(prog=f"cmx {verb}", description=module.__doc__, verb=verb)
    module.configure(parser, rest)
    answer: Answer = module.run(parser.read(rest), as_json)
    return answer


def _nearest_verb(verb: str, verbs: Mapping[str, str]) -> str:
    """The verb that was meant; of what resembles none, whether it is an action, which is what ``cmx run`` does."""
    hint = nearest(verb, verbs)
    if hint.startswith("did you mean"):
        return hint  # and the catalog needs not be read
    from cmx.repository import Catalog

    try:
        return f"did you mean 'cmx run {verb}'?" if verb in Catalog.default().names("action") else hint
    except CmxError:
        return hint


def _print(answer: Answer, as_json: bool) -> int:
    try:
        if as_json:
            head: dict[str, Any] = {"schema": 1, "ok": answer.error is None}
            if answer.error:
                head["error"] = error_document(answer.error)
            sys.stdout.write(json.dumps({**head, **answer.document}, ensure_ascii=False) + "\n")
        elif answer.text:
            sys.stdout.write(answer.text.rstrip("\n") + "\n")
        sys.stdout.flush()
    except BrokenPipeError:
        return closed()
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


def _fault(error: Exception) -> CmxError:
    """What nobody foresaw, as an error of ours."""
    failure = CmxError(f"{type(error).__name__}: {error}", hint="a fault of cmx: report it with what --debug prints")
    failure.__cause__ = error
    return failure


def _explain(error: CmxError, stream: TextIO) -> None:
    for line in getattr(error, "output", ()):
        stream.write(f"  | {line}\n")
    stream.write(f"error: {error.message}\n")
    if error.hint:
        stream.write(f"hint: {error.hint}\n")


def closed() -> int:
    """Whoever read our output has gone: point stdout elsewhere, so that closing it at exit does not fail."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 1
