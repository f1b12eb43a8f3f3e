"""From a Keras model to TensorFlow's SavedModel and to TFLite, in float32 or in int8. Not of one network only."""

from __future__ import annotations

from typing import List

import numpy as np
import tensorflow as tf

from cmx.worker import Context, Outcome
from cmx.worker.tasks import open_task

from .keras_here import keras  # type: ignore[import-not-found]


def to_saved_model(context: Context) -> Outcome:
    """Leave a folder, saved-model; its signature ``serving_default`` has the network's names of inputs and outputs."""
    _load(context).export(context.output / "saved-model", format="tf_saved_model", verbose=False)
    return Outcome("keras → saved-model", products={"model": "saved-model"})


def to_tflite(context: Context) -> Outcome:
    """Write model.tflite, float32."""
    return _write(context, tf.lite.TFLiteConverter.from_keras_model(_load(context)), "keras → tflite")


def to_int8(context: Context) -> Outcome:
    """Write model.tflite, all in int8 but for the input and the output, which are float32 as before.

    The ranges of the values in between are those seen on the samples of the role ``calibration``.
    """
    samples = _samples(context)
    converter = tf.lite.TFLiteConverter.from_keras_model(_load(context))
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: ([sample] for sample in samples)
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    return _write(context, converter, f"keras → tflite int8, calibrated on {len(samples)} samples")


def _samples(context: Context) -> List[np.ndarray]:
    """The samples of the role ``calibration`` as the model is given them, each a batch of one."""
    roles = {"model": context.role("source"), "dataset": context.role("calibration")}
    task = open_task(Context(roles, {}, context.output))
    return [next(iter(task.sample(index).values())) for index in range(len(task))]


def _load(context: Context) -> keras.Model:
    return keras.models.load_model(context.role("source").file, compile=False, safe_mode=True)


def _write(context: Context, converter: tf.lite.TFLiteConverter, summary: str) -> Outcome:
    content = converter.convert()
    (context.output / "model.tflite").write_bytes(content)
    return Outcome(summary, {"bytes": len(content)}, products={"model": "model.tflite"})
