"""Text generation: a question in, the text that follows it out, token by token; how many right answers are in it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Optional, cast

import numpy as np

from cmx.worker.accuracy import Score
from cmx.worker.context import Context
from cmx.worker.datasets.questions import Questions
from cmx.worker.operators import pipeline
from cmx.worker.outcome import ActionError
from cmx.worker.tasks.base import Feeds, GeneratingTask, Infer, Outputs, Shown, text_of

if TYPE_CHECKING:
    from cmx.worker.predictors import Predictor

_INPUTS = ("prompt", "most_tokens")
_MOST_SHOWN = 128


class TextGeneration(GeneratingTask):
    """An answer is the text, UTF-8.

    The model takes a ``prompt``, bytes of UTF-8, and ``most_tokens``, the most to generate; it gives the ``text`` that
    follows and how many ``tokens`` it has. What a question is asked in is the model's ``preprocess``.
    """

    metrics = ("answers_found",)
    words = True

    def __init__(self, context: Context, inputs: Sequence[str]) -> None:
        super().__init__(context, inputs)
        if self.inputs != _INPUTS:
            raise ActionError(
                f"the model's inputs are {', '.join(self.inputs)}; text generation has {' and '.join(_INPUTS)}",
                "--use a framework that generates text, such as xllamacpp",
            )
        self._prompt = pipeline(self.model.get("preprocess", ()))

    @cached_property
    def _questions(self) -> Questions:
        return cast(Questions, self.dataset)

    def sample(self, index: int) -> Feeds:
        return self._feeds(self._questions.questions[index].text, self._questions.most_tokens)

    def _feeds(self, text: str, most: int) -> Feeds:
        prompt = np.frombuffer(self._prompt(text).encode(), dtype=np.uint8)
        return {"prompt": prompt[np.newaxis], "most_tokens": np.array([most], dtype=np.int64)}

    def stream(self, predictor: Predictor, feeds: Feeds, first: Callable[[], None]) -> Outputs:
        """Of a predictor without ``stream`` the first token is there when all are."""
        stream = getattr(predictor, "stream", None)
        if stream is not None:
            return cast(Outputs, stream(feeds, first))
        outputs = predictor.predict(feeds)
        first()
        return outputs

    def tokens(self, outputs: Outputs) -> Sequence[int]:
        return [int(count) for count in outputs["tokens"]]

    def answers(self, feeds: Feeds, outputs: Outputs) -> Sequence[bytes]:
        return [outputs["text"].tobytes()]

    def score(self, answers: Mapping[int, bytes], metric: str) -> Score:
        """The questions whose answer is in what was said, as words of its own; capitals do not matter."""
        questions = self._questions.questions
        found = sum(_says(answer.decode(), questions[index].answers) for index, answer in answers.items())
        return Score.counted({"answers_found": found}, len(answers))

    def show(self, path: Path, infer: Infer, *, top: Optional[int], threshold: Optional[float]) -> Shown:
        """What the model says to the question in a file, or to the words given instead; at most 128 tokens."""
        outputs = infer(self._feeds(text_of(path), _MOST_SHOWN))
        text, tokens = outputs["text"].tobytes().decode().strip(), int(outputs["tokens"][0])
        return Shown(f"{tokens} tokens", "texts", [{"text": text, "tokens": tokens}])


def _says(text: str, answers: Sequence[str]) -> bool:
    return any(re.search(rf"(?<!\w){re.escape(answer)}(?!\w)", text, re.IGNORECASE) for answer in answers)
