"""Format ``padded-speech``: recordings of speech with silence around them, each frame of which is speech or is not.

The options of the dataset's component: ``before``, the seconds of silence in front of a recording; ``length``, the
seconds of all of it, the same for each, so that each is as much work; and ``floor``, for the labels. No human wrote
these: a frame is speech if its middle lies in the recording and it is less than ``floor`` dB quieter (root mean square)
than the loudest frame of that recording. Short pauses between words are so not speech, and neither is a breath before
the first. Figures with such labels are for ranking and for noticing change, not for comparing with published ones.
"""

from __future__ import annotations

import wave
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from cmx.worker.context import Role
from cmx.worker.outcome import ActionError

RATE = 16_000
"""Samples a second; recordings of another rate are refused."""


class _Padding(NamedTuple):
    """``before`` and ``length`` count values of the signal; ``floor`` is in dB."""

    before: int
    length: int
    floor: float


class PaddedSpeech:
    """The recordings of a folder, and of the folders in it; sorted by path."""

    def __init__(self, files: Sequence[Path], padding: _Padding) -> None:
        self._files = tuple(files)
        self._padding = padding

    def __len__(self) -> int:
        return len(self._files)

    def name(self, index: int) -> str:
        """Its file's name."""
        return self._files[index].name

    def signal(self, index: int) -> np.ndarray[Any, Any]:
        """Silence (zeros), the recording, silence. Raises ValueError for a recording that is longer than the whole."""
        recording = read_recording(self._files[index])
        before, length, _ = self._padding
        if before + len(recording) > length:
            raise ValueError(f"{self._files[index]}: {len(recording) / RATE:.2f} s do not fit in {length / RATE:.2f} s")
        return np.pad(recording, (before, length - before - len(recording)))

    def speech(self, index: int, frame: int) -> np.ndarray[Any, Any]:
        """For each frame of so many values, whether it is speech; what is left over at the end has no label."""
        signal, before = self.signal(index), self._padding.before
        count = len(signal) // frame
        loudness = np.sqrt(np.mean(signal[: count * frame].reshape(count, frame) ** 2, axis=1))
        middles = np.arange(count) * frame + frame // 2
        inside = (middles >= before) & (middles < before + len(read_recording(self._files[index])))
        return np.asarray(inside & (loudness > loudness.max() * 10 ** (-self._padding.floor / 20)))


def open(role: Role) -> PaddedSpeech:
    """The recordings of a role's folder; raises ValueError when they are not what its component says."""
    options = role.component.get("options") or {}
    if sorted(options) != ["before", "floor", "length"]:
        raise ValueError(f"{role.reference}: options: expected before, length and floor, found {', '.join(options)}")
    padding = _Padding(round(options["before"] * RATE), round(options["length"] * RATE), float(options["floor"]))
    files = sorted(role.path.rglob("*.wav")) if role.path and role.path.is_dir() else []
    expected = role.component.get("samples")
    if not files or (expected is not None and len(files) != expected):
        raise ValueError(f"{role.reference}: {len(files)} .wav files in {role.path}, expected {expected or 'some'}")
    return PaddedSpeech(files, padding)


def read_recording(path: Path) -> np.ndarray[Any, Any]:
    """One channel of 16 bits at 16 kHz as float32, from -1 to 1; raises ActionError naming the file for another."""
    try:
        with wave.open(str(path), "rb") as file:
            form = (file.getnchannels(), file.getsampwidth(), file.getframerate())
            values = np.frombuffer(file.readframes(file.getnframes()), dtype="<i2") if form == (1, 2, RATE) else None
    except FileNotFoundError:
        raise ActionError(f"{path}: no such file", "give the path of a .wav recording") from None
    except (OSError, EOFError, ValueError, wave.Error) as error:
        raise ActionError(f"{path}: not a recording that can be read ({error})", "give a .wav of 16-bit PCM") from error
    if values is None:
        said = f"{form[0]} channel(s) of {form[1] * 8} bits at {form[2]} Hz"
        raise ActionError(f"{path}: {said}; read is one channel of 16 bits at {RATE} Hz", "convert it first")
    return np.asarray(values / np.float32(2**15), dtype=np.float32)
