"""Text embedding: a text in, a vector out; how well the vectors' nearness agrees with people's judgement."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Optional, cast

import numpy as np

from cmx.worker.accuracy import Score
from cmx.worker.context import Context
from cmx.worker.datasets import open_dataset
from cmx.worker.datasets.scored_pairs import ScoredPairs
from cmx.worker.outcome import ActionError
from cmx.worker.tasks.base import Feeds, Infer, Outputs, Shown, Task, close_numbers, text_of

if TYPE_CHECKING:
    from tokenizers import Tokenizer

_NEAREST = 5
_AT_ONCE = 32


class TextEmbedding(Task):
    """A sample is a text, an answer its vector, float32 little-endian.

    The model takes token numbers and a mask of what is no padding, in this order, (batch, length), and gives one
    vector a text. ``tokenizer`` is the role with the file that cuts a text into tokens.
    """

    metrics = ("spearman",)
    words = True

    def __init__(self, context: Context, inputs: Sequence[str]) -> None:
        super().__init__(context, inputs)
        if len(self.inputs) != 2:
            raise ActionError(f"the model has {len(self.inputs)} inputs; a text fills two: tokens and their mask")

    @cached_property
    def _pairs(self) -> ScoredPairs:
        return cast(ScoredPairs, self.dataset)

    @cached_property
    def _tokenizer(self) -> Tokenizer:
        from tokenizers import Tokenizer

        tokenizer = Tokenizer.from_file(str(self.context.role("tokenizer").file))
        tokenizer.no_padding()  # each batch is padded to its own longest text
        return tokenizer

    def sample(self, index: int) -> Feeds:
        return self._feeds(self._pairs.texts[index])

    def _feeds(self, text: str) -> Feeds:
        tokens = np.array([self._tokenizer.encode(text).ids], dtype=np.int64)
        return dict(zip(self.inputs, (tokens, np.ones_like(tokens))))

    def collate(self, samples: Sequence[Feeds]) -> Feeds:
        """Texts one below the other, filled up with zeros, which the mask leaves out, to the longest."""
        length = max(sample[self.inputs[0]].shape[1] for sample in samples)
        batch = {name: np.zeros((len(samples), length), dtype=np.int64) for name in self.inputs}
        for row, sample in enumerate(samples):
            for name in self.inputs:
                batch[name][row, : sample[name].shape[1]] = sample[name][0]
        return batch

    def answers(self, feeds: Feeds, outputs: Outputs) -> Sequence[bytes]:
        return [row.astype("<f4").tobytes() for row in _vectors(outputs)]

    def alike(self, first: bytes, second: bytes) -> bool:
        return close_numbers(first, second)

    def score(self, answers: Mapping[int, bytes], metric: str) -> Score:
        """The rank correlation of the vectors' cosines with people's scores, over all pairs (Spearman, 1904)."""
        from scipy.stats import spearmanr

        vectors = {index: np.frombuffer(answer, dtype="<f4") for index, answer in answers.items()}
        cosines = [_cosine(vectors[pair.first], vectors[pair.second]) for pair in self._pairs.pairs]
        found = spearmanr(cosines, [pair.score for pair in self._pairs.pairs])
        return Score({"spearman": float(found.statistic)}, len(answers))

    def show(self, path: Path, infer: Infer, *, top: Optional[int], threshold: Optional[float]) -> Shown:
        """The texts of the role ``labels`` that lie nearest to the one in a file, or to the words given instead."""
        text = text_of(path)
        feeds = self._feeds(text)
        vector = _vectors(infer(feeds))[0]
        said = f"{feeds[self.inputs[0]].shape[1]} tokens, a vector of {len(vector)} numbers"
        if "labels" not in self.context.roles:
            return Shown(said, "neighbours", [])
        texts = cast(ScoredPairs, open_dataset(self.context.role("labels"))).texts
        cosines = [_cosine(vector, other) for other in self._embedded(texts, infer)]
        best = sorted(range(len(texts)), key=lambda index: -cosines[index])[: _NEAREST if top is None else top]
        rows = [{"text": texts[index], "cosine": cosines[index]} for index in best]
        rows = [row for row in rows if threshold is None or cast(float, row["cosine"]) >= threshold]
        nearest = ", ".join(f"{row['text']} {row['cosine']:.3f}" for row in rows[:3])
        return Shown(f"{said}; nearest: {nearest or 'none'}", "neighbours", rows)

    def _embedded(self, texts: Sequence[str], infer: Infer) -> list[np.ndarray[Any, Any]]:
        feeds = [self._feeds(text) for text in texts]
        batches = [feeds[start : start + _AT_ONCE] for start in range(0, len(feeds), _AT_ONCE)]
        return [vector for batch in batches for vector in _vectors(infer(self.collate(batch)))]


def _vectors(outputs: Outputs) -> np.ndarray[Any, Any]:
    return next(iter(outputs.values()))


def _cosine(first: np.ndarray[Any, Any], second: np.ndarray[Any, Any]) -> float:
    return float(first @ second / (np.linalg.norm(first) * np.linalg.norm(second)))
