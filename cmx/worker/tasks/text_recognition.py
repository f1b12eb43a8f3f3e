"""Text recognition: a picture of one line in, its letters out; how many letters are right."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Optional, Protocol, cast

import numpy as np

from cmx.worker.accuracy import Score
from cmx.worker.datasets import Dataset, open_picture
from cmx.worker.outcome import ActionError
from cmx.worker.tasks.base import Feeds, Infer, Outputs, PictureTask, Shown

if TYPE_CHECKING:
    from PIL.Image import Image

_DICTIONARY = "character"


class _Lines(Dataset, Protocol):
    """What the formats of lines offer."""

    def image(self, index: int) -> Image: ...
    def text(self, index: int) -> str: ...


class TextRecognition(PictureTask):
    """An answer is the text, a line of UTF-8.

    The model gives for each step along the line how likely each character is, (batch, steps, 1 + characters), to be
    decoded as CTC is (Graves et al., 2006): number 0 is "nothing new". The characters are in the metadata of the ONNX
    file, one a line, under "character"; the space comes after them.
    """

    metrics = ("character_accuracy", "exact_match")

    @cached_property
    def _lines(self) -> _Lines:
        return cast(_Lines, self.dataset)

    @cached_property
    def _characters(self) -> Sequence[str]:
        import onnx

        if self.model.file.suffix != ".onnx":
            raise ActionError(
                f"{self.model.file.name} is no ONNX file, where the characters are", "--use model=NAME[onnx]"
            )
        model = onnx.load(str(self.model.file), load_external_data=False)
        found = {entry.key: entry.value for entry in model.metadata_props}
        if _DICTIONARY not in found:
            raise ActionError(f"{self.model.reference}: its file says no {_DICTIONARY!r} in its metadata")
        return [*found[_DICTIONARY].splitlines(), " "]

    def sample(self, index: int) -> Feeds:
        return self.feeds(self._lines.image(index))

    def collate(self, samples: Sequence[Feeds]) -> Feeds:
        """Lines one below the other, with zeros on the right of all but the longest."""
        lines = [sample[self.inputs[0]][0] for sample in samples]
        batch = np.zeros((len(lines), *lines[0].shape[:2], max(line.shape[2] for line in lines)), dtype=np.float32)
        for row, line in enumerate(lines):
            batch[row, :, :, : line.shape[2]] = line
        return {self.inputs[0]: batch}

    def answers(self, feeds: Feeds, outputs: Outputs) -> Sequence[bytes]:
        return [f"{self._decoded(steps)[0]}\n".encode() for steps in next(iter(outputs.values()))]

    def _decoded(self, steps: np.ndarray[Any, Any]) -> tuple[str, float]:
        """The text, without space around it, and the mean probability of its characters."""
        best = steps.argmax(axis=1)
        new = (best != 0) & np.concatenate([[True], best[1:] != best[:-1]])
        likely = float(steps.max(axis=1)[new].mean()) if new.any() else 0.0
        return "".join(self._characters[number - 1] for number in best[new]).strip(), likely

    def score(self, answers: Mapping[int, bytes], metric: str) -> Score:
        """1 less the edits needed (Levenshtein) by characters, over all lines; and how many lines are right."""
        from rapidfuzz.distance import Levenshtein

        read = {index: answer.decode().rstrip("\n") for index, answer in answers.items()}
        texts = {index: self._lines.text(index) for index in read}
        edits = sum(Levenshtein.distance(read[index], texts[index]) for index in read)
        right = sum(read[index] == texts[index] for index in read)
        accuracy = {
            "character_accuracy": 1 - edits / sum(map(len, texts.values())),
            "exact_match": right / len(read),
        }
        return Score(accuracy, len(read), {"exact_match": right})

    def show(self, path: Path, infer: Infer, *, top: Optional[int], threshold: Optional[float]) -> Shown:
        """What is written on a picture of one line."""
        text, likely = self._decoded(next(iter(infer(self.feeds(open_picture(path))).values()))[0])
        rows = [{"text": text, "probability": likely}] if likely >= (threshold or 0) else []
        return Shown(f"{path.name}: {text or 'nothing that can be read'}", "lines", rows)
