"""Every error cmx raises on purpose.

    CmxError                      exit 1   something ran and failed
    ├── UsageError                exit 2   the request itself is wrong
    ├── ComponentError            exit 3   a component is missing or invalid
    │   ├── ComponentNotFound
    │   └── ComponentInvalid
    ├── ResolutionError           exit 4   requirements cannot be met here
    │   ├── Unsatisfiable                  proved: no choice meets them
    │   └── Unavailable                    known, but cannot be had now (no network, no installer)
    ├── StoreError                exit 1   a file or an environment cannot be kept or trusted
    │   └── HashMismatch
    ├── RunError                  exit 1   the worker did not deliver an outcome
    │   ├── WorkerCrashed
    │   ├── WorkerTimeout
    │   └── WorkerOutOfMemory
    └── Interrupted               exit 130

The message says what is wrong and where (file, line, field); ``hint`` is the remedy, with the command to type
where there is one. Only ``cmx.cli`` and servers turn an error into an exit code or a status.
"""

from __future__ import annotations

from collections.abc import Iterable

TYPE_CHECKING = False  # typing's own costs a tenth of 'cmx --help'
if TYPE_CHECKING:
    from typing import Any


class CmxError(Exception):
    """Base of all errors; ``hint`` is one sentence that says what to do about it."""

    exit_code = 1

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class UsageError(CmxError):
    """The request names something that does not exist or has a value it cannot have."""

    exit_code = 2


class ComponentError(CmxError):
    """A component is missing or invalid."""

    exit_code = 3


class ComponentNotFound(ComponentError):
    """No repository of the catalog holds what a reference asks for."""


class ComponentInvalid(ComponentError):
    """A component's file breaks its schema or a rule; the message begins with file and line."""


class ResolutionError(CmxError):
    """The requirements cannot be met on this host, now."""

    exit_code = 4


class Unsatisfiable(ResolutionError):
    """Proved: no combination of candidates meets the requirements.

    ``facts`` is a minimal set of sentences, each needed for the contradiction; ``repairs`` are requests
    that were tried and do have a solution.
    """

    def __init__(self, facts: Iterable[str], repairs: Iterable[str] = ()) -> None:
        self.facts = tuple(facts)
        self.repairs = tuple(repairs)
        hint = "one of these would do: " + "; ".join(self.repairs) if self.repairs else "no single change helps"
        super().__init__("requirements cannot be met: " + " · ".join(self.facts), hint=hint)


class Unavailable(ResolutionError):
    """What is needed exists, but cannot be had now; ``missing`` lists it."""

    def __init__(self, message: str, *, missing: Iterable[str] = (), hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.missing = tuple(missing)


class StoreError(CmxError):
    """A file or an environment cannot be written, or cannot be trusted."""


class HashMismatch(StoreError):
    """A file's bytes are not what its recipe says; nothing of it was kept."""

    def __init__(self, name: str, *, expected: str, found: str) -> None:
        super().__init__(
            f"{name}: sha256 is {found}, expected {expected}",
            hint="the file was changed at its source or on its way; nothing was kept. "
            "Check the recipe's sha256 against the publisher's",
        )
        self.name = name
        self.expected = expected
        self.found = found


class RunError(CmxError):
    """The worker ended without a usable outcome.

    ``output`` holds the last lines it printed; ``result`` is the id of the record of the run, where there is one.
    """

    def __init__(self, message: str, *, hint: str = "", output: Iterable[str] = (), result: str = "") -> None:
        super().__init__(message, hint=hint)
        self.output = tuple(output)
        self.result = result


class WorkerCrashed(RunError):
    """The worker's process ended by a signal or a non-zero exit status."""


class WorkerTimeout(RunError):
    """The worker did not finish within its time limit and was ended."""


class WorkerOutOfMemory(RunError):
    """The worker ran out of memory: its own limit, or the machine's."""


class Interrupted(CmxError):
    """The user asked to stop; every child process has ended."""

    exit_code = 130


_LISTS = ("facts", "repairs", "missing", "output")


def error_document(error: CmxError) -> dict[str, Any]:
    """An error as JSON: its type, message and hint, and what else it knows."""
    extra: dict[str, Any] = {key: list(getattr(error, key)) for key in _LISTS if hasattr(error, key)}
    if isinstance(error, RunError) and error.result:
        extra["result"] = error.result
    return {"type": type(error).__name__, "message": error.message, "hint": error.hint, **extra}


def nearest(word: str, known: Iterable[str]) -> str:
    """A sentence for a misspelt word: "did you mean 'x'?" (or several that are as near), or what there is."""
    import difflib

    names = sorted(known)
    close = difflib.get_close_matches(word, names, n=5, cutoff=0.6)
    if close:
        best = difflib.SequenceMatcher(None, close[0], word).ratio()
        alike = sorted(name for name in close if difflib.SequenceMatcher(None, name, word).ratio() == best)
        return f"did you mean {' or '.join(map(repr, alike))}?"
    return "known here: " + ", ".join(names) if names else "there is none"
