"""Keras on TensorFlow; what it writes when it is imported goes into the working folder, not into the user's home."""

from __future__ import annotations

import os
from pathlib import Path

os.environ.update(KERAS_HOME=str(Path.cwd() / "keras"), KERAS_BACKEND="tensorflow", TF_CPP_MIN_LOG_LEVEL="1")

import keras

__all__ = ["keras"]
