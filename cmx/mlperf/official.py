"""MLCommons' own checker, where there is one."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from cmx.errors import UsageError
from cmx.mlperf import rules
from cmx.mlperf.violation import Violation

VARIABLE = "CMX_MLPERF_SUBMISSION_CHECKER"
_PACKAGE = "submission_checker"
_COUNT = re.compile(r"\bResults=(\d+), NoResults=(\d+)")
_SECONDS = 600
_WAYS: tuple[tuple[str, ...], ...] = ((), ("--submission-exceptions",))
_SHOWN = 4
_ERROR = " ERROR] "


def folder(environ: Mapping[str, str] | None = None) -> Path | None:
    """The folder that holds ``submission_checker``, from the environment; None where it names none.

    Raises UsageError when what it names is not there.
    """
    named = (os.environ if environ is None else environ).get(VARIABLE)
    if not named:
        return None
    path = Path(named).expanduser().absolute()
    if not (path / _PACKAGE / "main.py").is_file():
        hint = "it names the folder tools/submission of a clone of mlcommons/inference"
        raise UsageError(f"{VARIABLE}={named}: there is no {_PACKAGE}/main.py in it", hint=hint)
    return path


def check(checker: Path, tree: Path, expected: int, *, any_size: bool = False) -> Iterator[Violation]:
    """What the official checker says against a tree of ``expected`` results, run twice: as it is, and as at submission.

    It exits with 0 on an empty tree, so its count is held against ours.
    """
    options = ("--skip-dataset-size-check",) if any_size else ()
    for way in _WAYS:
        said = " ".join(["the official checker", *way])
        code, lines = _run(checker, tree, (*way, *options))
        if code != 0:
            what = f"{said} exits with {code}: {'; '.join(_complaints(lines, tree)) or 'it does not say why'}"
            yield Violation(tree, "official", what, "put right what it names; all that it says: run it by hand")
        counts = [match for line in lines if (match := _COUNT.search(line))]
        results = int(counts[-1][1]) if counts else 0
        if results != expected:
            what = f"{said} counts {results} results, there are {expected}"
            yield Violation(tree, "official", what, "run the checker by hand: it says which it leaves out")


def _complaints(lines: Sequence[str], tree: Path) -> list[str]:
    """The first of its errors, without time and place in its own code; else its last words, as of a crash."""
    errors = [line.partition(_ERROR)[2].replace(f"{tree.absolute()}/", "") for line in lines if _ERROR in line]
    return (errors or [line.strip() for line in lines[-2:]])[:_SHOWN]


def _run(checker: Path, tree: Path, options: Sequence[str]) -> tuple[int, list[str]]:
    with tempfile.TemporaryDirectory(prefix="cmx-mlperf-") as scratch:
        command = [sys.executable, "-m", f"{_PACKAGE}.main", "--input", str(tree.absolute())]
        command += ["--version", rules.VERSION, "--csv", str(Path(scratch) / "summary.csv"), *options]
        environ = {**os.environ, "PYTHONPATH": str(checker), "PYTHONDONTWRITEBYTECODE": "1"}
        try:
            done = subprocess.run(
                command, cwd=scratch, env=environ, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT, timeout=_SECONDS, check=False,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            return 1, [f"it did not end in {_SECONDS} s"]
    return done.returncode, done.stdout.decode(errors="replace").splitlines()
