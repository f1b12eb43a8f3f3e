"""Recordings between silence, frames, labels by loudness, and a state that goes from frame to frame."""

from __future__ import annotations

import wave
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cmx.worker import ActionError, Context, Role
from cmx.worker.datasets import open_dataset
from cmx.worker.datasets.padded_speech import RATE, PaddedSpeech
from cmx.worker.operators import OperatorError, pipeline
from cmx.worker.tasks import Task, open_task

OPTIONS = {"before": 0.5, "length": 2.0, "floor": 20}
INPUTS = [
    {"name": "sound", "dtype": "float32", "shape": ["batch", 1600]},
    {"name": "state", "dtype": "float32", "shape": ["batch", 1], "carried-from": "next"},
    {"name": "rate", "dtype": "int64", "shape": [], "value": RATE},
]
# 0.5 s of silence, 1 s of sound of which the middle 0.2 s are faint, and 0.5 s of silence: frames of 0.1 s.
LABELS = "00000" + "1111001111" + "00000"


def record(path: Path, *, channels: int = 1, rate: int = RATE) -> Path:
    sound = np.full(rate, 10_000)
    sound[int(0.4 * rate) : int(0.6 * rate)] = 500
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(np.repeat(sound, channels).astype("<i2").tobytes())
    return path


def dataset(path: Path, **component: Any) -> Role:
    return Role("dataset/talk==1.0.0", "", path, {"format": "padded-speech", "options": OPTIONS, **component}, path)


def task(path: Path, inputs: list[dict[str, Any]] = INPUTS) -> Task:
    document = {"task": "voice-activity", "inputs": inputs, "preprocess": [{"frames": {"size": 1600}}]}
    model = Role("model/net==1.0.0", "onnx", None, document, path)
    return open_task(Context({"model": model, "dataset": dataset(path)}, {}, path))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "cards").mkdir()
    record(tmp_path / "cards" / "001.wav")
    record(tmp_path / "002.wav")
    return tmp_path


def test_recordings_are_padded_to_one_length_and_their_loud_frames_are_speech(folder: Path) -> None:
    found = open_dataset(dataset(folder, samples=2))
    assert isinstance(found, PaddedSpeech)
    assert [found.name(index) for index in range(len(found))] == ["002.wav", "001.wav"]
    signal = found.signal(0)
    assert (signal.dtype, len(signal)) == (np.float32, 2 * RATE)
    assert signal[RATE // 2 - 1 : RATE // 2 + 1].tolist() == pytest.approx([0, 10_000 / 2**15])
    assert "".join(str(int(label)) for label in found.speech(0, 1600)) == LABELS


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"samples": 3}, "2 .wav files in .*, expected 3"),
        ({"options": {"before": 1}}, "options: expected before, length and floor, found before"),
    ],
)
def test_recordings_that_are_not_as_their_component_says_are_an_error(
    folder: Path, change: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        open_dataset(dataset(folder, **change))


def test_a_recording_that_does_not_fit_is_an_error(folder: Path) -> None:
    found = open_dataset(dataset(folder, options={**OPTIONS, "length": 1.2}))
    assert isinstance(found, PaddedSpeech)
    with pytest.raises(ValueError, match=r"002.wav: 1.00 s do not fit in 1.20 s"):
        found.signal(0)


def test_frames_have_their_context_before_them() -> None:
    cut = pipeline([{"frames": {"size": 3, "context": 2}}])
    assert cut(np.arange(1, 9, dtype=np.float32)).tolist() == [[0, 0, 1, 2, 3], [2, 3, 4, 5, 6]]
    with pytest.raises(OperatorError, match="size is 0"):
        pipeline([{"frames": {"size": 0}}])(np.zeros(3))


def loudness(feeds: Mapping[str, Any]) -> dict[str, Any]:
    """A network with a memory: speech where a frame is loud, and the state counts the frames."""
    assert int(feeds["rate"]) == RATE
    assert feeds["sound"].shape[1:] == (1600,)
    loud = (np.abs(feeds["sound"]).max(axis=1, keepdims=True) > 0.1).astype(np.float32)
    return {"probability": loud, "next": feeds["state"] + 1, "seen": feeds["state"]}


def test_the_state_goes_from_frame_to_frame_and_each_recording_of_a_batch_has_its_own(folder: Path) -> None:
    states = []

    def predict(feeds: Mapping[str, Any]) -> dict[str, Any]:
        states.append(feeds["state"].tolist())
        return loudness(feeds)

    ready = task(folder)
    outputs = ready.infer(predict, ready.collate([ready.sample(0), ready.sample(1)]))
    assert outputs["probability"].shape == (2, 20)
    assert states == [[[float(number)], [float(number)]] for number in range(20)]


def test_answers_are_scored_frame_by_frame(folder: Path) -> None:
    ready = task(folder)
    batch = ready.collate([ready.sample(0), ready.sample(1)])
    right = dict(enumerate(ready.answers(batch, ready.infer(loudness, batch))))
    assert ready.score(right, "frame_f1").accuracy == {"frame_f1": 1, "precision": 1, "recall": 1}
    everything = {index: np.ones(20, "<f4").tobytes() for index in right}
    # 8 of 20 frames are speech: all are found, and 12 more.
    assert ready.score(everything, "frame_f1").accuracy == pytest.approx(
        {"frame_f1": 2 * 8 / (20 + 8), "precision": 8 / 20, "recall": 1}
    )
    nothing = {index: np.zeros(20, "<f4").tobytes() for index in right}
    assert ready.score(nothing, "frame_f1").accuracy == {"frame_f1": 0, "precision": 0, "recall": 0}


def test_stretches_of_speech_are_shown_in_seconds(folder: Path) -> None:
    ready = task(folder)
    shown = ready.show(folder / "002.wav", partial(ready.infer, loudness), top=None, threshold=None)
    assert shown.summary == "002.wav: 0.80 s of 1.00 s are speech"
    assert [(row["from"], row["to"]) for row in shown.answers] == [(0.0, 0.4), (0.6, 1.0)]


@pytest.mark.parametrize(("change", "said"), [({"rate": 8000}, "8000 Hz"), ({"channels": 2}, "2 channel")])
def test_a_recording_of_another_form_is_named(folder: Path, change: dict[str, int], said: str) -> None:
    path = record(folder / "other.wav", **change)
    with pytest.raises(ActionError, match=rf"other.wav: .*{said}"):
        task(folder).show(path, loudness, top=None, threshold=None)


@pytest.mark.parametrize("content", [b"", b"hello", b"RIFF\x00\x00\x00\x00WAVE"])
def test_a_file_that_is_no_recording_is_named(folder: Path, content: bytes) -> None:
    (folder / "other.wav").write_bytes(content)
    with pytest.raises(ActionError, match=r"other.wav: not a recording that can be read"):
        task(folder).show(folder / "other.wav", loudness, top=None, threshold=None)


def test_an_input_that_nothing_fills_is_an_error(folder: Path) -> None:
    inputs = [INPUTS[0], {"name": "state", "dtype": "float32", "shape": ["batch", 1]}]
    with pytest.raises(ActionError, match="does not say what fills its input 'state'"):
        task(folder, inputs)
