"""What is asked of an executable, and asking many of them at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from cmx.detect.cache import Answer, AnswerCache
from cmx.detect.executables import Candidate
from cmx.detect.probe import ProbeFailed, Prober

_AT_ONCE = 8


class Question(NamedTuple):
    """Commands to run, and how to read what they print into an answer that has all of ``fields``.

    ``name`` stands for everything that makes the answer what it is, apart from the executable.
    """

    name: str
    candidate: Candidate
    commands: tuple[tuple[str, ...], ...]
    read: Callable[[list[str]], dict[str, Any]]
    fields: frozenset[str]


def ask(questions: Sequence[Question], cache: AnswerCache, prober: Callable[[], Prober]) -> list[Answer]:
    """The answers in the order of the questions: from the cache, or from the executables, several at once.

    An executable that does not answer has the answer {"reason": why}.
    """
    answers = [_remembered(question, cache) for question in questions]
    missing = [question for question, answer in zip(questions, answers, strict=True) if answer is None]
    if not missing:
        return [answer for answer in answers if answer is not None]
    fresh = iter(_ask_all(missing, prober()))
    complete = [next(fresh) if answer is None else answer for answer in answers]
    for question, answer in zip(questions, complete, strict=True):
        if question in missing and question.candidate.steady:
            cache.put(question.name, question.candidate.identity, answer)
    cache.save()
    return complete


def ask_one(question: Question, prober: Prober, folder: Path) -> Answer:
    """Run a question's commands in a folder."""
    try:
        return question.read([prober.run(command, folder) for command in question.commands])
    except ProbeFailed as error:
        return {"reason": str(error)}


def _remembered(question: Question, cache: AnswerCache) -> Answer | None:
    if not question.candidate.steady:
        return None
    answer = cache.get(question.name, question.candidate.identity)
    return answer if answer and ("reason" in answer or answer.keys() >= question.fields) else None


def _ask_all(questions: Sequence[Question], prober: Prober) -> list[Answer]:
    import tempfile
    from concurrent.futures import ThreadPoolExecutor

    executor = ThreadPoolExecutor(min(_AT_ONCE, len(questions)))
    with tempfile.TemporaryDirectory(prefix="cmx-detect-", ignore_cleanup_errors=True) as folder:
        try:
            return list(executor.map(lambda question: ask_one(question, prober, Path(folder)), questions))
        except BaseException:
            # Ctrl-C: the commands are in groups of their own and have not heard it.
            executor.shutdown(wait=False, cancel_futures=True)
            prober.stop()
            raise
        finally:
            executor.shutdown()
