"""``cmx VERB [WHAT] [options]``."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

TYPE_CHECKING = False  # typing's own costs a tenth of 'cmx --help'
if TYPE_CHECKING:
    from typing import NoReturn

VERBS = {
    "run": "run an action of a workflow: cmx run benchmark image-classification",
    "list": "list components: cmx list model",
    "show": "show one component: cmx show model/efficientnet-lite0",
    "find": "find components by words",
    "detect": "show which software is on this machine",
    "install": "install software, a model or a dataset into the store",
    "resolve": "choose everything a workflow needs, and say why",
    "why": "say what needs a component or a package",
    "new": "make a new component from a template",
    "check": "check components against their schemas and rules",
    "copy": "copy a component under another name",
    "move": "rename a component",
    "remove": "delete a component of yours",
    "repo": "list, add, update or remove component repositories",
    "registry": "share solutions and components: a folder, or the web site that it becomes",
    "key": "make keys to sign with, and say whom you trust",
    "store": "list, verify or clean up what cmx keeps on disk",
    "solution": "pack a result into an archive that others reproduce, and verify archives",
    "result": "list, show, compare, plot, export or import results",
    "mlperf": "write results as a tree of MLPerf Inference, and check one",
    "access": "JSON in, JSON out",
    "doctor": "look for what is wrong with this installation",
}

_OBJECTS = 20_000
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
    given = list(sys.argv[1:] if argv is None else argv)
    arguments = [each for each in given if each not in ("--json", "--debug")]
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        text = _OVERVIEW.format(verbs="\n".join(f"  {name:<12} {text}" for name, text in VERBS.items()))
        _say(_as_json(text, "help", "" if arguments else "no verb is given") if "--json" in given else text)
        return 0 if arguments else 2
    if arguments[0] in ("-V", "--version"):
        from cmx import __version__

        _say(_as_json(__version__, "version") if "--json" in given else f"cmx {__version__}\n")
        return 0
    # Imported now: help and version need none of it.
    from cmx.cli.command import perform

    return perform(arguments, VERBS, as_json="--json" in given, debug="--debug" in given)


def _as_json(text: str, name: str, problem: str = "") -> str:
    import json

    error = {"error": {"type": "UsageError", "message": problem, "hint": "cmx --help"}} if problem else {}
    return json.dumps({"schema": 1, "ok": not problem, **error, name: text}, ensure_ascii=False) + "\n"


def _say(text: str) -> None:
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:
        from cmx.cli.command import closed

        closed()


def entry() -> NoReturn:
    """The console script."""
    import gc
    import signal

    for descriptor, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        try:
            os.fstat(descriptor)
        except OSError:
            # A closed descriptor would be given to the next file that is opened, and then to a child as its stdin;
            # and Python has no stream for one, which whoever writes would have to know.
            setattr(sys, name, os.fdopen(os.open(os.devnull, os.O_RDWR), mode))
    # Not by raising SIGINT, which is ignored where a shell started us in the background.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    hangup = getattr(signal, "SIGHUP", None)
    if hangup and signal.getsignal(hangup) == signal.SIG_DFL:  # nohup has it ignored
        signal.signal(hangup, signal.default_int_handler)
    # Tens of thousands of objects are made that stay to the end. Python would look through them after every 700, and
    # once more when it ends: a tenth of what a short command costs.
    gc.set_threshold(_OBJECTS)
    try:
        sys.exit(main())
    finally:
        gc.freeze()
