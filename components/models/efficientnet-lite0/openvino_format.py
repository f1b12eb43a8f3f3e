"""From ONNX to OpenVINO's own format. Not of one network only."""

from __future__ import annotations

import openvino

from cmx.worker import Context, Outcome


def to_openvino(context: Context) -> Outcome:
    """Leave a folder, openvino, with model.xml and model.bin: the weights as they were, in float32."""
    model = openvino.convert_model(context.role("source").file)
    folder = context.output / "openvino"
    folder.mkdir()
    openvino.save_model(model, folder / "model.xml", compress_to_fp16=False)
    count = len(model.get_ops())
    return Outcome(f"onnx → openvino, {count} operations", {"operations": count}, products={"model": "openvino"})
