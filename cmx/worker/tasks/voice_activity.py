"""Voice activity: sound in, for each of its frames how likely it is that somebody speaks; frame F1.

The model has a state, which each frame takes from the one before it. A sample is a recording, and what a load
generator times is all of its frames, one after the other: what a batch has together is the same frame of several
recordings. All recordings of a dataset are of one length, so that each is as much work.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Optional, cast

import numpy as np

from cmx.worker.accuracy import Score
from cmx.worker.context import Context
from cmx.worker.datasets.padded_speech import RATE, PaddedSpeech, read_recording
from cmx.worker.operators import pipeline
from cmx.worker.outcome import ActionError
from cmx.worker.tasks.base import Feeds, Infer, Outputs, Shown, Task, close_numbers

_SPEECH = 0.5


class VoiceActivity(Task):
    """An answer is the probability of speech in each frame, float32 little-endian.

    The model's first input is one frame, (batch, values), its first output the probability. Its component says of each
    other input what it is: ``carried-from`` an output of the frame before (zeros at first), or a fixed ``value``.
    """

    metrics = ("frame_f1",)

    def __init__(self, context: Context, inputs: Sequence[str]) -> None:
        super().__init__(context, inputs)
        self._sound = self.inputs[0]
        preprocess = self.model.get("preprocess", ())
        self._prepare, self._size = pipeline(preprocess), _frame_size(preprocess)
        described = {each["name"]: each for each in self.model.get("inputs", ())}
        others = {name: described.get(name, {}) for name in self.inputs[1:]}
        self._fixed = {n: np.array(each["value"], each["dtype"]) for n, each in others.items() if "value" in each}
        self._carried = {name: each for name, each in others.items() if "carried-from" in each}
        unknown = sorted(set(others) - set(self._fixed) - set(self._carried))
        if unknown:
            raise ActionError(
                f"{self.model.reference} does not say what fills its input {unknown[0]!r}",
                "add carried-from: OUTPUT or value: NUMBER to it under inputs: in the model's component.yaml",
            )

    @cached_property
    def _recordings(self) -> PaddedSpeech:
        return cast(PaddedSpeech, self.dataset)

    def sample(self, index: int) -> Feeds:
        return self._feeds(self._recordings.signal(index))

    def _feeds(self, signal: np.ndarray[Any, Any]) -> Feeds:
        """The frames of a signal: (1, frames, values)."""
        return {self._sound: np.asarray(self._prepare(signal), dtype=np.float32)[np.newaxis]}

    def infer(self, predict: Infer, feeds: Feeds) -> Outputs:
        """Frame after frame, the state handed on; the probabilities are (batch, frames)."""
        frames = feeds[self._sound]
        state = {name: _zeros(each, len(frames)) for name, each in self._carried.items()}
        found = []
        for number in range(frames.shape[1]):
            frame = np.ascontiguousarray(frames[:, number])
            outputs = predict({self._sound: frame, **state, **self._fixed})
            state = {name: outputs[each["carried-from"]] for name, each in self._carried.items()}
            found.append(next(iter(outputs.values())).reshape(len(frames)))
        return {"probability": np.stack(found, axis=1)}

    def answers(self, feeds: Feeds, outputs: Outputs) -> Sequence[bytes]:
        return [row.astype("<f4").tobytes() for row in outputs["probability"]]

    def alike(self, first: bytes, second: bytes) -> bool:
        return close_numbers(first, second)

    def score(self, answers: Mapping[int, bytes], metric: str) -> Score:
        """F1, the harmonic mean of precision and recall, over all frames; speech is a probability of at least 0.5."""
        said, true = [], []
        for index, answer in answers.items():
            probabilities = np.frombuffer(answer, dtype="<f4")
            said.append(probabilities >= _SPEECH)
            true.append(self._recordings.speech(index, self._size))
        spoken, speech = np.concatenate(said), np.concatenate(true)
        both = int((spoken & speech).sum())
        accuracy = {
            "frame_f1": 2 * both / max(int(spoken.sum() + speech.sum()), 1),
            "precision": both / max(int(spoken.sum()), 1),
            "recall": both / max(int(speech.sum()), 1),
        }
        return Score(accuracy, len(answers))

    def show(self, path: Path, infer: Infer, *, top: Optional[int], threshold: Optional[float]) -> Shown:
        """When somebody speaks: from and to, in seconds; ``threshold`` is the probability that counts as speech."""
        signal = read_recording(path)
        feeds = self._feeds(signal)
        if len(signal) < self._size:
            raise ActionError(f"{path}: {len(signal)} values are no whole frame", "give a longer recording")
        probabilities = infer(feeds)["probability"][0]
        rows = _stretches(probabilities, self._size / RATE, _SPEECH if threshold is None else threshold)
        spoken = sum(row["to"] - row["from"] for row in rows)
        said = f"{path.name}: {spoken:.2f} s of {len(signal) / RATE:.2f} s are speech"
        return Shown(said, "speech", rows[:top])


def _frame_size(preprocess: Sequence[Mapping[str, Any]]) -> int:
    for step in preprocess:
        if "frames" in step:
            return int(step["frames"]["size"])
    raise ActionError("the model's preprocess has no step 'frames'", "add {frames: {size: 512}} to its component.yaml")


def _zeros(described: Mapping[str, Any], batch: int) -> np.ndarray[Any, Any]:
    shape = [size if isinstance(size, int) else batch for size in described["shape"]]
    return np.zeros(shape, dtype=described["dtype"])


def _stretches(probabilities: np.ndarray[Any, Any], seconds: float, threshold: float) -> list[dict[str, float]]:
    """Runs of frames with speech: when each begins and ends, and the mean probability."""
    spoken = np.concatenate([[False], probabilities >= threshold, [False]])
    edges = np.flatnonzero(spoken[1:] != spoken[:-1])
    return [
        {
            "from": round(float(start * seconds), 3),
            "to": round(float(end * seconds), 3),
            "probability": float(probabilities[start:end].mean()),
        }
        for start, end in zip(edges[::2], edges[1::2])
    ]
