"""Format ``questions``: lines of a question and its answer, with a tab in between.

An answer that may be said in several ways has them all, with ``|`` between them. The option ``most-tokens`` of the
dataset's component is how long an answer may become: the same for every model, or they could not be compared.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from cmx.worker.context import Role


class Question(NamedTuple):
    """What is asked, and the answers that are right."""

    text: str
    answers: tuple[str, ...]


class Questions:
    """A sample is a question; they are in the order of the file."""

    def __init__(self, questions: Sequence[Question], most_tokens: int) -> None:
        self.questions = tuple(questions)
        self.most_tokens = most_tokens

    def __len__(self) -> int:
        return len(self.questions)

    def name(self, index: int) -> str:
        """The question."""
        return self.questions[index].text


def open(role: Role) -> Questions:
    """The questions of a role's file, in which a line that begins with # is a comment.

    Raises ValueError naming the line for one that is no question, for options that are not as above, or when the
    questions are not as many as the component says.
    """
    options = role.component.get("options") or {}
    most = options.get("most-tokens")
    if sorted(options) != ["most-tokens"] or not isinstance(most, int) or most < 1:
        raise ValueError(f"{role.reference}: options: expected most-tokens, a number from 1 on, found {dict(options)}")
    lines = enumerate(role.file.read_text(encoding="utf-8").splitlines(), start=1)
    found = [_question(line, f"{role.file}: line {n}") for n, line in lines if line.strip() and line[0] != "#"]
    expected = role.component.get("samples")
    if not found or (expected is not None and len(found) != expected):
        raise ValueError(f"{role.reference}: {len(found)} questions in {role.file}, expected {expected or 'some'}")
    return Questions(found, most)


def _question(line: str, where: str) -> Question:
    text, _, answer = line.partition("\t")
    answers = tuple(each.strip() for each in answer.split("|") if each.strip())
    if not text.strip() or not answers or "\t" in answer:
        raise ValueError(f"{where}: expected a question and its answer, with a tab between them")
    return Question(text.strip(), answers)
